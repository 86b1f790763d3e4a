"""What only a call on a GPU shows: libraries, streams, devices, ops that have no CUDA kernels."""

import numpy as np
import pytest

import layerwise
from layerwise import ops

from . import harness


@pytest.fixture(autouse=True)
def gpu():
    """A GPU, or the reason why there is none."""
    reason = harness.missing("cuda")
    if reason is not None:
        (pytest.fail if "cuda" in harness.required() else pytest.skip)(reason)


@pytest.fixture
def torch():
    """PyTorch, but for its build without CUDA, beside which the GPU is an emulated one."""
    found = pytest.importorskip("torch")
    if found.version.cuda is None:
        pytest.skip("this torch is built without CUDA")
    return found


@pytest.fixture
def product(rng):
    a, b = harness.real(rng, (70, 300), np.float32), harness.real(rng, (300, 90), np.float32)
    return a, b, a.astype(np.float64) @ b.astype(np.float64)


def test_results_are_arrays_of_the_callers_library(product):
    cupy = pytest.importorskip("cupy")
    a, b, want = product
    got = ops.gemm(cupy.asarray(a), cupy.asarray(b))
    assert isinstance(got, cupy.ndarray)
    np.testing.assert_allclose(got.get(), want, rtol=0, atol=1e-3)


def test_torch_tensors_give_torch_tensors_in_order_with_the_current_stream(torch, product):
    a, b, want = product
    with torch.cuda.stream(torch.cuda.Stream()):
        x, y = torch.from_numpy(a).cuda(), torch.from_numpy(b).cuda()
        big = torch.randn(4096, 4096, device="cuda")
        for _ in range(20):  # what the product reads is written late on this stream
            big = big @ big
            big /= big.abs().max()
        x += 0 * big[0, 0]
        got = ops.gemm(x, y)
        x.zero_()  # and overwritten at once
        assert isinstance(got, torch.Tensor) and got.is_cuda
        np.testing.assert_allclose(got.cpu().numpy(), want, rtol=0, atol=1e-3)


def test_packed_states_stay_on_the_gpu(torch, rng):
    w = torch.from_numpy(harness.real(rng, (65, 130), np.float32)).cuda()
    v = harness.binary(rng, (33, 130), np.float32)
    bits = ops.BitMatrix.pack(v).to(w)
    options = {"returns": "sample", "packed": True, "rng": ops.Philox(1, rows=np.arange(33) + 7)}
    h = ops.gibbs_hidden(bits, w, torch.zeros(65, device="cuda"), **options)
    assert h.words.is_cuda
    assert h == ops.gibbs_hidden(
        torch.from_numpy(v).cuda(), w, torch.zeros(65, device="cuda"), **options
    )
    assert np.array_equal(bits.unpack(), v)


def test_arrays_on_several_devices_are_refused_by_name(product):
    cupy = pytest.importorskip("cupy")
    a, b, _ = product
    with pytest.raises(TypeError, match=r"gemm: all arrays must be on one device; got a on cuda:0"):
        ops.gemm(cupy.asarray(a), b)
    bits = ops.BitMatrix.pack(a > 0)
    with pytest.raises(TypeError, match=r"gemm: a must be on cuda:0, like the arrays; got a BitM"):
        ops.gemm(bits, cupy.asarray(b))


def test_what_has_no_cuda_kernel_is_refused(product):
    cupy = pytest.importorskip("cupy")
    sparse = pytest.importorskip("scipy.sparse")
    a, b, _ = product
    with pytest.raises(TypeError, match="gemm: a must be .* no CUDA kernels for CSR"):
        ops.gemm(sparse.csr_array(a), cupy.asarray(b))
    with pytest.raises(TypeError, match="no CUDA kernel in this build"):
        ops.lasso(cupy.asarray(a), cupy.asarray(b.T), alpha=1.0)
    assert layerwise.show_config(mode="dict")["kernels"]["lasso"]["cuda"] == []


def test_a_label_out_of_range_is_refused_before_the_kernel(rng):
    cupy = pytest.importorskip("cupy")
    z = cupy.asarray(harness.real(rng, (3, 4), np.float32))
    with pytest.raises(ValueError, match=r"labels must be in \[0, 4\); labels\[1\] is 4"):
        ops.softmax_cross_entropy(z, cupy.asarray(np.array([0, 4, 1])))


def test_two_halves_are_as_accurate_as_a_float32_chain(rng):
    """The mean square error against float64, for sums of either sign and of one sign."""
    cupy = pytest.importorskip("cupy")
    for k in (256, 4096):
        states = harness.binary(rng, (64, k), np.float32)
        weights = harness.real(rng, (k, 64), np.float32)
        for a, b in [(states, weights), (states, 1 / (1 + np.exp(-weights)))]:
            want = a.astype(np.float64) @ b.astype(np.float64)
            chain = np.zeros(want.shape, np.float32)
            for i in range(k):
                chain += a[:, i : i + 1] * b[i]
            got = ops.gemm(cupy.asarray(a), cupy.asarray(b)).get()
            assert np.square(got - want).mean() <= np.square(chain - want).mean()
