"""Minibatches: every row once an epoch, in the encoding kernels read, no copy of the whole."""

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import nn
from layerwise.ops import BitMatrix


def batches(x, size=4, dtype="float64", **options):
    return nn.Minibatches(nn.Rows(x, dtype), size, **{"seed": 3, **options})


def test_every_row_comes_once_an_epoch_with_its_own_id_and_label():
    x, y = np.arange(11.0)[:, None], np.arange(11)
    for epoch in range(3):
        got = list(batches(x, y=y)(epoch))
        assert [len(batch) for batch in got] == [4, 4, 3]
        rows = np.concatenate([batch.rows for batch in got])
        assert sorted(rows) == list(range(11))
        np.testing.assert_array_equal(np.concatenate([batch.x[:, 0] for batch in got]), rows)
        np.testing.assert_array_equal(np.concatenate([batch.y for batch in got]), rows)


def test_order_is_fixed_by_seed_and_epoch_and_layer():
    x = np.zeros((50, 1))
    order = batches(x).order(0)
    np.testing.assert_array_equal(order, batches(x, size=7).order(0))
    for other in (batches(x).order(1), batches(x, seed=4).order(0), batches(x, layer=1).order(0)):
        assert not np.array_equal(order, other)


def test_without_shuffling_dense_batches_are_views_in_the_order_of_the_data():
    x = np.arange(22.0).reshape(11, 2)
    got = list(batches(x, shuffle=False, first_row=5)(0))
    assert [batch.rows for batch in got] == [5, 9, 13]
    assert all(np.shares_memory(batch.x, x) for batch in got)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_binary_integers_are_packed(dtype, rng):
    x = rng.integers(0, 2, (9, 70)).astype(dtype)
    rows = nn.Rows(x, "float32")
    assert isinstance(rows.x, BitMatrix)
    np.testing.assert_array_equal(rows[2:5].unpack(), x[2:5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_packed_on_request_if_all_are_zero_or_one(dtype, rng):
    x = rng.integers(0, 2, (9, 70)).astype(dtype)
    rows = nn.Rows(x, dtype).packed()
    assert isinstance(rows.x, BitMatrix) and rows.dtype == dtype
    np.testing.assert_array_equal(rows[2:5].unpack(), x[2:5])
    for other in (0.5, -1.0, np.nan):
        x[8, 69] = other
        rows = nn.Rows(x, dtype)
        assert rows.packed() is rows


@pytest.mark.parametrize("make", [np.asarray, sp.csr_matrix, sp.csr_array])
def test_other_integers_are_converted_batch_by_batch(make, rng):
    x = rng.integers(0, 256, (9, 7)).astype(np.uint8)
    rows = nn.Rows(make(x), "float32")
    assert rows.x.dtype == np.uint8
    assert rows[2:5].dtype == np.float32
    part = rows[np.array([8, 0])]
    np.testing.assert_array_equal(part if make is np.asarray else part.toarray(), x[[8, 0]])


def test_sparse_rows_with_duplicates_are_summed_in_a_copy():
    x = sp.csr_matrix((np.ones(3), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 3))
    np.testing.assert_array_equal(nn.Rows(x, "float64")[:].toarray(), [[1.0, 0.0, 2.0]])
    assert x.nnz == 3


@pytest.mark.parametrize("make", [np.asarray, sp.csr_matrix, lambda x: x.astype(bool)])
def test_mean_is_the_column_mean_in_every_encoding(make, rng):
    x = rng.integers(0, 2, (9, 70)).astype(float)
    np.testing.assert_allclose(nn.Rows(make(x), "float64").mean(), x.mean(axis=0))


def test_map_of_converted_rows_equals_map_of_the_whole(monkeypatch, rng):
    monkeypatch.setattr("layerwise.nn.data.minibatch._CHUNK_ELEMENTS", 14)
    x = rng.integers(0, 256, (9, 7)).astype(np.uint8)
    np.testing.assert_array_equal(nn.Rows(x, "float64").map(lambda v: 2 * v), 2.0 * x)
