"""Linear regression with an L1 penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from layerwise import ops
from layerwise.storage import register

from ._checks import check_bool, check_integer, check_number
from ._fitted import COMMON, Check, array, instance
from ._regression import predict_linear, read_regression, read_sample_weight
from .persistence import Persistent

__all__ = ["Lasso"]


def _scalar_or(inner: Check, *types: type) -> Check:
    """Check for a number, or what passes another check."""

    def check(name: str, value: Any, sizes: dict[str, Any]) -> None:
        if not isinstance(value, types):
            inner(name, value, sizes)

    return check


def _check_coef(name: str, value: Any, sizes: dict[str, Any]) -> None:
    axes = ("targets", "features") if np.ndim(value) == 2 else ("features",)
    array(*axes)(name, value, sizes)


@register
class Lasso(Persistent, MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Linear regression with an L1 penalty on the coefficients.

    Minimises ``1/(2 n_samples) ||y - X w - b||^2 + alpha ||w||_1``. The names, defaults and
    attributes of `sklearn.linear_model.Lasso` mean here what they mean there.

    Parameters
    ----------
    alpha : float, default 1.0
        Penalty, >= 0. With 0 this is least squares, with a warning.
    fit_intercept : bool, default True
        Whether b is free. Data are centred implicitly: sparse data stay sparse.
    precompute : ignored
        As in scikit-learn, which computes a Gram matrix; here that of a working set always is.
    copy_X : ignored
        X is never written to.
    max_iter : int, default 1000
        Most epochs of coordinate descent on the working set.
    tol : float, default 1e-4
        The duality gap, of the objective times 2 n_samples, is at most ``2 tol ||y||^2`` for the
        centred y.
    warm_start : bool, default False
        Whether `fit` starts from the coefficients of the fit before.
    positive : bool, default False
        Whether coefficients are kept >= 0.
    random_state, selection : ignored
        As in scikit-learn, which can choose coordinates at random.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients w, of the dtype of the data.
    sparse_coef_ : csr_matrix of shape (1, n_features) or (n_targets, n_features)
        The same, sparse.
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_ : int or list of int
        Epochs made, for each target.
    dual_gap_ : float or ndarray of shape (n_targets,)
        How far the objective can be from its minimum.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    See Also
    --------
    LassoPath : Many penalties at the cost of a few.
    layerwise.ops.lasso_path : The kernel, with weights of the coefficients and an elastic net.

    Notes
    -----
    Where solutions are unique they are scikit-learn's to the tolerance. Sums are in float64 for
    float32 data too, and the result does not depend on the number of threads.

    References
    ----------
    .. [1] R. Tibshirani (1996). Regression shrinkage and selection via the lasso. JRSS B 58.
    .. [2] M. Massias, A. Gramfort, J. Salmon (2018). Celer: a fast solver for the lasso with dual
       extrapolation. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import Lasso
    >>> lasso = Lasso(alpha=0.1).fit([[0, 0], [1, 1], [2, 2]], [0, 1, 2])
    >>> lasso.coef_.round(2), round(lasso.intercept_, 2)
    (array([0.85, 0.  ]), 0.15)
    """

    _fitted = COMMON | {
        "coef_": _check_coef,
        "intercept_": _scalar_or(array("targets"), float),
        "n_iter_": instance(int, list),
        "dual_gap_": _scalar_or(array("targets"), float),
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Lasso:
        """Find the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 or float64; all else is converted to float64. Sparse matrices are read as CSC.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, each a problem of its own.
        sample_weight : array-like of shape (n_samples,), optional
            How much each row counts; only ratios matter.

        Returns
        -------
        self : Lasso
        """
        op = type(self).__name__
        check_number(op, "alpha", self.alpha)
        check_number(op, "tol", self.tol)
        check_integer(op, "max_iter", self.max_iter, 1)
        for name in ("fit_intercept", "positive", "warm_start"):
            check_bool(op, name, getattr(self, name))
        X, y = read_regression(self, X, y, multi_output=True)
        weight = read_sample_weight(op, sample_weight, X)
        targets = y.reshape(len(y), -1).T
        start = self._start(len(targets), X)
        workspace, found = ops.Workspace(), []
        for k, target in enumerate(targets):
            found.append(
                ops.lasso_path(
                    X,
                    np.ascontiguousarray(target),
                    [self.alpha],
                    fit_intercept=self.fit_intercept,
                    sample_weight=weight,
                    positive=self.positive,
                    start=None if start is None else start[k],
                    tol=self.tol,
                    max_iter=self.max_iter,
                    workspace=workspace,
                )
            )
        self._keep(found, [_energy(t, weight, self.fit_intercept) for t in targets], y.ndim)
        return self

    def _start(self, n_targets: int, x: Any) -> np.ndarray | None:
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        shape = (n_targets, x.shape[1])
        if self.coef_.size != shape[0] * shape[1]:
            return None
        return np.ascontiguousarray(self.coef_.reshape(shape), x.dtype)

    def _keep(self, found: list[ops.LassoSolutions], energies: list[float], ndim: int) -> None:
        coefs = np.concatenate([solution.coefs for solution in found])
        intercepts = np.concatenate([solution.intercepts for solution in found])
        gaps = np.concatenate([solution.gap for solution in found]) * np.array(
            energies, coefs.dtype
        )
        epochs = [max(1, int(solution.n_iter[0])) for solution in found]
        one = len(found) == 1
        self.coef_ = coefs[0] if one else coefs
        self.intercept_ = float(intercepts[0]) if ndim == 1 else intercepts
        self.n_iter_: int | list[int] = epochs[0] if one else epochs
        self.dual_gap_ = float(gaps[0]) if one else gaps

    def predict(self, X: Any) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
        check_is_fitted(self)
        return predict_linear(self, X, self.coef_, self.intercept_)

    @property
    def sparse_coef_(self) -> Any:
        """Coefficients as a ``csr_matrix``."""
        return sp.csr_matrix(self.coef_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _energy(y: np.ndarray, weight: np.ndarray | None, centred: bool) -> float:
    """Mean square of y, which turns a relative gap into one of the objective."""
    y = y.astype(np.float64)
    mean = np.average(y, weights=weight) if centred else 0.0
    return float(np.average((y - mean) ** 2, weights=weight))
