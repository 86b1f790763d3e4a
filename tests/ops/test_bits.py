import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerwise.ops import BitMatrix

SHAPES = [(0, 0), (0, 5), (5, 0), (1, 1), (3, 63), (3, 64), (3, 65), (2, 128), (17, 200)]
DTYPES = [bool, np.uint8, np.int8, np.int64, np.uint64, np.float16, np.float32, np.float64]

binary = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(0, 9), st.integers(0, 140)),
    elements=st.integers(0, 1),
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_unpack_inverts_pack(shape, dtype, rng):
    x = (rng.random(shape) < 0.4).astype(dtype)
    bits = BitMatrix.pack(x)
    assert bits.shape == shape
    assert bits.words.shape == (shape[0], -(-shape[1] // 64))
    unpacked = bits.unpack(dtype)
    assert unpacked.dtype == dtype
    np.testing.assert_array_equal(unpacked, x)


@settings(max_examples=60, deadline=None)
@given(binary)
def test_layout_is_bit_j_mod_64_of_word_j_div_64(x):
    words = BitMatrix.pack(x).words
    rows, cols = x.shape
    expected = np.zeros_like(words)
    for i, j in zip(*np.nonzero(x), strict=True):
        expected[i, j // 64] |= np.uint64(1 << (int(j) % 64))
    np.testing.assert_array_equal(words, expected)  # padding bits included
    assert words.flags.c_contiguous
    assert words.shape == (rows, -(-cols // 64))


@settings(max_examples=60, deadline=None)
@given(binary, st.sampled_from(["csr", "csc", "coo", "lil"]))
def test_sparse_packs_as_dense(x, form):
    sparse = sp.csr_array(x).asformat(form)
    assert BitMatrix.pack(sparse) == BitMatrix.pack(x)


def test_sparse_input_is_left_alone():
    # Explicit zeros, unsorted indices: canonical form is made in a copy.
    x = sp.csr_array(
        (np.array([1.0, 0.0, 1.0]), np.array([70, 1, 2]), np.array([0, 3, 3])), shape=(2, 100)
    )
    before = x.indices.copy(), x.data.copy()
    bits = BitMatrix.pack(x)
    np.testing.assert_array_equal(np.argwhere(bits.unpack()), [[0, 2], [0, 70]])
    np.testing.assert_array_equal(x.indices, before[0])
    np.testing.assert_array_equal(x.data, before[1])


def test_sparse_duplicates_add_up_before_they_are_judged():
    x = sp.csr_array((np.ones(2), np.array([3, 3]), np.array([0, 2])), shape=(1, 5))
    with pytest.raises(ValueError, match=r"x\[0, 3\] is 2.0"):
        BitMatrix.pack(x)


def test_row_blocks_give_the_same_words(monkeypatch, rng):
    import layerwise.ops.bits as module

    x = rng.random((101, 70)) < 0.5
    whole = BitMatrix.pack(x.astype(np.float64))
    monkeypatch.setattr(module, "_BLOCK_BYTES", 70 * 8 * 7)  # seven rows
    assert BitMatrix.pack(x.astype(np.float64)) == whole


@pytest.mark.parametrize("value", [0.5, -1.0, 2.0, np.nan, np.inf])
def test_pack_names_the_first_other_value(value):
    x = np.zeros((4, 100))
    x[2, 71] = value
    x[3, 0] = 7.0
    message = rf"BitMatrix.pack: every value of x must be 0 or 1; x\[2, 71\] is {value}"
    with pytest.raises(ValueError, match=message):
        BitMatrix.pack(x)
    with pytest.raises(ValueError, match=message):
        BitMatrix.pack(sp.csr_array(x))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros(3), ValueError, r"must have shape \(rows, cols\); got shape \(3,\)"),
        (np.zeros((1, 2, 3)), ValueError, "must have shape"),
        (np.zeros((1, 2), complex), TypeError, "bool, integer or float; got complex128"),
        (np.array([["a"]]), TypeError, "bool, integer or float"),
        ([[0, 1]], TypeError, "must be an array or a sparse matrix; got builtins.list"),
        (np.ma.masked_array(np.zeros((1, 1))), TypeError, "masked"),
    ],
)
def test_pack_refuses(x, error, message):
    with pytest.raises(error, match=message):
        BitMatrix.pack(x)


def test_pack_of_a_bit_matrix_is_itself():
    bits = BitMatrix.zeros((2, 3))
    assert BitMatrix.pack(bits) is bits


def test_pack_reads_any_strides(rng):
    x = (rng.random((20, 30)) < 0.5).astype(np.float32)
    assert BitMatrix.pack(x[::-2, ::3]) == BitMatrix.pack(x[::-2, ::3].copy())
    assert BitMatrix.pack(x.T) == BitMatrix.pack(x.T.copy())


@settings(max_examples=60, deadline=None)
@given(binary, st.data())
def test_rows_are_selected_as_numpy_does(x, data):
    bits, rows = BitMatrix.pack(x), len(x)
    start, stop = data.draw(st.integers(-12, 12)), data.draw(st.integers(-12, 12))
    keys = [
        slice(start, stop),
        slice(start, stop, 2),
        slice(None, None, -1),
        np.arange(rows)[::-1],
        np.arange(rows) % 2 == 0,
        list(range(rows)),
    ]
    for key in keys:
        np.testing.assert_array_equal(bits[key].unpack(np.uint8), x[key])
        assert bits[key].words.flags.c_contiguous


def test_slice_shares_memory_and_index_copies():
    bits = BitMatrix.zeros((4, 10))
    assert np.shares_memory(bits[1:3].words, bits.words)
    assert not np.shares_memory(bits[np.array([1, 2])].words, bits.words)
    assert not np.shares_memory(bits.copy().words, bits.words)


@pytest.mark.parametrize(
    "key", [1, np.int64(1), np.zeros((2, 2), int), np.array([0.5]), (0, 1, "a")]
)
def test_rows_are_not_selected_by(key):
    with pytest.raises(TypeError, match="rows are selected by a slice"):
        BitMatrix.zeros((4, 10))[key]


def test_row_index_out_of_range():
    with pytest.raises(IndexError):
        BitMatrix.zeros((4, 10))[np.array([4])]


def test_equality_is_of_shape_and_values():
    x = np.eye(3)
    assert BitMatrix.pack(x) == BitMatrix.pack(x.astype(bool))
    assert BitMatrix.pack(x) != BitMatrix.pack(1 - x)
    assert BitMatrix.zeros((2, 3)) != BitMatrix.zeros((2, 4))
    assert BitMatrix.zeros((2, 3)) != "other"
    with pytest.raises(TypeError, match="unhashable"):
        hash(BitMatrix.zeros((1, 1)))


def test_len_nbytes_and_repr():
    bits = BitMatrix.zeros((5, 65))
    assert len(bits) == bits.rows == 5
    assert bits.nbytes == 5 * 2 * 8
    assert repr(bits) == "BitMatrix(shape=(5, 65), nbytes=80)"


def test_pickle_round_trip(rng):
    bits = BitMatrix.pack(rng.random((7, 99)) < 0.5)
    assert pickle.loads(pickle.dumps(bits)) == bits


@pytest.mark.parametrize(
    ("words", "cols", "error", "message"),
    [
        (np.zeros((2, 1)), 3, TypeError, "uint64 array; got float64"),
        ([[0]], 3, TypeError, "uint64 array; got list"),
        (np.zeros((2, 1), np.uint64), 65, ValueError, r"\(rows, 2\) for 65 columns"),
        (np.zeros((2, 1), np.uint64), -1, ValueError, "for -1 columns"),
        (np.zeros(2, np.uint64), 3, ValueError, r"got shape \(2,\)"),
        (np.zeros((4, 2), np.uint64)[::2], 100, ValueError, "C-contiguous"),
        (np.full((1, 1), 8, np.uint64), 3, ValueError, "past column 3 must be zero"),
    ],
)
def test_constructor_refuses(words, cols, error, message):
    with pytest.raises(error, match=message):
        BitMatrix(words, cols)


def test_constructor_takes_words_without_a_copy():
    words = np.full((1, 1), 5, np.uint64)
    bits = BitMatrix(words, 3)
    assert bits.words is words
    np.testing.assert_array_equal(bits.unpack(), [[1, 0, 1]])


def test_zeros_refuses_negative_and_huge_shapes():
    with pytest.raises(ValueError, match="must not be negative"):
        BitMatrix.zeros((-1, 2))
    with pytest.raises(MemoryError, match="BitMatrix.zeros: an array of shape"):
        BitMatrix.zeros((2**40, 2**40))
