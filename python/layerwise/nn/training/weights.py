"""Weights to start from."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerwise import ops
from layerwise.ops import Philox, Purpose

__all__ = ["random_weights"]

_BLOCK_ELEMENTS = 1 << 20  # drawn at a time


def random_weights(
    shape: tuple[int, int], scale: float, dtype: Any, seed: int, layer: int = 0
) -> np.ndarray:
    """Draw weights from N(0, scale^2), fixed by the seed and the layer.

    Parameters
    ----------
    shape : tuple of int
        Units of the layer above and of the one below.
    scale : float
        Standard deviation.
    dtype : float32 or float64
    seed, layer : int

    Returns
    -------
    ndarray of the given shape

    Raises
    ------
    MemoryError
        If there is not enough memory for them; nothing has been computed then.

    Examples
    --------
    >>> random_weights((500, 784), 0.01, "float32", seed=0).std().round(4)
    np.float32(0.01)
    """
    try:
        w = np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:  # ValueError: more than an address can name
        gibibytes = shape[0] * shape[1] * np.dtype(dtype).itemsize / 2**30
        raise MemoryError(
            f"weights of shape {shape} need {gibibytes:.3g} GiB; that much could not be allocated"
        ) from error
    block = max(1, _BLOCK_ELEMENTS // max(1, shape[1]))
    for start in range(0, shape[0], block):
        part = w[start : start + block]
        rng = Philox(seed, layer=layer, rows=start)
        part[...] = scale * ops.normal(rng, Purpose.weight_init, part.shape)
    return w
