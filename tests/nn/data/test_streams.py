"""Data from memory maps and in blocks: the rows and the order they have in memory."""

import itertools
import mmap

import numpy as np
import pytest
import scipy.sparse as sp

from layerwise import nn
from layerwise.nn.data import shuffle
from layerwise.ops import BitMatrix, Philox


def mapped(x, path):
    file = np.memmap(path / "x", x.dtype, "w+", shape=x.shape)
    file[:] = x
    return np.memmap(path / "x", x.dtype, "r", shape=x.shape)


def rows_of(batches, epoch=0):
    got = list(batches(epoch))
    return np.concatenate([batch.x for batch in got]), np.concatenate([b.rows for b in got])


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of 16 blocks of 2 rows of 4 columns, for any matrix."""
    monkeypatch.setattr(shuffle, "_WHOLE_ELEMENTS", 0)
    monkeypatch.setattr(shuffle, "WINDOW_ELEMENTS", 16 * 8)


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 333])
def test_windows_have_every_row_once(n, small_windows):
    parts = list(shuffle.windows(Philox(3), n, 4))
    assert max(map(len, parts)) <= 32
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))


def test_a_window_mixes_blocks_from_all_over_the_data(small_windows):
    first = next(shuffle.windows(Philox(3), 3200, 4))
    assert len(np.unique(first // 2)) == 16  # blocks of neighbours
    assert first.max() - first.min() > 1600
    assert np.abs(np.diff(first) == 1).mean() < 0.3


def test_windows_of_batches_that_do_not_fit_them_leave_no_row_out(small_windows):
    x = np.arange(4 * 333.0).reshape(333, 4)
    batches = nn.Minibatches(nn.Rows(x, "float64"), 7, seed=1)
    got, ids = rows_of(batches)
    np.testing.assert_array_equal(got, x[ids])
    assert [len(batch) for batch in batches(0)] == [7] * 47 + [4]
    np.testing.assert_array_equal(np.sort(ids), np.arange(333))
    assert not np.array_equal(ids, rows_of(batches, 1)[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, bool])
@pytest.mark.parametrize("top", [1, 9])
def test_a_memory_map_gives_the_batches_of_the_array(rng, tmp_path, dtype, top):
    x = rng.integers(0, top + 1, (50, 70)).astype(dtype)
    for shuffled in (True, False):
        array = nn.Minibatches(nn.Rows(x, "float32"), 8, seed=1, shuffle=shuffled)
        file = nn.MappedRows(mapped(x, tmp_path), "float32")
        for a, b in zip(
            array(0), nn.Minibatches(file, 8, seed=1, shuffle=shuffled)(0), strict=True
        ):
            assert type(a.x) is type(b.x)
            dense = [x.unpack() if isinstance(x, BitMatrix) else x for x in (a.x, b.x)]
            np.testing.assert_array_equal(*dense)
            np.testing.assert_array_equal(a.rows, b.rows)
    assert file.bounds() == nn.Rows(x, "float32").bounds()


def test_pages_of_a_memory_map_are_given_back(rng, tmp_path, monkeypatch):
    x = mapped(rng.random((4000, 512)), tmp_path)  # 16 MB
    resident = []
    for limit in (1 << 20, 1 << 40):
        x._mmap.madvise(mmap.MADV_DONTNEED)
        monkeypatch.setattr("layerwise.nn.data.mapped._RESIDENT_BYTES", limit)
        rows = nn.MappedRows(x, "float64")
        for batch in nn.Minibatches(rows, 10, seed=0, shuffle=False)(0):
            batch.x.sum()
        resident.append(resident_bytes(tmp_path / "x"))
    assert resident[0] < 3 << 20 < 14 << 20 < resident[1]


def resident_bytes(path):
    """Bytes of a file that are mapped into this process."""
    total, ours = 0, False
    with open("/proc/self/smaps") as lines:
        for line in lines:
            if "-" in line.split(" ")[0]:
                ours = line.rstrip().endswith(str(path))
            elif ours and line.startswith("Rss:"):
                total += int(line.split()[1]) << 10
    return total


def test_changes_to_a_copy_on_write_map_stay(rng, tmp_path, monkeypatch):
    monkeypatch.setattr("layerwise.nn.data.mapped._RESIDENT_BYTES", 0)
    mapped(rng.random((100, 512)), tmp_path)
    x = np.memmap(tmp_path / "x", float, "c", shape=(100, 512))
    x[:] = 0.5
    rows = nn.MappedRows(x, "float64")
    for batch in nn.Minibatches(rows, 10, seed=0)(0):
        assert (batch.x == 0.5).all()


@pytest.mark.parametrize("encode", [np.asarray, sp.csr_array, BitMatrix.pack])
@pytest.mark.parametrize("sizes", [(50,), (1, 49), (20, 3, 0, 27), (10,) * 5])
def test_blocks_in_order_give_the_batches_of_the_array(rng, encode, sizes):
    x = rng.integers(0, 2, (50, 70)).astype(np.float32)
    cuts = np.cumsum((0, *sizes))
    stream = nn.StreamRows(lambda: (encode(x[a:b]) for a, b in itertools.pairwise(cuts)), "float32")
    for _ in range(2):  # passes
        got = list(stream.minibatches(8, seed=1, shuffle=False)(0))
        assert [len(batch) for batch in got] == [8] * 6 + [2]
        for number, batch in enumerate(got):
            part = x[8 * number : 8 * number + 8]
            values = batch.x
            values = values.unpack() if isinstance(values, BitMatrix) else values
            values = values.toarray() if sp.issparse(values) else values
            np.testing.assert_array_equal(values, part)
            np.testing.assert_array_equal(batch.rows, 8 * number + np.arange(len(part)))


def test_blocks_that_fit_a_window_are_shuffled_as_the_array_is(rng):
    x = rng.random((50, 7))
    stream = nn.StreamRows(lambda: np.array_split(x, 4))
    for epoch in range(2):
        expected = rows_of(nn.Minibatches(nn.Rows(x, "float64"), 8, seed=1), epoch)
        got = rows_of(stream.minibatches(8, seed=1), epoch)
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])


def test_blocks_larger_than_a_window_leave_no_row_out(rng, monkeypatch):
    monkeypatch.setattr("layerwise.nn.data.streams.WINDOW_ELEMENTS", 4 * 30)
    x = rng.random((333, 4))
    y, weight = np.arange(333), rng.random(333)
    stream = nn.StreamRows(lambda: np.array_split(x, 41))
    batches = stream.minibatches(7, seed=1, y=y, weight=weight)
    got, ids = rows_of(batches)
    np.testing.assert_array_equal(got, x[ids])
    np.testing.assert_array_equal(np.sort(ids), np.arange(333))
    assert [len(batch) for batch in batches(0)] == [7] * 47 + [4]
    for batch in batches(0):
        np.testing.assert_array_equal(batch.y, batch.rows)
        np.testing.assert_array_equal(batch.weight, weight[batch.rows])
    assert np.abs(ids - np.arange(333)).max() <= 7 * 7 + 9 + 30  # shuffled within windows


def test_an_iterator_serves_one_pass(rng):
    x = rng.random((20, 3))
    stream = nn.StreamRows(iter(np.array_split(x, 3)))
    np.testing.assert_array_equal(rows_of(stream.minibatches(6, seed=1, shuffle=False))[0], x)
    with pytest.raises(ValueError, match="X must be a function that returns a new iterator"):
        list(stream.minibatches(6, seed=1)(1))


@pytest.mark.parametrize(
    ("blocks", "options", "error", "message"),
    [
        ([], {}, ValueError, "X must yield at least one block; got none"),
        ([np.eye(2), sp.eye_array(2).tocsr()], {}, TypeError, "of one kind; got dense and sparse"),
        ([np.eye(2)], {"y": np.zeros(3)}, ValueError, "y must have one value for each row"),
        ([np.eye(2)] * 2, {"y": np.zeros(3)}, ValueError, "got 3 values and at least 4 rows"),
        ([np.eye(2)], {"weight": np.zeros(1)}, ValueError, "sample_weight must have one value"),
    ],
)
def test_errors_name_what_was_required_and_what_came(blocks, options, error, message):
    with pytest.raises(error, match=message):
        list(nn.StreamRows(iter(blocks), "float64").minibatches(3, seed=0, **options)(0))
