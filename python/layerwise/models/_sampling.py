"""Samples from a stack of RBMs, of which a single RBM is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from layerwise import nn
from layerwise.ops import BitMatrix, Philox

from ._checks import check_choice, check_integer, seed_of

__all__ = ["Sampler"]


class Sampler:
    """Mixin of estimators with a `_stack` of RBMs: pairs of unit types and their parameters."""

    random_state_: np.random.RandomState
    _stack: Any
    _rows: Any

    def sample(
        self,
        n_samples: int = 1,
        *,
        n_gibbs: int = 1000,
        start: Any = None,
        returns: str = "sample",
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Draw visible states from the model by Gibbs sampling.

        In a stack of RBMs the top one is sampled from, then one pass goes down.

        Parameters
        ----------
        n_samples : int, default 1
            Independent chains.
        n_gibbs : int, default 1000
            Sweeps of each.
        start : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features), optional
            Data that the chains start from, taken up to the top RBM as means; their number then
            stands for `n_samples`. Otherwise chains start at samples of the visible biases alone.
        returns : {"sample", "mean"}, default "sample"
            Zeros and ones, or the probabilities they would be drawn from at the last sweep.
        random_state : int, RandomState or None, default None
            With None every call draws anew.

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
        """
        op = f"{type(self).__name__}.sample"
        check_is_fitted(self)
        check_integer(op, "n_gibbs", n_gibbs, 1)
        check_choice(op, "returns", returns, ("sample", "mean"))
        seed = self._draw_seed(op, random_state)
        if start is None:
            check_integer(op, "n_samples", n_samples, 1)
            pair, p = self._stack[-1]
            v = pair.first_states(p, n_samples, Philox(seed))
        else:
            rows, below = self._rows(start), self._stack[:-1]
            v = (nn.LiftedRows(rows, below) if below else rows)[:]
        return self._chain(v, n_gibbs, returns, seed)

    def _draw_seed(self, op: str, random_state: Any) -> int:
        """Draw the seed of one call: the estimator's next, or that of the caller's random state."""
        return seed_of(op, self.random_state_ if random_state is None else random_state)

    def _chain(self, v: Any, n_gibbs: int, returns: str, seed: int) -> np.ndarray:
        """Gibbs sampling at the top from states v, then samples down through the layers."""
        stack, dtype = self._stack, self._stack[0][1].w.dtype
        top_returns = returns if len(stack) == 1 else "sample"
        pair, p = stack[-1]
        x = nn.gibbs_chain(pair, p, v, n_gibbs, Philox(seed), returns=top_returns)
        for i, (pair, p) in reversed(list(enumerate(stack[:-1]))):
            if i == 0 and returns == "mean":
                x = pair.visible(x, p)
            else:
                rng = Philox(seed, layer=1 + i)
                x = pair.visible(x, p, returns="sample", packed=True, rng=rng)
        return x.unpack(dtype) if isinstance(x, BitMatrix) else x
