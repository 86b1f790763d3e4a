"""The compiled pass over an op's arguments beside Python's: the same findings, or none."""

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise.ops import BitMatrix
from layerwise.ops._signature import Call, Signature

OPERANDS = {
    "v": "N D *", "w": "F D", "x": "...", "y": "...", "chains": "C D bits ?", "labels": "L int",
}  # fmt: skip


def plain(dtype=np.float32):
    """Values that the compiled pass takes, by name."""
    w = np.ones((3, 70), dtype)
    return {
        "v": np.ones((5, 70), dtype), "w": w, "x": np.ones((2, 1, 4), dtype),
        "y": np.ones((2, 1, 4), dtype), "chains": BitMatrix.zeros((6, 70)),
        "labels": np.arange(4),
    }  # fmt: skip


def python_pass():
    """Build a signature whose compiled pass never finds anything."""
    signature = Signature("op", **OPERANDS)
    signature._match = lambda values: None
    return signature


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"chains": None},
        {"v": BitMatrix.zeros((5, 70))},
        {"v": np.ones((0, 70)), "w": np.ones((0, 70))},
        {"x": np.ones(()), "y": np.ones(())},
        {"w": np.ones((70, 6))[:, ::2].T},
        {"labels": np.arange(4, dtype=np.int32)},
        {"labels": np.arange(8, dtype=np.longlong)[::2]},
    ],
)
def test_both_passes_find_the_same(dtype, changed):
    values = plain(dtype)
    for name, value in changed.items():
        kind = getattr(getattr(value, "dtype", None), "kind", "")
        values[name] = value.astype(dtype) if kind == "f" else value
    signature = Signature("op", **OPERANDS)
    assert signature._match(tuple(values.values())) is not None
    got, want = signature(*values.values()), python_pass()(*values.values())
    assert (got.op, got.sizes, got.dtype, got.library) == (
        want.op, want.sizes, want.dtype, want.library,
    )  # fmt: skip
    assert all(x is y for x, y in zip(got.operands, want.operands, strict=True))


def misaligned(shape):
    octets = np.zeros(int(np.prod(shape)) * 4 + 1, np.uint8)
    return octets[1:].view(np.float32).reshape(shape)


def bits(words, cols):
    made = BitMatrix.zeros((6, 70))
    made.words, made.cols = words, cols
    return made


@pytest.mark.parametrize(
    "changed",
    [
        {"w": np.ones((3, 71), np.float32)},  # sizes disagree
        {"y": np.ones((2, 4), np.float32)},
        {"chains": BitMatrix.zeros((6, 71))},
        {"w": np.ones(70, np.float32)},  # another rank
        {"x": np.ones((1,) * 9, np.float32), "y": np.ones((1,) * 9, np.float32)},
        {"w": np.ones((3, 70))},  # two dtypes
        {"w": np.ones((3, 70), np.int64)},
        {"labels": np.ones(4, np.float32)},
        {"labels": np.ones(4, np.uint64)},
        {"labels": np.ones(4, np.int16)},
        {"labels": np.ones(4, ">i8")},
        {"labels": np.ones(4, "m8[s]")},
        {"labels": np.ones((2, 2), np.int64)},
        {"w": np.ones((3, 70), np.longdouble)},
        {"w": np.ones((3, 70), ">f4")},
        {"w": misaligned((3, 70))},
        {"w": np.ones((3, 70), np.float32).view(np.recarray)},
        {"w": None},
        {"w": BitMatrix.zeros((3, 70))},  # not taken there
        {"chains": np.ones((6, 70), np.float32)},
        {"chains": bits(np.zeros(6, np.uint64), 70)},
        {"chains": bits([[0]], 70)},
        {"chains": bits(np.zeros((6, 2), np.uint64), "70")},
        {"v": sp.csr_array(np.ones((5, 70), np.float32))},
    ],
)
def test_what_is_not_plain_is_left_to_python(changed):
    assert Signature("op", **OPERANDS)._match(tuple((plain() | changed).values())) is None


def test_too_few_values_are_left_to_python():
    assert Signature("op", **OPERANDS)._match(tuple(plain().values())[:-1]) is None


@pytest.mark.parametrize("operands", [[1], ["ab"], [("N", "*")], [((), "", False, 1)]])
def test_an_operand_of_a_signature_has_three_fields(operands):
    from layerwise import _core

    with pytest.raises(TypeError, match=r"signature: an operand must be \(axes, kind, optional\)"):
        _core.signature("op", operands, BitMatrix, Call)
