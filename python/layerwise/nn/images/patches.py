"""Patches of images as rows: on a grid, or at random places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PatchGrid", "normalise_contrast"]

_GATHERED = 8192  # patches gathered at a time, for the memory that their indices take


@dataclass(frozen=True)
class PatchGrid:
    """Where patches of one size lie in images of one shape.

    A patch is a row of ``height * width * channels`` values, as they lie in the image: row by row,
    the channels of a pixel side by side.

    Attributes
    ----------
    image : (height, width, channels)
    patch : (height, width)
    stride : (int, int)
        Pixels from one patch to the next, down and to the right.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import PatchGrid
    >>> grid = PatchGrid((3, 3, 1), (2, 2), (1, 1))
    >>> grid.shape, grid.width
    ((2, 2), 4)
    >>> grid.rows(np.arange(9.0).reshape(1, 3, 3, 1), slice(1, 2))[0, 0]
    array([[3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """

    image: tuple[int, int, int]
    patch: tuple[int, int]
    stride: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Patches from top to bottom and from left to right; 0 where none fits."""
        down, right = (
            max(0, (size - patch) // stride + 1)
            for size, patch, stride in zip(self.image[:2], self.patch, self.stride, strict=True)
        )
        return down, right

    @property
    def width(self) -> int:
        """Values of a patch."""
        return self.patch[0] * self.patch[1] * self.image[2]

    def rows(self, images: np.ndarray, rows: slice) -> np.ndarray:
        """Copy the patches in some rows of the grid.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels)
        rows : slice
            Of the rows of the grid.

        Returns
        -------
        ndarray of shape (n, rows, columns of the grid, width)
        """
        down, right = self.stride
        windows = np.lib.stride_tricks.sliding_window_view(images, self.patch, axis=(1, 2))
        chosen = windows[:, ::down, ::right][:, rows]  # (n, rows, columns, channels, height, width)
        patches = np.ascontiguousarray(chosen.transpose(0, 1, 2, 4, 5, 3))
        return patches.reshape(*patches.shape[:3], self.width)

    def at(self, images: Any, positions: np.ndarray) -> np.ndarray:
        """Copy patches at given places, one a row.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels)
        positions : ndarray of shape (m,), int
            Numbers of patches, counted over image, row and column of the grid.

        Returns
        -------
        ndarray of shape (m, width)
        """
        down, right = np.arange(self.patch[0])[:, None], np.arange(self.patch[1])
        patches = np.empty((len(positions), self.width), images.dtype)
        for start in range(0, len(positions), _GATHERED):
            part = slice(start, start + _GATHERED)
            image, row, column = np.unravel_index(positions[part], (len(images), *self.shape))
            top, left = row * self.stride[0], column * self.stride[1]
            found = images[
                image[:, None, None], top[:, None, None] + down, left[:, None, None] + right
            ]
            patches[part] = found.reshape(len(found), -1)
        return patches


def normalise_contrast(patches: np.ndarray, eps: float) -> np.ndarray:
    """Compute ``(x - mean) / sqrt(var + eps)`` of each row; a row without variance becomes zero.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import normalise_contrast
    >>> normalise_contrast(np.array([[1.0, 3.0], [2.0, 2.0]]), 0.0)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    centred = patches - patches.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + patches.dtype.type(eps))
    return np.divide(centred, np.where(scale > 0, scale, 1), out=centred)
