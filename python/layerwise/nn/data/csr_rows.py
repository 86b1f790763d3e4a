"""CSR rows put together block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

__all__ = ["CsrRows"]


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
