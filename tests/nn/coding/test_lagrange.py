"""The Lagrange dual of the dictionary's problem: optimality, and an independent solver."""

import numpy as np
import pytest
from scipy.optimize import minimize

from layerwise import nn, ops


def problem(rng, n, k, d):
    """Statistics of codes; every second atom would be longer than 1, were it not for the ball."""
    codes = rng.standard_normal((n, k)) * (rng.random((n, k)) < 0.5)
    atoms = rng.standard_normal((k, d))
    atoms *= np.where(np.arange(k) % 2, 3.0, 0.3)[:, None] / np.linalg.norm(atoms, axis=1)[:, None]
    x = codes @ atoms + 0.1 * rng.standard_normal((n, d))
    return codes.T @ codes, codes.T @ x


def error(phi, a, b):
    return 0.5 * np.sum(phi * (a @ phi)) - np.sum(b * phi)


@pytest.mark.parametrize("shape", [(40, 3, 2), (100, 12, 7), (300, 40, 20)])
def test_solution_satisfies_the_conditions_of_optimality(shape, rng):
    """Stationary with multipliers >= 0, which are 0 where the norm is below 1 (KKT)."""
    a, b = problem(rng, *shape)
    phi, multipliers = nn.lagrange_dual(a, b)
    squares = (phi**2).sum(axis=1)
    assert squares.max() <= 1 + 1e-7
    assert multipliers.min() >= 0
    assert np.abs(multipliers * (squares - 1)).max() <= 1e-6 * np.abs(a).max()
    stationary = (a + np.diag(multipliers)) @ phi - b
    assert np.abs(stationary).max() <= 1e-7 * np.abs(b).max()
    assert 0 < (multipliers > 0).sum() < len(a)


def test_duality_gap_closes_where_codes_are_dependent(rng):
    """More atoms than signals: C'C is singular, and many dictionaries are the best."""
    a, b = problem(rng, 12, 20, 5)
    phi, multipliers = nn.lagrange_dual(a, b)
    phi /= np.maximum(np.linalg.norm(phi, axis=1, keepdims=True), 1.0)
    best = np.linalg.lstsq(a + np.diag(multipliers), b, rcond=1e-13)[0]
    dual = -0.5 * (np.sum(b * best) + multipliers.sum())
    assert 0 <= error(phi, a, b) - dual + 1e-9 * abs(dual) <= 1e-6 * abs(dual)


def test_solution_is_that_of_an_independent_solver(rng):
    a, b = problem(rng, 40, 3, 2)
    phi, multipliers = nn.lagrange_dual(a, b)
    assert (multipliers > 0).tolist() == [False, True, False]
    ball = {"type": "ineq", "fun": lambda p: 1 - (p.reshape(3, 2) ** 2).sum(axis=1)}
    other = minimize(
        lambda p: error(p.reshape(3, 2), a, b),
        np.zeros(6),
        jac=lambda p: (a @ p.reshape(3, 2) - b).ravel(),
        constraints=[ball],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(phi, other.x.reshape(3, 2), atol=1e-5)
    assert error(phi, a, b) <= other.fun + 1e-8


def test_solution_is_that_of_sweeps_over_the_atoms(rng):
    a, b = problem(rng, 200, 15, 8)
    swept = np.zeros(b.shape)
    ops.dictionary_update(swept, a, b, sweeps=5000)
    np.testing.assert_allclose(nn.lagrange_dual(a, b)[0], swept, atol=1e-6)


def test_far_starts_reach_the_same_solution(rng):
    a, b = problem(rng, 60, 8, 5)
    expected = nn.lagrange_dual(a, b)[0]
    for start in (np.zeros(8), np.full(8, 1e4)):
        np.testing.assert_allclose(nn.lagrange_dual(a, b, start=start)[0], expected, atol=1e-6)
