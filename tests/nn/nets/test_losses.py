"""The squared hinge: its formula, and its gradient by finite differences."""

import numpy as np

from layerwise import nn


def test_squared_hinge_is_its_formula(rng):
    z, labels = rng.normal(size=(20, 4)), rng.integers(0, 4, 20)
    sign = np.where(labels[:, None] == np.arange(4), 1, -1)
    expected = (np.maximum(0, 1 - sign * z) ** 2).sum(axis=1)
    np.testing.assert_allclose(nn.SquaredHinge()(z, labels)[0], expected)


def test_squared_hinge_has_the_gradient_of_finite_differences(rng):
    z, labels, direction = (
        rng.normal(size=(20, 4)),
        rng.integers(0, 4, 20),
        rng.normal(size=(20, 4)),
    )
    loss = nn.SquaredHinge()
    h = 1e-6
    slope = (loss(z + h * direction, labels)[0] - loss(z - h * direction, labels)[0]) / (2 * h)
    np.testing.assert_allclose((loss(z, labels)[1] * direction).sum(axis=1), slope, atol=1e-7)


def test_squared_hinge_keeps_float32(rng):
    loss, dz = nn.SquaredHinge()(rng.normal(size=(3, 2)).astype(np.float32), np.array([0, 1, 0]))
    assert loss.dtype == dz.dtype == np.float32
