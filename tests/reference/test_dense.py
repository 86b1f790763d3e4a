"""Gradients of the reference layers against finite differences, and laws of dropout and SGD."""

from types import SimpleNamespace

import numpy as np
import pytest

from layerwise.reference import dense as ref

ACTIVATIONS = ["none", "sigmoid", "relu", "softplus", "tanh"]


def _numeric_gradient(f, x, step=1e-6):
    out = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = f()
        x[index] = kept - step
        out[index] = (above - f()) / (2 * step)
        x[index] = kept
    return out


@pytest.fixture
def net(rng):
    """Two layers, so that the lower one's activation is crossed on the way back."""
    return SimpleNamespace(
        x=rng.normal(size=(5, 4)),
        w1=rng.normal(size=(6, 4)),
        b1=rng.normal(size=6),
        w2=rng.normal(size=(3, 6)),
        b2=rng.normal(size=3),
        labels=rng.integers(0, 3, 5),
        weight=rng.random(5),
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backward_pass_is_the_gradient_of_the_loss(net, activation):
    def loss():
        hidden = ref.dense(net.x, net.w1, net.b1, activation)
        scores = ref.dense(hidden, net.w2, net.b2)
        return ref.softmax_cross_entropy(scores, net.labels, net.weight)[0].sum()

    hidden = ref.dense(net.x, net.w1, net.b1, activation)
    _, dz2 = ref.softmax_cross_entropy(ref.dense(hidden, net.w2, net.b2), net.labels, net.weight)
    dz1 = ref.dense_dx(dz2, net.w2, x=hidden, activation=activation)
    analytic = {
        "w2": ref.dense_dw(dz2, hidden),
        "b2": ref.dense_db(dz2),
        "w1": ref.dense_dw(dz1, net.x),
        "b1": ref.dense_db(dz1),
        "x": ref.dense_dx(dz1, net.w1),
    }
    for name, gradient in analytic.items():
        numeric = _numeric_gradient(loss, getattr(net, name))
        np.testing.assert_allclose(gradient, numeric, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_dx_is_the_gradient_of_the_activation(rng, activation):
    z, dy = rng.normal(size=(2, 3, 4))
    one = np.eye(4)
    numeric = _numeric_gradient(lambda: (dy * ref.dense(z, one, None, activation)).sum(), z)
    y = ref.dense(z, one, None, activation)
    np.testing.assert_allclose(ref.activation_dx(dy, y, activation), numeric, atol=1e-8)


def test_dense_dw_scales_and_accumulates(rng):
    dz, x, out = (rng.normal(size=s) for s in [(5, 3), (5, 4), (3, 4)])
    got = ref.dense_dw(dz, x, alpha=-0.5, beta=2.0, out=out)
    np.testing.assert_allclose(got, -0.5 * ref.dense_dw(dz, x) + 2.0 * out, atol=1e-14)


def test_softmax_is_a_distribution_and_ignores_a_shift(rng):
    z = rng.normal(size=(4, 5)) * 100
    p = ref.softmax(z)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(ref.softmax(z + 1000.0), p, atol=1e-12)


def test_dropout_keeps_scales_and_is_unbiased():
    rng = SimpleNamespace(seed=2, step=0, layer=0, rows=0)
    x = np.ones((200, 300))
    y = ref.dropout(x, 0.3, rng=rng)
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert abs(y.mean() - 1) < 4 * np.sqrt(0.3 / 0.7 / y.size)
    assert np.array_equal(ref.dropout_dx(2 * x, 0.3, rng=rng), 2 * y)


def test_sgd_momentum_is_in_place_ascent(rng):
    w, velocity, dw = rng.normal(size=(3, 2, 4))
    old_w, old_velocity = w.copy(), velocity.copy()
    ref.sgd_momentum(w, velocity, dw, rate=0.1, momentum=0.9, weight_decay=0.01)
    np.testing.assert_allclose(velocity, 0.9 * old_velocity + 0.1 * (dw - 0.01 * old_w))
    np.testing.assert_allclose(w, old_w + velocity)
