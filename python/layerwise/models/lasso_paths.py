"""The LASSO for a list of penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_array, check_random_state, check_X_y
from sklearn.utils.validation import check_is_fitted

from layerwise import ops
from layerwise.storage import register

from ._checks import check_bool, check_integer, check_number
from ._fitted import COMMON, array, instance
from ._regression import FLOATS, predict_linear, read_regression
from .persistence import Persistent

__all__ = ["LassoPath", "lasso_path"]


def lasso_path(
    X: Any,
    y: Any,
    *,
    eps: float = 1e-3,
    n_alphas: int = 100,
    alphas: Any = None,
    coef_init: Any = None,
    return_n_iter: bool = False,
    positive: bool = False,
    fit_intercept: bool = False,
    tol: float = 1e-4,
    max_iter: int = 1000,
) -> tuple[np.ndarray, ...]:
    """Compute the LASSO's coefficients for a list of penalties.

    What it takes and returns is that of `sklearn.linear_model.lasso_path`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    eps : float, default 1e-3
        The smallest alpha over the largest, which is the least with zero coefficients.
    n_alphas : int, default 100
        How many, in equal steps of their logarithm.
    alphas : array-like of shape (n_alphas,), optional
        Penalties, in place of these; sorted in descending order.
    coef_init : array-like of shape (n_features,), optional
        Where the first one starts.
    return_n_iter : bool, default False
        Whether the epochs are returned too.
    positive : bool, default False
        Whether coefficients are kept >= 0.
    fit_intercept : bool, default False
        Whether X and y are centred (implicitly).
    tol, max_iter
        As for `layerwise.Lasso`.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
    coefs : ndarray of shape (n_features, n_alphas)
    dual_gaps : ndarray of shape (n_alphas,)
    n_iters : list of int
        If `return_n_iter`.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import lasso_path
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> alphas, coefs, gaps = lasso_path(x, [2.0, 1.0, -3.0], alphas=[0.1, 0.5])
    >>> coefs.round(3)
    array([[1.5, 1.9],
           [0.5, 0.9]])
    """
    X, y = check_X_y(X, y, accept_sparse="csc", dtype=FLOATS, order="F", y_numeric=True)
    y = np.ascontiguousarray(y, X.dtype)
    if coef_init is not None:
        coef_init = check_array(coef_init, dtype=X.dtype, ensure_2d=False)
    grid = _grid("lasso_path", X, y, alphas, eps, n_alphas, fit_intercept, positive)
    found = ops.lasso_path(
        X, y, grid, fit_intercept=fit_intercept, positive=positive, start=coef_init, tol=tol,
        max_iter=max_iter,
    )  # fmt: skip
    energy = float(((y - y.mean() * fit_intercept).astype(np.float64) ** 2).mean())
    result = (grid, found.coefs.T, found.gap * energy)
    return (*result, found.n_iter.tolist()) if return_n_iter else result


def _grid(
    op: str,
    x: Any,
    y: np.ndarray,
    alphas: Any,
    eps: float,
    n_alphas: int,
    fit_intercept: bool,
    positive: bool,
) -> np.ndarray:
    """Penalties in descending order: those given, or from the largest useful one down."""
    if alphas is not None:
        return np.sort(check_array(alphas, ensure_2d=False, dtype=np.float64).ravel())[::-1].copy()
    check_number(op, "eps", eps, below=1.0, positive=True)
    check_integer(op, "n_alphas", n_alphas, 1)
    centred = y - y.mean(dtype=np.float64) if fit_intercept else y.astype(np.float64)
    products = x.T @ centred.astype(x.dtype)
    largest = float((products if positive else np.abs(products)).max()) / len(y)
    if not largest > 0:
        return np.full(n_alphas, np.finfo(np.float64).resolution)
    return largest * np.geomspace(1.0, eps, n_alphas)


@register
class LassoPath(Persistent, RegressorMixin, BaseEstimator):
    """The LASSO for a list of penalties, and predictions at any of them.

    Minimises ``1/(2 n_samples) ||y - X w - b||^2 + alpha ||w||_1`` for each alpha, from the largest
    down, each from the solution of the one before.

    Parameters
    ----------
    eps : float, default 1e-3
        The smallest alpha over the largest, which is the least with zero coefficients.
    n_alphas : int, default 100
        How many, in equal steps of their logarithm.
    alphas : array-like of shape (n_alphas,), optional
        Penalties, in place of these.
    fit_intercept : bool, default True
        Whether b is free.
    max_iter : int, default 1000
        Most epochs of coordinate descent for one penalty.
    tol : float, default 1e-4
        Of the duality gap, as for `Lasso`.
    positive : bool, default False
        Whether coefficients are kept >= 0.
    validation_fraction : float, default 0.1
        Share of the rows, drawn at random, on which a path of the others is tried: the alpha with
        the least square error there becomes `alpha_`. With 0, or fewer than two rows, that is the
        smallest one.
    random_state : int, RandomState or None, default None
        Which rows those are.

    Attributes
    ----------
    alphas_ : ndarray of shape (n_alphas,)
        Penalties in descending order.
    coefs_ : ndarray of shape (n_alphas, n_features)
        Coefficients for each, from all rows.
    intercepts_ : ndarray of shape (n_alphas,)
    alpha_ : float
        Where predictions are made by default.
    coef_ : ndarray of shape (n_features,)
        Coefficients at `alpha_`.
    intercept_ : float
    validation_errors_ : ndarray of shape (n_alphas,) or None
        Mean square error of the rows held out.
    dual_gaps_ : ndarray of shape (n_alphas,)
        Relative to the mean square of y.
    n_iter_ : int
        Epochs of the whole path.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    See Also
    --------
    Lasso : One penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import LassoPath
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((60, 5))
    >>> y = 2.0 * x[:, 1] + 0.1 * rng.standard_normal(60)
    >>> path = LassoPath(random_state=0).fit(x, y)
    >>> path.coefs_.shape, float(path.coef_[1].round(1))
    ((100, 5), 2.0)
    """

    _fitted = COMMON | {
        "alphas_": instance(np.ndarray),
        "coefs_": array("alphas", "features"),
        "intercepts_": array("alphas"),
        "dual_gaps_": array("alphas"),
        "alpha_": instance(float),
        "validation_errors_": instance(np.ndarray, type(None)),
        "n_iter_": instance(int),
    }

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        n_alphas: int = 100,
        alphas: Any = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        positive: bool = False,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.eps = eps
        self.n_alphas = n_alphas
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.positive = positive
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> LassoPath:
        """Compute the path, and choose `alpha_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        self : LassoPath
        """
        op = type(self).__name__
        check_number(op, "tol", self.tol)
        check_integer(op, "max_iter", self.max_iter, 1)
        check_number(op, "validation_fraction", self.validation_fraction, below=1.0)
        for name in ("fit_intercept", "positive"):
            check_bool(op, name, getattr(self, name))
        X, y = read_regression(self, X, y, multi_output=False)
        grid = _grid(
            op, X, y, self.alphas, self.eps, self.n_alphas, self.fit_intercept, self.positive
        )
        errors = self._validate(X, y, grid)
        found = self._path(X, y, grid)
        self.alphas_, self.coefs_ = grid, found.coefs
        self.intercepts_, self.dual_gaps_ = found.intercepts, found.gap
        self.n_iter_ = max(1, int(found.n_iter.sum()))
        self.validation_errors_ = errors
        self.alpha_ = float(grid[-1 if errors is None else int(errors.argmin())])
        return self

    def _path(self, x: Any, y: np.ndarray, grid: np.ndarray) -> ops.LassoSolutions:
        return ops.lasso_path(
            x, y, grid, fit_intercept=self.fit_intercept, positive=self.positive, tol=self.tol,
            max_iter=self.max_iter,
        )  # fmt: skip

    def _validate(self, x: Any, y: np.ndarray, grid: np.ndarray) -> np.ndarray | None:
        """Errors on some rows of the path that the others give."""
        n = len(y)
        held = min(n - 1, int(np.ceil(self.validation_fraction * n)))
        if held < 1:
            return None
        order = check_random_state(self.random_state).permutation(n)
        out, rest = np.sort(order[:held]), np.sort(order[held:])
        kept = x[rest] if hasattr(x, "indptr") else np.asfortranarray(x[rest])
        found = self._path(kept, y[rest], grid)
        predictions = x[out] @ found.coefs.T + found.intercepts
        return ((predictions - y[out, None]).astype(np.float64) ** 2).mean(axis=0)

    def predict(self, X: Any, alpha: float | None = None) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        alpha : float, optional
            Penalty; `alpha_` by default. Between two of `alphas_` coefficients are interpolated,
            along which a path is close to linear; beyond them they are those of the nearest.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return predict_linear(self, X, *self.coefs_at(self.alpha_ if alpha is None else alpha))

    def coefs_at(self, alpha: float) -> tuple[np.ndarray, float]:
        """Interpolate the path.

        Parameters
        ----------
        alpha : float
            Penalty, >= 0.

        Returns
        -------
        coef : ndarray of shape (n_features,)
        intercept : float
        """
        check_is_fitted(self)
        alpha = check_number(type(self).__name__, "alpha", alpha)
        ascending, last = self.alphas_[::-1], len(self.alphas_) - 1
        place = float(np.interp(alpha, ascending, np.arange(last, -1, -1.0)))
        low, share = int(place), place - int(place)
        high = min(low + 1, last)
        coef = (1 - share) * self.coefs_[low] + share * self.coefs_[high]
        intercept = (1 - share) * self.intercepts_[low] + share * self.intercepts_[high]
        return coef.astype(self.coefs_.dtype), float(intercept)

    @property
    def coef_(self) -> np.ndarray:
        """Coefficients at ``alpha_``."""
        return self.coefs_at(self.alpha_)[0]

    @property
    def intercept_(self) -> float:
        """Intercept at ``alpha_``."""
        return self.coefs_at(self.alpha_)[1]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
