"""LISTA: gradients, its start as the iterative solver, and what training gains."""

import numpy as np
import pytest

from layerwise import nn


def problem(rng, n=40, k=7, d=5, dtype="float64"):
    phi = rng.standard_normal((k, d))
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    return rng.standard_normal((n, d)).astype(dtype), phi.astype(dtype)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_gradients_are_finite_differences(n_layers, positive, rng):
    x, phi = problem(rng)
    net = nn.ListaNet.from_dictionary(phi, 0.1, n_layers, positive=positive)
    for values in net.parameters.values():
        values += 0.05 * rng.random(values.shape)
    weight = rng.standard_normal((len(x), len(phi)))
    gradients = net.backward(x, net.forward(x), weight)

    def loss():
        return float((weight * net.forward(x)[-1]).sum())

    for name, values in net.parameters.items():
        for index in np.ndindex(values.shape):
            at = values[index]
            ends = []
            for step in (1e-6, -1e-6):
                values[index] = at + step
                ends.append(loss())
            values[index] = at
            if n_layers == 0 and name == "s":
                assert gradients[name][index] == 0
            else:
                assert gradients[name][index] == pytest.approx(
                    (ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-5
                )


def test_untrained_layers_are_steps_of_ista(rng):
    x, phi = problem(rng)
    largest = np.linalg.eigvalsh(phi @ phi.T).max()
    z = np.zeros((len(x), len(phi)))
    for codes in nn.ListaNet.from_dictionary(phi, 0.3, n_layers=4).forward(x):
        u = z + (x - z @ phi) @ phi.T / largest
        z = np.sign(u) * np.maximum(np.abs(u) - 0.3 / largest, 0)
        np.testing.assert_allclose(codes, z, atol=1e-12)


def test_many_untrained_layers_give_the_codes_of_the_solver(rng):
    x, phi = problem(rng)
    codes = nn.ListaNet.from_dictionary(phi, 0.3, n_layers=2000).forward(x)[-1]
    exact = nn.LassoCoding(0.3, tol=1e-12).codes(x, phi)
    np.testing.assert_allclose(codes, exact, atol=1e-6)


def test_training_brings_codes_of_unseen_signals_nearer_to_the_solvers(rng):
    x, phi = problem(rng, n=1500)
    coding = nn.LassoCoding(0.2)
    net = nn.ListaNet.from_dictionary(phi, 0.2, n_layers=2)
    trainer = nn.ListaTrainer(net, coding, phi, rate=0.01)
    target = coding.codes(x[1000:], phi)

    def error():
        return float(((net.forward(x[1000:])[-1] - target) ** 2).sum() / (target**2).sum())

    before = error()
    nn.fit(trainer, nn.Minibatches(nn.Rows(x[:1000], "float64"), 100, seed=0), 15)
    assert error() < 0.3 * before
    assert net.parameters["theta"].min() >= 0


def test_a_state_that_was_kept_goes_on_with_the_same_bits(rng):
    x, phi = problem(rng, dtype="float32")
    batches = list(nn.Minibatches(nn.Rows(x, "float32"), 10, seed=0)(0))

    def trainer():
        net = nn.ListaNet.from_dictionary(phi, 0.2, n_layers=2)
        return nn.ListaTrainer(net, nn.LassoCoding(0.2), phi)

    def bits(trainer, batches, t):
        for i, batch in enumerate(batches):
            trainer.step(batch, t + i)
        return [values.tobytes() for values in trainer.weights.values()]

    first, second = trainer(), trainer()
    bits(first, batches[:2], 0)
    second.load_state_dict(first.state_dict())
    whole = bits(trainer(), batches, 0)
    assert bits(second, batches[2:], 2) == whole


def test_adam_takes_steps_of_its_rate_and_finds_a_minimum():
    w = np.array([3.0, -200.0])
    optimiser = nn.Adam({"w": w}, rate=0.1)
    optimiser.update({"w": w * [1.0, 100.0]}, 0)
    np.testing.assert_allclose(w, [2.9, -199.9], rtol=1e-6)
    w[:] = [3.0, -2.0]
    for t in range(600):
        optimiser.update({"w": w * [1.0, 100.0]}, t)
    np.testing.assert_allclose(w, 0, atol=1e-2)
