"""Minibatches of data in the encoding that kernels read, in an order that the seed fixes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise.ops import BitMatrix, Philox

from .shuffle import windows

__all__ = ["Batch", "Minibatches", "Rows", "RowsAt", "take"]

_CHUNK_ELEMENTS = 1 << 22  # values converted at a time: 16 MiB of float32
_MEAN_ROWS = 4096
# Batches are taken from the data together, up to so many and so much: it costs as much as for one.
_BATCHES_TAKEN, _BYTES_TAKEN = 16, 1 << 21


@dataclass(slots=True)
class Batch:
    """Rows that one update learns from.

    Attributes
    ----------
    x : ndarray, BitMatrix or CSR of shape (n, d)
    rows : ndarray of shape (n,), uint32, or int
        Global ids of the rows, or of the first of consecutive ones, for the random stream.
    y : ndarray of shape (n,) or None
        Labels.
    weight : ndarray of shape (n,) or None
        How much each row counts; where there are weights, their mean over all data is 1.
    """

    x: Any
    rows: np.ndarray | int
    y: np.ndarray | None = None
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return int(self.x.shape[0])


def _is_binary(x: np.ndarray) -> bool:
    return x.dtype == bool or (x.size > 0 and x.min() >= 0 and x.max() <= 1)


class Rows:
    """A matrix of data whose rows come in the encoding and dtype that kernels read.

    Bool and integer arrays of zeros and ones are packed into bits; other values that are not of
    `dtype` are converted as they are taken, never as a whole.

    Parameters
    ----------
    x : ndarray, BitMatrix or CSR of shape (n, d)
    dtype : float32 or float64
        What kernels compute in.
    """

    def __init__(self, x: Any, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        if isinstance(x, np.ndarray) and x.dtype.kind in "bui" and _is_binary(x):
            x = BitMatrix.pack(x)
        elif sp.issparse(x) and not x.has_canonical_format:
            x = x.copy()  # the caller's matrix stays as it is
            x.sum_duplicates()
        self.x = x
        self._converts = not isinstance(x, BitMatrix) and x.dtype != self.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.x.shape[0]), int(self.x.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def width_read(self) -> int:
        """Columns of the data that must be read for a row."""
        return self.shape[1]

    @property
    def width_held(self) -> int:
        """Columns of the widest matrix that there is of some rows while they are taken."""
        return self.shape[1]

    @property
    def bytes_held(self) -> int:
        """Bytes that a row needs while it is taken, about."""
        if isinstance(self.x, BitMatrix):
            return self.x.words.shape[1] * 8
        if sp.issparse(self.x):
            return int(self.x.nnz * (self.dtype.itemsize + 4) // max(1, len(self)))
        return self.width_held * self.dtype.itemsize

    @property
    def sample(self) -> Rows:
        """Rows that may be taken at any time: all of them."""
        return self

    def __getitem__(self, index: slice | np.ndarray) -> Any:
        """Take some of the rows; a slice of a dense array of the right dtype is a view."""
        if isinstance(self.x, np.ndarray) and not isinstance(index, slice):
            # Faster than by brackets, and in this mode than with a check of every index.
            part = self.x.take(index, axis=0, mode="clip")
        else:
            part = self.x[index]
        return part.astype(self.dtype) if self._converts else part

    def batch(self, index: slice | np.ndarray, ids: np.ndarray | int, epoch: int) -> Any:
        """Take some of the rows to train on: those with the given global ids, in an epoch."""
        return self[index]

    def chunks(self) -> Iterator[slice]:
        """Yield slices that cover all rows, small enough for a float copy of each."""
        size = max(1, _CHUNK_ELEMENTS // max(1, self.width_held))
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))

    def map(self, function: Callable[[Any], np.ndarray]) -> np.ndarray:
        """Apply a function that maps a matrix to an array with as many rows.

        It is called chunk by chunk: kernels lay what they read out in scratch memory.
        """
        result = np.empty(0)
        for part in self.chunks():
            values = function(self[part])
            if len(values) == len(self):
                return values
            if part.start == 0:
                result = np.empty((len(self), *values.shape[1:]), values.dtype)
            result[part] = values
        return result

    def some(self, n: int) -> Any:
        """Take at most n rows from all over the data, always the same ones."""
        n = min(n, len(self))
        return self[np.arange(n) * len(self) // n]

    def parts(self) -> Iterator[Rows]:
        """Yield the data as they came: all at once."""
        yield self

    def packed(self) -> Rows:
        """Give rows of zeros and ones in floats as bits, which are read in a fraction of the time.

        Others stay as they are.
        """
        if type(self) is not Rows or not isinstance(self.x, np.ndarray):
            return self
        try:
            return Rows(BitMatrix.pack(self.x), self.dtype)
        except ValueError:  # there is another value
            return self

    def minibatches(self, batch_size: int, **options: Any) -> Minibatches:
        """Cut into minibatches; the options are those of `Minibatches`."""
        return Minibatches(self, batch_size, **options)

    def mean(self) -> np.ndarray:
        """Compute the mean of every column, float64."""
        total = np.zeros(self.shape[1])
        for start in range(0, len(self), _MEAN_ROWS):
            part = self[start : start + _MEAN_ROWS]
            values = part.unpack() if isinstance(part, BitMatrix) else part
            total += np.asarray(values.sum(axis=0, dtype=np.float64)).ravel()
        return total / len(self)

    def bounds(self) -> tuple[float, float]:
        """Find the smallest and largest value; (0, 0) when there is none."""
        if isinstance(self.x, BitMatrix):
            return 0.0, 1.0
        values = self.x.data if sp.issparse(self.x) else self.x
        return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


class RowsAt(Rows):
    """Some rows of data, by their positions.

    Parameters
    ----------
    rows : Rows
    positions : ndarray of shape (n,), int
    """

    def __init__(self, rows: Rows, positions: np.ndarray) -> None:
        self.dtype = rows.dtype
        self._rows = rows
        self._positions = positions

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self._positions), self._rows.shape[1]

    @property
    def width_read(self) -> int:
        """Columns of the data that must be read for a row."""
        return self._rows.width_read

    @property
    def bytes_held(self) -> int:
        """Bytes that a row needs while it is taken, about."""
        return self._rows.bytes_held

    def __getitem__(self, index: slice | np.ndarray) -> Any:
        """Take some of the rows."""
        return self._rows[self._positions[index]]

    def bounds(self) -> tuple[float, float]:
        """Find the smallest and largest value of all the data."""
        return self._rows.bounds()


class Minibatches:
    """The batches of every epoch.

    Parameters
    ----------
    rows : Rows
    batch_size : int
        Rows of a batch; the last may have fewer.
    seed : int
        With the epoch and `layer`, fixes the order.
    shuffle : bool, default True
        A new order every epoch, that of `shuffle.windows`; otherwise that of the data.
    y, weight : ndarray of shape (n,), optional
    layer : int, default 0
        Layer word of the random stream.
    first_row : int, default 0
        Global id of row 0.
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool = True,
        y: np.ndarray | None = None,
        weight: np.ndarray | None = None,
        layer: int = 0,
        first_row: int = 0,
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.y = y
        self.weight = weight
        self.first_row = first_row
        self._rng = Philox(seed, layer=layer)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Order all rows for an epoch."""
        return np.concatenate(list(self._windows(epoch)))

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        size = self.batch_size
        for index, ids in self._shuffled(epoch) if self.shuffle else self._in_order():
            x = self.rows.batch(index, ids, epoch)
            y, weight = take(self.y, index), take(self.weight, index)
            if x.shape[0] <= size:  # a part of a sparse matrix is a copy
                yield Batch(x, ids, y, weight)
                continue
            for start in range(0, x.shape[0], size):
                part = slice(start, start + size)
                own_ids = ids[part] if isinstance(ids, np.ndarray) else (ids + start) % 2**32
                yield Batch(x[part], own_ids, take(y, part), take(weight, part))

    def _windows(self, epoch: int) -> Iterator[np.ndarray]:
        return windows(self._rng.at(step=epoch), len(self.rows), self.rows.width_read)

    @property
    def _rows_taken(self) -> int:
        """Rows of the batches that are taken together."""
        fit = _BYTES_TAKEN // max(1, self.rows.bytes_held * self.batch_size)
        return self.batch_size * min(max(1, fit), _BATCHES_TAKEN)

    def _in_order(self) -> Iterator[tuple[slice, int]]:
        step = self._rows_taken
        for start in range(0, len(self.rows), step):
            yield slice(start, start + step), (self.first_row + start) % 2**32

    def _shuffled(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows of some batches, and their ids."""
        held = np.zeros(0, np.intp)  # rows of a window that do not fill a batch
        for window in self._windows(epoch):
            rows = np.concatenate([held, window])
            ids = ((self.first_row + rows) % 2**32).astype(np.uint32)
            full = len(rows) - len(rows) % self.batch_size
            for start in range(0, full, self._rows_taken):
                part = slice(start, min(start + self._rows_taken, full))
                yield rows[part], ids[part]
            held = rows[full:]
        if held.size:
            yield held, ((self.first_row + held) % 2**32).astype(np.uint32)


def take(values: np.ndarray | None, index: slice | np.ndarray) -> np.ndarray | None:
    """Take some of the values, where there are any."""
    return None if values is None else values[index]
