"""The guards around a call: outputs, aliasing, workspace, sizes, threads, scalars."""

import numpy as np
import pytest

from layerwise import _core

from . import calls


@pytest.fixture
def ab(rng):
    return rng.random((6, 5)), rng.random((5, 4))


def test_an_output_must_not_overlap_an_input(ab):
    a, b = ab
    buffer = np.zeros(200)
    inside = buffer[:30].reshape(6, 5)
    inside[...] = a
    for start in (0, 5, 29):
        with pytest.raises(ValueError, match="mean receives a result and must not share memory"):
            calls.gemm(inside, b, mean=buffer[start : start + 24].reshape(6, 4))
    calls.gemm(inside, b, mean=buffer[30:54].reshape(6, 4))
    np.testing.assert_allclose(buffer[30:54].reshape(6, 4), a @ b)
    with pytest.raises(ValueError, match="must not share memory"):
        calls.gemm(inside, b, mean=buffer[52:28:-1].reshape(6, 4))


def test_outputs_must_not_overlap_each_other_or_the_workspace(ab):
    a, b = ab
    out = np.zeros((6, 4))
    with pytest.raises(ValueError, match="mean receives a result and must not share memory with s"):
        calls.gemm(a, b, mean=out, sample=out)
    block = np.zeros(_core.gemm_workspace(6, 4, 5, "float64") + 192, np.uint8)
    with pytest.raises(ValueError, match="must not share memory with workspace"):
        _core.gemm(a, b, mean=block[:192].view(np.float64).reshape(6, 4), workspace=block)


def test_columns_of_one_buffer_do_not_overlap(ab):
    a, b = ab
    both = np.zeros((6, 9))
    both[:, :5] = a
    calls.gemm(both[:, :5], b, mean=both[:, 5:])
    np.testing.assert_allclose(both[:, 5:], a @ b)
    with pytest.raises(ValueError, match="must not share memory"):
        calls.gemm(both[:, :5], b, mean=both[:, 4:8])
    with pytest.raises(ValueError, match="must not share memory"):
        calls.gemm(both[:, 4:], b, mean=both[::-1, :4])


def test_c_may_be_the_output_itself_but_no_other_view(ab):
    a, b = ab
    c = np.ones((6, 4))
    calls.gemm(a, b, c=c, beta=2.0, mean=c)
    np.testing.assert_allclose(c, a @ b + 2)
    square = np.zeros((4, 4))
    with pytest.raises(ValueError, match="share memory with c unless both are the same array"):
        calls.gemm(a[:4], b, c=square.T, beta=1.0, mean=square)


def test_an_output_whose_elements_coincide_is_refused(ab):
    a, b = ab
    row = np.zeros(4)
    repeated = np.lib.stride_tricks.as_strided(row, (6, 4), (0, 8))
    with pytest.raises(ValueError, match="gemm: mean must have distinct elements"):
        calls.gemm(a, b, mean=repeated)


def test_shapes_of_outputs_are_checked(ab):
    a, b = ab
    with pytest.raises(ValueError, match=r"gemm: mean must have shape \(6, 4\); got \(4, 6\)"):
        calls.gemm(a, b, mean=np.zeros((4, 6)))
    with pytest.raises(ValueError, match=r"gemm: bias must have shape \(4,\); got \(1, 4\)"):
        calls.gemm(a, b, mean=np.zeros((6, 4)), bias=np.zeros((1, 4)))
    with pytest.raises(ValueError, match="to receive the result"):
        calls.gemm(a, b)


def test_empty_operands_are_products_too():
    out = np.full((3, 4), np.nan)
    calls.gemm(np.zeros((3, 0)), np.zeros((0, 4)), mean=out)
    np.testing.assert_array_equal(out, np.zeros((3, 4)))
    calls.gemm(np.zeros((0, 5)), np.zeros((5, 4)), mean=np.zeros((0, 4)))


def test_a_small_workspace_names_the_bytes_needed(ab):
    a, b = ab
    least = _core.gemm_min_workspace(6, 4, 5, "float64", 1)
    out = np.zeros((6, 4))
    with pytest.raises(ValueError, match=f"workspace must have at least {least} bytes; got 3"):
        _core.gemm(a, b, mean=out, workspace=np.zeros(3, np.uint8), num_threads=1)
    with pytest.raises(ValueError, match=f"uint8 array of at least {least} bytes; got None"):
        _core.gemm(a, b, mean=out, num_threads=1)
    with pytest.raises(TypeError, match="workspace must be uint8; got float64"):
        _core.gemm(a, b, mean=out, workspace=np.zeros(least), num_threads=1)
    for shift in (0, 1, 63):
        workspace = np.zeros(least + shift, np.uint8)[shift:]
        _core.gemm(a, b, mean=out, workspace=workspace, num_threads=1)
        np.testing.assert_allclose(out, a @ b)


def test_a_bounded_workspace_stays_under_its_bound_and_is_accepted(rng):
    a, b = rng.random((600, 40)), rng.random((40, 500))
    sizes = (600, 500, 40, "float64", 2)
    least, most = _core.gemm_min_workspace(*sizes), _core.gemm_workspace(*sizes)
    for bound in (least, (least + most) // 2, most):
        needed = _core.gemm_workspace(*sizes, bound)
        assert needed <= bound
        out = np.zeros((600, 500))
        _core.gemm(a, b, mean=out, workspace=np.zeros(needed, np.uint8), num_threads=2)
        np.testing.assert_allclose(out, a @ b)


@pytest.mark.parametrize("sizes", [(2**62, 2**62, 1), (2**40, 1, 2**40), (1, 2**62, 2)])
def test_huge_shapes_are_memory_errors(sizes):
    with pytest.raises(MemoryError, match="gemm_workspace: a matrix of . x . elements must fit"):
        _core.gemm_workspace(*sizes, "float32")
    with pytest.raises(MemoryError, match="must fit the address space"):
        _core.gibbs_cd_workspace(sizes[0], 0, sizes[1], sizes[2], "float32")


def test_huge_views_are_memory_errors():
    one = np.zeros(1, np.float32)

    def view(shape, strides):
        return calls.InterfaceOnly(one, shape=shape, strides=strides)

    a, b = view((1, 2**60), (0, 0)), view((2**60, 4), (0, 0))
    with pytest.raises(MemoryError, match="gemm: a matrix of"):
        calls.gemm(a, b, mean=np.zeros((1, 4), np.float32))
    far = view((2**40, 2**40), (2**40, 4))
    with pytest.raises(MemoryError, match="gemm: a must fit the address space"):
        calls.gemm(far, b, mean=np.zeros((1, 4), np.float32))


@pytest.mark.parametrize("n", [0, -1, 4097, 2**70])
def test_thread_counts_out_of_range_are_refused(n):
    with pytest.raises(ValueError, match=r"num_threads must be in \[1, 4096\]"):
        _core.gemm_workspace(1, 1, 1, "float32", n)


def test_thread_counts_must_be_ints():
    with pytest.raises(TypeError, match="num_threads must be an int; got float"):
        _core.gemm_workspace(1, 1, 1, "float32", 2.0)
    _core.gemm_workspace(1, 1, 1, "float32", np.int64(2))


def test_scalars_out_of_range_are_refused(ab):
    a, b = ab
    out = np.zeros((6, 4))
    for name, bad in (("seed", -1), ("seed", 2**64), ("step", 2**32), ("rows", 2**32 - 3)):
        with pytest.raises(ValueError, match=f"gemm: {name} must"):
            calls.gemm(a, b, mean=out, **{name: bad})
    with pytest.raises(ValueError, match="gemm: activation must be.*got 'selu'"):
        calls.gemm(a, b, mean=out, activation="selu")
    with pytest.raises(ValueError, match="gemm: c must be given where beta != 0"):
        calls.gemm(a, b, mean=out, beta=1.0)
    with pytest.raises(TypeError, match="rows must be uint32; got int64"):
        calls.gemm(a, b, mean=out, rows=np.arange(6))
    with pytest.raises(TypeError, match="rows must be an int or an array.*; got None"):
        calls.gemm(a, b, mean=out, rows=None)
    with pytest.raises(TypeError, match="dtype must be 'float32' or 'float64'; got 'int8'"):
        _core.gemm_workspace(1, 1, 1, "int8")


def test_cd_needs_rows_and_a_step_that_stays_in_range():
    v, w = np.zeros((0, 4)), np.zeros((3, 4))
    b, a, dw = np.zeros(4), np.zeros(3), np.zeros((3, 4))
    outputs = {"dw": dw, "db": b.copy(), "da": a.copy()}
    with pytest.raises(ValueError, match="gibbs_cd: v and chains must have at least one row"):
        _core.gibbs_cd(v, w, b, a, **outputs)
    with pytest.raises(ValueError, match="gibbs_cd: step must be in"):
        _core.gibbs_cd(np.zeros((2, 4)), w, b, a, k=3, step=2**32 - 2, **outputs)
    with pytest.raises(ValueError, match=r"gibbs_cd: v must have shape \(any, 4\); got \(2, 5\)"):
        _core.gibbs_cd(np.zeros((2, 5)), w, b, a, **outputs)
    with pytest.raises(ValueError, match="gibbs_cd: k must be in"):
        _core.gibbs_cd(np.zeros((2, 4)), w, b, a, k=0, **outputs)


def test_an_op_without_cuda_kernels_says_so(ab):
    a, b = ab
    on_gpu = (0, 0)
    with pytest.raises(TypeError, match="lasso_workspace: .* no CUDA kernel in this build"):
        _core.lasso_workspace(4, 5, 6, "float32", num_threads=on_gpu)
    if _core.config()["cuda"]["toolkit"] is None:
        with pytest.raises(TypeError, match="gemm: .* no CUDA kernel in this build"):
            _core.gemm(a, b, mean=np.empty((6, 4)), num_threads=on_gpu)


def test_where_there_is_no_gpu_cuda_says_why():
    """In a build with CUDA; which GPU a pointer belongs to is the first thing asked."""
    cuda = _core.config()["cuda"]
    if cuda["toolkit"] is None or cuda["devices"] > 0:
        pytest.skip("without CUDA, or with a GPU")

    class OnGpu:
        __cuda_array_interface__ = np.zeros((2, 3)).__array_interface__

    with pytest.raises(
        RuntimeError, match=r"^softmax: cudaPointerGet.* must succeed .* CUDA error"
    ):
        _core.softmax(OnGpu(), OnGpu(), (0, 0))


@pytest.mark.parametrize("where", [(), (0,), (0, 0, 0), (-1, 0), (0, -1), ("cuda", 0)])
def test_a_device_is_its_number_and_a_stream(where):
    z = np.zeros((2, 3))
    with pytest.raises((TypeError, ValueError), match="^softmax: "):
        _core.softmax(z, z, where)
