"""Vector quantisation: k-means, and three ways to code a signal by its centroids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from layerwise import nn
from layerwise.storage import register

from ._checks import check_choice, check_integer, check_number
from ._fitted import COMMON, array, count, instance
from ._transformer import Transformer

__all__ = ["VectorQuantizer"]

_FLOATS = [np.float64, np.float32]


@register
class VectorQuantizer(Transformer):
    r"""Codes by the distances to centroids, which k-means finds.

    Parameters
    ----------
    n_components : int, default 256
        Centroids.
    encoding : {"hard", "soft", "triangle"}, default "triangle"
        What `transform` computes of the distances :math:`z_k = \|x - c_k\|`. "hard": 1 for the
        nearest centroid, the first of several, and 0 for the others. "soft":
        :math:`e^{-\gamma z_k^2}`, scaled to a sum of 1. "triangle":
        :math:`\max(0, \bar z - z_k)` [1]_, zero for centroids farther than the average.
    gamma : float, optional
        Of the soft encoding; by default the inverse of the mean squared distance of the training
        data to their centroids.
    init : {"k-means++", "random"}, default "k-means++"
        Where the centroids start.
    max_iter : int, default 100
        Iterations of Lloyd's algorithm.
    tol : float, default 1e-4
        Learning ends when the squared steps of all centroids sum up to less than this times the
        mean variance of the features.
    random_state : int, RandomState or None, default None
        With an int, a fit gives the same bits every time, on any number of threads.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_components, n_features)
    gamma_ : float
        `gamma`, or what stands for it.
    inertia_ : float
        Sum of the squared distances of the training data to their centroids.
    n_iter_ : int
        Iterations made.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    References
    ----------
    .. [1] A. Coates, H. Lee, A. Ng (2011). An analysis of single-layer networks in unsupervised
       feature learning. AISTATS, section 3.2.3.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.models import VectorQuantizer
    >>> x = np.array([[0.0], [2.0], [10.0], [12.0]])
    >>> vq = VectorQuantizer(2, random_state=0).fit(x)
    >>> vq.cluster_centers_.ravel().round(3).tolist()
    [1.0, 11.0]
    >>> vq.transform([[10.0]])
    array([[0., 4.]])
    """

    _fitted = COMMON | {
        "cluster_centers_": array("components", "features"),
        "gamma_": instance(float),
        "inertia_": instance(float),
        "n_iter_": count(),
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        encoding: str = "triangle",
        gamma: float | None = None,
        init: str = "k-means++",
        max_iter: int = 100,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.encoding = encoding
        self.gamma = gamma
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> VectorQuantizer:
        """Find the centroids.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least `n_components` rows.
        y : ignored

        Returns
        -------
        self : VectorQuantizer
        """
        self._check()
        x = np.ascontiguousarray(validate_data(self, X, dtype=_FLOATS))
        if len(x) < self.n_components:
            raise ValueError(
                f"VectorQuantizer: X must have at least n_components={self.n_components} rows; "
                f"got n_samples={len(x)}"
            )
        found = nn.kmeans(
            x, self.n_components, init=self.init, max_iter=self.max_iter, tol=self.tol,
            random_state=check_random_state(self.random_state),
        )  # fmt: skip
        self.cluster_centers_, self.inertia_, self.n_iter_ = found
        mean = self.inertia_ / len(x)
        self.gamma_ = float(self.gamma) if self.gamma is not None else 1 / mean if mean > 0 else 1.0
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
        """
        x, encode = self._read(X), self._encoder()
        codes = np.empty((len(x), len(self.cluster_centers_)), x.dtype)

        def fill(rows: slice) -> None:
            codes[rows] = encode(x[rows])

        nn.run_blocks(fill, nn.row_blocks(*codes.shape))
        return codes

    def predict(self, X: Any) -> np.ndarray:
        """Find the nearest centroid of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
        """
        return nn.nearest(self._read(X), self.cluster_centers_)[0]

    @property
    def _n_features_out(self) -> int:
        return int(self.cluster_centers_.shape[0])

    def _check(self) -> None:
        op = type(self).__name__
        check_integer(op, "n_components", self.n_components, 1)
        check_choice(op, "encoding", self.encoding, nn.ENCODINGS)
        if self.gamma is not None:
            check_number(op, "gamma", self.gamma, positive=True)
        check_choice(op, "init", self.init, ("k-means++", "random"))
        check_integer(op, "max_iter", self.max_iter, 1)
        check_number(op, "tol", self.tol)

    def _read(self, x: Any) -> np.ndarray:
        check_is_fitted(self)
        return validate_data(self, x, dtype=self.cluster_centers_.dtype, reset=False)

    def _encoder(self) -> Callable[[np.ndarray], np.ndarray]:
        check_choice(type(self).__name__, "encoding", self.encoding, nn.ENCODINGS)
        centroids = nn.Centroids(self.cluster_centers_)
        if self.encoding == "soft":
            return lambda x: centroids.soft(x, self.gamma_)
        return centroids.hard if self.encoding == "hard" else centroids.triangle
