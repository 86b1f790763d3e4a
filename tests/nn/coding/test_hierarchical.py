"""Laws of hierarchical sparse coding."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp

from layerwise import nn
from layerwise.nn.coding.atoms import AtomStatistics
from layerwise.ops import lasso


def problem(rng, *, m=12, n=4, d=8, p=10, q=5, dtype=np.float64, **options):
    atoms = rng.standard_normal((p, d))
    atoms /= np.sqrt((atoms**2).sum(axis=1, keepdims=True))
    variances = rng.exponential(size=(q, p)) ** 2
    variances /= variances.sum(axis=1, keepdims=True)
    x = rng.standard_normal((m, n, d)).astype(dtype)
    defaults = {"eps": 1e-2, "tol": 1e-7}
    coding = nn.HierarchicalCoding(
        atoms.astype(dtype), variances, 0.1, 0.05, 0.1, **(defaults | options)
    )
    return x, coding


def direct_objective(coding, x, codes, scales):
    """The objective of one group, as it is written."""
    n, variance = len(x), coding.eps + scales @ coding.variances
    total = 0.0
    for signal, code in zip(x, codes, strict=True):
        error = signal - code @ coding.atoms
        total += 0.5 * error @ error + coding.lambda2 * (code**2 / variance).sum()
        total += coding.lambda1 * np.abs(code).sum()
    return total / n + coding.gamma * scales.sum()


def test_objectives_are_those_of_a_direct_loop(rng):
    x, coding = problem(rng)
    found = coding.infer(x)
    codes = found.codes.toarray().reshape(12, 4, -1)
    for i, objective in enumerate(coding.objectives(x, found)):
        assert objective == pytest.approx(
            direct_objective(coding, x[i], codes[i], found.scales[i]), rel=1e-12
        )


def test_the_gradient_in_the_scales_agrees_with_finite_differences(rng):
    _, coding = problem(rng)
    squares, scales = rng.exponential(size=(6, 10)), rng.exponential(size=(6, 5))
    gradient, step = nn.scale_evaluation(coding, squares, scales).gradient, 1e-6
    for k in range(5):
        values = [
            nn.scale_evaluation(coding, squares, scales + sign * step * np.eye(5)[k]).value
            for sign in (1, -1)
        ]
        np.testing.assert_allclose((values[0] - values[1]) / (2 * step), gradient[:, k], rtol=1e-6)


def test_the_gap_of_the_scales_bounds_what_is_left_to_gain(rng):
    _, coding = problem(rng, tol=1e-10)
    squares = rng.exponential(size=(8, 10))
    best = nn.scale_evaluation(coding, squares, coding.scale(squares))
    assert (best.gap <= 1e-10 * best.value).all()
    for size in (0.0, 0.3, 3.0):
        scales = size * rng.exponential(size=(8, 5))
        found = nn.scale_evaluation(coding, squares, scales)
        assert (found.value - found.gap <= best.value * (1 + 1e-12)).all()
        assert (found.value >= best.value * (1 - 1e-12)).all()


def test_scales_have_the_least_objective_a_general_solver_finds(rng):
    _, coding = problem(rng)
    squares = rng.exponential(size=(5, 10)) * (rng.random((5, 10)) < 0.5)
    scales = coding.scale(squares)
    assert scales.min() >= 0 and (scales == 0).any()
    for s, mine in zip(squares, scales, strict=True):

        def value(a, s=s):
            return coding.lambda2 * (s / (coding.eps + a @ coding.variances)).sum() + (
                coding.gamma * a.sum()
            )

        other = scipy.optimize.minimize(
            value, np.ones(5), bounds=[(0, None)] * 5, options={"ftol": 1e-14, "gtol": 1e-9}
        )
        assert value(mine) <= other.fun * (1 + 1e-6)


def test_codes_for_given_scales_are_those_of_the_elastic_net(rng):
    x, coding = problem(rng, dtype=np.float64)
    scales = rng.exponential(size=(12, 5))
    ridge = 2 * coding.lambda2 / (coding.eps + scales @ coding.variances)
    got = coding.code(x, scales).toarray().reshape(12, 4, -1)
    for i in range(12):
        expected = lasso(x[i], coding.atoms, coding.lambda1, ridge=ridge[i], tol=1e-7).codes
        np.testing.assert_allclose(got[i], expected, atol=1e-8)


def test_groups_of_one_with_constant_scales_are_elastic_net_sparse_coding(rng):
    """The alternation cannot tell such groups from signals with one ridge for all."""
    x, coding = problem(rng, m=20, n=1, p=6, q=1)
    coding.variances = np.full((1, 6), 1 / 6)
    codes = coding.code(x, np.full((20, 1), 3.0)).toarray()
    ridge = np.full(6, 2 * coding.lambda2 / (coding.eps + 0.5))
    expected = lasso(x[:, 0], coding.atoms, coding.lambda1, ridge=ridge, tol=1e-7).codes
    np.testing.assert_allclose(codes, expected, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_step_of_the_alternation_increases_the_objective(dtype, rng):
    x, coding = problem(rng, m=30, dtype=dtype, tol=1e-6)
    slack = 1e-6 * (x.astype(np.float64) ** 2).sum(axis=(1, 2))
    scales = coding.infer(x, n_rounds=1).scales
    before = np.full(30, np.inf)
    for _ in range(6):
        codes = coding.code(x, scales)
        after_codes = coding.objectives(x, nn.GroupCodes(codes, scales))
        scales = coding.scale(nn.mean_squares(codes, 4), scales)
        after_scales = coding.objectives(x, nn.GroupCodes(codes, scales))
        assert (after_codes <= before + slack).all()
        assert (after_scales <= after_codes + 1e-12).all()
        before = after_scales


def test_learning_never_increases_the_objective(rng):
    x, coding = problem(rng, m=200, n=3, d=6, p=9, q=4, tol=1e-7)
    learner = nn.HierarchyLearner(nn.Rows(x.reshape(200, 18), np.float64), coding)
    start = coding.atoms.copy(), coding.variances.copy()
    objectives = [learner.step(3) for _ in range(8)]
    assert (np.diff(objectives) <= 1e-6).all()
    assert objectives[-1] < 0.9 * objectives[0]
    assert np.abs(coding.atoms - start[0]).max() > 0.05
    assert np.abs(coding.variances - start[1]).max() > 0.05
    assert coding.variances.min() >= 0
    np.testing.assert_allclose(coding.variances.sum(axis=1), 1)
    assert ((coding.atoms**2).sum(axis=1) <= 1 + 1e-12).all()


def test_variances_improve_and_their_gradient_is_that_of_the_scales_objective(rng):
    _, coding = problem(rng)
    squares, scales = rng.exponential(size=(40, 10)), rng.exponential(size=(40, 5))

    def value(phi):
        return (coding.lambda2 * squares / (coding.eps + scales @ phi)).sum()

    found = nn.best_variances(coding, squares, scales, n_steps=300)
    assert value(found) < value(coding.variances)
    for _ in range(200):  # no point of the simplices near it is better
        other = nn.project_to_simplex(found + 1e-3 * rng.standard_normal(found.shape))
        assert value(other) >= value(found) - 1e-9


def test_atoms_improve_until_least_squares_on_the_ball(rng):
    x, codes = rng.standard_normal((60, 5)), rng.standard_normal((60, 7)) * 0.3
    codes[:, 2] = 0
    statistics = AtomStatistics(7, 5)
    for part in (slice(0, 20), slice(20, 60)):
        statistics.add(x[part], sp.csr_array(codes[part]))
    atoms = rng.standard_normal((7, 5)) / 5
    error = [((x - codes @ atoms) ** 2).sum()]
    for n_sweeps in (1, 2, 200):
        atoms_now = statistics.improve(atoms, n_sweeps)
        error.append(((x - codes @ atoms_now) ** 2).sum())
    assert (np.diff(error) < 0).all()
    assert statistics.unused.tolist() == [2]
    np.testing.assert_array_equal(atoms_now[2], atoms[2])
    norms = np.sqrt((atoms_now**2).sum(axis=1))
    assert norms.max() <= 1 + 1e-12 and (np.delete(norms, 2) < 0.99).any()
    gradient = codes.T @ (codes @ atoms_now - x)
    for j in np.delete(np.arange(7), 2):  # on the ball it points inwards along the atom
        along = gradient[j] @ atoms_now[j] if norms[j] > 1 - 1e-9 else 0.0
        assert along <= 1e-9
        assert np.abs(gradient[j] - along * atoms_now[j] / norms[j] ** 2).max() <= 1e-6


def test_simplex_projection_is_the_nearest_point(rng):
    x = rng.standard_normal((20, 6)) * 2
    found = nn.project_to_simplex(x)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.min() >= 0
    for point, nearest in zip(x, found, strict=True):  # <x - p, y - p> <= 0 at every corner y
        assert ((point - nearest) @ (np.eye(6) - nearest).T <= 1e-9).all()


def test_projected_gradients_solve_each_problem_as_if_alone(rng):
    """Quadratics of very different scales over the half-lines."""
    scale = 10.0 ** rng.integers(-4, 5, (9, 1))
    matrices = rng.standard_normal((9, 6, 4))
    goals = rng.standard_normal((9, 6))

    def evaluate(x, which):
        error = np.einsum("mij,mj->mi", matrices[which], x) - goals[which]
        gradient = scale[which] * np.einsum("mij,mi->mj", matrices[which], error)
        value = 0.5 * scale[which, 0] * (error**2).sum(axis=1)
        gap = np.abs(np.minimum(x, gradient / scale[which])).max(axis=1) * scale[which, 0]
        return nn.Evaluation(value, gradient, gap)

    def solve(which):
        return nn.minimise_projected(
            lambda x, left: evaluate(x, which[left]), lambda x: np.maximum(x, 0),
            np.ones((len(which), 4)), tol=1e-9, max_iter=1000,
        )  # fmt: skip

    points, done = solve(np.arange(9))
    assert done.all()
    for i in range(9):
        expected, _ = scipy.optimize.nnls(matrices[i], goals[i])
        np.testing.assert_allclose(points[i], expected, atol=1e-6)
        np.testing.assert_array_equal(solve(np.array([i]))[0][0], points[i])


def test_projected_gradients_say_which_problems_are_not_done():
    _, coding = problem(np.random.default_rng(0), max_iter=2)
    squares = np.concatenate([np.zeros((1, 10)), np.random.default_rng(1).random((3, 10))])
    with pytest.warns(UserWarning, match="scales of 3 of 4 groups"):
        scales = coding.scale(squares)
    assert not scales[0].any()
