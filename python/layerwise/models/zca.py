"""Whitening that stays as near to the data as it can: ZCA."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from layerwise import nn, ops
from layerwise.storage import register

from ._checks import check_number
from ._fitted import COMMON, array, count, fields
from .persistence import Persistent

__all__ = ["ZCA"]

_FLOATS = [np.float64, np.float32]


@register
class ZCA(Persistent, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Whitening: :math:`V (\Lambda + \epsilon)^{-1/2} V'` for a covariance :math:`V \Lambda V'`.

    Of all transforms that make the covariance the identity it changes the data least, so that
    whitened image patches still look like images.

    Parameters
    ----------
    eps : float, default 0.1
        Added to the variances, against noise in directions of little variance. 0.1 suits patches
        of normalised contrast. With 0, directions without variance become zero.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
    whitening_ : ndarray of shape (n_features, n_features)
        What centred rows are multiplied with; symmetric.
    dewhitening_ : ndarray of shape (n_features, n_features)
        Its inverse, with ``eps=0`` the pseudo-inverse.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    Notes
    -----
    Moments are summed up in float64, block by block, also over calls of `partial_fit`. Results are
    of the dtype of the data.

    References
    ----------
    A. Bell, T. Sejnowski (1997). The "independent components" of natural scenes are edge filters.
    Vision Research 37.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.models import ZCA
    >>> x = np.random.default_rng(0).normal(size=(100, 2)) @ [[2.0, 1.0], [0.0, 1.0]]
    >>> y = ZCA(eps=0).fit_transform(x)
    >>> np.allclose(np.cov(y.T), np.eye(2))
    True
    """

    _fitted = COMMON | {
        "mean_": array("features"),
        "whitening_": array("features", "features"),
        "dewhitening_": array("features", "features"),
        "_moments": fields(
            n=count(),
            mean=array("features", own_dtype=np.float64),
            scatter=array("features", "features", own_dtype=np.float64),
        ),
    }

    def __init__(self, eps: float = 0.1) -> None:
        self.eps = eps

    def fit(self, X: Any, y: Any = None) -> ZCA:
        """Learn the transform.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : ZCA
        """
        check_number(type(self).__name__, "eps", self.eps)
        x = validate_data(self, X, dtype=_FLOATS)
        return self._learn(nn.Moments(x.shape[1]), x, x.dtype)

    def partial_fit(self, X: Any, y: Any = None) -> ZCA:
        """Learn the transform of all rows seen so far.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : ZCA
        """
        if not hasattr(self, "whitening_"):
            return self.fit(X)
        check_number(type(self).__name__, "eps", self.eps)
        x = validate_data(self, X, dtype=self.mean_.dtype, reset=False)
        moments = nn.Moments(x.shape[1])
        moments.load_state_dict(self._moments)
        return self._learn(moments, x, self.mean_.dtype)

    def transform(self, X: Any) -> np.ndarray:
        """Whiten.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        x = validate_data(self, X, dtype=self.mean_.dtype, reset=False)
        whitened = np.empty_like(x, order="C")

        def whiten(rows: slice) -> None:
            ops.gemm(x[rows] - self.mean_, self.whitening_, out=whitened[rows])

        nn.run_blocks(whiten, nn.row_blocks(*x.shape))
        return whitened

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Undo the whitening.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        x = check_array(X, dtype=self.mean_.dtype, estimator=self, input_name="X")
        if x.shape[1] != len(self.mean_):
            raise ValueError(
                f"ZCA.inverse_transform: X must have shape (n, {len(self.mean_)}); got {x.shape}"
            )
        return ops.gemm(x, self.dewhitening_, bias=self.mean_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _learn(self, moments: nn.Moments, x: np.ndarray, dtype: Any) -> ZCA:
        moments.add(x)
        whitening, dewhitening = nn.zca(moments.covariance, self.eps)
        self.mean_ = moments.mean.astype(dtype)
        self.whitening_, self.dewhitening_ = whitening.astype(dtype), dewhitening.astype(dtype)
        self._moments = moments.state_dict()
        return self
