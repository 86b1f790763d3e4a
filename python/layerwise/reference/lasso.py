"""Sparse codes of signals over one dictionary, as equations.

For each row x of X (N, D), with the dictionary Phi (K, D), weights w and ridges q::

    a = argmin  1/2 ||x - a Phi||^2 + alpha sum_j w_j |a_j| + 1/2 sum_j q_j a_j^2

With ``r = (x - a Phi) Phi' - q a`` the dual point ``kappa (x - a Phi)``, where
``kappa = min(1, min_j alpha w_j / |r_j|)``, is feasible, and the duality gap is::

    sum_j (alpha w_j |a_j| - kappa a_j r_j) + 1/2 (1 - kappa)^2 (||x - a Phi||^2 + sum_j q_j a_j^2)

Where entries of x are missing, all of this is over the features that are not.

References
----------
S.-J. Kim, K. Koh, M. Lustig, S. Boyd, D. Gorinevsky (2007). An interior-point method for
large-scale l1-regularized least squares. IEEE Journal of Selected Topics in Signal Processing 1.

J. Friedman, T. Hastie, R. Tibshirani (2010). Regularization paths for generalized linear models via
coordinate descent. Journal of Statistical Software 33.

Y. Pati, R. Rezaiifar, P. Krishnaprasad (1993). Orthogonal matching pursuit. Asilomar Conference on
Signals, Systems and Computers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from layerwise.reference.gemm import Float, densify


class LassoCodes(NamedTuple):
    """Codes (N, K) and the relative duality gap of each (N,)."""

    codes: Float
    gap: Float


def lasso(
    x: Any,
    dictionary: Any,
    alpha: float,
    *,
    weights: Any = None,
    ridge: Any = None,
    positive: bool = False,
    start: Any = None,
    missing: Any = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
) -> LassoCodes:
    """Codes by cyclic coordinate descent, each row until its relative gap is at most `tol`.

    Parameters
    ----------
    x : matrix of shape (N, D)
        Signals.
    dictionary : matrix of shape (K, D)
        Atoms, of any norms.
    alpha : float
        Penalty, >= 0.
    weights, ridge : array_like of shape (K,) or (N, K), optional
        Of the penalty and of the squared codes; ones and zeros by default.
    positive : bool
        Whether codes are kept >= 0.
    start : matrix of shape (N, K), optional
        Where the descent starts; zeros by default.
    missing : "nan" or bool matrix of shape (N, D), optional
        Entries of x that leave the sums over features: those that are NaN, or True there.
    tol : float
        Relative gap to reach.
    max_iter : int
        Most sweeps over the atoms.

    Returns
    -------
    LassoCodes
        codes (N, K) and gap (N,), float64.

    Examples
    --------
    >>> lasso([[3.0, 0.5]], [[1.0, 0.0], [0.0, 1.0]], 1.0)
    LassoCodes(codes=array([[2., 0.]]), gap=array([0.]))
    """
    phi = densify(dictionary)
    x, seen = _observed(x, missing)
    shape = (len(x), len(phi))
    w, q = _per_code(weights, 1.0, shape), _per_code(ridge, 0.0, shape)
    codes = np.zeros(shape) if start is None else densify(start).copy()
    if positive:
        np.maximum(codes, 0.0, out=codes)
    penalty = alpha * w if alpha > 0 else np.where(w < np.inf, 0.0, np.inf)
    squares = seen @ (phi**2).T
    codes[(squares == 0) | (penalty == np.inf)] = 0.0

    def gap() -> Float:
        return lasso_gap(
            x, phi, codes, alpha, weights=w, ridge=q, positive=positive, missing=seen == 0
        )

    for _ in range(max_iter):
        left = gap() > tol
        if not left.any():
            break
        residual, own = seen[left] * (x[left] - codes[left] @ phi), codes[left]
        for j in np.flatnonzero(squares.any(axis=0)):
            square = np.where(squares[left, j] > 0.0, squares[left, j], np.inf)  # a code of 0
            target = residual @ phi[j] + squares[left, j] * own[:, j]
            size = np.maximum((target if positive else np.abs(target)) - penalty[left, j], 0.0)
            code = np.sign(target) * size / (square + q[left, j])
            residual += seen[left] * np.outer(own[:, j] - code, phi[j])
            own[:, j] = code
        codes[left] = own
    return LassoCodes(codes, gap())


def lasso_gap(
    x: Any,
    dictionary: Any,
    codes: Any,
    alpha: float,
    *,
    weights: Any = None,
    ridge: Any = None,
    positive: bool = False,
    missing: Any = None,
) -> Float:
    """Duality gap over half the signal's square norm; with alpha = 0 the largest correlation left.

    Parameters
    ----------
    x, dictionary, alpha, weights, ridge, positive, missing
        As for `lasso`.
    codes : matrix of shape (N, K)
        Codes to judge.

    Returns
    -------
    ndarray of shape (N,), float64
        0 for a signal of zeros. With ``alpha = 0`` it is
        ``max_j |r_j| / (sqrt(||phi_j||^2 + q_j) ||x||)``.

    Examples
    --------
    >>> lasso_gap([[3.0]], [[1.0]], [[2.5]], 1.0).round(3)
    array([0.278])
    """
    phi, a = densify(dictionary), densify(codes)
    x, seen = _observed(x, missing)
    shape = (len(x), len(phi))
    w, q = _per_code(weights, 1.0, shape), _per_code(ridge, 0.0, shape)
    residual = seen * (x - a @ phi)
    r = residual @ phi.T - q * a
    energy = (x**2).sum(axis=1)
    size = np.where(positive & (a == 0.0), np.maximum(r, 0.0), np.abs(r))
    with np.errstate(divide="ignore", invalid="ignore"):
        if alpha == 0.0:
            scale = np.sqrt((seen @ (phi**2).T + q) * energy[:, None])
            counts = (scale > 0.0) & (w < np.inf)
            return np.where(counts, size / scale, 0.0).max(axis=1, initial=0.0)
        if positive:
            size = np.maximum(r, 0.0)
        kappa = 1.0 / np.maximum((size / (alpha * w)).max(axis=1, initial=0.0), 1.0)
        penalty = np.where(a == 0.0, 0.0, alpha * w * np.abs(a)).sum(axis=1)
        rest = (residual**2).sum(axis=1) + (q * a**2).sum(axis=1)
        gap = penalty - kappa * (a * r).sum(axis=1) + 0.5 * (1.0 - kappa) ** 2 * rest
        return np.where(energy == 0.0, 0.0, gap / (0.5 * energy))


def omp(x: Any, dictionary: Any, *, max_active: int, tol: float = 0.0) -> tuple[Float, Float]:
    """Codes by orthogonal matching pursuit, and the square norms of what they leave.

    Parameters
    ----------
    x : matrix of shape (N, D)
        Signals.
    dictionary : matrix of shape (K, D)
        Atoms; the one with the largest ``|(x - a Phi) phi_j'| / ||phi_j||`` joins.
    max_active : int
        Most non-zeros of a code.
    tol : float
        A signal is done when ``||x - a Phi||^2 <= tol``.

    Returns
    -------
    codes : ndarray of shape (N, K), float64
    residual : ndarray of shape (N,), float64

    Examples
    --------
    >>> omp([[3.0, 0.5]], [[1.0, 0.0], [0.0, 1.0]], max_active=1)
    (array([[3., 0.]]), array([0.25]))
    """
    x, phi = densify(x), densify(dictionary)
    codes, norms = np.zeros((len(x), len(phi))), np.sqrt((phi**2).sum(axis=1))
    if not np.isfinite(phi).all():
        return codes, np.full(len(x), np.nan)
    usable = np.flatnonzero(norms)
    for signal, code in zip(x, codes, strict=True):
        active: list[int] = []
        residual, energy = signal, signal @ signal
        while len(active) < max_active and residual @ residual > tol and usable.size:
            cosines = np.abs(phi[usable] @ residual) / norms[usable]
            best = int(usable[cosines.argmax()])
            if cosines.max() ** 2 <= (16 * np.finfo(float).eps) ** 2 * energy or best in active:
                break
            active.append(best)
            code[active] = np.linalg.lstsq(phi[active].T, signal, rcond=None)[0]
            residual = signal - code @ phi
    residuals = x - codes @ phi
    return codes, (residuals**2).sum(axis=1)


def _observed(x: Any, missing: Any) -> tuple[Float, Float]:
    """Give the signals with zeros for what is missing, and ones for what is not."""
    x = densify(x)
    if missing is None:
        return x, np.ones(x.shape)
    gone = np.isnan(x) if isinstance(missing, str) else np.asarray(missing)
    return np.where(gone, 0.0, x), 1.0 - gone


def _per_code(values: Any, default: float, shape: tuple[int, int]) -> Float:
    return np.broadcast_to(default if values is None else densify(values), shape)
