"""Images as the estimators take them: checked, and converted a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import assert_all_finite

from ._checks import check_integer

__all__ = ["Images", "check_image_shape", "check_pair", "read_images"]


def check_pair(op: str, name: str, value: Any) -> tuple[int, int]:
    """Two integers >= 1, or one for both."""
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)):
        if len(value) != 2:
            raise ValueError(f"{op}: {name} must be an integer >= 1 or two of them; got {value!r}")
        return check_integer(op, name, value[0], 1), check_integer(op, name, value[1], 1)
    number = check_integer(op, name, value, 1)
    return number, number


def check_image_shape(op: str, value: Any) -> tuple[int, int, int] | None:
    """Check None, (height, width) or (height, width, channels)."""
    if value is None:
        return None
    required = f"{op}: image_shape must be None, (height, width) or (height, width, channels)"
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes)):
        raise TypeError(f"{required}; got {value!r}")
    if len(value) not in (2, 3):
        raise ValueError(f"{required}; got {value!r}")
    height, width, channels = (*value, 1)[:3]
    return (
        check_integer(op, "image_shape", height, 1),
        check_integer(op, "image_shape", width, 1),
        check_integer(op, "image_shape", channels, 1),
    )


class Images:
    """Images whose blocks come as floats; a memory map is read block by block.

    Parameters
    ----------
    op : str
        Whose errors are raised.
    pixels : ndarray of shape (n, height, width, channels)
    """

    def __init__(self, op: str, pixels: np.ndarray) -> None:
        self._op = op
        self._pixels = pixels
        is_double = pixels.dtype == np.float64
        self.dtype = np.dtype(np.float64 if is_double else np.float32)

    def __len__(self) -> int:
        return len(self._pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self._pixels.shape[1:]
        return int(height), int(width), int(channels)

    @property
    def pixels(self) -> np.ndarray:
        """All of them, as they came."""
        return self._pixels

    def __getitem__(self, block: slice) -> np.ndarray:
        """Take some of the images, as floats; ValueError where a pixel is NaN or infinite."""
        return self.finite(self._pixels[block])

    def finite(self, pixels: np.ndarray) -> np.ndarray:
        """Convert some of the pixels to floats; ValueError where one is NaN or infinite."""
        values = np.ascontiguousarray(pixels, self.dtype)
        assert_all_finite(values, input_name="X", estimator_name=self._op)
        return values


def read_images(op: str, x: Any, image_shape: tuple[int, int, int] | None) -> Images:
    """Check what an estimator of images was given; its pixels are not looked at yet.

    Parameters
    ----------
    op : str
        Name of the estimator, for errors.
    x : array-like of shape (n, height, width) or (n, height, width, channels)
        Or rows (n, height * width * channels), where `image_shape` is given.
    image_shape : (height, width, channels) or None
        What the images must have, if anything.
    """
    pixels = x if isinstance(x, np.ndarray) else np.asarray(x)
    if pixels.dtype.kind not in "buif" or pixels.dtype.itemsize > 8:
        raise TypeError(f"{op}: X must be bool, integer or float; got {pixels.dtype}")
    if pixels.ndim == 2 and image_shape is not None:
        wanted = int(np.prod(image_shape))
        if pixels.shape[1] != wanted:
            raise ValueError(
                f"{op}: rows of X must have {wanted} values, as image_shape {image_shape} says; "
                f"got {pixels.shape[1]}"
            )
        pixels = pixels.reshape(len(pixels), *image_shape)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.ndim != 4 or pixels.size == 0:
        raise ValueError(
            f"{op}: X must have shape (n, height, width) or (n, height, width, channels), or be "
            f"rows of images whose image_shape is given, and not be empty; got shape "
            f"{np.shape(x)}"
        )
    if image_shape is not None and pixels.shape[1:] != image_shape:
        raise ValueError(
            f"{op}: images must have the image_shape {image_shape}; got {pixels.shape[1:]}"
        )
    return Images(op, pixels)
