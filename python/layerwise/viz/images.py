"""Rows of a matrix as images, images as one picture, pictures as PNG files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["grey_levels", "signed_levels", "tile", "write_png"]

_WHITE = 255
_MIDDLE = 128


def grey_levels(
    values: npt.ArrayLike, low: float = 0.0, high: float = 1.0
) -> npt.NDArray[np.uint8]:
    """Grey levels of values, `low` black and `high` white; values beyond are clipped.

    Parameters
    ----------
    values : array-like of any shape
    low, high : float, default 0 and 1

    Returns
    -------
    ndarray of the same shape, uint8

    Raises
    ------
    ValueError
        If `high` is not above `low`, or a value is NaN.

    Examples
    --------
    >>> grey_levels([0.0, 0.5, 2.0])
    array([  0, 128, 255], dtype=uint8)
    """
    x = _finite("grey_levels", values)
    if not high > low:
        raise ValueError(f"grey_levels: high must be above low; got low={low}, high={high}")
    scaled = (np.clip(x, low, high) - low) * (_WHITE / (high - low))
    return np.floor(scaled + 0.5).astype(np.uint8)


def signed_levels(rows: npt.ArrayLike, clipped: float = 0.0) -> npt.NDArray[np.uint8]:
    """Grey levels of weights: zero is mid-grey, the largest magnitude of each row black or white.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        One filter a row; a row of zeros is grey throughout.
    clipped : float, default 0
        Share in [0, 1) of each row's weights, the largest in magnitude, that may be black or white
        alike, so that a few of them do not leave the others without contrast.

    Returns
    -------
    ndarray of shape (n, d), uint8

    Raises
    ------
    ValueError
        If `rows` is not a matrix, `clipped` is out of range, or a value is NaN.

    Examples
    --------
    >>> signed_levels([[-2.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    array([[  1, 128, 192],
           [128, 128, 128]], dtype=uint8)
    """
    w = _finite("signed_levels", rows)
    if w.ndim != 2:
        raise ValueError(f"signed_levels: rows must be a matrix (n, d); got shape {w.shape}")
    if not 0 <= clipped < 1:
        raise ValueError(f"signed_levels: clipped must be in [0, 1); got {clipped}")
    if w.size == 0:
        return np.empty(w.shape, np.uint8)
    largest = np.quantile(np.abs(w), 1 - clipped, axis=1, keepdims=True)
    unit = np.clip(w / np.where(largest > 0, largest, 1.0), -1.0, 1.0)
    return np.floor(_MIDDLE + 0.5 + unit * (_WHITE - _MIDDLE)).astype(np.uint8)


def tile(
    levels: npt.NDArray[np.uint8],
    image_shape: tuple[int, int],
    *,
    columns: int | None = None,
    gap: int = 1,
    background: int = _MIDDLE,
) -> npt.NDArray[np.uint8]:
    """Arrange images in a grid, row by row from the top left.

    Parameters
    ----------
    levels : ndarray of shape (n, height * width), uint8
        One image a row.
    image_shape : (height, width)
    columns : int, optional
        Images side by side; by default as many as make the grid about square.
    gap : int, default 1
        Pixels between images and around them.
    background : int, default 128
        Grey level of gaps and of places without an image.

    Returns
    -------
    ndarray of shape (grid height, grid width), uint8

    Raises
    ------
    ValueError
        If there is no image, or the rows are not of `image_shape`.
    TypeError
        If `levels` is not uint8.

    Examples
    --------
    >>> tile(np.array([[1, 2], [3, 4], [5, 6]], np.uint8), (1, 2), columns=2, gap=0, background=9)
    array([[1, 2, 3, 4],
           [5, 6, 9, 9]], dtype=uint8)
    """
    levels = np.asarray(levels)
    if levels.dtype != np.uint8:
        raise TypeError(f"tile: levels must be uint8; got {levels.dtype}")
    height, width = image_shape
    if levels.ndim != 2 or len(levels) == 0 or levels.shape[1] != height * width:
        raise ValueError(
            f"tile: levels must have shape (n, {height} * {width}) with n >= 1; got {levels.shape}"
        )
    across = int(np.ceil(np.sqrt(len(levels)))) if columns is None else columns
    if across < 1 or gap < 0:
        raise ValueError(f"tile: columns >= 1 and gap >= 0 required; got {columns} and {gap}")
    down = -(-len(levels) // across)
    grid = np.full(
        (down * (height + gap) + gap, across * (width + gap) + gap), background, np.uint8
    )
    for i, image in enumerate(levels.reshape(-1, height, width)):
        top, left = gap + i // across * (height + gap), gap + i % across * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def write_png(
    path: str | os.PathLike[str], picture: npt.NDArray[np.uint8], *, zoom: int = 1
) -> Path:
    """Write a picture as a PNG file, grey or in colours.

    Parameters
    ----------
    path : str or path-like
        A file that is there is replaced.
    picture : ndarray of shape (height, width) or (height, width, 3), uint8
    zoom : int, default 1
        Pixels of the file along each side of one of `picture`.

    Returns
    -------
    Path

    Raises
    ------
    ValueError, TypeError
        If `picture` is not such an array.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_png(f"{folder}/grey.png", np.full((2, 3), 128, np.uint8), zoom=4)
    ...     Image.open(path).size
    (12, 8)
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8:
        raise TypeError(f"write_png: picture must be uint8; got {picture.dtype}")
    if picture.shape[2:] not in ((), (3,)) or picture.ndim < 2 or picture.size == 0:
        raise ValueError(
            "write_png: picture must have shape (height, width) or (height, width, 3), not empty; "
            f"got {picture.shape}"
        )
    if zoom < 1:
        raise ValueError(f"write_png: zoom must be at least 1; got {zoom}")
    pixels = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    path = Path(path)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def _finite(op: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    x = np.asarray(values, np.float64)
    if not np.isfinite(x).all():
        raise ValueError(f"{op}: values must be finite; got NaN or infinity")
    return x
