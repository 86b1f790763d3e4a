"""Paths of LASSO solutions as the penalty falls, as equations.

For a row x of X (N, D) and the dictionary Phi (K, D), the solution::

    a(t) = argmin_a  1/2 ||x - a Phi||^2 + t ||a||_1

is linear between knots. With active atoms Phi_A and their signs s its optimality conditions::

    Phi_A (x - a Phi)' = t s,   |Phi (x - a Phi)'| <= t

give ``a_A = u - t w``, where u are the least-squares codes of x on Phi_A, and ``w Phi_A = v`` with
v the shortest vector for which ``Phi_A v' = s``, until a code of a_A reaches zero (its atom
leaves) or the correlation of another atom reaches t (it joins).

References
----------
M. Osborne, B. Presnell, B. Turlach (2000). A new approach to variable selection in least squares
problems. IMA Journal of Numerical Analysis 20.

B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004). Least angle regression. Annals of
Statistics 32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from layerwise.reference.gemm import Float, densify
from layerwise.reference.lasso import lasso_gap

_AT_ONCE = 1e-9  # events nearer than this share of t happen at one knot
_ROUNDING = 1e-10  # of correlations and their slopes, relative to what they could be


class LarsPath(NamedTuple):
    """Alphas (knots,), codes (knots, K), gaps (knots,); signal i has knots indptr[i:i + 2]."""

    alphas: Float
    codes: Float
    gap: Float
    indptr: np.ndarray


def lars_path(
    x: Any,
    dictionary: Any,
    alpha: float = 0.0,
    *,
    positive: bool = False,
    max_active: int | None = None,
    max_iter: int = 1000,
) -> LarsPath:
    """Follow the solutions of each row from where it is zero down to alpha.

    Parameters
    ----------
    x : matrix of shape (N, D)
        Signals.
    dictionary : matrix of shape (K, D)
        Atoms, of any norms.
    alpha : float
        Where the paths end, >= 0.
    positive : bool
        Whether codes are kept >= 0.
    max_active : int, optional
        A path ends before one atom more would be active.
    max_iter : int
        Most steps from knot to knot.

    Returns
    -------
    LarsPath
        alphas (knots,), codes (knots, K), gap (knots,) and indptr (N + 1,).

    Examples
    --------
    >>> path = lars_path([[3.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    >>> path.alphas
    array([3., 1., 0.])
    >>> path.codes.round(9)
    array([[0., 0.],
           [2., 0.],
           [3., 1.]])
    """
    x, phi = densify(x), densify(dictionary)
    most = min(phi.shape) if max_active is None else max_active
    alphas: list[float] = []
    codes: list[Float] = []
    gaps: list[float] = []
    indptr = [0]
    for signal in x:
        if np.isfinite(phi).all() and np.isfinite(signal @ signal):
            knots = _knots(signal, phi, alpha, positive, most, max_iter)
        else:
            knots = [(alpha, np.full(len(phi), np.nan))]
        for t, code in knots:
            alphas.append(t)
            codes.append(code)
            gaps += list(lasso_gap(signal[None], phi, code[None], t, positive=positive))
        indptr.append(len(alphas))
    shape = (len(alphas), len(phi))
    return LarsPath(
        np.array(alphas, float), np.array(codes, float).reshape(shape), np.array(gaps, float),
        np.array(indptr, np.int64),
    )  # fmt: skip


def lars(x: Any, dictionary: Any, alpha: float, **options: Any) -> tuple[Float, Float, Float]:
    """Give the last knot of each path.

    Parameters
    ----------
    x, dictionary, alpha, **options
        As for `lars_path`.

    Returns
    -------
    codes : ndarray of shape (N, K)
    gap : ndarray of shape (N,)
    alphas : ndarray of shape (N,)

    Examples
    --------
    >>> lars([[3.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], 2.0)[0].round(9)
    array([[1., 0.]])
    """
    path = lars_path(x, dictionary, alpha, **options)
    last = path.indptr[1:] - 1
    return path.codes[last], path.gap[last], path.alphas[last]


def _knots(
    x: Float, phi: Float, alpha: float, positive: bool, max_active: int, max_iter: int
) -> list[tuple[float, Float]]:
    """Knots of one signal: where they are and the codes there."""
    signs: dict[int, float] = {}  # of the active atoms
    largest = (phi @ x if positive else np.abs(phi @ x)).max(initial=0.0)
    t, code = max(float(largest), alpha), np.zeros(len(phi))
    knots = [(t, code)]
    changes = 0  # at one t
    while t > alpha and len(knots) <= max_iter and changes <= 10 * len(phi):
        active = np.array(list(signs), np.intp)
        sign = np.array(list(signs.values()))
        u = np.linalg.lstsq(phi[active].T, x, rcond=None)[0]
        v = np.linalg.lstsq(phi[active], sign, rcond=None)[0]
        w = np.linalg.lstsq(phi[active].T, v, rcond=None)[0]
        events = _leaves(active, sign, u, w)
        events += _joins(x, phi, active, x - u @ phi[active], v, positive)
        at, atom, joins = _first(events, t, alpha)
        if at < t:
            t, changes, code = at, 0, np.zeros(len(phi))
            code[active] = np.where((u - t * w) * sign < 0.0, 0.0, u - t * w)
            if atom in signs:
                code[atom] = 0.0
            knots.append((t, code))
        if atom < 0 or (joins and len(signs) >= max_active):
            break
        changes += 1
        if joins:
            signs[atom] = joins
        else:
            del signs[atom]
    return knots


def _leaves(active: np.ndarray, sign: Float, u: Any, w: Any) -> list[tuple[float, int, float]]:
    falling = np.flatnonzero(w * sign < 0.0)
    return [(u[i] / w[i], int(active[i]), 0.0) for i in falling]


def _joins(
    x: Float, phi: Float, active: np.ndarray, residual: Float, v: Float, positive: bool
) -> list[tuple[float, int, float]]:
    """Correlations ``p + t q`` that meet t: those of atoms in the span of the active ones do not.

    Of these p is zero, and what rounding leaves of it is not to be told from a correlation.
    """
    norms = np.linalg.norm(phi, axis=1)
    p, q = phi @ residual, phi @ v
    sign = np.where(p < 0.0, -1.0, 1.0)
    fall = 1.0 - sign * q
    least = _ROUNDING * norms * np.linalg.norm(x)
    meets = (np.abs(p) > least) & (fall > _ROUNDING * (1.0 + norms * np.linalg.norm(v)))
    meets[active] = False
    if positive:
        meets &= p > 0.0
    return [(abs(p[j]) / fall[j], int(j), float(sign[j])) for j in np.flatnonzero(meets)]


def _first(
    events: list[tuple[float, int, float]], t: float, alpha: float
) -> tuple[float, int, float]:
    """Take the event at the highest alpha, the lowest atom first; atom -1 where the path ends."""
    due = [event for event in events if event[0] >= t * (1.0 - _AT_ONCE)]
    if due:
        _, atom, sign = min(due, key=lambda event: event[1])
        return t, atom, sign
    at, atom, sign = max(events, default=(-1.0, -1, 0.0), key=lambda event: event[:2])
    return (at, atom, sign) if at > alpha else (alpha, -1, 0.0)
