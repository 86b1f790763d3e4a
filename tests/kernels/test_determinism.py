"""The same bits for any number of threads, batch split and encoding, within one ISA level."""

import numpy as np
import pytest
import scipy.sparse

from layerwise import ops

from . import cases, harness

# Rows, inputs, outputs: enough work for a team of seven, in the last loop of every op.
PRODUCT = (300, 800, 600)
ROWS = (700, 300, 530)
ELEMENTS = (1100, 900, 1300)
LARGE = {
    "activation_dx": ELEMENTS,
    "dense_db": ELEMENTS,
    "dictionary_update": (260, 700, 544),
    "dropout": ELEMENTS,
    "dropout_dx": ELEMENTS,
    "gibbs_cd": ROWS,
    "gibbs_cd_update": ROWS,
    "gibbs_free_energy": ROWS,
    "lars": (700, 40, 90),
    "lars_path": (1200, 40, 90),
    "lasso": (700, 40, 90),
    "lasso_path": (300, 1500, 1),
    "omp": (700, 40, 90),
    "sgd_momentum": ELEMENTS,
    "softmax": ELEMENTS,
    "softmax_cross_entropy": ELEMENTS,
}


@pytest.mark.parametrize("op", cases.OPS)
def test_every_thread_count_gives_the_same_bits(native, full_teams, dtype, op, rng):
    run = cases.runner(op, rng, dtype, *LARGE.get(op, PRODUCT))
    teams, results = [], []
    for threads in (1, 2, 7):
        results.append(run(native, num_threads=threads))
        teams.append(harness.core().last_team_size())
    if native.name == "native":
        assert teams == [1, 2, 7]
    for other in results[1:]:
        assert all(harness.same_bits(x, y) for x, y in zip(results[0], other, strict=True))


@pytest.mark.parametrize("op", cases.OPS)
def test_a_call_repeated_gives_the_same_bits(native, dtype, op, rng):
    run, workspace = cases.runner(op, rng, dtype, 33, 129, 65), ops.Workspace()
    first = run(native)
    for options in ({}, {"workspace": workspace}, {"workspace": workspace}):
        again = run(native, **options)
        assert all(harness.same_bits(x, y) for x, y in zip(first, again, strict=True))


SUMMED = (
    "gibbs_cd", "gibbs_cd_update", "dense_dw", "dense_dw_update", "dense_db", "lasso_path",
    "sgd_momentum", "dictionary_statistics", "dictionary_update",
)  # fmt: skip
RAGGED = ("lars_path",)  # any number of rows of results a sample
ROWWISE = [op for op in cases.OPS if op not in SUMMED + RAGGED]
BY_ROW = {  # positions of the arrays that have one row a sample
    "gemm": (0,),
    "activation_dx": (0, 1),
    "softmax_cross_entropy": (0, 1),
}


@pytest.mark.parametrize("density", [0.02, 0.6])
@pytest.mark.parametrize("op", ROWWISE)
def test_rows_in_pieces_are_the_rows_of_the_whole(native, dtype, op, density, rng):
    n = 150
    arrays, options = cases.arguments(op, rng, dtype, n, 140, 75)
    arrays[0] = arrays[0] * harness.binary(rng, arrays[0].shape, dtype, density)
    whole = cases.call(native, op, arrays, options)
    ids = options["rng"].rows if "rng" in options else 0
    for start, stop in [(0, 1), (1, 8), (8, 9), (9, 73), (73, 150)]:
        piece = list(arrays)
        for position in BY_ROW.get(op, (0,)):
            piece[position] = arrays[position][start:stop]
        changed = dict(options)
        if "rng" in options:
            changed["rng"] = options["rng"].at(rows=ids + start)
        if "x" in options:
            changed["x"] = options["x"][start:stop]
        got = cases.call(native, op, piece, changed)
        for part, all_rows in zip(got, whole, strict=True):
            assert harness.same_bits(part, all_rows[start:stop]), (start, stop)


@pytest.mark.parametrize("density", [0.0, 0.01, 0.1, 0.35, 0.6, 1.0])
@pytest.mark.parametrize("op", [op for op, places in cases.ENCODED.items() if 0 in places])
def test_every_encoding_gives_the_same_bits(native, dtype, op, density, rng):
    for n, d, f in [(1, 65, 7), (37, 300, 70), (130, 64, 129)]:
        arrays, options = cases.arguments(op, rng, dtype, n, d, f)
        arrays[0] = harness.binary(rng, arrays[0].shape, dtype, density)
        dense = cases.call(native, op, arrays, options)
        for encoding in ("bits", "csr"):
            encoded = [harness.encode(arrays[0], encoding), *arrays[1:]]
            got = cases.call(native, op, encoded, options)
            for x, y in zip(got, dense, strict=True):
                assert harness.same_bits(x, y), (n, d, f, encoding)


@pytest.mark.parametrize("density", [0.05, 0.5])
def test_encodings_of_the_right_operand_give_the_same_bits(native, dtype, density, rng):
    for m, n, k in [(5, 65, 130), (70, 33, 64)]:
        a, b = harness.real(rng, (m, k), dtype), harness.binary(rng, (k, n), dtype, density)
        dense = native.gemm(a, b)
        for encoding in ("bits", "csr"):
            assert harness.same_bits(native.gemm(a, harness.encode(b, encoding)), dense)
        x = harness.binary(rng, (m, n), dtype, density)
        dense_dw = native.dense_dw(a, x)  # k is the batch here
        for encoding in ("bits", "csr"):
            assert harness.same_bits(native.dense_dw(a, harness.encode(x, encoding)), dense_dw)


@pytest.mark.parametrize("encoding", ["bits", "csr", "dense"])
def test_a_sparse_right_operand_gives_the_bits_of_few_rows(native, dtype, encoding, rng):
    """Fewer rows than a panel are multiplied as if B were dense."""
    m, n, depths = 70, 200, (150, 131)
    a, a_tail = (harness.real(rng, (m, k), dtype) for k in depths)
    b, b_tail = (harness.encode(harness.binary(rng, (k, n), dtype, 0.2), encoding) for k in depths)
    options = {"bias": harness.real(rng, (n,), dtype), "alpha": 0.3, "activation": "sigmoid"}

    def product(rows):
        out = np.empty((len(a[rows]), n), dtype)
        harness.core().gemm(
            a[rows], b, a_tail=a_tail[rows], b_tail=b_tail, tail_scale=-0.7, mean=out,
            workspace=np.empty(1 << 24, np.uint8), **options,
        )  # fmt: skip
        return out

    whole = product(slice(None))
    pieces = [product(slice(start, start + 7)) for start in range(0, m, 7)]
    assert harness.same_bits(whole, np.concatenate(pieces))


@pytest.mark.parametrize("density", [0.01, 0.3, 0.7])
def test_sparse_values_give_the_bits_of_the_dense_matrix(native, dtype, density, rng):
    for m, n, k in [(5, 65, 130), (70, 33, 300)]:
        a = harness.real(rng, (m, k), dtype) * harness.binary(rng, (m, k), dtype, density)
        b = harness.real(rng, (k, n), dtype)
        assert harness.same_bits(native.gemm(scipy.sparse.csr_array(a), b), native.gemm(a, b))


def test_packed_samples_are_the_dense_ones(native, dtype, rng):
    arrays, options = cases.arguments("gibbs_hidden", rng, dtype, 33, 70, 129)
    mean, sample = native.gibbs_hidden(*arrays, **options)
    packed_mean, packed = native.gibbs_hidden(*arrays, **options, packed=True)
    only = native.gibbs_hidden(*arrays, **(options | {"returns": "sample"}), packed=True)
    assert harness.same_bits(mean, packed_mean)
    assert np.array_equal(packed.unpack(dtype), sample)
    assert packed == only


@pytest.mark.parametrize("layout", ["C", "F"])
def test_threads_that_share_panels_of_b_give_the_bits_of_one(
    native, full_teams, dtype, layout, rng
):
    """Of over 512 rows, the first task to read a panel packs it, while others read it in place."""
    a = np.asarray(harness.real(rng, (1100, 777), dtype), order=layout)
    b = harness.real(rng, (777, 300), dtype)
    alone = native.gemm(a, b, num_threads=1)
    assert harness.same_bits(alone[:100], native.gemm(a[:100], np.asfortranarray(b)))
    for threads in (2, 3, 7) * 5:
        assert harness.same_bits(native.gemm(a, b, num_threads=threads), alone)


def test_one_element_does_not_depend_on_the_size_of_the_product(native, dtype, rng):
    """Each output is one chain over ascending k, wherever it lies in the tiling."""
    a, b = harness.real(rng, (97, 600), dtype), harness.real(rng, (600, 131), dtype)
    whole = native.gemm(a, b)
    for i, j in [(0, 0), (96, 130), (50, 64), (13, 127)]:
        alone = native.gemm(a[i : i + 1], b[:, j : j + 1])
        assert harness.same_bits(alone[0], whole[i, j : j + 1])
    assert harness.same_bits(native.gemm(b.T, a.T), whole.T)
