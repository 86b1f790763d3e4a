"""The LASSO of one target over many features, as equations.

With sample weights s of sum S, weights v and penalties alpha::

    w, b = argmin 1/(2 S) sum_i s_i (y_i - x_i w - b)^2
                  + alpha (l1_ratio sum_j v_j |w_j| + (1 - l1_ratio)/2 ||w||^2)

Times S, with columns and y centred where b is free, ``l = S alpha l1_ratio``,
``r = S alpha (1 - l1_ratio)``, ``e = y - X w`` and ``c = X' (s e) - r w``, the dual point
``kappa e``, where ``kappa = min(1, min_j l v_j / |c_j|)``, is feasible, and the duality gap is::

    sum_j (l v_j |w_j| - kappa w_j c_j) + 1/2 (1 - kappa)^2 (sum_i s_i e_i^2 + r ||w||^2)

References
----------
J. Friedman, T. Hastie, R. Tibshirani (2010). Regularization paths for generalized linear models via
coordinate descent. Journal of Statistical Software 33.

O. Fercoq, A. Gramfort, J. Salmon (2015). Mind the duality gap: safer rules for the lasso. ICML.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from layerwise.reference.gemm import Float, densify


class LassoSolutions(NamedTuple):
    """Coefficients (A, P), intercepts (A,), relative gaps (A,) and epochs (A,) of each alpha."""

    coefs: Float
    intercepts: Float
    gap: Float
    n_iter: np.ndarray


class _Problem(NamedTuple):
    """Centred columns and target, and the means that were taken off."""

    x: Float
    y: Float
    s: Float
    weights: Float
    x_mean: Float
    y_mean: float


def lasso_path(
    x: Any,
    y: Any,
    alphas: Any,
    *,
    l1_ratio: float = 1.0,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    weights: Any = None,
    positive: bool = False,
    start: Any = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
) -> LassoSolutions:
    """Solve by cyclic coordinate descent, each penalty from the solution of the one before.

    Parameters
    ----------
    x : matrix of shape (N, P)
        Design.
    y : array_like of shape (N,)
        Target.
    alphas : array_like of shape (A,)
        Penalties, >= 0.
    l1_ratio : float
        Share of the L1 penalty.
    fit_intercept : bool
        Whether b is free.
    sample_weight, weights : array_like of shape (N,) and (P,), optional
        s and v; ones by default.
    positive : bool
        Whether coefficients are kept >= 0.
    start : array_like of shape (P,), optional
        Where the descent starts; zeros by default.
    tol : float
        Relative gap to reach.
    max_iter : int
        Most epochs for one penalty.

    Returns
    -------
    LassoSolutions

    Examples
    --------
    >>> lasso_path([[3.0], [-3.0]], [3.0, -3.0], [3.0]).coefs.round(3)
    array([[0.667]])
    """
    p = _centred(x, y, fit_intercept, sample_weight, weights)
    alphas, norms = np.asarray(alphas, np.float64), p.s @ p.x**2
    w = np.zeros(p.x.shape[1]) if start is None else densify(start).copy()
    w[(norms == 0.0) | ~(p.weights < np.inf)] = 0.0
    if positive:
        np.maximum(w, 0.0, out=w)
    coefs, gaps = np.zeros((len(alphas), len(w))), np.zeros(len(alphas))
    n_iter, total = np.zeros(len(alphas), np.int64), p.s.sum()
    for a, alpha in enumerate(alphas):
        l1, ridge = total * alpha * l1_ratio, total * alpha * (1.0 - l1_ratio)
        gaps[a] = _gap(p, w, l1, ridge, positive)
        while gaps[a] > tol and n_iter[a] < max_iter:
            _epoch(p, w, norms, l1, ridge, positive)
            gaps[a], n_iter[a] = _gap(p, w, l1, ridge, positive), n_iter[a] + 1
        coefs[a] = w
    return LassoSolutions(coefs, p.y_mean - coefs @ p.x_mean, gaps, n_iter)


def lasso_path_gap(
    x: Any,
    y: Any,
    coefs: Any,
    alphas: Any,
    *,
    l1_ratio: float = 1.0,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    weights: Any = None,
    positive: bool = False,
) -> Float:
    """Compute the duality gap over ``sum_i s_i y_i^2`` of the centred y, for each alpha.

    Parameters
    ----------
    x, y, alphas, l1_ratio, fit_intercept, sample_weight, weights, positive
        As for `lasso_path`.
    coefs : matrix of shape (A, P)
        Coefficients to judge.

    Returns
    -------
    ndarray of shape (A,), float64
        0 where the centred y is zero. With ``alpha = 0`` it is ``max_j |c_j| / (||x_j|| ||y||)``.

    Examples
    --------
    >>> lasso_path_gap([[3.0], [-3.0]], [3.0, -3.0], [[0.5]], [3.0]).round(3)
    array([0.014])
    """
    p = _centred(x, y, fit_intercept, sample_weight, weights)
    total, alphas = p.s.sum(), np.asarray(alphas, np.float64)
    return np.array(
        [
            _gap(p, w, total * a * l1_ratio, total * a * (1.0 - l1_ratio), positive)
            for w, a in zip(densify(coefs), alphas, strict=True)
        ]
    )


def _centred(x: Any, y: Any, fit_intercept: bool, sample_weight: Any, weights: Any) -> _Problem:
    x, y = densify(x), densify(y)
    s = np.ones(len(y)) if sample_weight is None else densify(sample_weight)
    v = np.ones(x.shape[1]) if weights is None else densify(weights)
    if not fit_intercept or s.sum() == 0.0:
        return _Problem(x, y, s, v, np.zeros(x.shape[1]), 0.0)
    x_mean, y_mean = s @ x / s.sum(), float(s @ y / s.sum())
    return _Problem(x - x_mean, y - y_mean, s, v, x_mean, y_mean)


def _epoch(p: _Problem, w: Float, norms: Float, l1: float, ridge: float, positive: bool) -> None:
    """One update of every coefficient, in place."""
    residual = p.y - p.x @ w
    for j in np.flatnonzero((norms > 0.0) & (p.weights < np.inf)):
        target = (p.s * residual) @ p.x[:, j] + norms[j] * w[j]
        size = max((target if positive else abs(target)) - l1 * p.weights[j], 0.0)
        code = np.sign(target) * size / (norms[j] + ridge)
        residual += (w[j] - code) * p.x[:, j]
        w[j] = code


def _gap(p: _Problem, w: Float, l1: float, ridge: float, positive: bool) -> float:
    residual = p.y - p.x @ w
    c = p.x.T @ (p.s * residual) - ridge * w
    energy, norms = float(p.s @ p.y**2), np.sqrt(p.s @ p.x**2)
    size = np.maximum(c, 0.0) if positive else np.abs(c)
    if np.isnan(energy + norms.sum()) or np.isinf(energy + norms.sum()) or np.isnan(w).any():
        return np.nan
    if energy == 0.0:
        return 0.0
    if l1 == 0.0:
        scale = norms * np.sqrt(energy)
        return float(np.divide(size, scale, where=scale > 0.0, out=np.zeros_like(c)).max(initial=0))
    kappa = 1.0 / max(float((size / (l1 * p.weights)).max(initial=0.0)), 1.0)
    penalty = float((l1 * p.weights[w != 0.0] * np.abs(w[w != 0.0])).sum())
    rest = float(p.s @ residual**2 + ridge * w @ w)
    return float((penalty - kappa * (w @ c) + 0.5 * (1.0 - kappa) ** 2 * rest) / energy)
