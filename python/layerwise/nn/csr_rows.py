"""Work on many rows block by block, so that scratch memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise.ops import BitMatrix

from .minibatch import Rows

__all__ = ["CsrRows", "coding_blocks", "dense_block"]

_BLOCK_BYTES = 1 << 27


def coding_blocks(n: int, width: int, dtype: Any) -> Iterator[slice]:
    """Cut n rows into blocks whose matrices of `width` columns take at most 128 MiB.

    They are larger than those of `row_blocks`: each costs a Gram matrix of the dictionary.

    Parameters
    ----------
    n, width : int
    dtype : float32 or float64

    Yields
    ------
    slice

    Examples
    --------
    >>> list(coding_blocks(5, 2**23, np.float32))
    [slice(0, 4, None), slice(4, 5, None)]
    """
    size = max(1, _BLOCK_BYTES // (max(1, width) * np.dtype(dtype).itemsize))
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


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
    x = rows[index]
    if isinstance(x, BitMatrix):
        return x.unpack(rows.dtype)
    return x.toarray() if sp.issparse(x) else x


class CsrRows:
    """A CSR array that grows block by block, of which never two copies are held.

    Parameters
    ----------
    n_columns : int
    dtype : float32 or float64

    Examples
    --------
    >>> rows = CsrRows(3, np.float64)
    >>> rows.append(sp.csr_array([[0.0, 2.0, 0.0]]))
    >>> rows.append(sp.csr_array([[1.0, 0.0, 3.0]]))
    >>> rows.result().toarray()
    array([[0., 2., 0.],
           [1., 0., 3.]])
    """

    def __init__(self, n_columns: int, dtype: Any) -> None:
        self._n_columns = n_columns
        self._values = np.empty(0, dtype)
        self._indices = np.empty(0, np.int32)
        self._ends = [np.zeros(1, np.int64)]

    def append(self, block: sp.csr_array) -> None:
        """Add the rows of a block."""
        old, size = len(self._values), len(self._values) + block.nnz
        for array, more in ((self._values, block.data), (self._indices, block.indices)):
            array.resize(size, refcheck=False)
            array[old:] = more
        self._ends.append(block.indptr[1:].astype(np.int64) + old)

    def result(self) -> sp.csr_array:
        """Make the array; it has the memory of this object."""
        indptr = np.concatenate(self._ends)
        if indptr[-1] < 2**31:
            indptr = indptr.astype(np.int32)
        shape = (len(indptr) - 1, self._n_columns)
        return sp.csr_array((self._values, self._indices, indptr), shape=shape)
