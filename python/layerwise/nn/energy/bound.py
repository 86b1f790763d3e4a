"""Variational lower bound on the log-likelihood of a deep belief network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerwise.ops import Philox

from .units import Pair, Parameters

__all__ = ["variational_bound"]


def variational_bound(
    layers: Sequence[tuple[Pair, Parameters]],
    v: Any,
    log_z: float,
    *,
    rng: Philox,
    n_samples: int = 10,
) -> np.ndarray:
    """Estimate a lower bound on log p(v) under a stack of RBMs, for every row, in nats.

    With Q the pass of samples up the stack,
    ``log p(v) >= E_Q[sum_l log P(h_l-1|h_l) - log Q(h_l|h_l-1) - F(h_top-1)] - log Z``, where F and
    Z are those of the top RBM. The mean over samples is an estimate of it without bias. It is exact
    for one layer, and equal to log p(v) where Q is the posterior.

    Parameters
    ----------
    layers : sequence of (Pair, Parameters)
        From the lowest up.
    v : matrix of shape (n, D)
        Zeros and ones.
    log_z : float
        Logarithm of the top RBM's partition function.
    rng : Philox
        Sample s uses step ``rng.step + s``, layer l adds l to its layer word.
    n_samples : int, default 10

    Returns
    -------
    ndarray of shape (n,), float64

    References
    ----------
    G. Hinton, S. Osindero, Y.-W. Teh (2006). A fast learning algorithm for deep belief nets. Neural
    Computation 18.

    R. Salakhutdinov, I. Murray (2008). On the quantitative analysis of deep belief networks. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> from layerwise.ops import Philox
    >>> p = nn.Parameters(np.zeros((2, 3)), np.zeros(3), np.zeros(2))
    >>> stack = [(nn.BernoulliBernoulli(), p)]
    >>> nn.variational_bound(stack, np.eye(3), 5 * np.log(2), rng=Philox(0)) / np.log(2)
    array([-3., -3., -3.])
    """
    (*below, (top, top_p)) = layers
    n_samples = n_samples if below else 1  # nothing is drawn for one layer
    total = np.zeros(v.shape[0])
    for sample in range(n_samples):
        x = v
        for i, (pair, p) in enumerate(below):
            at = rng.at(step=(rng.step + sample) % 2**32, layer=rng.layer + i)
            h = pair.hidden(x, p, returns="sample", packed=True, rng=at)
            total += pair.log_visible(x, h, p) - pair.log_hidden(h, x, p)
            x = h
        total -= top.free_energy(x, top_p)
    return total / n_samples - log_z
