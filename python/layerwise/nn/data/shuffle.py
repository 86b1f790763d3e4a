"""The order in which an epoch takes the rows of data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerwise import ops
from layerwise.ops import Philox, Purpose

__all__ = ["WINDOW_ELEMENTS", "permutation", "windows"]

_WHOLE_ELEMENTS = 1 << 26  # matrices up to this size are shuffled as a whole
WINDOW_ELEMENTS = 1 << 24  # of the rows of larger ones that are shuffled together
_BLOCKS = 16  # of neighbouring rows, in a window
_INDEX_BITS = np.uint64(40)  # beside the 24 of a random number
_INDEX = np.uint64((1 << 40) - 1)


def permutation(rng: Philox, n: int) -> np.ndarray:
    """Order n things by ascending random numbers, and those of equal ones as they came."""
    keys = (ops.uniform(rng, Purpose.shuffle, (1, n))[0] * 2.0**24).astype(np.uint64)
    # Sorting the pairs themselves, each in a word, takes a fraction of the time of an argsort.
    pairs = keys << _INDEX_BITS | np.arange(n, dtype=np.uint64)
    pairs.sort()
    return (pairs & _INDEX).astype(np.intp)


def windows(rng: Philox, n: int, width: int) -> Iterator[np.ndarray]:
    """Yield the rows of a matrix in the random order of one epoch, a window at a time.

    A matrix of up to 2**26 elements is one window, so that any order is as likely as any other.
    A larger one, which may be more than memory holds, is cut into blocks of 2**20 elements in
    neighbouring rows; each window has 16 of them from anywhere in the matrix, and its rows are
    shuffled. The order depends on the stream and the matrix's shape alone, not on where it lies.

    Parameters
    ----------
    rng : Philox
        Of the epoch; rows 0 and up are used.
    n, width : int
        Rows and columns.
    """
    if n * width <= _WHOLE_ELEMENTS:
        yield permutation(rng.at(rows=0), n)
        return
    size = max(1, WINDOW_ELEMENTS // _BLOCKS // width)
    blocks = permutation(rng.at(rows=0), -(-n // size))
    for number, start in enumerate(range(0, len(blocks), _BLOCKS)):
        rows = np.concatenate(
            [
                np.arange(block * size, min((block + 1) * size, n))
                for block in np.sort(blocks[start : start + _BLOCKS])
            ]
        )
        yield rows[permutation(rng.at(rows=1 + number), len(rows))]
