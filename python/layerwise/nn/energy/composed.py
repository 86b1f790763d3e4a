"""Contrastive divergence step by step: what the one-pass kernel has no room for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from layerwise import ops
from layerwise.ops import BitMatrix, CDStatistics, Philox, Workspace
from layerwise.reference.gemm import round_to_bfloat16

from .units import Pair, Parameters

__all__ = ["composed_cd"]

_CHAIN_LAYERS = 1 << 13  # masks on persistent chains; a stack's layers have the words below


def check_precision(op: str, precision: str) -> None:
    """Error unless half-steps can read weights so."""
    if precision not in ("full", "bfloat16"):
        raise ValueError(f"{op}: precision must be 'full' or 'bfloat16'; got {precision!r}")


def composed_cd(
    pair: Pair,
    v: Any,
    p: Parameters,
    *,
    k: int,
    rng: Philox,
    visible: str = "sample",
    chains: BitMatrix | None = None,
    chain_rng: Philox | None = None,
    precision: str = "full",
    weight: np.ndarray | None = None,
    dropout: float = 0.0,
    workspace: Workspace | None = None,
) -> CDStatistics:
    """Estimate the gradient by CD or PCD, with weights on rows and hidden units left out.

    ``sum_n s_n (E[h v'|v_n] - E_model[h v']) / N``: the model side of CD has the weights of the
    rows in which its chains start, that of PCD the mean weight. With dropout, each row and each
    chain has a mask that takes part of the hidden units out of it: what is followed is the mean
    over masks of the gradient of the RBM that is left.

    Parameters
    ----------
    pair, v, p, k, rng, visible, chains, chain_rng, precision, workspace
        As for `layerwise.ops.gibbs_cd`, whose random numbers are drawn; `chains` are overwritten.
    weight : ndarray of shape (N,), optional
    dropout : float, default 0.0
        Probability in [0, 1) that a hidden unit is left out.

    Returns
    -------
    CDStatistics

    References
    ----------
    N. Srivastava et al. (2014). Dropout: a simple way to prevent neural networks from overfitting.
    JMLR 15, section 8.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> from layerwise.ops import Philox
    >>> p = nn.Parameters(np.zeros((1, 2)), np.full(2, -50.0), np.zeros(1))
    >>> statistics = nn.composed_cd(nn.BernoulliBernoulli(), np.eye(2), p, k=1, rng=Philox(0),
    ...                             weight=np.array([0.5, 1.5]))
    >>> statistics.db.round(2)
    array([0.25, 0.75])
    """
    n, dtype = v.shape[0], p.w.dtype
    check_precision("composed_cd", precision)
    if precision == "bfloat16":
        if dtype != np.float32:
            raise TypeError(
                f"composed_cd: precision must be 'full' where weights are {dtype}; got 'bfloat16'"
            )
        p = replace(p, w=round_to_bfloat16(p.w))
    s = np.ones(n, dtype) if weight is None else weight.astype(dtype)
    mask = _mask(rng, dropout, (n, len(p.a)), dtype)
    data = _phase(v, pair.hidden(v, p, workspace=workspace), s, mask)
    if chains is None:
        state, stream, chain_mask, chain_weight = v, rng, mask, s
    else:
        state, stream = chains, rng.at(rows=0) if chain_rng is None else chain_rng
        masks = stream.at(layer=stream.layer + _CHAIN_LAYERS)
        chain_mask = _mask(masks, dropout, (len(chains), len(p.a)), dtype)
        chain_weight = np.full(len(chains), s.mean(dtype=np.float64), dtype)
    for sweep in range(k):
        at = {"rng": stream.at(step=stream.step + sweep), "workspace": workspace}
        h = pair.hidden(state, p, returns="sample", **at)
        h = h if chain_mask is None else h * chain_mask
        if visible == "mean":
            state = pair.visible(h, p, workspace=workspace)
        else:
            state = pair.visible(h, p, returns="sample", packed=True, **at)
    h = pair.hidden(state, p, workspace=workspace)
    model = _phase(state, h, chain_weight, chain_mask)
    if chains is not None:
        chains.words[...] = state.words
    return CDStatistics(*(ours - theirs for ours, theirs in zip(data, model, strict=True)))


def _mask(rng: Philox, dropout: float, shape: tuple[int, int], dtype: Any) -> np.ndarray | None:
    """Draw ones for the hidden units that stay."""
    if not dropout:
        return None
    return (ops.dropout(np.ones(shape, dtype), dropout, rng=rng) > 0).astype(dtype)


def _phase(
    v: Any, h: np.ndarray, s: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average h v', v and h over rows of weight s."""
    scale = 1.0 / len(s)
    weighted = (h if mask is None else h * mask) * s[:, None]
    dw = ops.dense_dw(weighted, v, alpha=scale)
    db = ops.dense_dw(s[:, None], v, alpha=scale)[0]
    return dw, db, ops.dense_db(weighted, scale)
