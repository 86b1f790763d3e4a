import pickle

import numpy as np
import pytest

from layerwise.ops import Philox, Purpose, normal, uniform


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be from 0 to 18446744073709551615; got -1"),
        ({"seed": 2**64}, ValueError, "seed"),
        ({"seed": 1.0}, TypeError, "seed must be an int; got float"),
        ({"seed": None}, TypeError, "seed must be an int; got NoneType"),
        ({"seed": 0, "step": 2**32}, ValueError, "step must be from 0 to 4294967295"),
        ({"seed": 0, "layer": 2**16}, ValueError, "layer must be from 0 to 65535"),
        ({"seed": 0, "rows": -1}, ValueError, "rows must be from 0"),
        ({"seed": 0, "rows": 2**32}, ValueError, "rows must be from 0"),
        ({"seed": 0, "rows": 0.5}, TypeError, "rows must be an int"),
        ({"seed": 0, "rows": [0, -1]}, ValueError, "got -1 to 0"),
        ({"seed": 0, "rows": [0, 2**32]}, ValueError, "rows must be from 0"),
        ({"seed": 0, "rows": [0.5]}, TypeError, "rows must be integers; got float64"),
        ({"seed": 0, "rows": [[1]]}, ValueError, r"shape \(1, 1\)"),
    ],
)
def test_philox_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        Philox(**arguments)


def test_philox_keeps_the_extremes():
    rng = Philox(2**64 - 1, 2**32 - 1, 2**16 - 1, np.array([0, 2**32 - 1]))
    assert rng.rows.dtype == np.uint32
    assert rng.rows.tolist() == [0, 2**32 - 1]
    assert Philox(np.uint64(7), rows=np.int64(3)) == Philox(7, rows=3)
    assert Philox(0, rows=[]).rows.shape == (0,)


def test_at_replaces_only_what_is_given():
    rng = Philox(1, 2, 3, 4)
    assert rng.at() == rng
    assert rng.at(step=0) == Philox(1, 0, 3, 4)
    assert rng.at(layer=0, rows=[9]) == Philox(1, 2, 0, [9])
    assert rng.at(rows=0) == Philox(1, 2, 3, 0)


def test_philox_compares_hashes_and_pickles():
    rng = Philox(1, rows=[3, 4])
    assert rng == Philox(1, rows=np.array([3, 4], np.uint32))
    assert rng != Philox(1, rows=[3, 5])
    assert hash(rng) == hash(Philox(1, rows=[3, 4]))
    assert pickle.loads(pickle.dumps(rng)) == rng
    with pytest.raises(AttributeError):
        rng.seed = 2


@pytest.mark.parametrize("draw", [uniform, normal])
def test_numbers_belong_to_row_ids_and_units(draw):
    whole = draw(Philox(5), Purpose.weight_init, (10, 13))
    part = draw(Philox(5, rows=[7, 2]), Purpose.weight_init, (2, 9))
    np.testing.assert_array_equal(part, whole[[7, 2], :9])
    np.testing.assert_array_equal(draw(Philox(5, rows=4), Purpose.weight_init, (6, 13)), whole[4:])


@pytest.mark.parametrize("draw", [uniform, normal])
def test_every_coordinate_of_the_stream_changes_the_numbers(draw):
    base = Philox(5)
    streams = [base, base.at(step=1), base.at(layer=1), base.at(rows=100), Philox(6)]
    drawn = [draw(rng, Purpose.weight_init, (3, 8)) for rng in streams]
    drawn.append(draw(base, Purpose.dropout, (3, 8)))
    for i, x in enumerate(drawn):
        for y in drawn[:i]:
            assert not np.isin(x, y).any()


def test_uniform_and_normal_have_their_moments():
    u = uniform(Philox(1), Purpose.shuffle, (200, 200))
    z = normal(Philox(1), Purpose.shuffle, (200, 200))
    assert u.min() >= 0
    assert u.max() < 1
    np.testing.assert_array_equal(u, u.astype(np.float32))
    se = 1 / 200  # one over the root of the count
    assert abs(u.mean() - 0.5) < 4 * se * 12**-0.5
    assert abs(z.mean()) < 4 * se
    assert abs(z.std() - 1) < 4 * se


def test_draws_refuse():
    with pytest.raises(TypeError, match="uniform: rng must be a Philox; got int"):
        uniform(3, Purpose.gemm, (1, 1))
    with pytest.raises(ValueError, match="must not be negative"):
        uniform(Philox(0), Purpose.gemm, (-1, 1))
    with pytest.raises(ValueError, match="one row id for each of 3 rows; got 2 ids"):
        normal(Philox(0, rows=[1, 2]), Purpose.gemm, (3, 1))
    with pytest.raises(ValueError, match="ids below 2"):
        normal(Philox(0, rows=2**32 - 2), Purpose.gemm, (3, 1))
    with pytest.raises(ValueError, match="not a valid Purpose"):
        normal(Philox(0), 99, (3, 1))


@pytest.mark.parametrize("draw", [uniform, normal])
def test_draws_of_no_size(draw):
    assert draw(Philox(0), Purpose.gemm, (0, 3)).shape == (0, 3)
    assert draw(Philox(0), Purpose.gemm, (3, 0)).shape == (3, 0)
