"""Codes pooled over the cells of a spatial pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

__all__ = ["POOLINGS", "Cell", "Pool", "pyramid_cells"]

POOLINGS = ("max", "max_abs", "sum", "average", "sqrt")

Cell = tuple[slice, slice]


def pyramid_cells(levels: Sequence[tuple[int, int]], grid: tuple[int, int]) -> list[Cell]:
    """Cut a grid into the cells of a pyramid, level by level and row by row.

    The i-th of m cells along a side of g positions starts at ``round(i g / m)``, halves up.

    Examples
    --------
    >>> from layerwise.nn import pyramid_cells
    >>> for rows, columns in pyramid_cells([(1, 2)], (4, 5)):
    ...     print(rows, columns)
    slice(0, 4, None) slice(0, 3, None)
    slice(0, 4, None) slice(3, 5, None)
    """
    cells = []
    for down, right in levels:
        for rows in _sides(down, grid[0]):
            cells += [(rows, columns) for columns in _sides(right, grid[1])]
    return cells


def _sides(cells: int, size: int) -> list[slice]:
    edges = [(2 * i * size + cells) // (2 * cells) for i in range(cells + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


class Pool:
    """What codes amount to in each cell, gathered strip by strip of the grid.

    Sums run along the rows of the grid, then down those of a strip, then over strips, so that
    which strips there are has a part in their last bits, and nothing else has.

    Parameters
    ----------
    cells : list of (rows, columns)
        Of `pyramid_cells`.
    pooling : {"max", "max_abs", "sum", "average", "sqrt"}
        Largest code, largest magnitude, sum, mean, or root of the mean square.
    out : ndarray of shape (n, n_cells, K)
        Receives the result.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> codes = np.array([[[[1.0], [-3.0]], [[2.0], [4.0]]]])  # (1, 2, 2, 1)
    >>> out = np.empty((1, 1, 1))
    >>> pool = nn.Pool(nn.pyramid_cells([(1, 1)], (2, 2)), "sum", out)
    >>> pool.add(codes[:, :1], 0)
    >>> pool.add(codes[:, 1:], 1)
    >>> pool.finish()
    >>> out
    array([[[4.]]])
    """

    def __init__(self, cells: list[Cell], pooling: str, out: np.ndarray) -> None:
        self._cells = cells
        self._pooling = pooling
        self._out = out
        out[...] = -np.inf if pooling == "max" else 0

    def add(self, codes: np.ndarray, first: int) -> None:
        """Take in a strip of codes (n, rows, columns, K), whose first row is row `first`."""
        last = first + codes.shape[1]
        if self._pooling == "max_abs":
            codes = np.abs(codes)
        elif self._pooling == "sqrt":
            codes = np.square(codes)
        combine = np.maximum if self._pooling in ("max", "max_abs") else np.add
        for i, (rows, columns) in enumerate(self._cells):
            top, bottom = max(rows.start, first), min(rows.stop, last)
            if top < bottom:
                part = codes[:, top - first : bottom - first, columns]
                found = combine.reduce(combine.reduce(part, axis=2), axis=1)
                combine(self._out[:, i], found, out=self._out[:, i])

    def finish(self) -> None:
        """Turn sums into what was asked for, after the last strip."""
        if self._pooling in ("average", "sqrt"):
            sizes = [(r.stop - r.start) * (c.stop - c.start) for r, c in self._cells]
            self._out /= np.array(sizes, self._out.dtype)[:, None]
        if self._pooling == "sqrt":
            np.sqrt(self._out, out=self._out)
