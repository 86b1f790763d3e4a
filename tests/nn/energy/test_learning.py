"""Learning rules: what they estimate, whatever the batch."""

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import nn
from layerwise.ops import BitMatrix, Philox

from . import enumeration

PAIR = nn.BernoulliBernoulli()


def tiny(rng, n_visible=4, n_hidden=3, scale=0.7):
    return nn.Parameters(
        scale * rng.standard_normal((n_hidden, n_visible)),
        scale * rng.standard_normal(n_visible),
        scale * rng.standard_normal(n_hidden),
    )


def assert_means_near(samples, expected, sigmas=5.0):
    """The mean of independent estimates is within some standard errors of what it should be."""
    samples = np.asarray(samples)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    assert np.all(np.abs(samples.mean(axis=0) - expected) <= sigmas * error + 1e-12)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_expected_cd_statistics_do_not_depend_on_how_rows_are_repeated(rng, batch):
    p = tiny(rng)
    data = rng.integers(0, 2, (batch, 4)).astype(float)
    repeated = np.tile(data, (480 // batch, 1))
    estimates = [
        nn.CD().statistics(PAIR, repeated, p, Philox(1, step=step), {}) for step in range(30)
    ]
    expected = enumeration.cd1_expectation(p.w, p.b, p.a, data)
    for i in range(3):
        assert_means_near([estimate[i] for estimate in estimates], expected[i])


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("n_chains", [1, 60])
def test_pcd_follows_the_exact_gradient_for_any_number_of_rows_and_chains(rng, batch, n_chains):
    p = tiny(rng, scale=0.4)
    data = rng.integers(0, 2, (batch, 4)).astype(float)
    target = (enumeration.states(4) == data[:, None]).all(axis=2).mean(axis=0)
    rule = nn.PCD(k=8, n_chains=n_chains)
    state = rule.start(PAIR, p, batch, Philox(3))
    assert state["chains"].shape == (n_chains, 4)
    # Eight sweeps between updates leave next to nothing of the states before.
    estimates = [
        rule.statistics(PAIR, data, p, Philox(3, step=8 * step), state) for step in range(300)
    ]
    expected = enumeration.gradient(p.w, p.b, p.a, target)
    for i in range(3):
        assert_means_near([estimate[i] for estimate in estimates], expected[i])


def test_pcd_takes_one_chain_a_row_by_default():
    p = nn.Parameters(np.zeros((2, 3)), np.zeros(3), np.zeros(2))
    assert nn.PCD().start(PAIR, p, 7, Philox(0))["chains"].shape == (7, 3)


def test_chains_start_at_the_visible_biases():
    p = nn.Parameters(np.zeros((2, 3)), np.array([-50.0, 0.0, 50.0]), np.zeros(2))
    means = PAIR.first_states(p, 2000, Philox(0)).unpack().mean(axis=0)
    np.testing.assert_allclose(means, [0.0, 0.5, 1.0], atol=0.06)


def test_gibbs_chain_reaches_the_model_distribution(rng):
    p = tiny(rng, n_visible=3, n_hidden=2)
    n = 20_000
    start = BitMatrix.zeros((n, 3))
    v = nn.gibbs_chain(PAIR, p, start, 30, Philox(5)).unpack(int)
    found = np.bincount(v @ [4, 2, 1], minlength=8) / n
    expected = np.exp(enumeration.log_probabilities(p.w, p.b, p.a))
    assert np.all(np.abs(found - expected) <= 5 * np.sqrt(expected / n))


def test_gibbs_chain_of_means_ends_in_what_its_samples_are_drawn_from(rng):
    p = tiny(rng)
    start = rng.integers(0, 2, (4000, 4)).astype(float)
    mean = nn.gibbs_chain(PAIR, p, start, 2, Philox(5), returns="mean")
    sample = nn.gibbs_chain(PAIR, p, start, 2, Philox(5)).unpack()
    assert mean.dtype == np.float64
    np.testing.assert_allclose(sample.mean(axis=0), mean.mean(axis=0), atol=0.05)


@pytest.mark.parametrize("encode", [np.asarray, sp.csr_array])
def test_pseudo_likelihood_of_bits_and_of_any_values_is_the_sum_over_flips(rng, encode):
    p = tiny(rng)
    for v in (rng.integers(0, 2, (6, 4)).astype(float), rng.random((6, 4))):
        expected = np.zeros(6)
        for i in range(4):
            flipped = v.copy()
            flipped[:, i] = 1 - v[:, i]
            gap = PAIR.free_energy(flipped, p) - PAIR.free_energy(v, p)
            expected -= np.logaddexp(0, -gap)
        np.testing.assert_allclose(PAIR.pseudo_likelihood(encode(v), p), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.CD(k=0), ValueError, "CD: k must be an integer >= 1; got 0"),
        (lambda: nn.CD(k=1.5), TypeError, "CD: k must be an integer >= 1; got 1.5"),
        (lambda: nn.CD(visible="x"), ValueError, "CD: visible must be 'sample' or 'mean'"),
        (lambda: nn.CD(precision="half"), ValueError, "CD: precision must be 'full' or 'bfloat16'"),
        (lambda: nn.PCD(precision=16), ValueError, "PCD: precision must be 'full' or 'bfloat16'"),
        (lambda: nn.PCD(n_chains=0), ValueError, "PCD: n_chains must be an integer >= 1"),
        (lambda: nn.PCD(n_chains="9"), TypeError, "PCD: n_chains must be an integer >= 1"),
        (lambda: nn.rule_of("ml", 1, op="RBM"), ValueError, "RBM: learning must be 'cd', 'pcd'"),
        (lambda: nn.rule_of(3, 1, op="RBM"), TypeError, "RBM: learning must be 'cd', 'pcd'"),
        (lambda: nn.rule_of("cd", 0, op="RBM"), ValueError, "RBM: k must be an integer >= 1"),
        (lambda: nn.units_of("ising", op="RBM", name="visible"), ValueError, "RBM: visible must"),
    ],
)
def test_errors_name_what_was_required_and_what_came(make, error, message):
    with pytest.raises(error, match=message):
        make()
