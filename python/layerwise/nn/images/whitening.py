"""Moments of data that come in parts, and the whitening transform that they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from layerwise import ops

__all__ = ["Moments", "zca"]

_ROWS = 4096  # converted to float64 at a time


class Moments:
    """Mean and scatter of rows, in float64, whatever parts they come in.

    Parameters
    ----------
    n_features : int

    Attributes
    ----------
    n : int
        Rows so far.
    mean : ndarray of shape (d,)
    scatter : ndarray of shape (d, d)
        Sum over rows of ``(x - mean)' (x - mean)``.

    References
    ----------
    T. Chan, G. Golub, R. LeVeque (1983). Algorithms for computing the sample variance. The American
    Statistician 37, equations 1.4.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import Moments
    >>> moments = Moments(1)
    >>> moments.add(np.array([[1.0], [2.0]]))
    >>> moments.add(np.array([[6.0]]))
    >>> moments.n, moments.mean, moments.scatter
    (3, array([3.]), array([[14.]]))
    """

    def __init__(self, n_features: int) -> None:
        self.n = 0
        self.mean = np.zeros(n_features)
        self.scatter = np.zeros((n_features, n_features))

    def add(self, x: np.ndarray) -> None:
        """Take in rows (n, d)."""
        for start in range(0, len(x), _ROWS):
            part = x[start : start + _ROWS].astype(np.float64)
            total = self.n + len(part)
            mean = part.mean(axis=0)
            part -= mean
            away = mean - self.mean
            self.scatter += ops.gemm(part.T, part)
            self.scatter += np.outer(away, away) * (self.n * (len(part) / total))
            self.mean += away * (len(part) / total)
            self.n = total

    @property
    def covariance(self) -> np.ndarray:
        """Covariance, divided by n - 1; zero for a single row."""
        return self.scatter / max(1, self.n - 1)

    def state_dict(self) -> dict[str, Any]:
        """Return everything; not copies."""
        return {"n": self.n, "mean": self.mean, "scatter": self.scatter}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.n = int(state["n"])
        self.mean, self.scatter = state["mean"].copy(), state["scatter"].copy()


def zca(covariance: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ZCA transform ``V (L + eps)^(-1/2) V'`` of a covariance ``V L V'``.

    Parameters
    ----------
    covariance : ndarray of shape (d, d), float64
    eps : float
        With 0, directions without variance become zero.

    Returns
    -------
    whitening, dewhitening : ndarray of shape (d, d), float64
        The transform and its (pseudo-)inverse.

    References
    ----------
    A. Bell, T. Sejnowski (1997). The "independent components" of natural scenes are edge filters.
    Vision Research 37.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import zca
    >>> whitening, _ = zca(np.diag([4.0, 0.0]), 0.0)
    >>> whitening.round(12) + 0.0
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    with threadpool_limits(1, "blas"):  # whose bits depend on the number of threads
        variances, vectors = np.linalg.eigh(covariance)
        variances = variances.clip(0)
        noise = variances.max(initial=0.0) * len(variances) * np.finfo(np.float64).eps
        scale = np.sqrt(np.where(variances > noise, variances, 0) + eps)
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
        return (vectors * inverse) @ vectors.T, (vectors * scale) @ vectors.T
