"""Arrays in, arrays of the same library, dtype and device out; other layouts and encodings."""

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import ops
from layerwise.ops import BitMatrix, Philox, Workspace

DTYPES = [np.float32, np.float64]


def model(rng, n=5, visible=7, hidden=3, dtype=np.float32):
    """0/1 data, weights, visible and hidden biases."""
    v = (rng.random((n, visible)) < 0.5).astype(dtype)
    w, b, a = (rng.normal(size=s).astype(dtype) for s in ((hidden, visible), visible, hidden))
    return v, w, b, a


def results(v, w, b, a):
    """Every op once, on arrays of any one library; a flat list of results."""
    stream = Philox(3)
    h = ops.gibbs_hidden(v, w, a)
    z = ops.dense(v, w, a)
    labels = np.arange(len(v)) % 3
    if type(v).__module__ == "torch":
        import torch

        labels = torch.from_numpy(labels)
    return [
        ops.gemm(v, w.T, bias=a, activation="softplus"),
        *ops.gemm(v, w.T, noise="gaussian", rng=stream, returns="both"),
        h,
        *ops.gibbs_hidden(v, w, a, returns="both", rng=stream),
        ops.gibbs_visible(h, w, b, returns="sample", rng=stream),
        *ops.gibbs_cd(v, w, b, a, k=2, rng=stream),
        ops.gibbs_free_energy(v, w, b, a),
        ops.gibbs_pseudo_likelihood(v, w, b, a),
        z,
        ops.dense_dx(z, w, x=v, activation="sigmoid"),
        ops.dense_dw(z, v, alpha=0.5),
        ops.dense_db(z),
        ops.activation_dx(z, z, "tanh"),
        ops.softmax(z),
        *ops.softmax_cross_entropy(z, labels),
        ops.dropout(z, 0.5, rng=stream),
        ops.dropout_dx(z, 0.5, rng=stream),
    ]


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_have_the_dtype_of_the_inputs(dtype, rng):
    for y in results(*model(rng, dtype=dtype)):
        assert type(y) is np.ndarray
        assert y.dtype == dtype
        assert y.flags.c_contiguous
        assert y.flags.owndata or y.base is not None


@pytest.mark.parametrize("dtype", DTYPES)
def test_native_agrees_with_the_reference(dtype, rng):
    arrays = model(rng, dtype=dtype)
    native = results(*arrays)
    with ops.use_backend("reference"):
        expected = results(*arrays)
    for got, wanted in zip(native, expected, strict=True):
        close(got, wanted)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_in_torch_out(dtype, rng):
    torch = pytest.importorskip("torch")
    arrays = model(rng, dtype=dtype)
    expected = results(*arrays)
    for got, wanted in zip(results(*map(torch.from_numpy, arrays)), expected, strict=True):
        assert isinstance(got, torch.Tensor)
        np.testing.assert_array_equal(got.numpy(), wanted)


@pytest.mark.usefixtures("backend")
def test_torch_outputs_are_written_in_place(rng):
    torch = pytest.importorskip("torch")
    v, w, _, a = map(torch.from_numpy, model(rng))
    out = torch.empty(5, 3)
    assert ops.gemm(v, w.T, out=out) is out
    close(out.numpy(), (v @ w.T).numpy())
    velocity, before = torch.zeros_like(w), w.clone()
    ops.sgd_momentum(w, velocity, torch.ones_like(w), rate=0.5)
    close(w.numpy(), (before + 0.5).numpy())
    close(velocity.numpy(), np.full((3, 7), 0.5))
    assert isinstance(ops.gibbs_hidden(BitMatrix.pack(v), w, a), torch.Tensor)


@pytest.mark.usefixtures("backend")
def test_torch_tensors_that_are_refused():
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 2)
    with pytest.raises(TypeError, match=r"dense: w must not require a gradient.*w.detach\(\)"):
        ops.dense(x, torch.ones(2, 2, requires_grad=True))
    with pytest.raises(TypeError, match="x must be float32 or float64; got bfloat16"):
        ops.dense(x.bfloat16(), x)
    with pytest.raises(TypeError, match="x must be on the CPU or a CUDA device; got device 'meta'"):
        ops.dense(x.to("meta"), x)
    with pytest.raises(TypeError, match="x must be a strided tensor"):
        ops.dense(x.to_sparse(), x)


class ForeignDLPack:
    def __init__(self, array):
        self.__dlpack__ = array.__dlpack__
        self.__dlpack_device__ = array.__dlpack_device__


class ForeignInterface:
    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self._array = array


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("wrap", [ForeignInterface, ForeignDLPack])
def test_arrays_of_unknown_libraries_are_read_through_the_protocols(wrap, rng):
    v, w, _b, a = model(rng)
    y = ops.gibbs_hidden(wrap(v), wrap(w), wrap(a))
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, ops.gibbs_hidden(v, w, a))
    velocity, before = np.zeros_like(w), w.copy()
    ops.sgd_momentum(wrap(w), wrap(velocity), wrap(w.copy()), rate=1.0)
    np.testing.assert_array_equal(w, 2 * before)


@pytest.mark.usefixtures("backend")
def test_encodings_give_the_bits_of_the_dense_matrix(rng):
    v, w, b, a = model(rng, n=9, visible=130)
    bits, csr = BitMatrix.pack(v), sp.csr_array(v)
    ops_of_v = [
        lambda x: ops.gemm(x, w.T),
        lambda x: ops.gibbs_hidden(x, w, a, returns="sample", rng=Philox(1)),
        lambda x: ops.dense(x, w),
        lambda x: ops.dense_dw(v[:, :4], x),
        lambda x: ops.gibbs_free_energy(x, w, b, a),
        lambda x: ops.gibbs_pseudo_likelihood(x, w, b, a),
        *[lambda x, i=i: ops.gibbs_cd(x, w, b, a, rng=Philox(1))[i] for i in range(3)],
    ]
    for op in ops_of_v:
        expected = op(v)
        np.testing.assert_array_equal(op(bits), expected)
        np.testing.assert_array_equal(op(csr), expected)


@pytest.mark.usefixtures("backend")
def test_product_of_two_bit_matrices_counts_in_float32(rng):
    x, y = (rng.random((5, 70)) < 0.5), (rng.random((70, 6)) < 0.5)
    got = ops.gemm(BitMatrix.pack(x), BitMatrix.pack(y))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, x.astype(int) @ y.astype(int))


@pytest.mark.usefixtures("backend")
def test_strides_do_not_matter(rng):
    v, w, b, a = model(rng, n=6)
    expected = results(v, w, b, a)
    padded = np.zeros((12, 14), np.float32)
    padded[::2, ::2] = v
    reversed_w = w[::-1, ::-1].copy()[::-1, ::-1]
    for got, wanted in zip(
        results(padded[::2, ::2], reversed_w, np.repeat(b, 2)[::2], a[::-1].copy()[::-1]),
        expected,
        strict=True,
    ):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.usefixtures("backend")
def test_inputs_are_left_alone_and_may_be_read_only(rng):
    arrays = model(rng)
    copies = [x.copy() for x in arrays]
    for x in arrays:
        x.flags.writeable = False
    results(*arrays)
    for x, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(x, copy)


@pytest.mark.usefixtures("backend")
def test_no_rows_give_results_of_no_rows():
    v, w = np.zeros((0, 7), np.float32), np.zeros((3, 7), np.float32)
    b, a = np.zeros(7, np.float32), np.zeros(3, np.float32)
    h, sample = ops.gibbs_hidden(v, w, a, returns="both", rng=Philox(0), packed=True)
    assert h.shape == sample.shape == (0, 3)
    assert ops.gibbs_free_energy(v, w, b, a).shape == (0,)
    assert ops.gibbs_pseudo_likelihood(v, w, b, a).shape == (0,)
    assert ops.dense_dx(h, w).shape == (0, 7)
    np.testing.assert_array_equal(ops.dense_dw(h, v), np.zeros((3, 7)))
    np.testing.assert_array_equal(ops.dense_db(h), np.zeros(3))
    loss, dz = ops.softmax_cross_entropy(h, np.zeros(0, np.int32))
    assert loss.shape == (0,)
    assert dz.shape == (0, 3)
    assert ops.dropout(h, 0.5, rng=Philox(0)).shape == (0, 3)


@pytest.mark.usefixtures("backend")
def test_a_sum_over_nothing_is_the_bias():
    a, b = np.zeros((2, 0)), np.zeros((0, 3))
    np.testing.assert_array_equal(ops.gemm(a, b, bias=np.arange(3.0)), [[0, 1, 2]] * 2)


@pytest.mark.usefixtures("backend")
def test_nan_passes_through():
    x = np.array([[np.nan, 1.0]])
    assert np.isnan(ops.gemm(x, np.ones((2, 1)))).all()
    with np.errstate(invalid="ignore"):
        energy = ops.gibbs_free_energy(x, np.ones((1, 2)), np.zeros(2), np.zeros(1))
    assert np.isnan(energy).all()


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("returns", "packed"),
    [("mean", False), ("sample", False), ("sample", True), ("both", False), ("both", True)],
)
def test_what_is_returned(returns, packed, rng):
    v, w, _b, a = model(rng)
    y = ops.gibbs_hidden(v, w, a, returns=returns, packed=packed, rng=Philox(1))
    mean, sample = ops.gibbs_hidden(v, w, a, returns="both", rng=Philox(1))
    parts = y if returns == "both" else (y,)
    if returns != "sample":
        np.testing.assert_array_equal(parts[0], mean)
    if returns != "mean":
        assert isinstance(parts[-1], BitMatrix) == packed
        got = parts[-1].unpack() if packed else parts[-1]
        np.testing.assert_array_equal(got, sample)


@pytest.mark.usefixtures("backend")
def test_out_receives_the_mean(rng):
    a, b, c = (rng.normal(size=s) for s in ((4, 3), (3, 5), (4, 5)))
    out = np.full((4, 10), np.nan)[:, ::2]
    y, sample = ops.gemm(
        a, b, out=out, returns="both", noise="gaussian", noise_scale=0.0, rng=Philox(0)
    )
    assert y is out
    np.testing.assert_allclose(out, a @ b)
    np.testing.assert_array_equal(sample, out)
    old = c.copy()
    assert ops.gemm(a, b, c=c, beta=2.0, alpha=-1.0, out=c) is c
    np.testing.assert_allclose(c, 2 * old - a @ b)
    dw = rng.normal(size=(3, 5))
    expected = 0.5 * a.T @ old + 3 * dw
    assert ops.dense_dw(a, old, alpha=0.5, beta=3.0, out=dw) is dw
    np.testing.assert_allclose(dw, expected)
    w, x = rng.normal(size=(5, 3)), rng.random(size=(4, 3))
    expected = (old @ w) * x * (1 - x)
    assert ops.dense(x, w, out=out) is out
    np.testing.assert_allclose(out, x @ w.T)
    assert ops.dense_dx(old, w, x=x, activation="sigmoid", out=x) is x
    np.testing.assert_allclose(x, expected)


@pytest.mark.usefixtures("backend")
def test_c_is_not_read_where_beta_is_zero(rng):
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    nan = np.full((2, 4), np.nan)
    np.testing.assert_allclose(ops.gemm(a, b, c=nan, beta=0.0), a @ b)
    np.testing.assert_allclose(ops.dense_dw(a.T, b, out=nan), a @ b)


@pytest.mark.usefixtures("backend")
def test_persistent_chains_are_overwritten_and_start_the_next_call(rng):
    v, w, b, a = model(rng, visible=70)
    start = BitMatrix.pack(rng.random((4, 70)) < 0.5)
    chains = start.copy()
    words = chains.words
    two = [ops.gibbs_cd(v, w, b, a, rng=Philox(1, s), chains=chains) for s in range(2)]
    assert chains.words is words
    assert chains != start
    once = start.copy()
    both = ops.gibbs_cd(v, w, b, a, k=2, rng=Philox(1), chains=once)
    assert once == chains
    for x, y in zip(both, two[1], strict=True):
        np.testing.assert_array_equal(x, y)
    given = start.copy()
    stream = Philox(1, rows=[0, 1, 2, 3])
    ops.gibbs_cd(v, w, b, a, k=2, rng=Philox(9), chains=given, chain_rng=stream)
    assert given == chains


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 2, 3)])
def test_sgd_momentum_takes_any_rank(shape, rng):
    w, velocity, dw = (rng.normal(size=shape) for _ in range(3))
    w, velocity, dw = map(np.asarray, (w, velocity, dw))
    step = 0.9 * velocity + 0.1 * (dw - 0.01 * w)
    expected = w + step
    assert ops.sgd_momentum(w, velocity, dw, rate=0.1, momentum=0.9, weight_decay=0.01) is None
    np.testing.assert_allclose(velocity, step)
    np.testing.assert_allclose(w, expected)


@pytest.mark.usefixtures("backend")
def test_labels_of_both_integer_dtypes(rng):
    z = rng.normal(size=(4, 3))
    labels = np.array([2, 0, 1, 1])
    for x, y in zip(
        ops.softmax_cross_entropy(z, labels),
        ops.softmax_cross_entropy(z, labels.astype(np.int32)),
        strict=True,
    ):
        np.testing.assert_array_equal(x, y)


def test_workspace_grows_and_is_reused():
    workspace = Workspace()
    small = workspace.take(100)
    large = workspace.take(1000)
    assert (small.nbytes, large.nbytes) == (100, 1000)
    assert large.dtype == np.uint8
    assert np.shares_memory(workspace.take(10), large)
    assert workspace.nbytes == 1000
    workspace.release()
    assert workspace.nbytes == 0
    with pytest.raises(MemoryError, match="workspace: an array of shape"):
        workspace.take(2**60)


def test_a_workspace_changes_nothing_but_allocations(rng):
    v, w, b, a = model(rng, n=40, visible=90, hidden=30)
    workspace = Workspace()
    for _ in range(2):
        for op in (
            lambda **k: ops.gemm(v, w.T, **k),
            lambda **k: ops.gibbs_cd(v, w, b, a, rng=Philox(1), **k).dw,
            lambda **k: ops.gibbs_free_energy(v, w, b, a, **k),
            lambda **k: ops.gibbs_pseudo_likelihood(v, w, b, a, **k),
        ):
            np.testing.assert_array_equal(op(workspace=workspace), op())
    assert workspace.nbytes > 0


def test_max_workspace_changes_nothing_but_memory(rng):
    from layerwise.ops._backend import core

    a, b = rng.normal(size=(300, 200)), rng.normal(size=(200, 250))
    least = core().gemm_min_workspace(300, 250, 200, "float64", 2)
    workspace = Workspace()
    got = ops.gemm(a, b, max_workspace=least, num_threads=2, workspace=workspace)
    assert workspace.nbytes <= least
    np.testing.assert_array_equal(got, ops.gemm(a, b))
