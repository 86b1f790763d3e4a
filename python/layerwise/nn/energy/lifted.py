"""Data as the layers of a stack of RBMs hand them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from layerwise.nn.data.minibatch import Rows
from layerwise.nn.data.streams import StreamRows
from layerwise.ops import Philox

from .units import Pair, Parameters

__all__ = ["LiftedRows", "lifted"]

_PASS_LAYER = 1 << 15  # layer words of passes through a stack; training has those below


def lifted(
    rows: Rows | StreamRows, layers: Sequence[tuple[Pair, Parameters]], **options: Any
) -> LiftedRows | LiftedStream:
    """Hand rows, at hand or of a stream, up a stack of RBMs.

    Parameters
    ----------
    rows : Rows or StreamRows
        What the lowest layer sees.
    layers, returns, seed
        As for `Lift`.
    """
    if isinstance(rows, StreamRows):
        return LiftedStream(rows, Lift(layers, **options))
    return LiftedRows(rows, layers, **options)


class Lift:
    """A pass of rows up through the layers of a stack of RBMs.

    Parameters
    ----------
    layers : sequence of (Pair, Parameters)
        From the lowest up.
    returns : {"mean", "sample"}
        What training batches are made of: means, or samples drawn anew in every epoch.
    seed : int
    """

    def __init__(
        self, layers: Sequence[tuple[Pair, Parameters]], *, returns: str = "mean", seed: int = 0
    ) -> None:
        self.layers = list(layers)
        self.returns = returns
        self._rng = Philox(seed)

    def mean(self, x: Any) -> Any:
        """Compute means of the top layer's units."""
        for pair, p in self.layers:
            x = pair.hidden(x, p)
        return x

    def batch(self, x: Any, ids: np.ndarray | int, epoch: int) -> Any:
        """Compute means or samples of the top layer's units."""
        if self.returns == "mean":
            return self.mean(x)
        for i, (pair, p) in enumerate(self.layers):
            rng = self._rng.at(step=epoch, layer=_PASS_LAYER + i, rows=ids)
            x = pair.hidden(x, p, returns="sample", packed=True, rng=rng)
        return x


class LiftedRows(Rows):
    """Rows of data as the layers of a stack of RBMs hand them up.

    They are computed as they are taken, so that nothing of the size of the data is kept. Rows taken
    by index alone are means.

    Parameters
    ----------
    rows : Rows
        What the lowest layer sees.
    layers, returns, seed
        As for `Lift`.
    """

    def __init__(
        self, rows: Rows, layers: Sequence[tuple[Pair, Parameters]], **options: Any
    ) -> None:
        self.dtype = rows.dtype
        self._rows = rows
        self._lift = Lift(layers, **options)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and units of the top layer."""
        return len(self._rows), len(self._lift.layers[-1][1].a)

    @property
    def width_read(self) -> int:
        """Columns of the data that must be read for a row."""
        return self._rows.width_read

    @property
    def width_held(self) -> int:
        """Columns of the widest matrix that there is of some rows while they are taken."""
        return max([self._rows.shape[1]] + [len(p.a) for _, p in self._lift.layers])

    @property
    def bytes_held(self) -> int:
        """Bytes that a row needs while it is taken, at most."""
        return self.width_held * self.dtype.itemsize

    def __getitem__(self, index: slice | np.ndarray) -> Any:
        """Compute means of the top layer's units."""
        return self._lift.mean(self._rows[index])

    def batch(self, index: slice | np.ndarray, ids: np.ndarray | int, epoch: int) -> Any:
        """Compute means or samples of the top layer's units."""
        return self._lift.batch(self._rows[index], ids, epoch)

    def bounds(self) -> tuple[float, float]:
        """Return the bounds of probabilities."""
        return 0.0, 1.0


class LiftedStream(StreamRows):
    """Rows of a stream as the layers of a stack of RBMs hand them up."""

    def __init__(self, stream: StreamRows, lift: Lift) -> None:
        self.dtype = stream.dtype
        self._stream = stream
        self._lift = lift
        self.sample = LiftedRows(stream.sample, lift.layers)

    def blocks(self) -> Iterator[Any]:
        """Yield blocks as the lowest layer sees them."""
        return self._stream.blocks()

    def batch(self, x: Any, ids: np.ndarray | int, epoch: int) -> Any:
        """Compute means or samples of the top layer's units."""
        return self._lift.batch(x, ids, epoch)
