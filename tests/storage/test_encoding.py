"""Python values as JSON and arrays: what goes in comes out, and nothing else can come out."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from layerwise import nn
from layerwise.ops import BitMatrix
from layerwise.storage import decode, describe, encode, register

_DTYPES = ["bool", "int8", "int64", "uint8", "uint64", "float16", "float32", "float64"]

numbers = st.sampled_from(_DTYPES).flatmap(lambda name: npst.from_dtype(np.dtype(name)))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), numbers,
    npst.arrays(st.sampled_from(_DTYPES), npst.array_shapes(min_dims=0, max_dims=3, min_side=0)),
    st.sampled_from([nn.CD(k=3), nn.PCD(n_chains=7), nn.Bernoulli()]),
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(), inner, max_size=4),
    ),
    max_leaves=12,
)


def same(a, b):
    """Equal in type, and in every bit (of a NaN: a NaN)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (np.ndarray, np.generic)):
        return (
            a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, a.dtype.kind == "f")
        )
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (
            a == b and math.copysign(1, a) == math.copysign(1, b)
        )
    return a == b


@given(values)
def test_values_come_back_with_their_types_and_bits(value):
    tree, arrays = encode(value)
    text = json.dumps(tree, allow_nan=False)
    assert text.isascii()
    assert same(decode(json.loads(text), arrays), value)


@pytest.mark.parametrize("dtype", [str, object])
def test_arrays_of_strings_come_back(dtype):
    value = np.array(["", "a", "zweiundvierzig", "\u5b57"], dtype=dtype)
    back = decode(*encode(value))
    assert back.dtype == value.dtype
    assert back.tolist() == value.tolist()


def test_bits_and_sparse_matrices_come_back(rng):
    dense = rng.integers(0, 2, (5, 70))
    bits = BitMatrix.pack(dense)
    assert decode(*encode(bits)) == bits
    for kind in (sp.csr_array, sp.csr_matrix):
        matrix = kind(dense.astype(np.float32))
        back = decode(*encode(matrix))
        assert type(back) is kind
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back.toarray(), dense)


def test_a_random_state_goes_on_where_it_was():
    state = np.random.RandomState(3)
    state.standard_normal(5)  # an odd number: one of the pair is kept for the next call
    back = decode(*encode(state))
    np.testing.assert_array_equal(back.standard_normal(700), state.standard_normal(700))


def test_arrays_in_other_layouts_are_stored_as_their_values():
    value = np.arange(6.0).reshape(2, 3)
    for other in (np.asfortranarray(value), value.astype(">f8"), value[::-1], value[:, ::2]):
        np.testing.assert_array_equal(decode(*encode(other)), other)


def test_dicts_may_have_keys_whose_paths_are_alike():
    value = {"a.b": np.zeros(1), "a": {"b": np.ones(1)}}
    assert same(decode(*encode(value)), value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"rate": [0.1, lambda t: 0.1]}, r"rate.1 must be a number, .* got <function"),
        ({"seed": np.random.default_rng(0)}, "seed must be a number, .* got Generator"),
        ({"classes": {1: "a"}}, "classes must have keys that are str; got 1"),
        ({"dates": np.zeros(2, "M8[s]")}, r"dates must be an array of bools.*datetime64"),
        ({"mixed": np.array([1, "a"], object)}, "mixed must be an array of bools, .* dtype object"),
        ({"grid": np.array([["a"]])}, r"grid must be an array of bools.* shape \(1, 1\)"),
        ({"z": np.complex64(1j)}, "z must be a bool, integer or float"),
        ({"state": np.random.RandomState(np.random.PCG64(0))}, "state must be a RandomState of MT"),
        (object(), "the object must be a number"),
    ],
)
def test_what_cannot_be_stored_is_named(value, message):
    with pytest.raises(TypeError, match=message):
        encode(value)


def key(n=624):
    return np.zeros(n, np.uint32)


@pytest.mark.parametrize(
    ("tree", "arrays", "message"),
    [
        ({}, {}, "none of its types"),
        ({"pickle": "gASVAAAA"}, {}, "none of its types"),
        ({"tuple": [1], "dict": {}}, {}, "none of its types"),
        ({"tuple": 3}, {}, "no list"),
        ({"dict": [1]}, {}, "no mapping"),
        ({"float": "1e3"}, {}, "no float"),
        ({"float": []}, {}, "no float"),
        ({"number": ["object", 1]}, {}, "no number"),
        ({"number": ["float32", "1"]}, {}, "no number"),
        ({"number": ["uint8", 256]}, {}, "too large for uint8"),
        ({"array": "w"}, {}, "no array 'w'"),
        ({"array": ["w"]}, {}, "no array"),
        ([{"array": "w"}, {"array": "w"}], {"w": np.zeros(1)}, "names it twice"),
        ({"strings": ["str", [1]]}, {}, "no strings"),
        ({"strings": ["i8", ["1"]]}, {}, "no strings"),
        ({"bits": ["w", 3]}, {"w": np.zeros((1, 1))}, "an array w of shape"),
        ({"bits": ["w", 300]}, {"w": np.zeros((1, 1), np.uint64)}, "makes no bit matrix"),
        ({"bits": ["w", 3]}, {"w": np.full((1, 1), 8, np.uint64)}, "makes no bit matrix"),
        ({"bits": ["w", -1]}, {"w": np.zeros((1, 0), np.uint64)}, "-1 columns"),
        ({"random_state": ["k", 625, 0, 0.0]}, {"k": key()}, "no state of a RandomState"),
        ({"random_state": ["k", 10**9, 0, 0.0]}, {"k": key()}, "no state of a RandomState"),
        ({"random_state": ["k", -1, 0, 0.0]}, {"k": key()}, "no state of a RandomState"),
        ({"random_state": ["k", 0, 0, 0.0]}, {"k": key(623)}, "no state of a RandomState"),
        ({"random_state": ["k", 0, 2, 0.0]}, {"k": key()}, "no state of a RandomState"),
        ({"object": ["os.system", {}]}, {}, "class 'os.system', which is not registered"),
        ({"object": [["CD"], {}]}, {}, "which is not registered"),
        ({"object": ["CD", []]}, {}, "no mapping"),
        ({"object": ["CD", {"k": 0}]}, {}, "no valid CD: CD: k must be an integer >= 1; got 0"),
        ({"object": ["CD", {"k": "3"}]}, {}, "no valid CD: CD: k must be an integer"),
        ({"object": ["CD", {"sweeps": 3}]}, {}, r"unknown entries of CD: \['sweeps'\]"),
        ({"object": ["Philox", {"seed": 3}]}, {}, "not registered"),
    ],
)
def test_what_encode_does_not_make_is_refused(tree, arrays, message):
    with pytest.raises(ValueError, match=message):
        decode(tree, arrays)


@pytest.mark.parametrize(
    ("indices", "indptr", "shape"),
    [
        ([0, 9], [0, 1, 2], [2, 3]),
        ([0, -1], [0, 1, 2], [2, 3]),
        ([0, 1], [0, 1, 9], [2, 3]),
        ([0, 1], [0, 5, 2], [2, 3]),
        ([0, 1], [0, 1, 2], [3, 3]),
        ([0, 1], [0, 1, 2], [-2, 3]),
        ([0, 1], [0, 1, 2], [2**62, 3]),
    ],
)
def test_sparse_matrices_that_point_outside_are_refused(indices, indptr, shape):
    arrays = {"d": np.ones(2), "i": np.array(indices), "p": np.array(indptr)}
    with pytest.raises(ValueError, match="sparse matrix"):
        decode({"csr": ["csr_array", shape, "d", "i", "p"]}, arrays)


def test_what_a_newer_writer_added_is_left_out_with_a_warning():
    tree = {"object": ["CD", {"k": 2, "tempering": True}]}
    with pytest.warns(UserWarning, match="newer layerwise; unknown entries of CD .*: tempering"):
        assert decode(tree, {}, newer=True) == nn.CD(k=2)


def test_classes_of_ones_own_can_be_registered():
    @dataclass(frozen=True)
    class OwnRule(nn.CD):
        patience: int = 3

    with pytest.raises(TypeError, match="given to layerwise.storage.register"):
        encode(OwnRule())
    register(OwnRule)
    assert decode(*encode(OwnRule(k=2, patience=5))) == OwnRule(k=2, patience=5)


def test_a_registered_name_cannot_be_taken():
    class CD:
        pass

    with pytest.raises(ValueError, match=r"register: names must be unique; CD is layerwise\.nn"):
        register(CD)
    assert decode({"object": ["CD", {}]}, {}) == nn.CD()


def test_every_learning_rule_and_unit_type_of_nn_can_be_stored():
    classes = [
        cls
        for cls in vars(nn).values()
        if isinstance(cls, type)
        and issubclass(cls, (nn.LearningRule, nn.Units))
        and not getattr(cls, "__abstractmethods__", None)
    ]
    assert len(classes) >= 4
    for cls in classes:
        made = nn.Dropout(nn.CD(k=2), 0.25) if cls is nn.Dropout else cls()
        assert decode(*encode(made)) == made


def test_what_cannot_be_stored_hides_nothing_beside_it():
    def described(patience, other=len):
        return describe([nn.EarlyStopping("score", patience=patience), {"a": (1, other)}])

    assert described(1) == described(1)
    assert described(1) != described(2)
    assert described(1) != described(1, other=3)
    assert "builtin_function_or_method" in described(1)
