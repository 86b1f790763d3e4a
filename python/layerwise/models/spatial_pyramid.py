"""Codes on a grid, pooled over the cells of a spatial pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import assert_all_finite

from layerwise import nn
from layerwise.storage import register

from ._checks import check_choice, check_number
from ._images import check_pair
from .persistence import Persistent

__all__ = ["SpatialPyramid"]


@register
class SpatialPyramid(Persistent, TransformerMixin, BaseEstimator):
    """Codes on a grid pooled over the cells of a pyramid, one vector an image.

    Parameters
    ----------
    levels : sequence of int or (int, int), default (1, 2, 4)
        Cells of each level from top to bottom and from left to right, or one number for both:
        ``(1, 2, 4)`` is 1x1, 2x2, 4x4, ``(2,)`` the four quadrants, ``(1, 2, (3, 1))`` adds three
        bands.
    pooling : {"max", "max_abs", "sum", "average", "sqrt"}, default "max"
        Largest code of a cell, largest magnitude, sum, mean, or root of the mean square.
    power : float, optional
        Features become ``sign(f) |f|^power``.
    norm : {"l1", "l2"}, optional
        Norm to which an image's vector is scaled at last; a zero vector stays.

    See Also
    --------
    ImageFeatures : The whole way from images to pooled codes, in bounded memory.

    Notes
    -----
    Features come level by level, cell by cell in rows, code by code. A cell starts at
    ``round(i g / m)``, halves up, where m cells share g positions. The estimator learns nothing;
    its input has four dimensions and is no matrix of scikit-learn's.

    References
    ----------
    S. Lazebnik, C. Schmid, J. Ponce (2006). Beyond bags of features: spatial pyramid matching for
    recognizing natural scene categories. CVPR.
    J. Yang, K. Yu, Y. Gong, T. Huang (2009). Linear spatial pyramid matching using sparse coding
    for image classification. CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.models import SpatialPyramid
    >>> codes = np.arange(4.0).reshape(1, 2, 2, 1)
    >>> SpatialPyramid((1, 2), pooling="sum").fit_transform(codes)
    array([[6., 0., 1., 2., 3.]])
    """

    def __init__(
        self,
        levels: Sequence[Any] = (1, 2, 4),
        *,
        pooling: str = "max",
        power: float | None = None,
        norm: str | None = None,
    ) -> None:
        self.levels = levels
        self.pooling = pooling
        self.power = power
        self.norm = norm

    def fit(self, X: Any, y: Any = None) -> SpatialPyramid:
        """Check the parameters and that every cell has positions.

        Parameters
        ----------
        X : array-like of shape (n, rows, columns, n_codes)
        y : ignored

        Returns
        -------
        self : SpatialPyramid
        """
        self._cells(self._read(X).shape[1:3])
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Pool.

        Parameters
        ----------
        X : array-like of shape (n, rows, columns, n_codes)
            Codes of each image on a grid.

        Returns
        -------
        features : ndarray of shape (n, n_cells * n_codes)
        """
        codes = self._read(X)
        cells = self._cells(codes.shape[1:3])
        out = np.empty((len(codes), len(cells), codes.shape[3]), codes.dtype)

        def fill(images: slice) -> None:
            pool = nn.Pool(cells, self.pooling, out[images])
            pool.add(codes[images], 0)
            pool.finish()

        nn.run_blocks(fill, nn.row_blocks(len(codes), int(np.prod(codes.shape[1:]))))
        return self._scaled(out.reshape(len(out), -1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _read(self, x: Any) -> np.ndarray:
        op = type(self).__name__
        codes = np.asarray(x)
        if codes.ndim != 4 or codes.size == 0:
            raise ValueError(
                f"{op}: X must have shape (n, rows, columns, n_codes) and not be empty; got shape "
                f"{codes.shape}"
            )
        if codes.dtype.kind not in "buif":
            raise TypeError(f"{op}: X must be bool, integer or float; got {codes.dtype}")
        if codes.dtype != np.float32:
            codes = codes.astype(np.float64, copy=False)
        assert_all_finite(codes, input_name="X", estimator_name=op)
        return codes

    def _cells(self, grid: Sequence[int]) -> list[nn.Cell]:
        """Check the parameters and cut a grid into cells."""
        op = type(self).__name__
        check_choice(op, "pooling", self.pooling, nn.POOLINGS)
        if self.power is not None:
            check_number(op, "power", self.power, positive=True)
        if self.norm is not None:
            check_choice(op, "norm", self.norm, ("l1", "l2"))
        required = f"{op}: levels must be a sequence of integers >= 1 or pairs of them"
        if not isinstance(self.levels, (Sequence, np.ndarray)) or isinstance(self.levels, str):
            raise TypeError(f"{required}; got {self.levels!r}")
        if len(self.levels) == 0:
            raise ValueError(f"{required}; got none")
        levels = [check_pair(op, f"levels[{i}]", level) for i, level in enumerate(self.levels)]
        for down, right in levels:
            if down > grid[0] or right > grid[1]:
                raise ValueError(
                    f"{op}: levels must have at most as many cells as there are positions, "
                    f"{grid[0]} x {grid[1]}; got {down} x {right}"
                )
        return nn.pyramid_cells(levels, (grid[0], grid[1]))

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        """Apply power and norm, in place."""
        if self.power is not None:
            sizes = np.abs(features) ** features.dtype.type(self.power)
            np.copysign(sizes, features, out=features)
        if self.norm is not None:
            order = 1 if self.norm == "l1" else 2
            sizes = np.linalg.norm(features, order, axis=1, keepdims=True)
            features /= np.where(sizes > 0, sizes, 1)
        return features
