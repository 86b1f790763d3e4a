"""The harness itself: what it must notice, it notices."""

import numpy as np
import pytest

from . import harness


@pytest.fixture(autouse=True)
def _unrecorded(monkeypatch):
    monkeypatch.setattr(harness, "SEEN", {})


@pytest.mark.parametrize("error", [1.1, -50.0, np.nan, np.inf])
def test_check_fails_beyond_the_tolerance(error):
    expected, bound = np.ones((3, 4)), np.full((3, 4), 2.0)
    allowed = harness.allowed_error("gemm", np.float64, 2.0)
    got = expected.copy()
    got[1, 2] += 0.9 * allowed
    harness.check("gemm", got, expected, bound, dtype=np.float64)
    assert 0.5 < harness.SEEN["gemm", "float64"].largest < 1
    got[1, 2] = 1 + error * allowed
    with pytest.raises(AssertionError, match=r"1 of 12 elements.*\(1, 2\)"):
        harness.check("gemm", got, expected, bound, dtype=np.float64)


def test_check_fails_for_another_dtype_or_shape():
    x = np.ones((2, 2))
    with pytest.raises(AssertionError, match="float32 of shape"):
        harness.check("gemm", x, x, x, dtype=np.float32)
    with pytest.raises(AssertionError, match="expected"):
        harness.check("gemm", x[:1], x, x, dtype=np.float64)


def test_check_fails_where_nan_is_lost():
    expected = np.array([1.0, np.nan])
    with pytest.raises(AssertionError, match="NaN or infinity"):
        harness.check("gemm", np.ones(2), expected, np.ones(2), dtype=np.float64)


def test_check_samples_leaves_out_ties_and_nothing_else():
    uniforms, mean = np.array([[0.2, 0.4, 0.6]]), np.array([[0.3, 0.4, 0.5]])
    for tie in (0, 1):
        sample = np.array([[1, tie, 0]])
        harness.check_samples("gemm", sample, mean, mean, uniforms, dtype=np.float32)
    assert harness.SEEN["gemm", "float32"].ambiguous == 2
    with pytest.raises(AssertionError, match="1 of 3 samples"):
        harness.check_samples("gemm", [[1, 0, 1]], mean, mean, uniforms, dtype=np.float32)


def test_check_samples_bounds_what_is_left_out():
    mean = np.full((1, 50), 0.5)
    with pytest.raises(AssertionError, match="50 samples left out"):
        harness.check_samples("gemm", mean > 0, mean, mean, mean, dtype=np.float32)


@pytest.mark.parametrize("offset", [-1, 10])
def test_guarded_memory_notices_a_write_beside_it(offset):
    memory = harness.GuardedMemory()
    array = memory.empty((2, 5), np.float32)
    assert np.isnan(array).all()
    array[...] = 1
    memory.check()
    address = array.ctypes.data + offset * array.itemsize
    (buffer, _, _) = memory._buffers[0]
    buffer[address - buffer.ctypes.data] = 0
    with pytest.raises(AssertionError, match="before" if offset < 0 else "after"):
        memory.check()


@pytest.mark.parametrize("layout", ["columns", "step", "negative"])
def test_guarded_view_notices_a_write_beside_it(layout):
    output = harness.GuardedView((3, 4), np.float32, layout)
    output.view[...] = 1
    output.check()
    assert output.view.shape == (3, 4)
    output.base[0, 0] = 0
    with pytest.raises(AssertionError, match="beside the output"):
        output.check()


@pytest.mark.parametrize("layout", harness.LAYOUTS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (5, 4)])
def test_layouts_keep_the_values(layout, shape, rng):
    x = rng.random(shape)
    assert np.array_equal(harness.lay_out(x, layout), x)
    misaligned = harness.byte_misaligned(x)
    assert misaligned.flags.aligned == (x.size == 0)
    assert np.array_equal(misaligned, x)


def test_same_bits_tells_zeros_apart():
    assert harness.same_bits(np.zeros(2), np.zeros(2))
    assert not harness.same_bits(np.zeros(2), -np.zeros(2))
