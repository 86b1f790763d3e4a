"""Codes by thresholded correlations with the atoms of a dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import (
    clone,
)
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from layerwise import nn
from layerwise.storage import register

from ._checks import check_number
from ._fitted import COMMON, array
from ._transformer import Transformer
from .vector_quantizer import VectorQuantizer

__all__ = ["SoftThresholdCoder"]

_FLOATS = [np.float64, np.float32]
_LEARNT = ("components_", "cluster_centers_")  # where estimators keep their atoms


@register
class SoftThresholdCoder(Transformer):
    """Codes ``[max(0, x D' - alpha), max(0, -x D' - alpha)]``: a sparse code for one product.

    It is what a step of iterative soft thresholding makes of a zero code, its signs apart, and
    serves classification about as well as codes that are optimal [1]_.

    Parameters
    ----------
    dictionary : array-like of shape (n_atoms, n_features) or estimator, optional
        Atoms D, one a row; or what learns them in `fit`: an estimator that has ``components_`` or
        ``cluster_centers_`` then. By default ``VectorQuantizer()``. Atoms of unit norm are made of
        those that are learnt; an array is taken as it is.
    alpha : float, default 0.25
        Threshold.
    random_state : int, RandomState or None, default None
        Of the default dictionary; any other has its own.

    Attributes
    ----------
    components_ : ndarray of shape (n_atoms, n_features)
        Atoms, of the dtype of the data.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    References
    ----------
    .. [1] A. Coates, A. Ng (2011). The importance of encoding versus training with sparse coding
       and vector quantization. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.models import SoftThresholdCoder
    >>> SoftThresholdCoder(np.eye(2), alpha=0.5).fit_transform([[3.0, -2.0]])
    array([[2.5, 0. , 0. , 1.5]])
    """

    _fitted = COMMON | {"components_": array("atoms", "features")}

    def __init__(
        self, dictionary: Any = None, alpha: float = 0.25, *, random_state: Any = None
    ) -> None:
        self.dictionary = dictionary
        self.alpha = alpha
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> SoftThresholdCoder:
        """Learn the dictionary, if none is given.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : SoftThresholdCoder
        """
        check_number(type(self).__name__, "alpha", self.alpha)
        x = validate_data(self, X, dtype=_FLOATS)
        self.components_ = np.ascontiguousarray(self._atoms(x), x.dtype)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        codes : ndarray of shape (n_samples, 2 * n_atoms)
            What exceeds the threshold, of all atoms, then what falls below its negative.
        """
        check_is_fitted(self)
        alpha = check_number(type(self).__name__, "alpha", self.alpha)
        x = validate_data(self, X, dtype=self.components_.dtype, reset=False)
        codes = np.empty((len(x), self._n_features_out), x.dtype)

        def fill(rows: slice) -> None:
            codes[rows] = nn.soft_threshold_codes(x[rows], self.components_, alpha)

        nn.run_blocks(fill, nn.row_blocks(*codes.shape))
        return codes

    @property
    def _n_features_out(self) -> int:
        return 2 * int(self.components_.shape[0])

    def _atoms(self, x: np.ndarray) -> np.ndarray:
        op = type(self).__name__
        given = self.dictionary
        if given is None:
            given = VectorQuantizer(random_state=self.random_state)
        if not hasattr(given, "fit"):
            atoms = check_array(given, dtype=x.dtype, input_name="dictionary")
            if atoms.shape[1] != x.shape[1]:
                raise ValueError(
                    f"{op}: dictionary must have as many columns as X, {x.shape[1]}; "
                    f"got shape {atoms.shape}"
                )
            return atoms
        learner = clone(given).fit(x)
        found = [name for name in _LEARNT if hasattr(learner, name)]
        if not found:
            raise TypeError(
                f"{op}: dictionary must be an array or an estimator that learns "
                f"{' or '.join(_LEARNT)}; got {given!r}"
            )
        atoms = np.asarray(getattr(learner, found[0]))
        norms = np.linalg.norm(atoms, axis=1, keepdims=True)
        return atoms / np.where(norms > 0, norms, 1)
