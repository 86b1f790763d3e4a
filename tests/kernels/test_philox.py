"""The kernels' random numbers are the reference's, word for word."""

import numpy as np
import pytest

from layerwise.reference import philox
from layerwise.reference.philox import Purpose

from . import harness

STREAMS = [
    {},
    {"seed": 0, "step": 0, "layer": 0, "rows": 0},
    {"seed": 2**64 - 1, "step": 2**32 - 1, "layer": 2**16 - 1, "rows": 2**32 - 5},
    {"rows": np.array([5, 0, 2**32 - 1, 5, 77], np.uint32)},
]


@pytest.mark.parametrize("changes", STREAMS)
@pytest.mark.parametrize("units", [1, 3, 4, 5, 15, 16, 17, 31, 33, 63, 64, 65, 129, 1025])
def test_uniform_numbers_equal_the_reference_exactly(backend, dtype, changes, units):
    """u < p fails at p = u and holds one step of 2**-24 above: that leaves one value."""
    stream = harness.stream(**changes)
    u = harness.uniforms(stream, Purpose.gemm, (5, units)).astype(dtype)
    nothing = np.zeros((5, 0), dtype), np.zeros((0, units), dtype)
    keywords = {"noise": "bernoulli", "rng": stream, "returns": "sample", "beta": 1.0}
    assert not backend.gemm(*nothing, c=u, **keywords).any()
    assert backend.gemm(*nothing, c=u + dtype(2.0**-24), **keywords).all()


@pytest.mark.parametrize("purpose", [Purpose.gibbs_hidden, Purpose.gibbs_visible, Purpose.dropout])
def test_every_purpose_has_its_own_numbers(backend, dtype, purpose):
    stream, units = harness.stream(), 131
    zero, one = np.zeros((7, 1), dtype), np.zeros((units, 1), dtype)
    uniforms = harness.uniforms(stream, purpose, (7, units))
    bias = np.zeros(units, dtype)
    if purpose == Purpose.gibbs_hidden:
        got = backend.gibbs_hidden(zero, one, bias, returns="sample", rng=stream)
    elif purpose == Purpose.gibbs_visible:
        got = backend.gibbs_visible(zero, one.T.copy(), bias, returns="sample", rng=stream)
    else:
        got = 1 - backend.dropout(np.ones((7, units), dtype), 0.5, rng=stream) / 2
    assert np.array_equal(got, uniforms < 0.5)


def test_normal_numbers_are_accurate_over_their_whole_range(backend, dtype):
    stream, shape = harness.stream(), (500, 400)
    nothing = np.zeros((500, 0), dtype), np.zeros((0, 400), dtype)
    got = backend.gemm(*nothing, noise="gaussian", rng=stream, returns="sample")
    expected = philox.stream(philox.normal, stream, Purpose.gemm, shape)
    radius = np.hypot(expected[:, ::2], expected[:, 1::2]).repeat(2, axis=1)
    harness.check("gemm_gaussian", got, expected, radius, dtype=dtype)
