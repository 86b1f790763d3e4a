"""Exact probabilities of a tiny RBM by enumeration."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from layerwise.reference import gibbs as ref
from layerwise.reference.gemm import pack_bits, sigmoid

D, F = 4, 3
VISIBLE = np.array(list(product([0.0, 1.0], repeat=D)))  # (16, D)
HIDDEN = np.array(list(product([0.0, 1.0], repeat=F)))  # (8, F)


@pytest.fixture
def rbm(rng):
    return {"w": rng.normal(size=(F, D)), "b": rng.normal(size=D), "a": rng.normal(size=F)}


@pytest.fixture
def joint(rbm):
    """p(v, h) of shape (16, 8)."""
    energy = -(VISIBLE @ rbm["w"].T @ HIDDEN.T + (VISIBLE @ rbm["b"])[:, None] + HIDDEN @ rbm["a"])
    p = np.exp(-energy)
    return p / p.sum()


def _stream(seed=0, rows=0):
    return SimpleNamespace(seed=seed, step=0, layer=0, rows=rows)


def _bernoulli(p, states):
    """Probability of each state (S, U) under independent means p (N, U): (N, S)."""
    return np.prod(np.where(states[None] == 1, p[:, None], 1 - p[:, None]), axis=2)


def _transition(rbm):
    """P(v'|v) of one sweep, (16, 16)."""
    to_hidden = _bernoulli(ref.gibbs_hidden(VISIBLE, rbm["w"], rbm["a"]), HIDDEN)
    to_visible = _bernoulli(ref.gibbs_visible(HIDDEN, rbm["w"], rbm["b"]), VISIBLE)
    return to_hidden @ to_visible


def test_free_energy_gives_the_exact_marginal(rbm, joint):
    p = np.exp(-ref.gibbs_free_energy(VISIBLE, **rbm))
    np.testing.assert_allclose(p / p.sum(), joint.sum(axis=1), rtol=1e-12)


def test_half_steps_are_the_conditionals_of_the_joint(rbm, joint):
    given_v = joint @ HIDDEN / joint.sum(axis=1, keepdims=True)
    given_h = joint.T @ VISIBLE / joint.sum(axis=0)[:, None]
    np.testing.assert_allclose(ref.gibbs_hidden(VISIBLE, rbm["w"], rbm["a"]), given_v, rtol=1e-12)
    np.testing.assert_allclose(ref.gibbs_visible(HIDDEN, rbm["w"], rbm["b"]), given_h, rtol=1e-12)


def test_a_sweep_leaves_the_marginal_invariant(rbm, joint):
    p = joint.sum(axis=1)
    np.testing.assert_allclose(p @ _transition(rbm), p, rtol=1e-12)


def test_pseudo_likelihood_is_the_sum_of_exact_conditionals(rbm, joint):
    p = joint.sum(axis=1)
    expected = np.zeros(len(VISIBLE))
    for n, v in enumerate(VISIBLE):
        for i in range(D):
            flipped = v.copy()
            flipped[i] = 1 - v[i]
            m = int((flipped == VISIBLE).all(axis=1).argmax())
            expected[n] += np.log(p[n] / (p[n] + p[m]))
    np.testing.assert_allclose(ref.gibbs_pseudo_likelihood(VISIBLE, **rbm), expected, rtol=1e-11)


def test_samples_have_the_frequencies_of_the_means(rbm):
    n = 20000
    v = np.repeat(VISIBLE[5:6], n, axis=0)
    mean, sample = ref.gibbs_hidden(v, rbm["w"], rbm["a"], returns="both", rng=_stream())
    error = np.sqrt(mean[0] * (1 - mean[0]) / n)
    assert np.all(np.abs(sample.mean(axis=0) - mean[0]) < 4 * error)


@pytest.mark.parametrize("k", [1, 3])
def test_cd_is_on_average_what_enumeration_gives(rbm, k):
    n = 20000
    start = VISIBLE[[1, 6, 11, 12]]
    after = np.linalg.matrix_power(_transition(rbm), k)  # P(v_k | v_0)
    p_k = after[[1, 6, 11, 12]].mean(axis=0)
    h = sigmoid(VISIBLE @ rbm["w"].T + rbm["a"])
    h_data = sigmoid(start @ rbm["w"].T + rbm["a"])
    expected = {
        "dw": h_data.T @ start / 4 - (p_k[:, None] * h).T @ VISIBLE,
        "db": start.mean(axis=0) - p_k @ VISIBLE,
        "da": h_data.mean(axis=0) - p_k @ h,
    }
    got = ref.gibbs_cd(np.tile(start, (n // 4, 1)), **rbm, k=k, rng=_stream())
    for name, value in expected.items():
        assert np.all(np.abs(getattr(got, name) - value) < 4 * 0.5 / np.sqrt(n)), name


def test_cd_of_many_sweeps_tends_to_the_likelihood_gradient(rbm, joint):
    n = 10000
    data = np.tile(VISIBLE[[1, 6, 11, 12]], (n // 4, 1))
    h = sigmoid(data @ rbm["w"].T + rbm["a"])
    gradient = h.T @ data / n - HIDDEN.T @ joint.T @ VISIBLE
    got = ref.gibbs_cd(data, **rbm, k=20, rng=_stream(1)).dw
    assert np.all(np.abs(got - gradient) < 4 * 0.5 / np.sqrt(n))


def test_cd_uses_the_sweeps_of_the_half_steps(rbm):
    v, stream = VISIBLE[[3, 9]], _stream(5, rows=np.array([8, 1]))
    h0, v1 = sigmoid(v @ rbm["w"].T + rbm["a"]), v
    for step in (0, 1):
        sweep = ref.at(stream, step)
        h = ref.gibbs_hidden(v1, rbm["w"], rbm["a"], returns="sample", rng=sweep)
        v1 = ref.gibbs_visible(h, rbm["w"], rbm["b"], returns="sample", rng=sweep)
    h1 = sigmoid(v1 @ rbm["w"].T + rbm["a"])
    got = ref.gibbs_cd(v, **rbm, k=2, rng=stream)
    np.testing.assert_allclose(got.dw, (h0.T @ v - h1.T @ v1) / 2, atol=1e-15)
    np.testing.assert_allclose(got.db, (v - v1).mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(got.da, (h0 - h1).mean(axis=0), atol=1e-15)


def test_statistics_do_not_scale_with_the_batch(rbm):
    v = VISIBLE[[2, 7]]
    once = ref.gibbs_cd(v, **rbm, rng=_stream(rows=np.array([0, 1])))
    twice = ref.gibbs_cd(np.tile(v, (2, 1)), **rbm, rng=_stream(rows=np.array([0, 1, 0, 1])))
    for one, two in zip(once, twice, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-15)


def test_persistent_chains_are_advanced_in_place_in_either_encoding(rbm):
    start = VISIBLE[[0, 15, 6]]
    expected = ref.gibbs_sweeps(start, **rbm, k=2, rng=_stream(4))
    floats, bits = start.copy(), SimpleNamespace(words=pack_bits(start), shape=start.shape)
    # The data rows' ids do not reach the chains, whose ids are 0, 1, 2.
    rng = _stream(4, rows=np.array([77]))
    from_floats = ref.gibbs_cd(VISIBLE[:1], **rbm, k=2, rng=rng, chains=floats)
    from_bits = ref.gibbs_cd(VISIBLE[:1], **rbm, k=2, rng=rng, chains=bits)
    assert np.array_equal(floats, expected)
    assert np.array_equal(bits.words, pack_bits(expected))
    h_data = sigmoid(VISIBLE[:1] @ rbm["w"].T + rbm["a"])
    h_model = sigmoid(expected @ rbm["w"].T + rbm["a"])
    np.testing.assert_allclose(from_floats.da, h_data.mean(axis=0) - h_model.mean(axis=0))
    assert all(np.array_equal(x, y) for x, y in zip(from_floats, from_bits, strict=True))


def test_persistent_chains_hold_states_not_means(rbm):
    with pytest.raises(ValueError, match="visible='mean' received"):
        ref.gibbs_cd(VISIBLE, **rbm, rng=_stream(), chains=VISIBLE.copy(), visible="mean")
