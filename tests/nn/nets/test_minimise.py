"""Fine-tuning by conjugate gradients and L-BFGS."""

import numpy as np
import pytest
from scipy.optimize import minimize

from layerwise import nn

from .test_net import make_net


@pytest.fixture
def batch(rng):
    return nn.Batch(rng.random((30, 5)), 0, y=rng.integers(0, 3, 30))


def mean_loss(net, batch, decay=0.0):
    """The objective in plain NumPy, float64."""
    x = batch.x
    for i, layer in enumerate(net.layers):
        x = x @ layer.w.T + layer.b
        if i < len(net.layers) - 1:
            x = 1 / (1 + np.exp(-x))
    log_p = x - np.logaddexp.reduce(x, axis=1, keepdims=True)
    penalty = sum(np.square(layer.w).sum() for layer in net.layers)
    return -log_p[np.arange(len(x)), batch.y].mean() + 0.5 * decay * penalty


class Counted(nn.SoftmaxCrossEntropy):
    """Counts its evaluations."""

    n = 0

    def __call__(self, z, targets):
        self.n += 1
        return super().__call__(z, targets)


@pytest.mark.parametrize(("method", "scipys"), [("cg", "CG"), ("lbfgs", "L-BFGS-B")])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_step_is_that_many_iterations_of_scipy_on_the_objective(batch, method, scipys, decay):
    """scipy is given the same objective by finite differences."""
    ours, other = (make_net(np.random.default_rng(1), (5, 4, 3)) for _ in range(2))
    arrays = list(other.parameters.values())

    def objective(theta):
        start = 0
        for array in arrays:
            array[...] = theta[start : start + array.size].reshape(array.shape)
            start += array.size
        return mean_loss(other, batch, decay)

    start = np.concatenate([array.ravel() for array in arrays])
    first = mean_loss(ours, batch)
    found = minimize(objective, start, method=scipys, jac="3-point", options={"maxiter": 3})
    assert found.nit == 3
    trainer = nn.NetMinimiser(ours, method=method, line_searches=3, weight_decay=decay)
    assert trainer.step(batch, 0)["loss"] == pytest.approx(first)
    theta = np.concatenate([array.ravel() for array in ours.parameters.values()])
    np.testing.assert_allclose(theta, found.x, rtol=1e-4, atol=1e-5)
    assert mean_loss(ours, batch, decay) == pytest.approx(found.fun, rel=1e-6)
    assert found.fun < first


@pytest.mark.parametrize("method", ["cg", "lbfgs"])
def test_more_line_searches_descend_further(batch, method):
    losses = []
    for line_searches in (1, 3, 9):
        net = make_net(np.random.default_rng(1), (5, 4, 3))
        nn.NetMinimiser(net, method=method, line_searches=line_searches).step(batch, 0)
        losses.append(mean_loss(net, batch))
    assert losses[2] < losses[1] < losses[0]


def test_more_memory_needs_fewer_line_searches(rng):
    """Least squares on scales from 1 to 30, which the last few steps do not tell."""
    x, y = rng.normal(size=(60, 20)) * np.geomspace(1, 30, 20), rng.integers(0, 3, 60)
    losses = []
    for memory in (3, 60):
        net = make_net(np.random.default_rng(1), (20, 3))
        trainer = nn.NetMinimiser(
            net, method="lbfgs", line_searches=60, memory=memory, weight_decay=0.01
        )
        trainer.step(nn.Batch(x, 0, y=y), 0)
        losses.append(mean_loss(net, nn.Batch(x, 0, y=y), 0.01))
    assert losses[1] < losses[0]


def test_the_tolerance_ends_it_close_to_the_minimum(batch):
    losses, evaluations = [], []
    for tol in (1e-3, 1e-12):
        net, loss = make_net(np.random.default_rng(1), (5, 3)), Counted()
        trainer = nn.NetMinimiser(
            net, method="lbfgs", line_searches=500, tol=tol, weight_decay=0.01, loss=loss
        )
        trainer.step(batch, 0)
        losses.append(mean_loss(net, batch, 0.01))
        evaluations.append(loss.n)
    assert evaluations[0] < evaluations[1] < 500
    assert losses[1] < losses[0] < 1.01 * losses[1]


@pytest.mark.parametrize("method", ["cg", "lbfgs"])
def test_below_the_lowest_layer_nothing_moves(batch, method):
    net, before = (make_net(np.random.default_rng(1), (5, 4, 3)) for _ in range(2))
    trainer = nn.NetMinimiser(net, method=method)
    trainer.lowest = 1
    trainer.step(batch, 0)
    for name, array in before.parameters.items():
        assert np.array_equal(net.parameters[name], array) is (name in ("w0", "b0"))


def test_gradients_of_upper_layers_alone_are_those_of_the_whole_pass(rng):
    net = make_net(rng, (5, 4, 6, 3))
    run = net.forward(rng.random((7, 5)))
    dz = rng.standard_normal((7, 3))
    whole, upper = net.backward(run, dz), net.backward(run, dz, lowest=1)
    assert sorted(upper) == ["b1", "b2", "w1", "w2"]
    for name, gradient in upper.items():
        np.testing.assert_array_equal(gradient, whole[name])


@pytest.mark.parametrize("method", ["cg", "lbfgs"])
def test_float32_and_dropout_descend(rng, batch, method):
    """The mask is the same throughout a step: without that a line search finds no descent."""
    net = make_net(rng, (5, 40, 3), dropout=0.5)
    for layer in net.layers:
        layer.w, layer.b = layer.w.astype(np.float32), layer.b.astype(np.float32)
    trainer = nn.NetMinimiser(net, method=method, line_searches=5, seed=3)
    x = nn.Batch(batch.x.astype(np.float32), 0, y=batch.y)
    losses = [trainer.step(x, 0)["loss"] for _ in range(4)]  # t = 0: one mask
    assert losses[3] < losses[2] < losses[1] < losses[0]
    assert {w.dtype for w in net.parameters.values()} == {np.dtype(np.float32)}
