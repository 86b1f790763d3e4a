"""Rows of a memory-mapped file, which may be larger than memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from layerwise.ops import BitMatrix

from .minibatch import Rows

__all__ = ["MappedRows"]

_RESIDENT_BYTES = 1 << 23  # read before pages are given back
_REGION_BYTES = 1 << 21  # of the file that reading one row may map in around it
_REGIONS = 64  # that may be mapped in by one read


class MappedRows(Rows):
    """The rows of an `numpy.memmap`, in the encoding and dtype that kernels read.

    Nothing of the size of the data is made or kept in memory: batches are converted (zeros and ones
    of integers packed) as they are taken, and pages of the file that were read are given back.
    Everything is the same, to the bit, as for the array that the file holds.

    Parameters
    ----------
    x : memmap of shape (n, d)
    dtype : float32 or float64
        What kernels compute in.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from layerwise import nn
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     x = np.memmap(file, np.uint8, "w+", shape=(1000, 20))
    ...     nn.MappedRows(x, "float32")[2:5]
    BitMatrix(shape=(3, 20), nbytes=24)
    """

    def __init__(self, x: np.memmap, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.x = np.asarray(x)
        self._converts = True
        # What was written to a copy-on-write map lies in its pages alone: they stay.
        private = getattr(x, "mode", None) == "c"
        self._file = None if private else getattr(x, "_mmap", None)
        self._touched = 0
        self._bounds = self._find_bounds()
        low, high = self._bounds
        self._binary = x.dtype.kind in "bui" and low >= 0.0 and high <= 1.0

    def __getitem__(self, index: slice | np.ndarray) -> Any:
        """Take some of the rows; a slice of the right dtype is a view."""
        part = self._read(index)
        return BitMatrix.pack(part) if self._binary else part.astype(self.dtype, copy=False)

    def bounds(self) -> tuple[float, float]:
        """Return the smallest and largest value; NaN where there is one in the data."""
        return self._bounds

    def raw_chunks(self) -> Iterator[np.ndarray]:
        """Yield all rows in turn, as they lie in the file."""
        for part in self.chunks():
            yield self._read(part)

    def _find_bounds(self) -> tuple[float, float]:
        low, high = np.inf, -np.inf
        for part in self.raw_chunks():
            low, high = np.minimum(low, part.min()), np.maximum(high, part.max())
        return float(low), float(high)

    def _read(self, index: slice | np.ndarray) -> np.ndarray:
        if self._touched > _RESIDENT_BYTES:
            self._give_back()
        if isinstance(index, slice) or self._is_near(index):
            part: np.ndarray = self.x[index]
            self._touched += part.nbytes
            return part
        # Rows of a batch lie in few regions of the file; these lie all over it.
        part = np.empty((len(index), self.shape[1]), self.x.dtype)
        for start in range(0, len(index), _REGIONS):
            few = slice(start, start + _REGIONS)
            part[few] = self.x[index[few]]
            self._give_back()
        return part

    def _is_near(self, index: np.ndarray) -> bool:
        """Tell whether reading these rows maps in little of the file."""
        if len(index) <= _REGIONS or self.x.nbytes <= _REGIONS * _REGION_BYTES:
            return True
        regions = index // max(1, _REGION_BYTES // (self.shape[1] * self.x.itemsize))
        return len(np.unique(regions)) <= _REGIONS

    def _give_back(self) -> None:
        """Unmap the pages read so far; the file, or the system's cache of it, still has them."""
        if self._file is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._file.madvise(mmap.MADV_DONTNEED)
        self._touched = 0
