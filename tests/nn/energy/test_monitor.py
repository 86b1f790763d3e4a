"""What monitoring measures, against exact quantities, and what it warns of."""

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import RBM, nn
from layerwise.ops import BitMatrix

from . import enumeration

PAIR = nn.BernoulliBernoulli()


@pytest.fixture
def p(rng):
    return nn.Parameters(*(rng.standard_normal(shape) for shape in ((5, 4), 4, 5)))


@pytest.mark.parametrize("encode", [np.asarray, BitMatrix.pack, sp.csr_array])
def test_metrics_are_those_of_their_definitions(rng, p, encode):
    x, held = (rng.integers(0, 2, (n, 4)).astype(float) for n in (30, 20))
    found = nn.rbm_metrics(PAIR, p, encode(x), encode(held))
    table = enumeration.log_probabilities(p.w, p.b, p.a)
    h = 1 / (1 + np.exp(-(x @ p.w.T + p.a)))
    v = 1 / (1 + np.exp(-(h @ p.w + p.b)))
    assert found["reconstruction_error"] == pytest.approx(((v - x) ** 2).mean())
    index = (x @ [8, 4, 2, 1]).astype(int), (held @ [8, 4, 2, 1]).astype(int)
    pseudo = sum(table - np.logaddexp(table, table[np.arange(16) ^ bit]) for bit in (1, 2, 4, 8))
    assert found["pseudo_likelihood"] == pytest.approx(pseudo[index[0]].mean())
    assert found["validation_pseudo_likelihood"] == pytest.approx(pseudo[index[1]].mean())
    gap = table[index[0]].mean() - table[index[1]].mean()
    assert found["free_energy_gap"] == pytest.approx(gap)
    assert found["free_energy_spread"] == pytest.approx(table[index[0]].std())
    norms = np.linalg.norm(p.w, axis=1)
    assert found["weight_norm"] == pytest.approx(norms.mean())
    assert found["largest_weight_norm"] == pytest.approx(norms.max())


def test_dead_and_saturated_units_are_counted(p):
    p.w[:] = 0
    p.a[:] = [-4, -2, 0, 2, 4]
    p.w[4, 0] = -5.0  # comes off where the first visible unit is on
    found = nn.rbm_metrics(PAIR, p, np.eye(4))
    assert (found["dead_units"], found["saturated_units"]) == (1, 0)
    assert nn.rbm_metrics(PAIR, p, np.eye(4)[1:])["saturated_units"] == 1


def test_pseudo_likelihood_of_probabilities_is_that_of_bits_drawn_from_them(rng, p, monkeypatch):
    monkeypatch.setattr("layerwise.nn.energy.monitor._PSEUDO_ROWS", 4000)
    x = np.repeat(rng.random((1, 4)), 4000, axis=0)
    found = nn.rbm_metrics(PAIR, p, x)["pseudo_likelihood"]
    states = enumeration.states(4)
    weight = np.prod(np.where(states > 0, x[0], 1 - x[0]), axis=1)
    assert found == pytest.approx(weight @ PAIR.pseudo_likelihood(states, p), abs=0.1)
    assert found == nn.rbm_metrics(PAIR, p, x)["pseudo_likelihood"]


def warned(**last):
    return nn.advice([{"reconstruction_error": 0.1}, {"reconstruction_error": 0.1, **last}], 500)


def test_advice_is_given_where_something_went_wrong():
    assert warned() == []
    assert warned(dead_units=10.0, saturated_units=10.0, free_energy_gap=0.9) == []
    assert warned(dead_units=87.0) == [
        "87 of 500 hidden units never turn on: lower the learning rate or raise sparsity_target"
    ]
    assert "60 of 500 hidden units are always on" in warned(saturated_units=60.0)[0]
    assert "validation data is 5 nats" in warned(free_energy_gap=5.0, free_energy_spread=6.0)[0]
    assert "error rose from 0.1 to 0.3" in warned(reconstruction_error=0.3)[0]
    assert nn.advice([], 500) == []


def test_a_fit_with_far_too_high_a_rate_warns(rng):
    x = (rng.random((300, 20)) < 0.1).astype(float)
    with pytest.warns(UserWarning, match="of 30 hidden units never turn on"):
        RBM(30, learning_rate=30.0, n_iter=3, monitor=True, random_state=0).fit(x)
