"""Laws of the codes on anchors near the signal."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp

from layerwise import nn
from layerwise.reference import lasso as ref

DTYPES = [np.float32, np.float64]


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


def problem(rng, n, d, k, dtype):
    """Signals near some of the anchors."""
    anchors = rng.standard_normal((k, d))
    x = anchors[rng.integers(0, k, n)] + 0.4 * rng.standard_normal((n, d))
    return x.astype(dtype), anchors.astype(dtype)


def test_weights_are_square_distances_and_never_zero(dtype, rng):
    x, anchors = problem(rng, 20, 7, 9, dtype)
    x[3] = anchors[4]
    x[5] = 0
    anchors[2] = 0
    weights = nn.local_weights(x, anchors)
    direct = ((x[:, None].astype(np.float64) - anchors) ** 2).sum(axis=2)
    scale = (x**2).sum(axis=1)[:, None] + (anchors**2).sum(axis=1)
    assert weights.dtype == dtype
    assert (
        np.abs(weights - direct) <= 20 * np.finfo(dtype).eps * scale + np.finfo(dtype).tiny
    ).all()
    assert weights.min() > 0


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_codes_satisfy_the_optimality_conditions(dtype, sum_to_one, rng):
    """r_j + nu = alpha w_j sign(g_j), r the correlations left; no larger where g_j = 0."""
    x, anchors = problem(rng, 40, 10, 30, dtype)
    alpha = 0.05
    coding = nn.LocalCoding(
        anchors, alpha, sum_to_one=sum_to_one, tol=1e-12 if dtype == np.float64 else 3e-7
    )
    codes = coding.encode(x).toarray().astype(np.float64)
    x, anchors = x.astype(np.float64), anchors.astype(np.float64)
    weights = ((x[:, None] - anchors) ** 2).sum(axis=2)
    r = (x - codes @ anchors) @ anchors.T
    slack = 2e-3 if dtype == np.float32 else 2e-5
    for code, pull, weight in zip(codes, r, alpha * weights, strict=True):
        active = code != 0
        nu = (weight * np.sign(code) - pull)[active].mean() if sum_to_one else 0.0
        assert np.abs(pull + nu - weight * np.sign(code))[active].max() <= slack
        assert (np.abs(pull + nu) - weight)[~active].max() <= slack
    if sum_to_one:
        assert np.abs(codes.sum(axis=1) - 1).max() <= 20 * np.finfo(dtype).eps
    assert 1 < (codes != 0).sum(axis=1).mean() < 20


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_codes_have_the_least_objective_a_general_solver_finds(sum_to_one, rng):
    x, anchors = problem(rng, 4, 5, 8, np.float64)
    coding = nn.LocalCoding(anchors, 0.1, sum_to_one=sum_to_one, tol=1e-10)
    found = coding.objectives(x, coding.encode(x))
    sums = {"type": "eq", "fun": lambda ab: (ab[:8] - ab[8:]).sum() - 1}
    for signal, objective in zip(x, found, strict=True):
        weights = 0.1 * ((signal - anchors) ** 2).sum(axis=1)

        def value(ab, signal=signal, weights=weights):
            error = signal - (ab[:8] - ab[8:]) @ anchors
            return 0.5 * error @ error + weights @ (ab[:8] + ab[8:])

        best = scipy.optimize.minimize(
            value, np.full(16, 0.1), method="SLSQP", bounds=[(0, None)] * 16,
            constraints=[sums] if sum_to_one else [], options={"ftol": 1e-12, "maxiter": 500},
        )  # fmt: skip
        assert best.success
        assert objective <= best.fun * (1 + 1e-6) + 1e-9


def test_codes_that_sum_to_one_do_not_depend_on_the_origin(rng):
    x, anchors = problem(rng, 30, 6, 12, np.float64)
    shift = rng.standard_normal(6) * 5
    codes = [
        nn.LocalCoding(anchors + move, 0.05, sum_to_one=True, tol=1e-9).encode(x + move).toarray()
        for move in (0, shift)
    ]
    np.testing.assert_allclose(codes[0], codes[1], atol=1e-4)


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_a_signal_that_is_an_anchor_has_the_code_of_that_anchor(dtype, sum_to_one, rng):
    anchors = rng.standard_normal((12, 6)).astype(dtype)
    codes = nn.LocalCoding(anchors, 0.1, sum_to_one=sum_to_one, tol=1e-6).encode(anchors).toarray()
    np.testing.assert_allclose(codes, np.eye(12), atol=1e-3)
    np.testing.assert_allclose(codes @ anchors, anchors, atol=1e-3)


def test_objectives_are_those_of_a_direct_loop(rng):
    x, anchors = problem(rng, 10, 5, 8, np.float64)
    codes = rng.standard_normal((10, 8)) * (rng.random((10, 8)) < 0.4)
    got = nn.LocalCoding(anchors, 0.3).objectives(x, sp.csr_array(codes))
    for i in range(10):
        error = x[i] - codes[i] @ anchors
        penalty = sum(abs(codes[i, j]) * ((anchors[j] - x[i]) ** 2).sum() for j in range(8))
        assert got[i] == pytest.approx(0.5 * error @ error + 0.3 * penalty)


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_the_objective_never_increases_through_the_alternation(dtype, sum_to_one, rng):
    x = rng.standard_normal((300, 4)) @ rng.standard_normal((4, 8))
    x = (x + 0.1 * rng.standard_normal(x.shape)).astype(dtype)
    rows, tol = nn.Rows(x, dtype), 1e-6 if dtype == np.float64 else 5e-5
    anchors, objectives = x[:20].copy(), []
    for _ in range(8):
        coding = nn.LocalCoding(anchors, 0.02, sum_to_one=sum_to_one, tol=tol)
        anchors, objective = nn.improve_anchors(rows, coding)
        objectives.append(objective)
    slack = 2 * tol * 0.5 * (x**2).sum(axis=1).mean()
    assert (np.diff(objectives) <= slack).all()
    assert objectives[-1] < 0.8 * objectives[0]


def test_the_best_anchors_have_no_gradient(rng):
    x, anchors = problem(rng, 60, 5, 9, np.float64)
    codes = nn.LocalCoding(anchors, 0.1).encode(x)
    statistics = nn.AnchorStatistics(9, 5)
    for part in (slice(0, 25), slice(25, 60)):
        statistics.add(x[part], codes[part])
    best, g = statistics.best(anchors, 0.1), codes.toarray()
    gradient = -g.T @ (x - g @ best)
    for j in range(9):
        gradient[j] += 0.2 * (np.abs(g[:, j])[:, None] * (best[j] - x)).sum(axis=0)
    assert np.abs(gradient).max() <= 1e-10
    assert statistics.unused.size == 0


def test_anchors_without_codes_move_to_the_worst_signals(rng):
    x, anchors = problem(rng, 30, 4, 6, np.float64)
    anchors[2] = 1e3
    coding = nn.LocalCoding(anchors, 0.1)
    moved, _ = nn.improve_anchors(nn.Rows(x, np.float64), coding)
    worst = coding.objectives(x, coding.encode(x)).argmax()
    np.testing.assert_array_equal(moved[2], x[worst])


def test_nearest_anchors_are_those_of_a_direct_search(dtype, rng):
    x, anchors = problem(rng, 50, 6, 70, dtype)
    distances = ((x[:, None].astype(np.float64) - anchors) ** 2).sum(axis=2)
    for k in (1, 5, 40, 70):
        np.testing.assert_array_equal(
            nn.nearest_anchors(x, anchors, k), distances.argsort(axis=1)[:, :k]
        )


@pytest.mark.parametrize("k", [1, 2, 5])
def test_llc_codes_are_the_direct_solution(dtype, k, rng):
    x, anchors = problem(rng, 30, 7, 20, dtype)
    codes = nn.llc_codes(x, anchors, k, 1e-3)
    assert isinstance(codes, sp.csr_array) and codes.dtype == dtype
    assert codes.has_sorted_indices
    assert (np.diff(codes.indptr) == k).all()
    dense = codes.toarray()
    np.testing.assert_allclose(dense.sum(axis=1), 1, atol=10 * np.finfo(dtype).eps)
    x, anchors = x.astype(np.float64), anchors.astype(np.float64)
    for signal, code in zip(x, dense, strict=True):
        near = ((anchors - signal) ** 2).sum(axis=1).argsort()[:k]
        shifted = anchors[near] - signal
        gram = shifted @ shifted.T
        solved = np.linalg.solve(gram + 1e-3 * np.trace(gram) * np.eye(k), np.ones(k))
        expected = np.zeros(20)
        expected[near] = solved / solved.sum()
        np.testing.assert_allclose(code, expected, atol=2e4 * np.finfo(dtype).eps)


def test_llc_reconstructs_an_anchor_as_beta_vanishes(rng):
    anchors = rng.standard_normal((15, 6))
    for beta in (1e-3, 1e-6, 1e-9):
        codes = nn.llc_codes(anchors, anchors, 5, beta).toarray()
        assert np.abs(codes - np.eye(15)).max() <= 200 * beta
        assert np.abs(codes @ anchors - anchors).max() <= 400 * beta


def test_llc_of_anchors_that_coincide_with_the_signal_is_finite():
    codes = nn.llc_codes(np.ones((2, 3)), np.ones((4, 3)), 3, 1e-4).toarray()
    np.testing.assert_allclose(codes[0], [1 / 3, 1 / 3, 1 / 3, 0])


def test_super_vectors_are_those_of_a_direct_loop(dtype, rng):
    x, anchors = problem(rng, 30, 5, 6, dtype)
    share = rng.dirichlet(np.ones(6)).astype(dtype)
    codes = nn.super_vectors(x, anchors, share, 0.7)
    assert codes.dtype == dtype and codes.shape == (30, 36)
    expected = np.zeros((30, 6, 6))
    for i in range(30):
        j = ((x[i] - anchors) ** 2).sum(axis=1).argmin()
        expected[i, j, 0] = 0.7 / np.sqrt(share[j])
        expected[i, j, 1:] = (x[i] - anchors[j]) / np.sqrt(share[j])
    np.testing.assert_allclose(codes.toarray(), expected.reshape(30, 36), rtol=1e-5)


def test_directions_are_those_of_the_weighted_covariance(rng):
    x, anchors = problem(rng, 80, 6, 4, np.float64)
    coding = nn.LocalCoding(anchors, 0.05)
    codes = coding.encode(x).toarray()
    found = nn.local_directions(nn.Rows(x, np.float64), coding, 3)
    for j in range(4):
        offsets = x - anchors[j]
        covariance = (np.abs(codes[:, j])[:, None] * offsets).T @ offsets
        vectors = np.linalg.eigh(covariance)[1]
        cosines = np.abs((found[j] * vectors.T[::-1][:3]).sum(axis=1))
        np.testing.assert_allclose(cosines, 1, atol=1e-9)
    np.testing.assert_allclose((found**2).sum(axis=2), 1)


def test_anchors_of_few_signals_have_few_directions(rng):
    x, anchors = np.array([[1.0, 0.0, 0.0]]), np.array([[0.5, 0.0, 0.0], [50.0, 0.0, 0.0]])
    found = nn.local_directions(nn.Rows(x, np.float64), nn.LocalCoding(anchors, 0.1), 2)
    np.testing.assert_array_equal(found, [[[1, 0, 0], [0, 0, 0]], np.zeros((2, 3))])


def test_tangent_codes_are_those_of_a_direct_loop(dtype, rng):
    x, anchors = problem(rng, 30, 5, 7, dtype)
    directions = rng.standard_normal((7, 2, 5)).astype(dtype)
    plain = (rng.standard_normal((30, 7)) * (rng.random((30, 7)) < 0.3)).astype(dtype)
    got = nn.tangent_codes(x, sp.csr_array(plain), anchors, directions)
    assert got.dtype == dtype
    expected = np.zeros((30, 7, 3))
    for i in range(30):
        for j in range(7):
            expected[i, j, 0] = plain[i, j]
            expected[i, j, 1:] = plain[i, j] * (directions[j] @ (x[i] - anchors[j]))
    np.testing.assert_allclose(got.toarray(), expected.reshape(30, 21), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sum_to_one", [False, True])
def test_a_signal_does_not_depend_on_its_batch_nor_on_threads(dtype, sum_to_one, rng, full_teams):
    from layerwise.ops import num_threads

    x, anchors = problem(rng, 150, 9, 40, dtype)
    coding = nn.LocalCoding(anchors, 0.05, sum_to_one=sum_to_one)
    share = np.full(40, 1 / 40, dtype)
    coders = [
        coding.encode,
        lambda x: nn.llc_codes(x, anchors, 5, 1e-4),
        lambda x: nn.super_vectors(x, anchors, share, 1.0),
    ]
    for encode in coders:
        with num_threads(1):
            whole = encode(x).toarray()
        for threads in (2, 7):
            with num_threads(threads):
                for part in (slice(0, 1), slice(1, 67), slice(67, 150)):
                    np.testing.assert_array_equal(encode(x[part]).toarray(), whole[part])


def test_the_gap_of_local_codes_is_within_the_tolerance(dtype, rng):
    x, anchors = problem(rng, 50, 8, 30, dtype)
    codes = nn.LocalCoding(anchors, 0.05, tol=1e-4).encode(x)
    gap = ref.lasso_gap(x, anchors, codes.toarray(), 0.05, weights=nn.local_weights(x, anchors))
    assert 0 < gap.max() <= 1.1e-4
