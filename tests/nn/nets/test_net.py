"""Nets of dense layers: gradients against finite differences."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import nn
from layerwise.ops import BitMatrix, Philox


def make_net(rng, sizes, activation="sigmoid", dropout=0.0):
    layers = []
    for i, (below, above) in enumerate(itertools.pairwise(sizes)):
        last = i == len(sizes) - 2
        layers.append(
            nn.Layer(
                rng.standard_normal((above, below)),
                rng.standard_normal(above),
                "none" if last else activation,
                0.0 if last else dropout,
            )
        )
    return nn.Net(layers)


def loss_of(net, x, labels, rng):
    losses, _ = nn.SoftmaxCrossEntropy()(net.forward(x, rng).outputs[-1], labels)
    return losses.sum()


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softplus"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradient_of_the_whole_net_matches_finite_differences(rng, activation, dropout):
    net = make_net(rng, (5, 4, 6, 3), activation, dropout)
    x, labels = rng.random((7, 5)), rng.integers(0, 3, 7)
    stream = Philox(1, step=2, rows=11)
    run = net.forward(x, stream)
    _, dz = nn.SoftmaxCrossEntropy()(run.outputs[-1], labels)
    gradients = net.backward(run, dz)
    assert sorted(gradients) == sorted(net.parameters)
    step = 1e-5
    for name, parameter in net.parameters.items():
        numeric = np.empty_like(parameter)
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            parameter[index] = kept + step
            up = loss_of(net, x, labels, stream)
            parameter[index] = kept - step
            down = loss_of(net, x, labels, stream)
            parameter[index] = kept
            numeric[index] = (up - down) / (2 * step)
        np.testing.assert_allclose(gradients[name], numeric, rtol=1e-6, atol=1e-8, err_msg=name)


def test_dropped_inputs_are_zero_and_their_weights_learn_nothing(rng):
    net = make_net(rng, (50, 4, 3))
    net.input_dropout = 0.4
    x, labels = rng.random((1, 50)) + 1, np.array([2])
    stream = Philox(1, step=2, rows=11)
    run = net.forward(x, stream)
    dropped = run.inputs[0][0] == 0
    assert 5 < dropped.sum() < 35
    np.testing.assert_allclose(run.inputs[0][0, ~dropped], x[0, ~dropped] / 0.6)
    _, dz = nn.SoftmaxCrossEntropy()(run.outputs[-1], labels)
    touched = (net.backward(run, dz)["w0"] != 0).any(axis=0)
    np.testing.assert_array_equal(touched, ~dropped)
    np.testing.assert_array_equal(net.forward(x).inputs[0], x)


def test_scale_multiplies_every_gradient(rng):
    net = make_net(rng, (5, 4, 3))
    run = net.forward(rng.random((7, 5)))
    dz = rng.standard_normal((7, 3))
    whole, half = net.backward(run, dz), net.backward(run, dz, scale=0.5)
    for name in whole:
        np.testing.assert_allclose(half[name], 0.5 * whole[name])


@pytest.mark.parametrize("encode", [BitMatrix.pack, sp.csr_matrix])
def test_bits_and_sparse_inputs_give_the_bits_of_dense_ones(rng, encode):
    net = make_net(rng, (70, 4, 3))
    x = rng.integers(0, 2, (7, 70)).astype(float)
    dense, encoded = net.forward(x), net.forward(encode(x))
    np.testing.assert_array_equal(dense.outputs[-1], encoded.outputs[-1])
    dz = rng.standard_normal((7, 3))
    gradients = net.backward(dense, dz)
    for name, gradient in net.backward(encoded, dz).items():
        np.testing.assert_array_equal(gradient, gradients[name])


@pytest.mark.parametrize("lowest", [0, 1])
def test_an_update_has_the_bits_of_gradients_and_a_step(rng, lowest):
    nets = [make_net(np.random.default_rng(0), (60, 40, 3)) for _ in range(2)]
    x, dz = rng.random((7, 60)), rng.standard_normal((7, 3))
    optimisers = [nn.SGD(net.parameters, rate=0.5, momentum=0.9, weight_decay=0.01) for net in nets]
    for t in range(2):
        runs = [net.forward(x) for net in nets]
        optimisers[0].update(nets[0].backward(runs[0], dz, -0.1, lowest=lowest), t)
        step = optimisers[1].step(t)
        nets[1].update(runs[1], dz, -0.1, optimisers[1].velocities, step, lowest=lowest)
    for name, parameter in nets[0].parameters.items():
        np.testing.assert_array_equal(parameter, nets[1].parameters[name])
        moved = not np.array_equal(
            parameter, make_net(np.random.default_rng(0), (60, 40, 3)).parameters[name]
        )
        assert moved == (int(name[1:]) >= lowest)


def test_a_step_descends_the_mean_loss_whatever_the_batch_size(rng):
    x, labels = rng.random((4, 5)), np.array([0, 1, 2, 0])
    moved = []
    for copies in (1, 6):
        net = make_net(np.random.default_rng(0), (5, 4, 3))
        trainer = nn.NetTrainer(net, rate=0.5)
        metrics = trainer.step(nn.Batch(np.tile(x, (copies, 1)), 0, y=np.tile(labels, copies)), t=0)
        moved.append((metrics["loss"], net.parameters))
    np.testing.assert_allclose(moved[0][0], moved[1][0])
    for name, parameter in moved[0][1].items():
        np.testing.assert_allclose(parameter, moved[1][1][name], rtol=1e-12)
