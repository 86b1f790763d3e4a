"""Codes made of the distances from signals to centroids."""

from __future__ import annotations

import numpy as np

from layerwise import ops

__all__ = ["ENCODINGS", "Centroids"]

ENCODINGS = ("hard", "soft", "triangle")


class Centroids:
    """Distances from signals to centroids, and the codes that are made of them.

    Parameters
    ----------
    centres : ndarray of shape (K, d)

    Notes
    -----
    Squared distances are one product, ``[x, |x|^2, 1] [-2 c, 1, |c|^2]'``, with the origin moved to
    the mean of the centroids for less cancellation. Rounding may leave some below zero, which are
    cut off where it matters.

    References
    ----------
    A. Coates, H. Lee, A. Ng (2011). An analysis of single-layer networks in unsupervised feature
    learning. AISTATS, section 3.2.3.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import Centroids
    >>> centroids = Centroids(np.array([[0.0], [4.0]]))
    >>> x = np.array([[1.0], [2.5]])
    >>> centroids.squared_distances(x)
    array([[1.  , 9.  ],
           [6.25, 2.25]])
    >>> centroids.triangle(x)
    array([[1. , 0. ],
           [0. , 0.5]])
    """

    def __init__(self, centres: np.ndarray) -> None:
        self._origin = centres.mean(axis=0, dtype=np.float64).astype(centres.dtype)
        moved = centres - self._origin
        self._factor = np.ones((centres.shape[1] + 2, len(centres)), centres.dtype)
        np.multiply(moved.T, -2, out=self._factor[:-2])
        np.square(moved).sum(axis=1, out=self._factor[-1])

    def _product(self, x: np.ndarray) -> np.ndarray:
        extended = np.empty((len(x), x.shape[1] + 2), x.dtype)
        extended[:, -1] = 1
        moved = np.subtract(x, self._origin, out=extended[:, :-2])
        np.square(moved).sum(axis=1, out=extended[:, -2])
        return ops.gemm(extended, self._factor)

    def squared_distances(self, x: np.ndarray) -> np.ndarray:
        """Compute the squared distances (n, K) of rows (n, d)."""
        product = self._product(x)
        return np.maximum(product, 0, out=product)

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Find the nearest centroid of each row, the first of several."""
        return self._product(x).argmin(axis=1)

    def hard(self, x: np.ndarray) -> np.ndarray:
        """Compute codes (n, K): 1 for the nearest centroid, the first of several, else 0."""
        codes = self._product(x)
        found = codes.argmin(axis=1)
        codes.fill(0)
        codes[np.arange(len(x)), found] = 1
        return codes

    def soft(self, x: np.ndarray, gamma: float) -> np.ndarray:
        """Compute codes (n, K) ``exp(-gamma d^2)`` of squared distances, scaled to a sum of 1."""
        codes = self.squared_distances(x)
        codes -= codes.min(axis=1, keepdims=True)
        codes *= -gamma
        np.exp(codes, out=codes)
        codes /= codes.sum(axis=1, keepdims=True)
        return codes

    def triangle(self, x: np.ndarray) -> np.ndarray:
        """Compute codes (n, K) ``max(0, mean(z) - z)`` of the distances z of each row."""
        codes = self.squared_distances(x)
        np.sqrt(codes, out=codes)
        np.subtract(codes.mean(axis=1, keepdims=True), codes, out=codes)
        return np.maximum(codes, 0, out=codes)
