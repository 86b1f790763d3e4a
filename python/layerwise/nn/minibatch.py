"""Minibatches of data in the encoding that kernels read, in an order that the seed fixes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise import ops
from layerwise.ops import BitMatrix, Philox, Purpose

from .units import Pair, Parameters

__all__ = ["Batch", "LiftedRows", "Minibatches", "Rows"]

_CHUNK_ELEMENTS = 1 << 22  # values converted at a time: 16 MiB of float32
_MEAN_ROWS = 4096
_PASS_LAYER = 1 << 15  # layer words of passes through a stack; training has those below


@dataclass(frozen=True)
class Batch:
    """Rows that one update learns from.

    Attributes
    ----------
    x : ndarray, BitMatrix or CSR of shape (n, d)
    rows : ndarray of shape (n,), uint32, or int
        Global ids of the rows, or of the first of consecutive ones, for the random stream.
    y : ndarray of shape (n,) or None
        Labels.
    """

    x: Any
    rows: np.ndarray | int
    y: np.ndarray | None = None

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

    def __getitem__(self, index: slice | np.ndarray) -> Any:
        """Take some of the rows; a slice of a dense array of the right dtype is a view."""
        part = self.x[index]
        return part.astype(self.dtype) if self._converts else part

    def batch(self, index: slice | np.ndarray, ids: np.ndarray | int, epoch: int) -> Any:
        """Take some of the rows to train on: those with the given global ids, in an epoch."""
        return self[index]

    def chunks(self) -> Iterator[slice]:
        """Yield slices that cover all rows, small enough for a float copy of each."""
        n, d = self.shape
        size = max(1, _CHUNK_ELEMENTS // max(1, d))
        for start in range(0, n, size):
            yield slice(start, min(start + size, n))

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

    def mean(self) -> np.ndarray:
        """Compute the mean of every column, float64."""
        total = np.zeros(self.shape[1])
        for start in range(0, len(self), _MEAN_ROWS):
            part = self[start : start + _MEAN_ROWS]
            dense = part.unpack() if isinstance(part, BitMatrix) else part
            total += np.asarray(dense.sum(axis=0, dtype=np.float64)).ravel()
        return total / len(self)

    def bounds(self) -> tuple[float, float]:
        """Find the smallest and largest value; (0, 0) when there is none."""
        if isinstance(self.x, BitMatrix):
            return 0.0, 1.0
        values = self.x.data if sp.issparse(self.x) else self.x
        return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


class LiftedRows(Rows):
    """Rows of data as the layers of a stack of RBMs hand them up.

    They are computed as they are taken, so that nothing of the size of the data is kept.

    Parameters
    ----------
    rows : Rows
        What the lowest layer sees.
    layers : sequence of (Pair, Parameters)
        From the lowest up.
    returns : {"mean", "sample"}
        What training batches are made of: means, or samples drawn anew in every epoch. Rows taken
        by index alone are means.
    seed : int
    """

    def __init__(
        self,
        rows: Rows,
        layers: Sequence[tuple[Pair, Parameters]],
        *,
        returns: str = "mean",
        seed: int = 0,
    ) -> None:
        self.dtype = rows.dtype
        self._rows = rows
        self._layers = list(layers)
        self._returns = returns
        self._rng = Philox(seed)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and units of the top layer."""
        return len(self._rows), len(self._layers[-1][1].a)

    def __getitem__(self, index: slice | np.ndarray) -> Any:
        """Compute means of the top layer's units."""
        x = self._rows[index]
        for pair, p in self._layers:
            x = pair.hidden(x, p)
        return x

    def batch(self, index: slice | np.ndarray, ids: np.ndarray | int, epoch: int) -> Any:
        """Compute means or samples of the top layer's units."""
        if self._returns == "mean":
            return self[index]
        x = self._rows[index]
        for i, (pair, p) in enumerate(self._layers):
            rng = self._rng.at(step=epoch, layer=_PASS_LAYER + i, rows=ids)
            x = pair.hidden(x, p, returns="sample", packed=True, rng=rng)
        return x

    def chunks(self) -> Iterator[slice]:
        """Yield slices that cover all rows."""
        widest = max([self._rows.shape[1]] + [len(p.a) for _, p in self._layers])
        size = max(1, _CHUNK_ELEMENTS // widest)
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))

    def bounds(self) -> tuple[float, float]:
        """Return the bounds of probabilities."""
        return 0.0, 1.0


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
        A new order every epoch; otherwise that of the data.
    y : ndarray of shape (n,), optional
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
        layer: int = 0,
        first_row: int = 0,
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.y = y
        self.first_row = first_row
        self._rng = Philox(seed, layer=layer)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Order the rows for an epoch, by ascending random numbers."""
        keys = ops.uniform(self._rng.at(step=epoch), Purpose.shuffle, (1, len(self.rows)))
        return np.argsort(keys[0], kind="stable")

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        order = self.order(epoch) if self.shuffle else None
        for start in range(0, len(self.rows), self.batch_size):
            index: slice | np.ndarray = slice(start, start + self.batch_size)
            ids: int | np.ndarray = (self.first_row + start) % 2**32
            if order is not None:
                index = order[index]
                ids = ((self.first_row + index) % 2**32).astype(np.uint32)
            labels = None if self.y is None else self.y[index]
            yield Batch(self.rows.batch(index, ids, epoch), ids, labels)
