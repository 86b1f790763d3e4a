"""Philox4x32-10 and the layout of its counters.

Every random number of layerwise is a pure function of what it is for, so that it does not depend
on the number of threads, on how a batch is cut or on the device:

- key: the two halves of the 64-bit seed, low first;
- counter words: step, ``purpose << 16 | layer``, row id, ``unit // 4``;
- the four output words serve the units ``4 i .. 4 i + 3``: lane = ``unit % 4``.

References
----------
J. Salmon, M. Moraes, R. Dror, D. Shaw (2011). Parallel random numbers: as easy as 1, 2, 3. SC'11.

G. Box, M. Muller (1958). A note on the generation of random normal deviates. Ann. Math. Stat. 29.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)  # golden ratio, sqrt(3) - 1: added to the key after each round
_LOW = 0xFFFFFFFF


class Purpose(IntEnum):
    """What a random number is for: the high half of the second counter word."""

    gemm = 0
    gibbs_hidden = 1
    gibbs_visible = 2
    dropout = 3
    weight_init = 4
    shuffle = 5
    gibbs_init = 6


def philox4x32(counter: ArrayLike, key: ArrayLike, *, rounds: int = 10) -> NDArray[np.uint32]:
    """Encrypt 128-bit counters to four random 32-bit words each.

    One round maps ``(c0, c1, c2, c3)`` to ``(hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1,
    lo(M0 c0))``, where ``hi`` and ``lo`` are the halves of the 64-bit product.

    Parameters
    ----------
    counter : array_like of shape (..., 4)
        Counter words, each in [0, 2**32).
    key : array_like of shape (..., 2)
        Key words, each in [0, 2**32); leading axes broadcast against the counter's.
    rounds : int
        10 everywhere in layerwise.

    Returns
    -------
    ndarray of shape (..., 4), uint32

    Examples
    --------
    >>> [f"{word:08x}" for word in philox4x32([0, 0, 0, 0], [0, 0])]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter, np.uint64), -1, 0)
    k0, k1 = np.moveaxis(np.asarray(key, np.uint64), -1, 0)
    for _ in range(rounds):
        product0 = c0 * np.uint64(_MULTIPLIERS[0])
        product1 = c2 * np.uint64(_MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (product1 >> 32) ^ c1 ^ k0,
            product1 & _LOW,
            (product0 >> 32) ^ c3 ^ k1,
            product0 & _LOW,
        )
        k0 = (k0 + np.uint64(_WEYL[0])) & _LOW
        k1 = (k1 + np.uint64(_WEYL[1])) & _LOW
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1).astype(np.uint32)


def row_ids(rng: Any, n: int) -> NDArray[np.uint32]:
    """Global ids of the n rows of a batch.

    Parameters
    ----------
    rng : object with attribute ``rows``
        An int is the id of row 0, and the ids that follow are consecutive (modulo 2**32); an
        array holds one id a row.
    n : int
        Rows in the batch.

    Returns
    -------
    ndarray of shape (n,), uint32

    Raises
    ------
    ValueError
        If ``rng.rows`` is an array of another length.
    """
    rows = np.asarray(rng.rows)
    if rows.ndim == 0:
        return ((int(rows) + np.arange(n, dtype=np.uint64)) & _LOW).astype(np.uint32)
    if rows.shape != (n,):
        raise ValueError(f"rng: one row id a row required ({n} rows); rows has shape {rows.shape}")
    return rows.astype(np.uint32)


def words(
    seed: int, step: int, purpose: int, layer: int, rows: ArrayLike, units: ArrayLike
) -> NDArray[np.uint32]:
    """Random words of the blocks of four units that hold the given units.

    Parameters
    ----------
    seed, step, purpose, layer : int
        Key and the first two counter words; see the module's text.
    rows : array_like of shape (R,)
        Row ids.
    units : array_like of shape (U,)
        Unit indices.

    Returns
    -------
    ndarray of shape (R, U, 4), uint32
        Unit ``units[u]`` of row r owns word ``units[u] % 4`` of ``[r, u]``.
    """
    found, block_of_unit = _blocks(seed, step, purpose, layer, rows, units)
    return found[:, block_of_unit]


def _blocks(
    seed: int, step: int, purpose: int, layer: int, rows: ArrayLike, units: ArrayLike
) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Words (R, B, 4) of the blocks that hold the units, and which block is whose."""
    rows, block = np.asarray(rows, np.uint64), np.asarray(units, np.uint64) // 4
    first = np.ones(len(block), bool)
    first[1:] = block[1:] != block[:-1]
    counter = np.empty((len(rows), int(first.sum()), 4), np.uint64)
    counter[..., 0] = step & _LOW
    counter[..., 1] = (int(purpose) << 16) | layer
    counter[..., 2] = rows[:, None]
    counter[..., 3] = block[first]
    return philox4x32(counter, [seed & _LOW, (seed >> 32) & _LOW]), np.cumsum(first) - 1


def uniform(
    seed: int, step: int, purpose: int, layer: int, rows: ArrayLike, units: ArrayLike
) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), multiples of 2**-24: ``(word >> 8) * 2**-24``.

    Parameters
    ----------
    seed, step, purpose, layer, rows, units
        As for `words`.

    Returns
    -------
    ndarray of shape (R, U), float64
        Every value is also a float32, so both dtypes see the same numbers.

    Examples
    --------
    >>> uniform(7, 0, Purpose.dropout, 0, rows=[0, 1], units=[0, 5]).round(3)
    array([[0.743, 0.073],
           [0.359, 0.631]])
    """
    found, block_of_unit = _blocks(seed, step, purpose, layer, rows, units)
    return _to_uniform(found[:, block_of_unit, np.asarray(units, np.int64) % 4])


def normal(
    seed: int, step: int, purpose: int, layer: int, rows: ArrayLike, units: ArrayLike
) -> NDArray[np.float64]:
    """Draw standard normal numbers by Box and Muller's transform of pairs of lanes.

    Lanes 0 and 1, and lanes 2 and 3, of a block of four units form a pair:
    ``u1 = 1 - uniform(even lane)``, ``u2 = uniform(odd lane)``, ``r = sqrt(-2 ln u1)``; the even
    lane gets ``r cos(2 pi u2)``, the odd one ``r sin(2 pi u2)``.

    Parameters
    ----------
    seed, step, purpose, layer, rows, units
        As for `words`.

    Returns
    -------
    ndarray of shape (R, U), float64

    Examples
    --------
    >>> normal(7, 0, Purpose.weight_init, 0, rows=[0], units=[0, 1]).shape
    (1, 2)
    """
    lane = np.asarray(units, np.int64) % 4
    block = _to_uniform(words(seed, step, purpose, layer, rows, units))  # (R, U, 4)
    even = np.where(lane < 2, block[..., 0], block[..., 2])
    odd = np.where(lane < 2, block[..., 1], block[..., 3])
    radius, angle = np.sqrt(-2.0 * np.log(1.0 - even)), 2.0 * np.pi * odd
    return radius * np.where(lane % 2 == 0, np.cos(angle), np.sin(angle))


def stream(kind: Any, rng: Any, purpose: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Numbers for all the units of a batch.

    Parameters
    ----------
    kind : function
        `uniform` or `normal`.
    rng : object with attributes ``seed``, ``step``, ``layer`` and ``rows``
        What the numbers are a function of; see `row_ids`.
    purpose : int
        A `Purpose`.
    shape : tuple of int
        Rows and units.

    Returns
    -------
    ndarray of the given shape, float64
    """
    rows, units = row_ids(rng, shape[0]), np.arange(shape[1])
    return kind(rng.seed, rng.step, purpose, rng.layer, rows, units)


def _to_uniform(word: NDArray[np.uint32]) -> NDArray[np.float64]:
    return (word >> np.uint32(8)).astype(np.float64) * 2.0**-24
