"""Data that come block by block from an iterator, of any number of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise.ops import BitMatrix, Philox

from .minibatch import Batch, Rows, take
from .shuffle import WINDOW_ELEMENTS, permutation

__all__ = ["StreamBatches", "StreamRows"]


class StreamRows:
    """Rows that an iterator yields in blocks, or every iterator that a function returns.

    Parameters
    ----------
    source : iterator, or function of no arguments that returns an iterable
        Of blocks of rows. An iterator serves one pass over the data, a function any number.
    dtype : float32 or float64, optional
        What kernels compute in; by default chosen by `dtype_of`.
    check : function, optional
        Maps a block as it comes to an ndarray, BitMatrix or CSR matrix, or raises.
    dtype_of : function, optional
        Maps the first block to the dtype.

    Raises
    ------
    ValueError
        If there is no block, or a second pass over an iterator.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> rows = nn.StreamRows(lambda: (np.full((3, 2), i / 2) for i in range(3)), "float32")
    >>> [batch.x[:, 0].tolist() for batch in rows.minibatches(4, seed=0, shuffle=False)(0)]
    [[0.0, 0.0, 0.0, 0.5], [0.5, 0.5, 1.0, 1.0], [1.0]]
    """

    def __init__(
        self,
        source: Iterator[Any] | Callable[[], Iterable[Any]],
        dtype: Any = None,
        *,
        check: Callable[[Any], Any] = lambda block: block,
        dtype_of: Callable[[Any], Any] = lambda block: block.dtype,
    ) -> None:
        self._source = source
        self._check = check
        self._ahead: Iterator[Any] | None = iter(source() if callable(source) else source)
        try:
            first = check(next(self._ahead))
        except StopIteration:
            raise ValueError("stream: X must yield at least one block; got none") from None
        self._first: Any = first
        self.dtype = np.dtype(dtype_of(first) if dtype is None else dtype)
        self.sample = Rows(first, self.dtype)

    @property
    def shape(self) -> tuple[int | None, int]:
        """None, for the number of rows is not known, and columns."""
        return None, self.sample.shape[1]

    def blocks(self) -> Iterator[Any]:
        """Yield the blocks of one pass over the data."""
        if self._ahead is not None:
            blocks, self._ahead = self._ahead, None
            first, self._first = self._first, None
            yield first
        elif callable(self._source):
            blocks = iter(self._source())
        else:
            raise ValueError(
                "stream: X must be a function that returns a new iterator of blocks for more than "
                f"one pass over the data; got {type(self._source).__name__}, which has run out"
            )
        for block in blocks:
            yield self._check(block)

    def batch(self, x: Any, ids: np.ndarray | int, epoch: int) -> Any:
        """Hand on rows to train on."""
        return x

    def some(self, n: int) -> Any:
        """Take at most n rows of the first block, always the same ones."""
        return self.sample.some(n)

    def mean(self) -> np.ndarray:
        """Compute the mean of every column of the first block, float64."""
        return self.sample.mean()

    def parts(self) -> Iterator[Rows]:
        """Yield the data as they come, block by block."""
        for block in self.blocks():
            yield Rows(block, self.dtype)

    def minibatches(self, batch_size: int, **options: Any) -> StreamBatches:
        """Cut into minibatches; the options are those of `StreamBatches`."""
        return StreamBatches(self, batch_size, **options)


class StreamBatches:
    """The batches of every epoch of a stream.

    Parameters
    ----------
    rows : StreamRows
    batch_size : int
        Rows of a batch; the last of an epoch may have fewer. Blocks are joined and cut to fit.
    seed : int
        With the epoch and `layer`, fixes the order.
    shuffle : bool, default True
        Blocks are gathered to windows of about 2**24 elements, within which the rows are shuffled;
        the order of the blocks is the source's. Otherwise rows stay in order.
    y, weight : ndarray of shape (n,), optional
        For the rows in the order in which they come.
    layer : int, default 0
        Layer word of the random stream.
    """

    def __init__(
        self,
        rows: StreamRows,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool = True,
        y: np.ndarray | None = None,
        weight: np.ndarray | None = None,
        layer: int = 0,
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.y = y
        self.weight = weight
        self._rng = Philox(seed, layer=layer)

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        pool: list[Any] = []
        positions: list[np.ndarray] = []
        n_seen = window = 0
        for block in self.rows.blocks():
            pool.append(block)
            positions.append(np.arange(n_seen, n_seen + block.shape[0]))
            n_seen += block.shape[0]
            self._check_length(n_seen, at_end=False)
            n_held = sum(map(len, positions))
            if n_held >= self.batch_size and (
                not self.shuffle or n_held * block.shape[1] >= WINDOW_ELEMENTS
            ):
                full = n_held - n_held % self.batch_size
                yield from self._cut(pool, positions, full, epoch, window)
                window += 1
        self._check_length(n_seen, at_end=True)
        yield from self._cut(pool, positions, None, epoch, window)

    def _cut(
        self,
        pool: list[Any],
        positions: list[np.ndarray],
        n: int | None,
        epoch: int,
        window: int,
    ) -> Iterator[Batch]:
        """Yield batches of n of the rows that were gathered, all by default; leave the others."""
        x, where = _join(pool), np.concatenate(positions)
        order = np.arange(len(where))
        if self.shuffle:
            order = permutation(self._rng.at(step=epoch, rows=window), len(where))
        n = len(order) if n is None else n
        pool[:], positions[:] = [x[order[n:]]], [where[order[n:]]]
        rows = Rows(x, self.rows.dtype)
        for start in range(0, n, self.batch_size):
            part = order[start : min(start + self.batch_size, n)]
            at = where[part]
            ids = (at % 2**32).astype(np.uint32)
            values = self.rows.batch(rows[part], ids, epoch)
            yield Batch(values, ids, take(self.y, at), take(self.weight, at))

    def _check_length(self, n_seen: int, *, at_end: bool) -> None:
        for name, values in (("y", self.y), ("sample_weight", self.weight)):
            if values is not None and (n_seen > len(values) or (at_end and n_seen < len(values))):
                least = "" if at_end else "at least "
                raise ValueError(
                    f"stream: {name} must have one value for each row of X; got {len(values)} "
                    f"values and {least}{n_seen} rows"
                )


def _join(blocks: list[Any]) -> Any:
    """Put blocks one under another."""
    if len(blocks) == 1:
        return blocks[0]
    kinds = {_kind(block) for block in blocks if block.shape[0] > 0}
    if len(kinds) > 1:
        raise TypeError(f"stream: blocks must be of one kind; got {' and '.join(sorted(kinds))}")
    if kinds == {"BitMatrix"}:
        return BitMatrix(np.concatenate([block.words for block in blocks]), blocks[0].cols)
    if kinds == {"sparse"}:
        return sp.vstack(blocks, format="csr")
    return np.concatenate(blocks)


def _kind(block: Any) -> str:
    if isinstance(block, BitMatrix):
        return "BitMatrix"
    return "sparse" if sp.issparse(block) else "dense"
