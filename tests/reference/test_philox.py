"""The generator against its published vectors, and the layout of the counters."""

from types import SimpleNamespace

import numpy as np
import pytest

from layerwise.reference import philox
from layerwise.reference.philox import Purpose

# Random123 1.14, tests/kat_vectors: philox4x32, 10 rounds.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def _words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_words(counter, key, expected):
    assert philox.philox4x32(_words(counter), _words(key)).tolist() == _words(expected)


def test_philox_of_many_counters_is_philox_of_each():
    counters, keys, expected = (
        np.array([_words(answer[i]) for answer in KNOWN_ANSWERS]) for i in range(3)
    )
    assert np.array_equal(philox.philox4x32(counters, keys), expected)


def test_uniform_follows_the_documented_layout():
    seed, step, layer, row, unit = 0x0123456789ABCDEF, 5, 3, 0xFFFFFFFE, 14
    counter = [step, (Purpose.dropout << 16) | layer, row, unit // 4]
    word = int(philox.philox4x32(counter, [0x89ABCDEF, 0x01234567])[unit % 4])
    (value,) = philox.uniform(seed, step, Purpose.dropout, layer, [row], [unit])[0]
    assert value == (word >> 8) / 2**24


def test_normal_is_box_muller_of_neighbouring_lanes():
    args = (42, 1, Purpose.gemm, 0, [9])
    u = philox.uniform(*args, range(4))[0]
    z = philox.normal(*args, range(4))[0]
    for even in (0, 2):
        radius, angle = np.sqrt(-2 * np.log(1 - u[even])), 2 * np.pi * u[even + 1]
        np.testing.assert_allclose(
            z[even : even + 2], [radius * np.cos(angle), radius * np.sin(angle)], rtol=1e-14
        )


@pytest.mark.parametrize("kind", [philox.uniform, philox.normal])
def test_numbers_do_not_depend_on_which_others_are_drawn(kind):
    everything = kind(3, 0, Purpose.gemm, 0, range(10), range(23))
    part = kind(3, 0, Purpose.gemm, 0, [7, 2], [22, 0, 5])
    assert np.array_equal(part, everything[[7, 2]][:, [22, 0, 5]])


@pytest.mark.parametrize("change", ["seed", "seed_high", "step", "purpose", "layer", "row"])
def test_every_coordinate_changes_the_numbers(change):
    base = {"seed": 1, "step": 0, "purpose": 0, "layer": 0, "rows": [0]}
    other = {
        "seed": {"seed": 2},
        "seed_high": {"seed": 1 + 2**32},
        "step": {"step": 1},
        "purpose": {"purpose": 1},
        "layer": {"layer": 1},
        "row": {"rows": [1]},
    }[change]
    numbers = philox.uniform(**base, units=range(16))
    assert not np.isin(philox.uniform(**(base | other), units=range(16)), numbers).any()


def test_uniform_is_exact_in_float32_and_below_one():
    u = philox.uniform(0, 0, Purpose.gemm, 0, range(100), range(100))
    assert np.array_equal(u, u.astype(np.float32))
    assert u.min() >= 0
    assert u.max() < 1


def test_uniform_and_normal_have_the_right_moments():
    n = 300 * 400  # standard errors below are those of n independent draws
    u = philox.uniform(11, 0, Purpose.gemm, 0, range(300), range(400))
    z = philox.normal(11, 0, Purpose.gemm, 0, range(300), range(400))
    assert abs(u.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / n)
    assert abs(z.mean()) < 4 / np.sqrt(n)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((z[:, ::2] * z[:, 1::2]).mean()) < 4 / np.sqrt(n / 2)
    assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / n)


def test_row_ids_count_up_and_wrap_or_are_given():
    assert philox.row_ids(SimpleNamespace(rows=2**32 - 1), 3).tolist() == [2**32 - 1, 0, 1]
    assert philox.row_ids(SimpleNamespace(rows=np.array([5, 3])), 2).tolist() == [5, 3]
    with pytest.raises(ValueError, match="one row id a row"):
        philox.row_ids(SimpleNamespace(rows=np.array([5, 3])), 3)
