"""The dictionary that serves given codes best, from the Lagrange dual of its problem."""

from __future__ import annotations

import numpy as np
import scipy.linalg

__all__ = ["lagrange_dual"]

_RIDGE = 1e-12  # of the mean diagonal: what makes a singular C'C definite
_ARMIJO = 1e-4
_HALVINGS = 40


def lagrange_dual(
    a: np.ndarray,
    b: np.ndarray,
    *,
    start: np.ndarray | None = None,
    tol: float = 1e-8,
    max_iter: int = 100,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise ``1/2 ||X - C Phi||^2`` over atoms of norm at most 1: Newton's method on the dual.

    Parameters
    ----------
    a : ndarray of shape (K, K), float64
        C'C, with a diagonal above 0.
    b : ndarray of shape (K, D), float64
        C'X.
    start : ndarray of shape (K,), optional
        Multipliers >= 0 to start from; the diagonal of `a` by default.
    tol : float, default 1e-8
        Largest violation of the optimality conditions, in square norms of atoms.
    max_iter : int, default 100
        Most Newton steps.

    Returns
    -------
    dictionary : ndarray of shape (K, D)
    multipliers : ndarray of shape (K,)
        Half of Lagrange's, one an atom; above 0 where the norm of the atom is 1.

    Notes
    -----
    With ``Phi(l) = (A + diag l)^-1 B`` the dual is to maximise
    ``-1/2 tr(B' Phi(l)) - 1/2 sum_j l_j`` over ``l >= 0``. Its gradient is
    ``(||phi_j||^2 - 1) / 2`` and its Hessian minus the elementwise product of ``Phi Phi'`` and
    ``(A + diag l)^-1``. Multipliers at 0 whose gradient points below stay there (Bertsekas'
    projected Newton method).

    References
    ----------
    H. Lee, A. Battle, R. Raina, A. Ng (2007). Efficient sparse coding algorithms. NIPS 19,
    equations 8 to 12.

    D. Bertsekas (1982). Projected Newton methods for optimization problems with simple constraints.
    SIAM Journal on Control and Optimization 20.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import lagrange_dual
    >>> dictionary, multipliers = lagrange_dual(np.diag([2.0, 2.0]), np.diag([1.0, 6.0]))
    >>> dictionary.round(6) + 0.0, multipliers.round(6)
    (array([[0.5, 0. ],
           [0. , 1. ]]), array([0., 4.]))
    """
    diagonal = np.diag(a)
    a = a + np.diag(np.full(len(a), _RIDGE * diagonal.mean()))
    multipliers = diagonal.copy() if start is None else np.maximum(start, 0.0)
    phi, inverse, value = _solve(a, b, multipliers)
    for _ in range(max_iter):
        gradient = 0.5 * (np.einsum("kd,kd->k", phi, phi) - 1.0)
        held = (multipliers == 0.0) & (gradient <= 0.0)
        if 2.0 * _violation(multipliers, gradient, diagonal) <= tol:
            break
        step = _newton_step(phi, inverse, gradient, held)
        for halving in range(_HALVINGS):
            new = np.maximum(multipliers + 0.5**halving * step, 0.0)
            found = _solve(a, b, new)
            if found[2] >= value + _ARMIJO * gradient @ (new - multipliers):
                break
        else:
            break  # rounding allows no better
        multipliers, (phi, inverse, value) = new, found
    return phi, multipliers


def _solve(
    a: np.ndarray, b: np.ndarray, multipliers: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Compute Phi, the inverse of A + diag l, and the dual."""
    factor = scipy.linalg.cho_factor(a + np.diag(multipliers), lower=True)
    inverse = scipy.linalg.cho_solve(factor, np.eye(len(a)))
    phi = scipy.linalg.cho_solve(factor, b)
    return phi, inverse, -0.5 * float((b * phi).sum() + multipliers.sum())


def _violation(multipliers: np.ndarray, gradient: np.ndarray, scale: np.ndarray) -> float:
    """How far from optimal: a norm above 1, or one below it where the multiplier is not 0."""
    slack = np.minimum(multipliers / scale, -gradient)
    return float(np.abs(np.where(gradient > 0.0, gradient, np.maximum(slack, 0.0))).max())


def _newton_step(
    phi: np.ndarray, inverse: np.ndarray, gradient: np.ndarray, held: np.ndarray
) -> np.ndarray:
    free = np.flatnonzero(~held)
    hessian = (phi[free] @ phi[free].T) * inverse[np.ix_(free, free)]
    hessian[np.diag_indices_from(hessian)] += _RIDGE * max(float(np.trace(hessian)), 1e-300)
    step = np.zeros(len(gradient))
    step[free] = scipy.linalg.solve(hessian, gradient[free], assume_a="pos")
    return step
