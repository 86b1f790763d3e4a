"""What the compiled module reads as an array, and what it refuses by name."""

import numpy as np
import pytest

from layerwise import _core

from . import calls
from .calls import InterfaceOnly


class DLPackOnly:
    """An exporter of the DLPack protocol and nothing else."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **keywords):
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class OldDLPack(DLPackOnly):
    """An exporter from before DLPack 1.0: it knows no keyword and no read-only flag."""

    def __dlpack__(self):
        return self._array.__dlpack__()


class OnGpu:
    def __init__(self, array):
        interface = dict(array.__array_interface__)
        interface["version"] = 3
        self.__cuda_array_interface__ = interface


def product(a, b, **keywords):
    out = np.full((3, 4), np.nan, np.float32)
    calls.gemm(a, b, mean=out, **keywords)
    return out


@pytest.fixture
def ab(rng):
    return rng.random((3, 5), np.float32), rng.random((5, 4), np.float32)


@pytest.mark.parametrize("wrap", [DLPackOnly, OldDLPack, InterfaceOnly])
def test_every_protocol_gives_the_same_product(ab, wrap):
    a, b = ab
    expected = product(a, b)
    np.testing.assert_allclose(expected, a @ b, rtol=1e-6)
    np.testing.assert_array_equal(product(wrap(a), wrap(b)), expected)
    np.testing.assert_array_equal(product(wrap(a.T.copy().T), wrap(b[:, ::-1][:, ::-1])), expected)


@pytest.mark.parametrize("wrap", [DLPackOnly, OldDLPack, InterfaceOnly])
def test_outputs_are_written_through_every_protocol(ab, wrap):
    a, b = ab
    out = np.zeros((3, 4), np.float32)
    calls.gemm(a, b, mean=wrap(out))
    np.testing.assert_array_equal(out, product(a, b))


def test_views_of_any_stride_are_read_in_place(rng):
    big = rng.random((12, 20), np.float32)
    b = rng.random((5, 4), np.float32)
    for a in (big[::4, ::4], big[2::-1, 4::-1], big[:3, :5].copy(order="F"), big[:5, :3].T):
        np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-6)
    repeated = np.broadcast_to(big[0, :5], (3, 5))
    np.testing.assert_allclose(product(repeated, b), repeated @ b, rtol=1e-6)


@pytest.mark.parametrize("wrap", [lambda x: x, DLPackOnly, InterfaceOnly])
def test_readonly_arrays_are_read_but_never_written(ab, wrap):
    a, b = ab
    out = np.zeros((3, 4), np.float32)
    for array in (a, b, out):
        array.flags.writeable = False
    product(wrap(a), wrap(b))
    with pytest.raises(ValueError, match=r"gemm: mean must be writable.*read-only"):
        calls.gemm(a, b, mean=wrap(out))


@pytest.mark.parametrize("dtype", ["complex64", "O", "S4", "M8[s]", ">f4", "f4,f4", "g"])
def test_other_dtypes_are_refused_by_name(ab, dtype):
    _, b = ab
    with pytest.raises(TypeError, match=r"gemm: a must have a bool, integer or real float dtype"):
        product(np.zeros((3, 5), dtype), b)


@pytest.mark.parametrize("dtype", ["i4", "i8", "u1", "bool", "f2"])
def test_no_dtype_is_cast_silently(ab, dtype):
    a, b = ab
    name = np.dtype(dtype).name
    with pytest.raises(TypeError, match=f"gemm: a must be float32 or float64; got {name}"):
        product(a.astype(dtype), b)


def test_mixed_float_dtypes_name_both(ab):
    a, b = ab
    with pytest.raises(TypeError, match="one dtype; got a float32 and b float64"):
        product(a, b.astype(np.float64))


def test_misaligned_data_is_refused(ab):
    _, b = ab
    raw = np.zeros(3 * 5 * 4 + 1, np.uint8)
    a = raw[1:].view(np.float32).reshape(3, 5)
    with pytest.raises(ValueError, match=r"gemm: a must be aligned to its item size \(4 bytes\)"):
        product(a, b)


def test_a_field_of_a_structured_array_is_refused(ab):
    _, b = ab
    packed = np.zeros((3, 5), np.dtype([("flag", "u1"), ("x", "f4")], align=False))
    with pytest.raises(ValueError, match=r"gemm: a must have strides that are multiples"):
        product(packed["x"], b)


def test_what_is_no_array_is_refused(ab):
    _, b = ab
    for other in ([[1.0] * 5] * 3, 3.0, "a", object()):
        with pytest.raises(TypeError, match="gemm: a must be an array"):
            product(other, b)
    with pytest.raises(TypeError, match="gemm: a and b must be matrices; got None"):
        product(None, b)


def test_a_lying_interface_is_refused(ab):
    a, b = ab
    with pytest.raises(TypeError, match="must tell its data pointer"):
        product(InterfaceOnly(a, data=None), b)
    with pytest.raises(ValueError, match="null pointer"):
        product(InterfaceOnly(a, data=(0, False)), b)
    with pytest.raises(ValueError, match="negative dimension"):
        product(InterfaceOnly(a, shape=(-3, 5)), b)
    with pytest.raises(ValueError, match="has 2 dimensions but 1 strides"):
        product(InterfaceOnly(a, strides=(4,)), b)


def test_dlpack_refusals_keep_the_reason(ab):
    _, b = ab

    class Refuses:
        def __dlpack__(self, **keywords):
            raise BufferError("tensor requires grad")

    with pytest.raises(TypeError, match="gemm: a must be readable through DLPack.*requires grad"):
        product(Refuses(), b)


def test_a_used_capsule_is_refused(ab):
    a, b = ab
    capsule = a.__dlpack__()
    np.from_dlpack(type("Once", (), {
        "__dlpack__": lambda self, **k: capsule,
        "__dlpack_device__": lambda self: (1, 0),
    })())  # fmt: skip

    class Used:
        def __dlpack__(self, **keywords):
            return capsule

    with pytest.raises(TypeError, match="unused DLPack capsule"):
        product(Used(), b)


def test_arrays_are_released_after_the_call(ab):
    import sys

    a, b = ab
    before = sys.getrefcount(a), sys.getrefcount(b)
    for wrap in (lambda x: x, DLPackOnly, OldDLPack, InterfaceOnly):
        product(wrap(a), b)
        with pytest.raises(ValueError, match="shape"):
            product(wrap(a), b.T)
    assert (sys.getrefcount(a), sys.getrefcount(b)) == before


@pytest.mark.skipif(
    any(ops["cuda"] for ops in _core.config()["families"].values()), reason="a CUDA build"
)
def test_cuda_arrays_are_refused_by_a_cpu_build(ab):
    a, b = ab
    with pytest.raises(TypeError, match="gemm: a must be in CPU memory.*got a CUDA array"):
        product(OnGpu(a), b)


@pytest.mark.parametrize("rank", [64, 65])
def test_arrays_of_other_libraries_have_at_most_64_dimensions(rank):
    data = np.zeros(1, np.float32)
    wanted = "z must have shape" if rank == 64 else "z must have at most 64 dimensions; got 65"
    with pytest.raises(ValueError, match=wanted):
        _core.softmax(InterfaceOnly(data, shape=(1,) * rank), data)
