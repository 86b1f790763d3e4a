"""Penalties, constraints and other corrections of the gradient that an RBM learns from.

Each is an object that does not change; what it carries from update to update is the state that
`start` makes and `apply` overwrites.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from layerwise import ops
from layerwise.nn.data.minibatch import Batch
from layerwise.ops import CDStatistics
from layerwise.storage import register

from .units import Pair, Parameters

__all__ = ["L1", "BatchMeans", "Centring", "Correction", "MaxNorm", "SparsityTarget"]


class BatchMeans:
    """What corrections need to know of a batch, computed where one asks for it.

    Parameters
    ----------
    pair : Pair
    p : Parameters
    batch : Batch
    """

    def __init__(self, pair: Pair, p: Parameters, batch: Batch) -> None:
        self._pair, self._p, self._batch = pair, p, batch

    @cached_property
    def share(self) -> np.ndarray:
        """Share of each row in the means (n,): 1/n, or in proportion to the weights."""
        n, weight = len(self._batch), self._batch.weight
        total = 0.0 if weight is None else float(weight.sum(dtype=np.float64))
        if weight is None or total == 0.0:
            return np.full(n, 1.0 / n, self._p.w.dtype)
        return (weight / total).astype(self._p.w.dtype)

    @cached_property
    def h(self) -> np.ndarray:
        """Probabilities of the hidden units (n,F)."""
        h: np.ndarray = self._pair.hidden(self._batch.x, self._p)
        return h

    @cached_property
    def hidden(self) -> np.ndarray:
        """Their mean (F,)."""
        return self.mean(self.h)

    @cached_property
    def visible(self) -> np.ndarray:
        """Mean of the data (D,)."""
        return self.mean(self._batch.x)

    def mean(self, x: Any) -> np.ndarray:
        """Average rows."""
        mean: np.ndarray = ops.dense_dw(self.share[:, None], x)[0]
        return mean


class Correction:
    """Changes the direction of an update, or the parameters after it."""

    def start(self, p: Parameters) -> dict[str, np.ndarray]:
        """Make the state before the first update."""
        return {}

    def apply(
        self,
        statistics: CDStatistics,
        p: Parameters,
        means: BatchMeans,
        state: dict[str, np.ndarray],
    ) -> None:
        """Change the direction of ascent in place."""

    def constrain(self, p: Parameters) -> None:
        """Change the parameters in place, after an update."""


@register
@dataclass(frozen=True)
class SparsityTarget(Correction):
    """Draws the mean activation q_j of every hidden unit to a target t.

    Parameters
    ----------
    target : float
        In (0, 1).
    cost : float, default 0.1
        Weight of the penalty beside the mean log-likelihood of a row.
    penalty : {"squared", "cross_entropy"}, default "squared"
        "squared" [1]_: ``cost sum_j (t - q_j)^2``, q_j the mean probability over the batch; its
        exact gradient, followed on the hidden biases alone. "cross_entropy" [2]_, [3]_:
        ``cost sum_j -t log q_j - (1 - t) log(1 - q_j)``, q_j a running mean over batches; its
        gradient as if each row had activation q_j, ``cost (q_j - t)`` at the unit's total input,
        followed on the biases and the weights.
    memory : float, default 0.9
        Of the running mean, in [0, 1): ``q = memory q + (1 - memory) mean``; it starts at the
        target.

    References
    ----------
    .. [1] H. Lee, C. Ekanadham, A. Ng (2008). Sparse deep belief net model for visual area V2.
       NIPS.
    .. [2] V. Nair, G. Hinton (2009). 3D object recognition with deep belief nets. NIPS.
    .. [3] G. Hinton (2010). A practical guide to training restricted Boltzmann machines,
       section 11.

    Examples
    --------
    >>> from layerwise.nn import SparsityTarget
    >>> SparsityTarget(0.05)
    SparsityTarget(target=0.05, cost=0.1, penalty='squared', memory=0.9)
    """

    target: float
    cost: float = 0.1
    penalty: str = "squared"
    memory: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(
                f"SparsityTarget: target must be above 0 and below 1; got {self.target}"
            )
        _check_number("SparsityTarget", "cost", self.cost)
        if self.penalty not in ("squared", "cross_entropy"):
            raise ValueError(
                "SparsityTarget: penalty must be 'squared' or 'cross_entropy'; "
                f"got {self.penalty!r}"
            )
        if not 0 <= self.memory < 1:
            raise ValueError(f"SparsityTarget: memory must be in [0, 1); got {self.memory}")

    def start(self, p: Parameters) -> dict[str, np.ndarray]:
        """Start the running mean."""
        if self.penalty == "squared":
            return {}
        return {"q": np.full_like(p.a, self.target)}

    def apply(
        self,
        statistics: CDStatistics,
        p: Parameters,
        means: BatchMeans,
        state: dict[str, np.ndarray],
    ) -> None:
        """Add the penalty's direction of descent."""
        if self.penalty == "squared":
            slope = means.mean(means.h * (1.0 - means.h))
            statistics.da[...] += 2.0 * self.cost * (self.target - means.hidden) * slope
            return
        q = state["q"]
        q[...] = self.memory * q + (1.0 - self.memory) * means.hidden
        step = self.cost * (self.target - q)
        statistics.da[...] += step
        statistics.dw[...] += np.outer(step, means.visible)


@register
@dataclass(frozen=True)
class L1(Correction):
    """Penalty ``cost sum |w|`` on the weights: ``dw - cost sign(w)``.

    Parameters
    ----------
    cost : float

    References
    ----------
    R. Tibshirani (1996). Regression shrinkage and selection via the lasso. JRSS B 58.

    Examples
    --------
    >>> from layerwise.nn import L1
    >>> L1(1e-4)
    L1(cost=0.0001)
    """

    cost: float

    def __post_init__(self) -> None:
        _check_number("L1", "cost", self.cost)

    def apply(
        self,
        statistics: CDStatistics,
        p: Parameters,
        means: BatchMeans,
        state: dict[str, np.ndarray],
    ) -> None:
        """Add the penalty's direction of descent."""
        statistics.dw[...] -= self.cost * np.sign(p.w)


@register
@dataclass(frozen=True)
class MaxNorm(Correction):
    """Scales the weights of a hidden unit down to a norm of at most `limit` after every update.

    Parameters
    ----------
    limit : float

    References
    ----------
    N. Srebro, A. Shraibman (2005). Rank, trace-norm and max-norm. COLT.

    Examples
    --------
    >>> from layerwise.nn import MaxNorm
    >>> MaxNorm(6.0)
    MaxNorm(limit=6.0)
    """

    limit: float

    def __post_init__(self) -> None:
        _check_number("MaxNorm", "limit", self.limit, positive=True)

    def constrain(self, p: Parameters) -> None:
        """Scale down what is too long."""
        norms = np.sqrt(np.einsum("fd,fd->f", p.w, p.w, dtype=np.float64))
        over = np.flatnonzero(norms > self.limit)
        if over.size:
            p.w[over] *= (self.limit / norms[over])[:, None].astype(p.w.dtype)


@register
@dataclass(frozen=True)
class Centring(Correction):
    r"""Follows the gradient of an RBM whose units are centred, ``v - m`` and ``h - l``.

    The parameters stay those of the RBM without offsets. With :math:`dW_c = dW - l\,db' - da\,m'`
    the direction becomes :math:`dW_c`, :math:`db - dW_c'\,l`, :math:`da - dW_c\,m`: learning no
    longer depends on which state of a unit is called one.

    Parameters
    ----------
    offsets : {"data", "average"}, default "data"
        Offsets are running means of the data and of the hidden probabilities given them [1]_, or
        of the averages of these and the model's own, whose direction is the enhanced gradient
        [2]_.
    rate : float, default 0.01
        Share of a batch in the running means, in (0, 1]; they start at what the biases alone give.

    References
    ----------
    .. [1] G. Montavon, K.-R. Mueller (2012). Deep Boltzmann machines and the centering trick.
       Neural Networks: Tricks of the Trade.
    .. [2] K. Cho, T. Raiko, A. Ilin (2011). Enhanced gradient and adaptive learning rate for
       training restricted Boltzmann machines. ICML.
    .. [3] J. Melchior, A. Fischer, L. Wiskott (2016). How to center deep Boltzmann machines.
       JMLR 17.

    Examples
    --------
    >>> from layerwise.nn import Centring
    >>> Centring()
    Centring(offsets='data', rate=0.01)
    """

    offsets: str = "data"
    rate: float = 0.01

    def __post_init__(self) -> None:
        if self.offsets not in ("data", "average"):
            raise ValueError(f"Centring: offsets must be 'data' or 'average'; got {self.offsets!r}")
        if not 0 < self.rate <= 1:
            raise ValueError(f"Centring: rate must be in (0, 1]; got {self.rate}")

    def start(self, p: Parameters) -> dict[str, np.ndarray]:
        """Start the offsets."""
        return {"visible": _odds(p.b), "hidden": _odds(p.a)}

    def apply(
        self,
        statistics: CDStatistics,
        p: Parameters,
        means: BatchMeans,
        state: dict[str, np.ndarray],
    ) -> None:
        """Move the offsets, then turn the direction."""
        dw, db, da = statistics
        mean_v, mean_h = state["visible"], state["hidden"]
        half = 0.5 if self.offsets == "average" else 0.0
        mean_v[...] += self.rate * (means.visible - half * db - mean_v)
        mean_h[...] += self.rate * (means.hidden - half * da - mean_h)
        dw -= np.outer(mean_h, db)
        dw -= np.outer(da, mean_v)
        db -= ops.gemm(mean_h[None], dw)[0]
        da -= ops.gemm(mean_v[None], dw.T)[0]


def _odds(bias: np.ndarray) -> np.ndarray:
    """Compute the mean of binary units that have these biases and no partner."""
    mean = np.exp(-np.logaddexp(0.0, -bias.astype(np.float64)))
    return mean.astype(bias.dtype)


def _check_number(op: str, name: str, value: float, positive: bool = False) -> None:
    inside = 0 < value < math.inf if positive else 0 <= value < math.inf
    if not inside:
        least = "> 0" if positive else ">= 0"
        raise ValueError(f"{op}: {name} must be a finite number {least}; got {value}")
