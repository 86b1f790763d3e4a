"""Corrections of the gradient: finite differences of what they stand for, and invariances."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import nn
from layerwise.ops import BitMatrix, CDStatistics

from . import enumeration

PAIR = nn.BernoulliBernoulli()


@pytest.fixture
def p(rng):
    return nn.Parameters(*(0.7 * rng.standard_normal(shape) for shape in ((3, 4), 4, 3)))


def zeros(p):
    return CDStatistics(np.zeros_like(p.w), np.zeros_like(p.b), np.zeros_like(p.a))


def applied(correction, p, x, weight=None, state=None, statistics=None):
    statistics = zeros(p) if statistics is None else statistics
    means = nn.BatchMeans(PAIR, p, nn.Batch(x, 0, weight=weight))
    state = correction.start(p) if state is None else state
    correction.apply(statistics, p, means, state)
    return statistics


def numeric_gradient(function, arrays, step=1e-5):
    """Central differences of a function of no arguments at every element of the arrays."""
    gradients = []
    for array in arrays:
        gradient = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            values = []
            for move in (step, -step):
                array[index] = kept + move
                values.append(function())
            array[index] = kept
            gradient[index] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def hidden(p, x):
    return 1 / (1 + np.exp(-(x @ p.w.T + p.a)))


@pytest.mark.parametrize("weighted", [False, True])
def test_squared_sparsity_is_the_gradient_of_its_penalty_in_the_hidden_biases(rng, p, weighted):
    x = rng.integers(0, 2, (7, 4)).astype(float)
    weight = rng.random(7) if weighted else None
    found = applied(nn.SparsityTarget(0.2, cost=1.7), p, x, weight)

    def objective():
        q = np.average(hidden(p, x), axis=0, weights=weight)
        return -1.7 * np.square(0.2 - q).sum()

    np.testing.assert_allclose(found.da, *numeric_gradient(objective, [p.a]), rtol=1e-7)
    assert not found.dw.any() and not found.db.any()


def test_cross_entropy_sparsity_is_the_gradient_of_its_penalty_for_one_row(rng, p):
    x = rng.integers(0, 2, (1, 4)).astype(float)
    found = applied(nn.SparsityTarget(0.2, 1.7, "cross_entropy", memory=0), p, x)

    def objective():
        q = hidden(p, x)[0]
        return 1.7 * (0.2 * np.log(q) + 0.8 * np.log(1 - q)).sum()

    dw, da = numeric_gradient(objective, [p.w, p.a])
    np.testing.assert_allclose(found.dw, dw, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.da, da, rtol=1e-6)


def test_cross_entropy_sparsity_follows_a_running_mean(rng, p):
    correction = nn.SparsityTarget(0.2, 1.7, "cross_entropy", memory=0.75)
    state, q = correction.start(p), np.full(3, 0.2)
    for _ in range(4):
        x = rng.integers(0, 2, (5, 4)).astype(float)
        found = applied(correction, p, x, state=state)
        q = 0.75 * q + 0.25 * hidden(p, x).mean(axis=0)
        np.testing.assert_allclose(found.da, 1.7 * (0.2 - q))
        np.testing.assert_allclose(found.dw, np.outer(1.7 * (0.2 - q), x.mean(axis=0)))


def test_l1_is_the_gradient_of_its_penalty(p):
    found = applied(nn.L1(0.3), p, np.zeros((1, 4)))
    expected = numeric_gradient(lambda: -0.3 * np.abs(p.w).sum(), [p.w])
    np.testing.assert_allclose(found.dw, *expected)


def test_max_norm_scales_down_to_the_limit_and_touches_nothing_else(p):
    before = p.w.copy()
    norms = np.linalg.norm(before, axis=1)
    limit = np.sort(norms)[1] * 1.01  # two units are within it
    nn.MaxNorm(limit).constrain(p)
    over = norms > limit
    assert over.sum() == 1
    np.testing.assert_array_equal(p.w[~over], before[~over])
    np.testing.assert_allclose(p.w[over], before[over] * (limit / norms[over])[:, None])


def exact_statistics(p, x):
    """Gradient of the mean log-likelihood of rows, by enumeration."""
    target = (enumeration.states(len(p.b)) == x[:, None]).all(axis=2).mean(axis=0)
    return CDStatistics(*(np.array(g) for g in enumeration.gradient(p.w, p.b, p.a, target)))


@pytest.mark.parametrize("offsets", ["data", "average"])
def test_centring_follows_the_gradient_in_the_centred_parameters(rng, p, offsets):
    """Differences of the exact log-likelihood as a function of the centred RBM's parameters."""
    x = rng.integers(0, 2, (9, 4)).astype(float)
    plain = exact_statistics(p, x)
    half = 0.5 if offsets == "average" else 0.0
    mean_v = x.mean(axis=0) - half * plain.db
    mean_h = hidden(p, x).mean(axis=0) - half * plain.da
    centred_b, centred_a = p.b + p.w.T @ mean_h, p.a + p.w @ mean_v
    target = (enumeration.states(4) == x[:, None]).all(axis=2).mean(axis=0)

    def likelihood():
        b, a = centred_b - p.w.T @ mean_h, centred_a - p.w @ mean_v
        return enumeration.mean_log_likelihood(p.w, b, a, target)

    dw, db, da = numeric_gradient(likelihood, [p.w, centred_b, centred_a])
    found = applied(nn.Centring(offsets, rate=1.0), p, x, statistics=exact_statistics(p, x))
    # Parameters without offsets move as b = b_c - W'l and a = a_c - W m do.
    np.testing.assert_allclose(found.dw, dw, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.db, db - dw.T @ mean_h, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.da, da - dw @ mean_v, rtol=1e-6, atol=1e-9)


def flipped(p, x, i, j):
    """The same model and data with the meaning of visible unit i and hidden unit j reversed."""
    w, b, a, x = p.w.copy(), p.b.copy(), p.a.copy(), x.copy()
    a += w[:, i]
    b[i], w[:, i], x[:, i] = -b[i], -w[:, i], 1 - x[:, i]
    b += w[j]
    a[j], w[j] = -a[j], -w[j]
    return nn.Parameters(w, b, a), x


@pytest.mark.parametrize("offsets", ["data", "average"])
def test_centred_learning_does_not_depend_on_which_state_is_called_one(rng, p, offsets):
    x = rng.integers(0, 2, (9, 4)).astype(float)

    def moved(p, x, centred):
        direction = exact_statistics(p, x)
        if centred:
            applied(nn.Centring(offsets, rate=1.0), p, x, statistics=direction)
        return nn.Parameters(
            *(w + 0.5 * d for w, d in zip(vars(p).values(), direction, strict=True))
        )

    for centred in (True, False):
        for i, j in itertools.product(range(4), range(3)):
            there, _ = flipped(moved(p, x, centred), x, i, j)
            other = moved(*flipped(p, x, i, j), centred)
            same = np.allclose(other.w, there.w) and np.allclose(other.a, there.a)
            assert (same and np.allclose(other.b, there.b)) is centred


def test_offsets_start_at_the_biases_and_move_by_their_rate(rng, p):
    x = rng.integers(0, 2, (9, 4)).astype(float)
    correction = nn.Centring(rate=0.25)
    state = correction.start(p)
    first = 1 / (1 + np.exp(-p.b))
    np.testing.assert_allclose(state["visible"], first)
    applied(correction, p, x, state=state)
    np.testing.assert_allclose(state["visible"], first + 0.25 * (x.mean(axis=0) - first))


@pytest.mark.parametrize("encode", [BitMatrix.pack, sp.csr_array])
def test_means_of_bits_and_sparse_rows_are_those_of_dense_ones(rng, p, encode):
    x = rng.integers(0, 2, (9, 4)).astype(float)
    weight = rng.random(9)
    dense, other = (nn.BatchMeans(PAIR, p, nn.Batch(v, 0, weight=weight)) for v in (x, encode(x)))
    np.testing.assert_allclose(dense.visible, np.average(x, axis=0, weights=weight))
    np.testing.assert_array_equal(dense.visible, other.visible)
    np.testing.assert_array_equal(dense.hidden, other.hidden)


def test_means_of_a_batch_without_weight_are_finite(p):
    means = nn.BatchMeans(PAIR, p, nn.Batch(np.ones((3, 4)), 0, weight=np.zeros(3)))
    np.testing.assert_allclose(means.visible, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.SparsityTarget(0), "SparsityTarget: target must be above 0 and below 1; got 0"),
        (lambda: nn.SparsityTarget(0.1, -1), "SparsityTarget: cost must be a finite number >= 0"),
        (lambda: nn.SparsityTarget(0.1, penalty="l1"), "penalty must be 'squared' or 'cross_entr"),
        (lambda: nn.SparsityTarget(0.1, memory=1), r"memory must be in \[0, 1\); got 1"),
        (lambda: nn.L1(np.inf), "L1: cost must be a finite number >= 0; got inf"),
        (lambda: nn.MaxNorm(0), "MaxNorm: limit must be a finite number > 0; got 0"),
        (lambda: nn.Centring("model"), "Centring: offsets must be 'data' or 'average'"),
        (lambda: nn.Centring(rate=0), r"Centring: rate must be in \(0, 1\]; got 0"),
        (lambda: nn.Dropout(nn.CD(), 1), r"Dropout: rate must be a number in \[0, 1\); got 1"),
    ],
)
def test_errors_name_what_was_required_and_what_came(make, message):
    with pytest.raises(ValueError, match=message):
        make()
