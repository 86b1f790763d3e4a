"""Contrastive divergence with weights and dropout, against the kernel and exact expectations."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import nn, ops
from layerwise.ops import BitMatrix, Philox

from . import enumeration
from .test_learning import assert_means_near, tiny

PAIR = nn.BernoulliBernoulli()


@pytest.mark.parametrize("encode", [np.asarray, BitMatrix.pack, sp.csr_array])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("visible", ["sample", "mean"])
def test_equal_weights_give_the_statistics_of_the_kernel(rng, encode, k, visible):
    p = tiny(rng, 70, 33, scale=0.2)
    v = encode(rng.integers(0, 2, (9, 70)).astype(float))
    options = {"k": k, "visible": visible, "rng": Philox(3, step=5, rows=100)}
    expected = ops.gibbs_cd(v, p.w, p.b, p.a, **options)
    found = nn.composed_cd(PAIR, v, p, weight=np.ones(9), **options)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_equal_weights_give_the_statistics_of_the_kernel_for_rounded_weights(rng):
    p = tiny(rng, 70, 33, scale=0.2)
    p = nn.Parameters(*(x.astype(np.float32) for x in (p.w, p.b, p.a)))
    v = rng.integers(0, 2, (9, 70)).astype(np.float32)
    options = {"k": 2, "rng": Philox(3), "precision": "bfloat16"}
    expected = ops.gibbs_cd(v, p.w, p.b, p.a, **options)
    found = nn.composed_cd(PAIR, v, p, weight=np.ones(9), **options)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    plain = ops.gibbs_cd(v, p.w, p.b, p.a, k=2, rng=Philox(3))
    assert not np.allclose(plain.dw, expected.dw, rtol=1e-5, atol=1e-6)


def test_rounded_weights_are_for_float32(rng):
    with pytest.raises(TypeError, match="precision must be 'full' where weights are float64"):
        nn.composed_cd(
            PAIR, np.eye(4), tiny(rng), k=1, rng=Philox(0), precision="bfloat16", weight=np.ones(4)
        )
    with pytest.raises(ValueError, match="composed_cd: precision must be 'full' or 'bfloat16'"):
        nn.composed_cd(PAIR, np.eye(4), tiny(rng), k=1, rng=Philox(0), precision="bf16")


def test_equal_weights_move_persistent_chains_as_the_kernel_does(rng):
    p = tiny(rng, 70, 33, scale=0.2)
    v = rng.random((9, 70))
    chains = PAIR.first_states(p, 6, Philox(1))
    other = chains.copy()
    options = {"k": 2, "rng": Philox(3, step=5, rows=100)}
    expected = ops.gibbs_cd(
        v, p.w, p.b, p.a, chains=other, chain_rng=Philox(3, step=5, rows=0), **options
    )
    found = nn.composed_cd(PAIR, v, p, chains=chains, weight=np.ones(9), **options)
    assert chains == other
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_expected_cd_statistics_are_weighted_sums_over_rows(rng):
    p = tiny(rng)
    data = rng.integers(0, 2, (3, 4)).astype(float)
    weight = np.array([0.0, 0.5, 2.0])
    estimates = [
        nn.CD().statistics(
            PAIR, np.tile(data, (160, 1)), p, Philox(1, step=step), {}, weight=np.tile(weight, 160)
        )
        for step in range(40)
    ]
    parts = [enumeration.cd1_expectation(p.w, p.b, p.a, row[None]) for row in data]
    for i in range(3):
        expected = sum(s * part[i] for s, part in zip(weight, parts, strict=True)) / 3
        assert_means_near([estimate[i] for estimate in estimates], expected)


def test_weighted_pcd_follows_the_exact_gradient_of_the_weighted_likelihood(rng):
    p = tiny(rng, scale=0.4)
    data = rng.integers(0, 2, (5, 4)).astype(float)
    weight = np.array([0.0, 0.5, 2.0, 1.0, 0.1])
    rule = nn.PCD(k=8, n_chains=50)
    state = rule.start(PAIR, p, 5, Philox(3))
    estimates = [
        rule.statistics(PAIR, data, p, Philox(3, step=8 * step), state, weight=weight)
        for step in range(300)
    ]
    states = enumeration.states(4)
    each = [
        enumeration.gradient(p.w, p.b, p.a, (states == row).all(axis=1).astype(float))
        for row in data
    ]
    for i in range(3):
        expected = sum(s * one[i] for s, one in zip(weight, each, strict=True)) / 5
        assert_means_near([estimate[i] for estimate in estimates], expected)


@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_expected_statistics_under_dropout_are_means_over_all_smaller_models(rng, rate):
    p = tiny(rng)
    data = rng.integers(0, 2, (2, 4)).astype(float)
    rule = nn.Dropout(nn.CD(), rate)
    repeated = np.tile(data, (240, 1))
    estimates = [rule.statistics(PAIR, repeated, p, Philox(1, step=step), {}) for step in range(60)]
    expected = [np.zeros((3, 4)), np.zeros(4), np.zeros(3)]
    for mask in itertools.product([False, True], repeat=3):
        kept = np.array(mask)
        share = np.prod(np.where(kept, 1 - rate, rate))
        dw, db, da = enumeration.cd1_expectation(p.w[kept], p.b, p.a[kept], data)
        expected[0][kept] += share * dw
        expected[1] += share * db
        expected[2][kept] += share * da
    for i in range(3):
        assert_means_near([estimate[i] for estimate in estimates], expected[i])


def test_chains_under_dropout_sample_from_the_smaller_models(rng):
    """Long chains: E_model is the mean over masks of the exact model averages."""
    p = tiny(rng, scale=0.5)
    rule = nn.Dropout(nn.PCD(k=8, n_chains=60), 0.5)
    state = rule.start(PAIR, p, 1, Philox(3))
    v = np.zeros((1, 4))  # its part of dw and db is zero
    estimates = [
        rule.statistics(PAIR, v, p, Philox(3, step=8 * step), state).db for step in range(200)
    ]
    expected = np.zeros(4)
    for mask in itertools.product([False, True], repeat=3):
        kept = np.array(mask)
        table = enumeration.log_probabilities(p.w[kept], p.b, p.a[kept])
        expected -= np.exp(table) @ enumeration.states(4) / 8
    assert_means_near(estimates, expected)


def test_a_mask_hits_both_phases_of_a_row_alike(rng):
    """A unit that is left out of a row has no part in its data side nor in its model side."""
    p = tiny(rng, 4, 200)
    statistics = nn.composed_cd(PAIR, np.full((1, 4), 0.3), p, k=1, rng=Philox(0), dropout=0.5)
    out = ~statistics.dw.any(axis=1)
    np.testing.assert_array_equal(out, statistics.da == 0)
    assert 70 < out.sum() < 130


def test_dropout_takes_cd_and_pcd_only():
    with pytest.raises(TypeError, match="Dropout: rule must be CD or PCD; got 'cd'"):
        nn.Dropout("cd", 0.5)
