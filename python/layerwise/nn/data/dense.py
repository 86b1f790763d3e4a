"""Rows of any encoding as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise.ops import BitMatrix

from .minibatch import Rows

__all__ = ["dense", "dense_block"]


def dense(x: Any, dtype: Any = np.float32) -> np.ndarray:
    """Give a matrix of any encoding as an array; bits in `dtype`, a dense one not copied."""
    if isinstance(x, BitMatrix):
        return x.unpack(dtype)
    values: np.ndarray = x.toarray() if sp.issparse(x) else x
    return values


def dense_block(rows: Rows, index: slice | np.ndarray) -> np.ndarray:
    """Lay out some rows of data, in whatever encoding, as an ndarray.

    Parameters
    ----------
    rows : Rows of shape (n, d)
    index : slice or ndarray of int

    Returns
    -------
    ndarray of shape (rows taken, d)
    """
    return dense(rows[index], rows.dtype)
