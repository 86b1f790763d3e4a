"""gemm against the oracle: sizes, depths, layouts, encodings, epilogue, noise, outputs."""

from itertools import cycle

import numpy as np
import pytest
import scipy.sparse

from layerwise import ops
from layerwise.reference import gemm as ref
from layerwise.reference.philox import Purpose

from . import harness


def _check(got, a, b, *, dtype, case="", **epilogue):
    expected = ref.gemm(a, b, **epilogue)
    bound = ref.gemm_bound(a, b, **epilogue)
    harness.check("gemm", got, expected, bound, dtype=dtype, case=case)


def test_gemm_equals_the_oracle_at_awkward_sizes(backend, dtype, rng):
    activations = cycle(harness.ACTIVATIONS)
    for m, n, k in harness.shapes(3):
        a = harness.real(rng, (m, k), dtype, 1 / np.sqrt(max(k, 1)))
        b, bias = harness.real(rng, (k, n), dtype), harness.real(rng, n, dtype)
        epilogue = {"bias": bias, "activation": next(activations)}
        got = backend.gemm(a, b, **epilogue)
        _check(got, a, b, dtype=dtype, case=(m, n, k, epilogue["activation"]), **epilogue)


@pytest.mark.parametrize("k", harness.DEEP)
def test_gemm_equals_the_oracle_across_blocks_of_k(backend, dtype, k, rng):
    for m, n in [(1, 1), (5, 9), (13, 33), (65, 130)]:
        a, b = harness.real(rng, (m, k), dtype), harness.real(rng, (k, n), dtype)
        _check(backend.gemm(a, b), a, b, dtype=dtype, case=(m, n, k))


def test_gemm_equals_the_oracle_across_blocks_of_rows_and_columns(backend, dtype, rng):
    for m, n, k in [(517, 3, 20), (3, 1111, 20), (300, 700, 9), (461, 70, 1100), (450, 2085, 5)]:
        a, b, bias = (harness.real(rng, s, dtype) for s in [(m, k), (k, n), n])
        _check(backend.gemm(a, b, bias=bias), a, b, bias=bias, dtype=dtype, case=(m, n, k))


# Blocks of k of which the last is shorter than the others: by one, or by several.
@pytest.mark.parametrize("k", [511, 1023, 1026, 2047, 4095])
@pytest.mark.parametrize("rows", [90, 600])  # each task copies panels of its own, or for all
def test_gemm_equals_the_oracle_where_blocks_of_k_are_uneven(native, dtype, rows, k, rng):
    a = harness.real(rng, (rows, k), dtype)
    b = np.full((k + 9, 150), np.nan, dtype)[:k, :140]
    b[...] = harness.real(rng, (k, 140), dtype)
    _check(native.gemm(a, b, num_threads=2), a, b, dtype=dtype, case=(rows, k))


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("sparse_rows", [0, 130, 611])
def test_a_row_of_a_product_is_the_same_among_many_and_few(native, dtype, layout, sparse_rows, rng):
    a, b = harness.real(rng, (611, 1100), dtype), harness.real(rng, (1100, 70), dtype)
    a[:sparse_rows] *= harness.binary(rng, (sparse_rows, 1100), dtype, 0.1)
    a = np.asarray(a, order=layout)
    many = native.gemm(a, b, num_threads=2)
    for rows in (slice(3, 10), slice(120, 400), slice(610, 611)):
        assert harness.same_bits(many[rows], native.gemm(a[rows], b))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 6, 7])
def test_a_product_of_few_rows_has_the_bits_of_one_of_many(native, dtype, rows, rng):
    a = harness.real(rng, (40, 300), dtype)
    for n in (5, 16, 101, 261):
        b, bias = harness.real(rng, (300, n), dtype), harness.real(rng, n, dtype)
        for epilogue in ({}, {"bias": bias, "activation": "tanh"}):
            many = native.gemm(a, b, **epilogue)
            for order in "CF":
                few = native.gemm(a[-rows:], np.asarray(b, order=order), **epilogue)
                assert harness.same_bits(few, many[-rows:]), (n, order)


def test_the_last_block_of_rows_may_be_of_few(native, dtype, rng):
    a, b = harness.real(rng, (40, 4600), dtype), harness.real(rng, (4600, 8), dtype)
    many = native.gemm(a, b, num_threads=1)
    for rows in range(1, 41):
        for threads in (2, 3, 5):
            few = native.gemm(a[:rows], b, num_threads=threads)
            assert harness.same_bits(few, many[:rows]), (rows, threads)


@pytest.mark.parametrize("rows", [64, 131, 700])
def test_a_product_of_few_columns_has_the_bits_of_one_of_many(native, dtype, rows, rng):
    b, c = harness.real(rng, (300, 200), dtype), harness.real(rng, (rows, 200), dtype)
    bias = harness.real(rng, 200, dtype)
    for order_a, order_b in ("CC", "CF", "FC", "FF"):
        a = np.asarray(harness.real(rng, (rows, 300), dtype), order=order_a)
        b = np.asarray(b, order=order_b)
        for epilogue in (
            {},
            {"bias": bias[::-1], "activation": "tanh", "alpha": -0.5},
            {"c": c, "beta": -0.7, "activation": "relu"},
            {"bias": bias, "c": c, "beta": 2.0},
        ):
            many = native.gemm(a, b, **epilogue)
            for n in (1, 3, 10, 23, 48):
                own = {name: epilogue[name][..., :n] for name in ("bias", "c") if name in epilogue}
                few = native.gemm(a, b[:, :n], **epilogue | own, num_threads=2)
                assert harness.same_bits(few, many[:, :n]), (n, order_a, order_b)


def test_gemm_of_last_terms_only(backend, dtype):
    """Every k is seen: a product whose one non-zero term is the last."""
    for k in range(1, 70):
        a, b = np.zeros((3, k), dtype), np.zeros((k, 5), dtype)
        a[:, -1], b[-1] = 2, 3
        assert np.array_equal(backend.gemm(a, b), np.full((3, 5), 6, dtype)), k


@pytest.mark.parametrize("layout_b", harness.LAYOUTS)
@pytest.mark.parametrize("layout_a", harness.LAYOUTS)
def test_gemm_takes_any_strides(native, dtype, layout_a, layout_b, rng):
    a, b, c = (harness.real(rng, s, dtype) for s in [(19, 35), (35, 41), (19, 41)])
    bias = harness.real(rng, 41, dtype)
    laid = [harness.lay_out(a, layout_a), harness.lay_out(b, layout_b)]
    epilogue = {"c": harness.lay_out(c, layout_b), "beta": 0.5}
    epilogue["bias"] = harness.lay_out(bias[None], layout_a)[0]
    got = native.gemm(*laid, **epilogue)
    _check(got, a, b, c=c, beta=0.5, bias=bias, dtype=dtype)
    assert harness.same_bits(got, native.gemm(a, b, c=c, beta=0.5, bias=bias))
    assert np.array_equal(laid[0], a)  # inputs are left alone
    assert np.array_equal(laid[1], b)


@pytest.mark.parametrize("axis", [0, 1])
def test_gemm_takes_broadcast_and_read_only_inputs(backend, dtype, axis, rng):
    row = harness.real(rng, (1, 23) if axis == 0 else (23, 1), dtype)
    a = np.broadcast_to(row, (23, 23))
    b = np.broadcast_to(dtype(0.25), (23, 9))
    bias = np.broadcast_to(dtype(0.5), 9)
    _check(backend.gemm(a, b, bias=bias), a, b, bias=bias, dtype=dtype)


def test_gemm_takes_windows_of_a_signal(native, dtype, rng):
    """Rows and columns of one stride: neighbours in both directions are neighbours in memory."""
    windows = np.lib.stride_tricks.sliding_window_view(harness.real(rng, 120, dtype), 70)
    b = harness.real(rng, (70, 9), dtype)
    _check(native.gemm(windows, b), windows, b, dtype=dtype)
    _check(native.gemm(b.T, windows.T), b.T, windows.T, dtype=dtype)


def test_gemm_refuses_addresses_between_elements(on_host, dtype, rng):
    a, b = harness.real(rng, (5, 7), dtype), harness.real(rng, (7, 3), dtype)
    with pytest.raises(ValueError, match="^gemm: a must be aligned"):
        on_host.gemm(harness.byte_misaligned(a), b)


@pytest.mark.parametrize("encoding_b", harness.ENCODINGS)
@pytest.mark.parametrize("encoding_a", harness.ENCODINGS)
def test_gemm_takes_every_encoding(backend, dtype, encoding_a, encoding_b, rng):
    shapes = [(7, 9, 65, 0.4), (33, 64, 127, 0.02), (4, 5, 64, 1.0), (9, 70, 300, 0)]
    for m, n, k, density in shapes:
        a = (harness.real if encoding_a == "dense" else harness.binary)(rng, (m, k), dtype)
        b = (harness.real if encoding_b == "dense" else harness.binary)(rng, (k, n), dtype)
        if encoding_a != "dense":
            a = harness.binary(rng, (m, k), dtype, density)
        encoded = harness.encode(a, encoding_a), harness.encode(b, encoding_b)
        keywords = {} if dtype == np.float32 else {"bias": np.zeros(n, dtype)}  # tells the dtype
        got = backend.gemm(*encoded, **keywords)
        _check(got, a, b, dtype=dtype, case=(m, n, k))


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 0.7, 1.0])
def test_gemm_takes_sparse_matrices_of_any_values(backend, dtype, side, density, rng):
    for m, n, k in [(1, 1, 1), (8, 17, 33), (40, 30, 300)]:
        a, b = harness.real(rng, (m, k), dtype), harness.real(rng, (k, n), dtype)
        x = a if side == "a" else b
        x *= harness.binary(rng, x.shape, dtype, density)
        encoded = scipy.sparse.csr_array(x)
        got = backend.gemm(encoded, b) if side == "a" else backend.gemm(a, encoded)
        _check(got, a, b, dtype=dtype, case=(m, n, k))


@pytest.mark.parametrize("stored", ["int64 indices", "zeros", "no rows", "empty rows"])
def test_gemm_takes_every_form_of_csr(backend, dtype, stored, rng):
    dense = harness.binary(rng, (6, 21), dtype)
    if stored == "empty rows":
        dense[1:5] = 0
    a = scipy.sparse.csr_array(dense if stored != "no rows" else dense[:0])
    if stored == "int64 indices":
        a.indices, a.indptr = a.indices.astype(np.int64), a.indptr.astype(np.int64)
    if stored == "zeros":
        a.data[::2] = 0
    b = harness.real(rng, (21, 9), dtype)
    _check(backend.gemm(a, b), a, b, dtype=dtype)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("beta", [0.0, 1.0, -0.7])
@pytest.mark.parametrize("alpha", [1.0, -1.0, 0.3, 0.0])
def test_gemm_epilogue_equals_the_oracle(backend, dtype, activation, alpha, beta, bias, rng):
    for m, n, k in [(9, 31, 17), (6, 13, 0), (70, 13, 0)]:
        a, b, c, d = (harness.real(rng, s, dtype) for s in [(m, k), (k, n), (m, n), n])
        epilogue = {"alpha": float(dtype(alpha)), "beta": float(dtype(beta))}
        epilogue |= {"activation": activation, "bias": d if bias else None}
        epilogue["c"] = c if beta else None
        _check(backend.gemm(a, b, **epilogue), a, b, dtype=dtype, **epilogue)


def test_what_is_not_finite_stays_in_its_row_and_column(backend, dtype, rng):
    a, b = harness.real(rng, (70, 100), dtype), harness.real(rng, (100, 40), dtype)
    others = np.ones((70, 40), bool)
    others[3], others[:, 7] = False, False
    clean = backend.gemm(a, b)
    a[3, 5], b[9, 7] = np.nan, np.inf
    got = backend.gemm(a, b)
    assert harness.same_bits(got[others], clean[others])
    assert np.isnan(got[3]).all()
    assert np.isinf(np.delete(got[:, 7], 3)).all()


def test_gemm_does_not_read_c_where_beta_is_zero(backend, dtype, rng):
    a, b = harness.real(rng, (5, 6), dtype), harness.real(rng, (6, 7), dtype)
    nothing = np.full((5, 7), np.nan, dtype)
    assert harness.same_bits(backend.gemm(a, b, c=nothing, beta=0.0), backend.gemm(a, b))


def test_activations_are_accurate_over_their_whole_range(backend, dtype, activation):
    """Relative accuracy, in the tails too: z is exact here, so that only the activation rounds."""
    limit = 120 if dtype == np.float32 else 800
    z = np.concatenate([np.linspace(-limit, limit, 4001), np.geomspace(1e-30, 10, 500)])
    z = np.concatenate([z, -z, [0.0, 1e30, -1e30]]).astype(dtype)
    nothing = np.zeros((1, 0), dtype), np.zeros((0, z.size), dtype)
    got = backend.gemm(*nothing, bias=z, activation=activation)
    expected = ref.activate(z.astype(np.float64), activation)[None]
    harness.check("gemm", got, expected, np.abs(expected), dtype=dtype)


def test_nan_and_infinity_pass_through(backend, dtype, activation):
    z = np.array([[np.nan, np.inf, -np.inf, 1.0] * 9], dtype)
    got = backend.gemm(np.ones((1, 1), dtype), z, activation=activation)
    expected = ref.activate(z.astype(np.float64), activation)
    harness.check("gemm", got, expected, 1.0, dtype=dtype)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("returns", ["sample", "both"])
def test_bernoulli_samples_are_those_of_the_oracle(backend, dtype, returns, packed, rng):
    shapes = [(1, 1, 1), (5, 63, 20), (7, 64, 20), (6, 65, 9), (3, 129, 0), (0, 5, 3), (40, 257, 8)]
    for m, n, k in shapes:
        a, b, bias = (harness.real(rng, s, dtype) for s in [(m, k), (k, n), n])
        epilogue = {"bias": bias, "activation": "sigmoid"}
        stream = harness.stream(rows=rng.integers(0, 2**32, m) if m % 2 else 77)
        got = backend.gemm(
            a, b, **epilogue, noise="bernoulli", rng=stream, returns=returns, packed=packed
        )
        mean, bound = ref.gemm(a, b, **epilogue), ref.gemm_bound(a, b, **epilogue)
        if returns == "both":
            harness.check("gemm", got[0], mean, bound, dtype=dtype)
            got = got[1]
        assert isinstance(got, ops.BitMatrix) == packed
        if not packed:
            assert got.dtype == dtype
        uniforms = harness.uniforms(stream, Purpose.gemm, (m, n))
        harness.check_samples(
            "gemm", harness.as_matrix(got), mean, bound, uniforms, dtype=dtype, case=(m, n, k)
        )
        if packed and m:  # no bit past the last column
            assert np.array_equal(got.words, ref.pack_bits(harness.as_matrix(got)))


@pytest.mark.parametrize("returns", ["sample", "both"])
def test_gaussian_samples_are_those_of_the_oracle(backend, dtype, returns, rng):
    for m, n, k in [(1, 1, 1), (5, 63, 20), (2, 65, 9), (3, 7, 0), (0, 5, 3), (60, 257, 8)]:
        a, b = harness.real(rng, (m, k), dtype), harness.real(rng, (k, n), dtype)
        keywords = {"noise": "gaussian", "noise_scale": 0.5, "rng": harness.stream()}
        got = backend.gemm(a, b, **keywords, returns=returns)
        mean, sample = ref.gemm(a, b, **keywords, returns="both")
        bound = ref.gemm_bound(a, b)
        if returns == "both":
            harness.check("gemm", got[0], mean, bound, dtype=dtype)
            got = got[1]
        # A normal of size r has the error of its radius and of an angle of up to a whole turn.
        radius = 0.5 * np.sqrt(2 * np.log(2.0**24))
        harness.check("gemm_gaussian", got, sample, bound + radius, dtype=dtype, case=(m, n, k))


@pytest.mark.parametrize("layout", ["columns", "step", "negative"])
def test_gemm_writes_its_output_and_nothing_beside_it(backend, dtype, layout, rng):
    shapes = [(1, 1, 2), (7, 33, 20), (17, 129, 5), (9, 64, 300), (0, 4, 3), (4, 0, 3)]
    shapes += [(1, 100, 60), (5, 49, 600), (20, 81, 60), (90, 37, 600), (90, 10, 60)]
    for m, n, k in shapes:
        a, b = harness.real(rng, (m, k), dtype), harness.real(rng, (k, n), dtype)
        output = harness.GuardedView((m, n), dtype, layout)
        got = backend.gemm(a, b, out=output.view)
        output.check()
        assert got is output.view or backend.name == "cuda"
        _check(got, a, b, dtype=dtype, case=(m, n, k))


def test_gemm_accumulates_in_place(backend, dtype, rng):
    a, b, c = (harness.real(rng, s, dtype) for s in [(33, 20), (20, 65), (33, 65)])
    out = c.copy()
    got = backend.gemm(a, b, c=out, beta=1.0, alpha=-0.5, out=out)
    _check(got, a, b, c=c, beta=1.0, alpha=-0.5, dtype=dtype)
    assert harness.same_bits(got, backend.gemm(a, b, c=c, beta=1.0, alpha=-0.5))


def test_gemm_under_a_workspace_bound_gives_the_same_bits(native, dtype, rng):
    for m, n in [(1030, 20), (150, 520), (1030, 520)]:
        a, b = harness.real(rng, (m, 300), dtype), harness.real(rng, (300, n), dtype)
        free = native.gemm(a, b)
        for bound in (4 << 20, 1 << 20):
            assert harness.same_bits(native.gemm(a, b, max_workspace=bound), free)
    with pytest.raises((ValueError, MemoryError), match="gemm: max_workspace"):
        native.gemm(a, b, max_workspace=1)


def test_gemm_reuses_a_workspace_of_any_earlier_content(backend, dtype, rng):
    workspace = ops.Workspace()
    for m, n, k in [(60, 70, 80), (5, 6, 7), (90, 100, 110)]:
        a, b = harness.real(rng, (m, k), dtype), harness.real(rng, (k, n), dtype)
        _check(backend.gemm(a, b, workspace=workspace), a, b, dtype=dtype)


def test_gemm_at_random_shapes_layouts_and_encodings(backend, dtype, rng):
    for _ in range(60):
        m, n, k = (int(x) for x in rng.integers(0, 150, 3))
        encodings = rng.choice(harness.ENCODINGS, 2)
        operands = []
        for shape, encoding in zip([(m, k), (k, n)], encodings, strict=True):
            if encoding == "dense":
                x = harness.real(rng, shape, dtype)
                operands.append((x, harness.lay_out(x, rng.choice(harness.LAYOUTS))))
            else:
                x = harness.binary(rng, shape, dtype, rng.random())
                operands.append((x, harness.encode(x, encoding)))
        (a, given_a), (b, given_b) = operands
        bias = harness.real(rng, n, dtype)
        got = backend.gemm(given_a, given_b, bias=bias)
        _check(got, a, b, bias=bias, dtype=dtype, case=(m, n, k, encodings))


# Of integers every sum is exact: float64 NumPy, its BLAS included, is the oracle. Half of the sizes
# are a few off a power of two, where blocks end unevenly.
def test_gemm_at_random_sizes_of_several_blocks(native, dtype, rng):
    def size(most):
        if rng.random() < 0.5:
            return int(np.exp(rng.uniform(0, np.log(most))))
        return max(1, min(most, int(2 ** rng.integers(0, 14)) + int(rng.integers(-9, 10))))

    for _ in range(100):
        m, n, k = size(2000), size(500), size(5000)
        a, b = (rng.integers(-8, 9, shape).astype(dtype) for shape in [(m, k), (k, n)])
        given_a, given_b = (harness.lay_out(x, rng.choice(harness.LAYOUTS)) for x in (a, b))
        threads = int(rng.integers(1, 4))
        got = native.gemm(given_a, given_b, num_threads=threads)
        expected = a.astype(np.float64) @ b.astype(np.float64)
        assert np.array_equal(got, expected), (m, n, k, threads)


# A panel of B that is not full is read where it lies, or packed, in the vectors that it needs; the
# result may lie in wider rows, of which nothing else changes.
@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("rows", [1, 4, 11, 30, 100])
def test_gemm_of_every_width_of_a_panel(native, dtype, rows, layout, rng):
    for k in (40, 70, 530):
        a, b = rng.integers(-8, 9, (rows, k)).astype(dtype), rng.integers(-8, 9, (k, 140))
        expected = a.astype(np.float64) @ b
        for cols in range(1, 140, 1 if k == 70 else 9):
            given = np.asarray(b[:, :cols], dtype, order=layout)
            out = np.full((rows, 142), 7, dtype)
            native.gemm(a, given, out=out[:, 1 : cols + 1])
            assert np.array_equal(out[:, 1 : cols + 1], expected[:, :cols]), (k, cols)
            assert (out[:, 0] == 7).all()
            assert (out[:, cols + 1 :] == 7).all(), (k, cols)


# Many tasks share its packed copy; blocks of A may be sparse beside dense ones, and then it is
# packed before.
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("density", [0.2, 0.6, 1])
def test_gemm_of_a_partial_panel_in_many_blocks(native, dtype, density, threads, rng):
    a, b = rng.integers(-8, 9, (700, 530)).astype(dtype), rng.integers(-8, 9, (530, 200))
    a[300:] *= rng.random((400, 530)) < density
    expected = a.astype(np.float64) @ b
    for cols in (1, 9, 31, 50, 63, 65, 90, 129, 190):
        got = native.gemm(a, np.ascontiguousarray(b[:, :cols], dtype), num_threads=threads)
        assert np.array_equal(got, expected[:, :cols]), cols


# What tiles cannot read where it lies the first task that needs a panel packs for all.
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("encoding", ["columns", "strided", "bits", "csr"])
def test_gemm_of_panels_that_tasks_pack(native, dtype, encoding, threads, rng):
    a = rng.integers(1, 9, (700, 1100)).astype(dtype)
    b = rng.integers(0, 2, (1100, 190)).astype(dtype)
    if encoding == "columns":
        given = np.asfortranarray(b)
    elif encoding == "strided":
        given = np.repeat(b, 2, axis=1)[:, ::2]
    else:
        given = harness.encode(b, encoding)
    expected = a.astype(np.float64) @ b
    for rows in (121, 257, 300, 513, 700):
        for bound in (None, 1_500_000):
            got = native.gemm(a[:rows], given, num_threads=threads, max_workspace=bound)
            assert np.array_equal(got, expected[:rows]), (rows, bound)


# Rows and columns of A that are read where they lie are the same as packed ones.
@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_gemm_of_every_height_of_a_tile(native, dtype, layout, rng):
    for n, k in [(20, 70), (65, 530), (400, 600)]:
        a, b = rng.integers(-8, 9, (40, k)).astype(dtype), rng.integers(-8, 9, (k, n)).astype(dtype)
        expected = a.astype(np.float64) @ b
        for rows in range(1, 40, 1 if k == 70 else 3):
            got = native.gemm(harness.lay_out(a[:rows], layout), b)
            assert np.array_equal(got, expected[:rows]), (n, k, rows)


# What a task packs for itself, rows or columns, depends on how many blocks there are a thread.
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_gemm_of_about_a_block_of_rows(native, dtype, layout, threads, rng):
    a, b = rng.integers(-8, 9, (780, 1100)).astype(dtype), rng.integers(-8, 9, (1100, 190))
    given = np.asarray(b, dtype, order=layout)
    expected = a.astype(np.float64) @ b
    for rows in (96, 120, 190, 210, 246, 256, 257, 384, 420, 512, 620, 768, 780):
        got = native.gemm(a[:rows], given, num_threads=threads)
        assert np.array_equal(got, expected[:rows]), rows


def test_gemm_is_linear(backend, dtype, rng):
    """(A1 + A2) B = A1 B + A2 B, exactly, for small integers."""
    a1, a2, b = (rng.integers(-8, 9, s).astype(dtype) for s in [(23, 140), (23, 140), (140, 37)])
    whole = backend.gemm(a1 + a2, b)
    assert np.array_equal(whole, backend.gemm(a2, b, c=backend.gemm(a1, b), beta=1.0))
    assert np.array_equal(backend.gemm(b.T, a1.T), backend.gemm(a1, b).T)
