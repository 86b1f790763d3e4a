"""Counter-based random numbers: what each number is a function of.

The generator is Philox4x32-10 [1]_. A number depends on the seed, the step, the layer, the global
id of its row and the unit (column), and on what it is for; never on the thread, the batch or the
device that draws it.

References
----------
.. [1] J. Salmon, M. Moraes, R. Dror, D. Shaw (2011). Parallel random numbers: as easy as 1, 2, 3.
   SC'11.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from layerwise.reference import philox
from layerwise.reference.philox import Purpose

from ._checks import check_integer

__all__ = ["Philox", "Purpose", "normal", "uniform"]

_LIMITS = {"seed": 2**64, "step": 2**32, "layer": 2**16}


@dataclasses.dataclass(frozen=True, eq=False)
class Philox:
    """Where in the random stream an op draws its numbers.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    step : int, default 0
        Training step or Gibbs sweep, 0 to 2**32 - 1.
    layer : int, default 0
        Which layer of a stack, 0 to 65535.
    rows : int or array of shape (N,), default 0
        Global ids of the rows, 0 to 2**32 - 1: the id of row 0, the others following on, or
        one id a row. Ids of the data's rows, in place of positions in a batch, make the numbers
        the same however the data are cut into batches. An array is kept as uint32.

    Raises
    ------
    TypeError
        If a value is not an integer.
    ValueError
        If a value is out of range.

    Examples
    --------
    >>> from layerwise.ops import Philox
    >>> rng = Philox(seed=1, rows=[7, 3])
    >>> rng.at(step=5)
    Philox(seed=1, step=5, layer=0, rows=array([7, 3], dtype=uint32))
    """

    seed: int
    step: int = 0
    layer: int = 0
    rows: int | np.ndarray = 0

    def __post_init__(self) -> None:
        # One is made for every batch: plain ints in range are all that most of them hold.
        values = vars(self)
        for name, limit in _LIMITS.items():
            value = values[name]
            if type(value) is not int or not 0 <= value < limit:
                values[name] = _check_word(name, value)
        rows = self.rows
        if type(rows) is not int or not 0 <= rows < 2**32:
            values["rows"] = _row_ids(rows)

    def at(self, *, step: int | None = None, layer: int | None = None, rows: Any = None) -> Philox:
        """Give the same stream at another step, layer or set of rows.

        Parameters
        ----------
        step, layer : int, optional
        rows : int or array, optional
            Each replaces this object's value where given.

        Returns
        -------
        Philox
        """
        # Every update of a training run comes by here: what this object has is not checked again.
        other = object.__new__(Philox)
        values = vars(other)
        values.update(vars(self))
        if step is not None:
            values["step"] = _check_word("step", step)
        if layer is not None:
            values["layer"] = _check_word("layer", layer)
        if rows is not None:
            values["rows"] = _row_ids(rows)
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Philox):
            return NotImplemented
        same = (self.seed, self.step, self.layer) == (other.seed, other.step, other.layer)
        return same and np.array_equal(self.rows, other.rows)

    def __hash__(self) -> int:
        return hash((self.seed, self.step, self.layer))


def uniform(rng: Philox, purpose: Purpose, shape: tuple[int, int]) -> np.ndarray:
    """Draw uniform numbers in [0, 1), for initialisation in Python.

    Parameters
    ----------
    rng : Philox
        Where in the stream.
    purpose : Purpose
        What they are for: one purpose never sees another's numbers.
    shape : tuple of int
        Rows and units.

    Returns
    -------
    ndarray of shape `shape`, float64
        Multiples of 2**-24, so that a cast to float32 is exact.

    Examples
    --------
    >>> from layerwise.ops import Philox, Purpose, uniform
    >>> uniform(Philox(7), Purpose.dropout, (2, 3)).shape
    (2, 3)
    """
    return _draw(philox.uniform, "uniform", rng, purpose, shape)


def normal(rng: Philox, purpose: Purpose, shape: tuple[int, int]) -> np.ndarray:
    """Draw standard normal numbers, for initialisation in Python.

    Parameters
    ----------
    rng : Philox
        Where in the stream.
    purpose : Purpose
        What they are for.
    shape : tuple of int
        Rows and units.

    Returns
    -------
    ndarray of shape `shape`, float64

    Examples
    --------
    >>> from layerwise.ops import Philox, Purpose, normal
    >>> normal(Philox(7), Purpose.weight_init, (2, 3)).shape
    (2, 3)
    """
    return _draw(philox.normal, "normal", rng, purpose, shape)


def check_rng(op: str, rng: Any, n: int, name: str = "rng") -> Philox:
    """Give `rng` if it is a Philox with ids for `n` rows; errors name the op."""
    if not isinstance(rng, Philox):
        raise TypeError(f"{op}: {name} must be a Philox; got {type(rng).__name__}")
    if isinstance(rng.rows, int):
        if rng.rows + n > 2**32:
            raise ValueError(
                f"{op}: {name} must leave ids below 2**32 to {n} rows; got first id {rng.rows}"
            )
    elif len(rng.rows) != n:
        raise ValueError(
            f"{op}: {name} must have one row id for each of {n} rows; got {len(rng.rows)} ids"
        )
    return rng


def _draw(
    kind: Callable[..., np.ndarray], op: str, rng: Philox, purpose: int, shape: tuple[int, int]
) -> np.ndarray:
    rows, units = (operator.index(size) for size in shape)
    if rows < 0 or units < 0:
        raise ValueError(f"{op}: sizes must not be negative; got shape {shape}")
    check_rng(op, rng, rows)
    return philox.stream(kind, rng, Purpose(purpose), (rows, units))


def _check_word(name: str, value: Any) -> int:
    return check_integer("Philox", name, value, 0, _LIMITS[name] - 1)


def _row_ids(rows: Any) -> int | np.ndarray:
    if type(rows) is np.ndarray and rows.dtype == np.uint32 and rows.ndim == 1:
        return np.ascontiguousarray(rows)
    if isinstance(rows, int):
        return check_integer("Philox", "rows", rows, 0, 2**32 - 1)
    ids = np.asarray(rows)
    if ids.ndim == 0:
        return check_integer("Philox", "rows", rows, 0, 2**32 - 1)
    if ids.ndim != 1:
        raise ValueError(f"Philox: rows must be an int or have shape (N,); got shape {ids.shape}")
    if ids.size == 0:
        return np.zeros(0, np.uint32)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"Philox: rows must be integers; got {ids.dtype}")
    if int(ids.min()) < 0 or int(ids.max()) >= 2**32:
        raise ValueError(
            f"Philox: rows must be from 0 to {2**32 - 1}; got {int(ids.min())} to {int(ids.max())}"
        )
    return ids.astype(np.uint32)
