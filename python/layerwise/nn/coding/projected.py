"""Smooth convex functions over simple convex sets: many small problems at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Evaluation", "minimise_projected", "project_to_simplex"]

_DECREASE = 1e-4  # share of the decrease that the gradient promises which a step must bring
_HALVINGS = 40


class Evaluation(NamedTuple):
    """Problems at the points asked for.

    Attributes
    ----------
    value : ndarray of shape (m,)
    gradient : ndarray of the shape of the points
    gap : ndarray of shape (m,)
        Bounds on how far the values are above the minima.
    """

    value: np.ndarray
    gradient: np.ndarray
    gap: np.ndarray


def minimise_projected(
    evaluate: Callable[[np.ndarray, np.ndarray], Evaluation],
    project: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    *,
    tol: float,
    max_iter: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise by spectral projected gradients, each problem on its own; no value ever increases.

    Parameters
    ----------
    evaluate : function
        Takes points of m problems and which problems, (m,), and returns their `Evaluation`.
    project : function
        Takes points, and returns the nearest feasible ones.
    start : ndarray of shape (n, ...)
        Feasible points of all problems.
    tol : float
        A problem is done when ``gap <= tol |value|``, or where rounding allows no step.
    max_iter : int
        Most steps of a problem.

    Returns
    -------
    points : ndarray of the shape of `start`
    done : ndarray of shape (n,), bool

    References
    ----------
    E. Birgin, J. Martinez, M. Raydan (2000). Nonmonotone spectral projected gradient methods on
    convex sets. SIAM Journal on Optimization 10. Here with a monotone line search.

    Examples
    --------
    >>> goal = np.array([[3.0, -2.0]])
    >>> def evaluate(x, which):
    ...     away = x - goal[which]
    ...     return Evaluation((away**2).sum(axis=1), 2 * away, np.abs(x * away).sum(axis=1))
    >>> minimise_projected(evaluate, lambda x: x.clip(0), np.ones((1, 2)), tol=1e-9, max_iter=9)
    (array([[3., 0.]]), array([ True]))
    """
    points, axes = start.copy(), tuple(range(1, start.ndim))
    which, done = np.arange(len(start)), np.zeros(len(start), bool)
    x, now = points, evaluate(points, which)
    largest = np.maximum(np.abs(now.gradient).max(axis=axes, initial=0.0), 1e-300)
    step = np.maximum(np.abs(x).max(axis=axes, initial=0.0), 1e-12) / largest
    for _ in range(max_iter):
        left = now.gap > tol * np.abs(now.value)
        done[which[~left]] = True
        which, x, step = which[left], x[left], step[left]
        now = Evaluation(*[part[left] for part in now])
        if not len(which):
            break
        direction = project(x - _spread(step, x) * now.gradient) - x
        new, then, moved = _search(evaluate, x, now, direction, which)
        points[which] = new
        change, turn = new - x, then.gradient - now.gradient
        curvature, length = (change * turn).sum(axis=axes), (change**2).sum(axis=axes)
        np.divide(length, curvature, out=step, where=curvature > 0)
        x, now = new, then._replace(gap=np.where(moved, then.gap, 0.0))
    return points, done


def _search(
    evaluate: Callable[[np.ndarray, np.ndarray], Evaluation],
    x: np.ndarray,
    now: Evaluation,
    direction: np.ndarray,
    which: np.ndarray,
) -> tuple[np.ndarray, Evaluation, np.ndarray]:
    """Halve the steps of problems until each brings enough; those that never do stay at x."""
    slope = (now.gradient * direction).sum(axis=tuple(range(1, x.ndim)))
    share = np.ones(len(x))
    new = x + direction
    then = evaluate(new, which)
    for _ in range(_HALVINGS):
        short = np.flatnonzero(~(then.value <= now.value + _DECREASE * share * slope))
        if not len(short):
            break
        share[short] /= 2
        new[short] = x[short] + _spread(share[short], x) * direction[short]
        for part, values in zip(then, evaluate(new[short], which[short]), strict=True):
            part[short] = values
    moved = then.value <= now.value
    new[~moved] = x[~moved]
    for part, values in zip(then, now, strict=True):
        part[~moved] = values[~moved]
    return new, then, moved & (slope < 0)


def _spread(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def project_to_simplex(x: np.ndarray) -> np.ndarray:
    """Find the nearest points with elements >= 0 that sum to one along the last axis.

    Parameters
    ----------
    x : ndarray of shape (..., k)

    Returns
    -------
    ndarray of the same shape

    References
    ----------
    J. Duchi, S. Shalev-Shwartz, Y. Singer, T. Chandra (2008). Efficient projections onto the
    l1-ball for learning in high dimensions. ICML.

    Examples
    --------
    >>> project_to_simplex(np.array([[0.5, 1.0, -3.0]]))
    array([[0.25, 0.75, 0.  ]])
    """
    ordered = -np.sort(-x, axis=-1)
    excess = (np.cumsum(ordered, axis=-1) - 1) / np.arange(1, x.shape[-1] + 1)
    last = (ordered > excess).sum(axis=-1, keepdims=True) - 1
    return np.maximum(x - np.take_along_axis(excess, last, axis=-1), 0)
