"""Data that a stack of RBMs hands up: means of every layer, samples by row id."""

import itertools

import numpy as np

from layerwise import nn
from layerwise.ops import BitMatrix


def stack(rng, *sizes):
    return [
        (
            nn.BernoulliBernoulli(),
            nn.Parameters(rng.standard_normal((n, d)), np.zeros(d), rng.standard_normal(n)),
        )
        for d, n in itertools.pairwise(sizes)
    ]


def test_lifted_rows_are_the_means_of_every_layer(rng):
    layers = stack(rng, 5, 4, 3)
    x = rng.random((6, 5))
    expected = x
    for _, p in layers:
        expected = 1 / (1 + np.exp(-(expected @ p.w.T + p.a)))
    lifted = nn.LiftedRows(nn.Rows(x, "float64"), layers)
    assert lifted.shape == (6, 3)
    np.testing.assert_allclose(lifted[:], expected)
    np.testing.assert_allclose(lifted.mean(), expected.mean(axis=0))


def test_lifted_samples_are_drawn_anew_every_epoch_and_by_row_id(rng):
    layers = stack(rng, 5, 40)
    rows = nn.Rows(rng.random((6, 5)), "float64")
    lifted = nn.LiftedRows(rows, layers, returns="sample", seed=1)
    all_rows = np.arange(6, dtype=np.uint32)
    whole = lifted.batch(slice(0, 6), all_rows, epoch=0)
    part = lifted.batch(slice(2, 4), all_rows[2:4], epoch=0)
    assert isinstance(whole, BitMatrix)
    assert whole[2:4] == part
    assert whole != lifted.batch(slice(0, 6), all_rows, epoch=1)
