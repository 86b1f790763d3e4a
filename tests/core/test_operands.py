"""Bit-packed and CSR operands: read right, and never trusted with an index out of range."""

import types

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import _core

from . import calls


def csr_like(matrix, **changes):
    names = ("indptr", "indices", "data", "shape")
    return types.SimpleNamespace(**{**{name: getattr(matrix, name) for name in names}, **changes})


def product(a, b):
    out = np.full((a.shape[0], b.shape[1]), np.nan, b.dtype)
    calls.gemm(a, b, k=256, mean=out)
    return out


@pytest.fixture
def sparse(rng):
    return sp.random_array((6, 70), density=0.2, format="csr", dtype=np.float32, rng=rng)


@pytest.fixture
def b(rng):
    return rng.random((70, 4), np.float32)


def test_encodings_of_a_matrix_give_the_same_bits(rng, b):
    dense = (rng.random((6, 70)) < 0.3).astype(np.float32)
    expected = product(dense, b)
    np.testing.assert_allclose(expected, dense @ b, rtol=1e-6)
    matrix = sp.csr_array(dense)
    wide = csr_like(
        matrix, indptr=matrix.indptr.astype(np.int64), indices=matrix.indices.astype(np.int64)
    )
    strided = csr_like(matrix, indices=np.repeat(matrix.indices, 2)[::2])
    ones = csr_like(matrix, data=None)
    for operand in (calls.pack(dense), matrix, sp.csr_matrix(dense), wide, strided, ones):
        np.testing.assert_array_equal(product(operand, b), expected)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a column too far", lambda m: {"indices": np.where(m.indices > 0, 70, m.indices)}),
        ("a negative column", lambda m: {"indices": m.indices - 70}),
        ("a huge column", lambda m: {"indices": m.indices.astype(np.int64) + 2**32}),
        ("falling columns", lambda m: {"indices": m.indices[::-1].copy()}),
        ("repeated columns", lambda m: {"indices": m.indices * 0}),
    ],
)
def test_bad_column_indices_are_refused(sparse, b, name, change):
    with pytest.raises(ValueError, match=r"gemm: a must have column indices strictly ascending"):
        product(csr_like(sparse, **change(sparse)), b)


@pytest.mark.parametrize("change", [lambda p: p + 1, lambda p: p * 2, lambda p: p[::-1].copy()])
def test_bad_row_pointers_are_refused(sparse, b, change):
    with pytest.raises(ValueError, match="gemm: a must have row pointers that start at 0"):
        product(csr_like(sparse, indptr=change(sparse.indptr)), b)


def test_other_damage_to_a_csr_matrix_is_refused(sparse, b):
    with pytest.raises(ValueError, match="rows \\+ 1 = 7 row pointers; got 6"):
        product(csr_like(sparse, indptr=sparse.indptr[:-1]), b)
    with pytest.raises(ValueError, match="a value for each of"):
        product(csr_like(sparse, data=sparse.data[:-1]), b)
    with pytest.raises(TypeError, match="must be int32 or int64; got float32"):
        product(csr_like(sparse, indices=sparse.indices.astype(np.float32)), b)
    with pytest.raises(ValueError, match="2\\^31 - 1 columns"):
        product(csr_like(sparse, shape=(6, 2**31)), b)
    with pytest.raises(TypeError, match="float32 or float64; got int64"):
        product(csr_like(sparse, data=sparse.data.astype(np.int64)), b)


def test_views_of_more_than_memory_are_refused_before_they_are_copied(sparse, b):
    huge = np.broadcast_to(np.int64(0), 2**50)
    with pytest.raises(ValueError, match="row pointers; got 1125899906842624"):
        product(csr_like(sparse, indptr=huge), b)
    with pytest.raises(ValueError, match="column indices strictly ascending"):
        product(csr_like(sparse, indices=huge), b)
    z, loss = np.zeros((6, 3)), np.zeros(6)
    with pytest.raises(ValueError, match=r"labels must have shape \(6,\)"):
        _core.softmax_cross_entropy(z, huge, None, loss, np.zeros_like(z))


def test_row_pointers_on_a_gpu_are_not_read():
    indptr = calls.InterfaceOnly(np.zeros(3, np.int64))
    interface = indptr.__array_interface__ | {"data": (4096, False), "version": 3}
    far = types.SimpleNamespace(__cuda_array_interface__=interface)
    outputs = {"indices": np.zeros(0, np.int32), "values": np.zeros(0, np.float32)}
    with pytest.raises(TypeError, match="lasso_compact: indptr must be in CPU memory"):
        _core.lasso_compact(far, features=2, atoms=2, **outputs)


def test_other_sparse_formats_say_what_to_call(sparse, b):
    for other in (sparse.tocsc(), sparse.tobsr()):
        with pytest.raises(TypeError, match=r"must be a CSR matrix.*use \.tocsr\(\)"):
            product(other, b)


def test_bits_in_the_padding_are_refused(b):
    bits = calls.pack(np.ones((6, 70), np.uint8))
    bits.words[3, 1] |= np.uint64(1 << 6)
    with pytest.raises(ValueError, match="gemm: a must have zero padding bits"):
        product(bits, b)


def test_words_must_match_the_shape(b):
    words = np.zeros((6, 2), np.uint64)
    with pytest.raises(ValueError, match=r"must have words of shape \(6, 2\); got \(6, 1\)"):
        product(calls.Bits(words[:, :1], (6, 70)), b)
    with pytest.raises(TypeError, match="uint64 words; got int64"):
        product(calls.Bits(words.view(np.int64), (6, 70)), b)
    with pytest.raises(ValueError, match="contiguous words within a row"):
        product(calls.Bits(np.zeros((6, 4), np.uint64)[:, ::2], (6, 70)), b)
    with pytest.raises(ValueError, match="sizes >= 0"):
        product(calls.Bits(words, (6, -70)), b)


def test_shapes_of_operands_must_meet(sparse, b):
    with pytest.raises(ValueError, match=r"gemm: b must have shape \(70, any\); got \(69, 4\)"):
        product(sparse, b[:-1])
    with pytest.raises(ValueError, match=r"gemm: a must be 2-D; got shape \(70,\)"):
        calls.gemm(b[:, 0], b, mean=np.zeros((6, 4), np.float32))


@pytest.mark.parametrize("name", ["shape", "words", "__array_interface__"])
def test_ctrl_c_while_an_attribute_is_computed_is_not_lost(rng, b, name):
    class Interrupted:
        shape, words = (6, 70), calls.pack(rng.random((6, 70)) < 0.3).words

    def interrupt(self):
        raise KeyboardInterrupt

    setattr(Interrupted, name, property(interrupt))
    if name == "__array_interface__":
        del Interrupted.words
    out = np.empty((6, 4), np.float32)
    with pytest.raises(KeyboardInterrupt):
        calls.gemm(Interrupted(), b, k=256, mean=out)


def test_ends_are_not_read_without_the_slabs_that_they_divide():
    ends = np.lib.stride_tricks.as_strided(np.zeros(1, np.int64), (2**40,), (0,))
    indices, values = np.empty(0, np.int32), np.empty(0)
    sizes, small = {"features": 1, "atoms": 1}, np.empty(1000, np.uint8)
    outputs = {"indices": indices, "values": values, "workspace": small}
    with pytest.raises(ValueError, match="lasso_compact: workspace must have at least"):
        _core.lasso_compact(ends, **sizes, **outputs)
    sizes |= {"max_active": 1, "kept": 1}
    outputs |= {"alphas": values, "gap": values, "sizes": np.empty(0, np.int64)}
    with pytest.raises(ValueError, match="lars_compact: workspace must have at least"):
        _core.lars_compact(ends, ends, **sizes, **outputs)
