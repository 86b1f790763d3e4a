"""Bad arguments get an error that starts with the op and leaves outputs alone."""

import numpy as np
import pytest
import scipy.sparse

from . import cases, harness


def _arrays(op, rng, dtype):
    """A right call, and the positions of its float arrays."""
    arrays, options = cases.arguments(op, rng, dtype, 6, 9, 5)
    return arrays, options, [i for i, array in enumerate(arrays) if array.dtype == dtype]


@pytest.mark.parametrize(
    "kind", ["int64", "float16", "complex64", "object", "list", "none", "text"]
)
@pytest.mark.parametrize("op", cases.OPS)
def test_arrays_that_are_not_float32_or_float64_are_refused(backend, dtype, op, kind, rng):
    arrays, options, floats = _arrays(op, rng, dtype)
    for i in floats:
        bad = list(arrays)
        if kind == "list":
            bad[i] = arrays[i].tolist()
        elif kind in ("none", "text"):
            bad[i] = None if kind == "none" else "x"
            if kind == "none" and (op, i) == ("dense", 2):
                continue  # the bias is optional
        else:
            bad[i] = arrays[i].astype(kind)
        with pytest.raises(TypeError, match=f"^{op}: "):
            getattr(backend, op)(*bad, **options)


@pytest.mark.parametrize("op", cases.OPS)
def test_mixed_dtypes_are_refused(backend, op, rng):
    arrays, options, floats = _arrays(op, rng, np.float32)
    for i in floats if len(floats) > 1 else []:
        bad = list(arrays)
        bad[i] = arrays[i].astype(np.float64)
        with pytest.raises(TypeError, match=f"^{op}: .*dtype"):
            getattr(backend, op)(*bad, **options)


@pytest.mark.parametrize("op", cases.OPS)
def test_wrong_shapes_are_refused(backend, dtype, op, rng):
    arrays, options, _ = _arrays(op, rng, dtype)
    wrong = [(i, np.stack([array] * 2)) for i, array in enumerate(arrays)]  # one axis too many
    for i, array in enumerate(arrays):
        for axis in range(array.ndim):
            if len(arrays) > 1 and not _free(op, i, axis):
                wrong.append((i, np.concatenate([array] * 2, axis=axis)))
    for i, bad in wrong:
        with pytest.raises(ValueError, match=f"^{op}: .*shape"):
            getattr(backend, op)(*arrays[:i], bad, *arrays[i + 1 :], **options)


@pytest.mark.parametrize("op", cases.OPS)
def test_addresses_and_strides_between_elements_are_refused(backend, dtype, op, rng):
    if backend.name == "cuda":
        pytest.skip("about host memory: CuPy's arrays are aligned")
    arrays, options, _ = _arrays(op, rng, dtype)
    for i, array in enumerate(arrays):
        packed = np.zeros(array.shape, [("flag", "u1"), ("x", array.dtype)])
        packed["x"] = array
        for bad in (harness.byte_misaligned(array), packed["x"]):
            with pytest.raises(ValueError, match=f"^{op}: .* must be aligned to its item size"):
                getattr(backend, op)(*arrays[:i], bad, *arrays[i + 1 :], **options)


def _free(op, position, axis):
    """Whether an axis of an argument may have any size."""
    rows = {"gemm", "dense", "gibbs_hidden", "gibbs_visible", "gibbs_cd", "gibbs_cd_update"}
    rows |= {"gibbs_free_energy", "gibbs_pseudo_likelihood", "lars", "lars_path", "lasso", "omp"}
    if position == 0 and axis == 0 and op in rows:
        return True
    return (op, position, axis) in {
        ("gemm", 1, 1),
        ("dense_dw", 0, 1),
        ("lars", 1, 0),
        ("lars_path", 1, 0),
        ("lasso", 1, 0),
        ("lasso_path", 0, 1),
        ("omp", 1, 0),
        ("dense_dw", 1, 1),
        ("softmax_cross_entropy", 0, 1),
    }


@pytest.mark.parametrize("op", cases.OPS)
def test_unknown_thread_counts_are_refused(native, dtype, op, rng):
    arrays, options, _ = _arrays(op, rng, dtype)
    for threads, error in [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)]:
        with pytest.raises(error, match="num_threads"):
            getattr(native, op)(*arrays, **options, num_threads=threads)


@pytest.mark.parametrize("op", ["gemm", "dense", "dense_dx", "activation_dx"])
def test_unknown_activations_are_refused(backend, dtype, op, rng):
    arrays, options, _ = _arrays(op, rng, dtype)
    with pytest.raises(ValueError, match=f"^{op}: activation.*sigmoid.*'elu'"):
        getattr(backend, op)(*arrays, **(options | {"activation": "elu"}))


@pytest.mark.parametrize("op", ["gemm", "gibbs_hidden", "gibbs_visible"])
def test_samples_need_a_stream(backend, dtype, op, rng):
    arrays, options, _ = _arrays(op, rng, dtype)
    with pytest.raises(TypeError, match=f"^{op}: rng"):
        getattr(backend, op)(*arrays, **(options | {"rng": None}))
    for rows in (np.arange(5), np.arange(7)):
        stream = harness.stream(rows=rows)
        with pytest.raises(ValueError, match=f"^{op}: rng.*6 rows"):
            getattr(backend, op)(*arrays, **(options | {"rng": stream}))


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2.0, np.nan])
@pytest.mark.parametrize("op", ["dropout", "dropout_dx"])
def test_dropout_refuses_other_rates(backend, dtype, op, rate):
    with pytest.raises(ValueError, match=f"^{op}: rate"):
        getattr(backend, op)(np.ones((2, 3), dtype), rate, rng=harness.stream())


@pytest.mark.parametrize("k", [0, -1])
def test_cd_refuses_to_make_no_sweep(backend, dtype, k, rng):
    arrays, options, _ = _arrays("gibbs_cd", rng, dtype)
    with pytest.raises(ValueError, match="^gibbs_cd: k"):
        backend.gibbs_cd(*arrays, **(options | {"k": k}))


def test_cd_refuses_no_rows(backend, dtype, rng):
    """An average over nothing has no value."""
    arrays, options, _ = _arrays("gibbs_cd", rng, dtype)
    with pytest.raises(ValueError, match="^gibbs_cd: "):
        backend.gibbs_cd(arrays[0][:0], *arrays[1:], **options)


def test_read_only_outputs_are_refused(on_host, dtype, rng):
    a, b = harness.real(rng, (3, 4), dtype), harness.real(rng, (4, 5), dtype)
    out = np.zeros((3, 5), dtype)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="^gemm: .*writ|^gemm: .*read-only"):
        on_host.gemm(a, b, out=out)
    w = np.zeros((3, 4), dtype)
    w.flags.writeable = False
    with pytest.raises(ValueError, match="^sgd_momentum: .*writ|^sgd_momentum: .*read-only"):
        on_host.sgd_momentum(w, a.copy(), a, rate=0.1)
    assert not w.any()
    assert not out.any()


def test_outputs_that_overlap_inputs_are_refused(on_host, dtype, rng):
    square = harness.real(rng, (8, 8), dtype)
    kept = square.copy()
    with pytest.raises(ValueError, match="^gemm: .*overlap|^gemm: .*share"):
        on_host.gemm(square, np.eye(8, dtype=dtype), out=square)
    with pytest.raises(ValueError, match="^gemm: .*overlap|^gemm: .*share"):
        on_host.gemm(np.eye(7, dtype=dtype), kept[:7, :7], out=square[1:, 1:], c=square[:7, :7],
                    beta=1.0)  # fmt: skip
    assert np.array_equal(square, kept)


def test_outputs_that_overlap_themselves_are_refused(on_host, dtype):
    out = np.lib.stride_tricks.as_strided(np.zeros(5, dtype), (3, 5), (0, np.dtype(dtype).itemsize))
    with pytest.raises(ValueError, match="^gemm: .*distinct"):
        on_host.gemm(np.ones((3, 4), dtype), np.ones((4, 5), dtype), out=out)


def test_a_damaged_csr_matrix_is_refused(on_host, dtype, rng):
    b = harness.real(rng, (9, 4), dtype)
    for damage in ("beyond", "negative", "unsorted", "pointers"):
        a = scipy.sparse.csr_array(np.ones((3, 9), dtype))
        if damage == "beyond":
            a.indices[5] = 9
        elif damage == "negative":
            a.indices[5] = -1
        elif damage == "unsorted":
            a.indices[:2] = a.indices[1::-1].copy()
        else:
            a.indptr[1] = 25
        a.has_canonical_format = damage != "unsorted"  # claimed, as a caller may
        with pytest.raises(ValueError, match="^gemm: "):
            on_host.gemm(a, b)


def test_products_too_large_for_memory_are_refused_before_they_start(on_host, dtype):
    tall = np.broadcast_to(dtype(1), (2**40, 1))
    with pytest.raises(MemoryError, match="^gemm: "):
        on_host.gemm(tall, np.broadcast_to(dtype(1), (1, 2**20)))
