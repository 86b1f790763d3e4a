"""The IDX reader returns what a file holds or names what is wrong with it, whatever the bytes."""

import gzip
import os
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from layerwise.datasets import read_idx, write_idx

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
MIB = 1024**2
quick = settings(deadline=None, max_examples=100)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """One path that every example of a property overwrites."""
    return tmp_path_factory.mktemp("idx") / "file.idx"


def idx(code, shape, body=b"", ndim=None):
    ndim = len(shape) if ndim is None else ndim
    return bytes([0, 0, code, ndim]) + struct.pack(f">{len(shape)}I", *shape) + body


def read_bytes(path, data, **options):
    path.write_bytes(data)
    return read_idx(path, **options)


def assert_read_or_named(path, data):
    """Read `data`; return the array, or None after checking the form of the error."""
    try:
        return read_bytes(path, data)
    except ValueError as error:
        assert str(error).startswith(f"read_idx: {path} must ")
        assert "; " in str(error)
        return None


@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("packed", [False, True])
def test_elements_are_read_in_big_endian_c_order(file, code, packed):
    expected = np.arange(-12, 12).reshape(2, 3, 4).astype(DTYPES[code])
    data = idx(code, (2, 3, 4), expected.astype(">" + DTYPES[code]).tobytes())
    array = read_bytes(file, gzip.compress(data) if packed else data)
    assert array.dtype == np.dtype(DTYPES[code]) and array.dtype.isnative
    assert array.flags.writeable and array.flags.c_contiguous
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (1,), (5, 0, 3), (7, 1, 2, 3), (1,) * 64])
@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
def test_written_array_is_read_again(tmp_path, code, shape, name):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(DTYPES[code])
    write_idx(tmp_path / name, array)
    again = read_idx(str(tmp_path / name))
    assert again.dtype == array.dtype and again.shape == array.shape
    np.testing.assert_array_equal(again, array)


def test_write_takes_any_strides_and_byte_order(file):
    array = np.arange(24, dtype=">i4").reshape(4, 6)[::-2, ::3].T
    write_idx(file, array)
    np.testing.assert_array_equal(read_idx(file), array)


def test_equal_arrays_give_equal_gzip_files(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(9.0))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros(3, bool), TypeError, "array must be one of uint8, .*; it is bool"),
        (np.zeros(3, np.int64), TypeError, "it is int64"),
        (np.array([None]), TypeError, "it is object"),
        (np.uint8(3), ValueError, "must have 1 to 64 dimensions; it has 0"),
        (np.broadcast_to(np.uint8(0), (2**32,)), ValueError, r"under 2\*\*32; the array is"),
    ],
)
def test_write_refuses_what_idx_cannot_hold(tmp_path, array, error, message):
    with pytest.raises(error, match="^write_idx: .*" + message):
        write_idx(tmp_path / "file.idx", array)
    assert not (tmp_path / "file.idx").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must hold an IDX header; it is empty"),
        (b"\0", "must begin with .*; it begins with 00"),
        (b"\0\0\x08", "must begin with .*; it begins with 00 00 08"),
        (b"<!DOCTYPE html>", "must begin with .*; it begins with 3c 21 44 4f"),
        (idx(0x0A, (1,), b"1"), "must have an element type of 08 .*; it has 0a"),
        (idx(0x08, ()), "must have 1 to 64 dimensions; it has 0"),
        (idx(0x08, (1,) * 65, b"1"), "must have 1 to 64 dimensions; it has 65"),
        (idx(0x08, (3,), ndim=2), "must hold 8 bytes for its 2 dimensions; it ends after 4"),
        (idx(0x0B, (2, 2), b"7 bytes"), "must hold 8 bytes after its header .*; it holds 7"),
        (idx(0x08, (2, 2), b"5byte"), "must hold 4 bytes after its header .*; it holds (5|more)"),
        (idx(0x0E, (2**32 - 1,) * 3), "must have a shape that fits in memory; it has"),
        (idx(0x0E, (0,) + (2**32 - 1,) * 3), "must have a shape that fits in memory; it has"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damage_is_named(file, data, message, packed):
    if packed:
        message = message.replace("hold an IDX header; it is empty", "begin with .* with nothing")
        data = gzip.compress(data)
    with pytest.raises(ValueError, match=re.escape(f"read_idx: {file} ") + message):
        read_bytes(file, data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:2],
        lambda packed: packed[:-9],
        lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        lambda packed: packed[:-1] + bytes([packed[-1] ^ 1]),
        lambda packed: packed[:12] + b"\xff" + packed[13:],
        lambda packed: packed + b"left over",
    ],
    ids=["header", "cut", "crc", "length", "stream", "left over"],
)
def test_damaged_gzip_is_named(file, damage):
    packed = gzip.compress(idx(0x08, (100,), bytes(range(100))))
    with pytest.raises(ValueError, match="must be an undamaged gzip file; unpacking failed: "):
        read_bytes(file, damage(packed))


def test_what_is_no_file_is_named(tmp_path, file):
    file.touch()
    for path in (tmp_path / "absent.idx", file / "below a file"):
        with pytest.raises(FileNotFoundError, match=re.escape(f"read_idx: {path} must exist; ")):
            read_idx(path)
    with pytest.raises(ValueError, match="must be a regular file; it is a directory"):
        read_idx(tmp_path)
    with pytest.raises(ValueError, match="read_idx: path must be a valid path; got "):
        read_idx("a\0b")
    with pytest.raises(TypeError, match=r"path must be str or os\.PathLike; got int"):
        read_idx(0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="must be a regular file; it is a pipe"):
        read_idx(tmp_path / "pipe")


@pytest.mark.parametrize("packed", [False, True])
def test_max_bytes_bounds_the_array(file, packed):
    data = idx(0x0B, (3,), b"123456")
    data = gzip.compress(data) if packed else data
    assert read_bytes(file, data, max_bytes=6).shape == (3,)
    with pytest.raises(ValueError, match=r"at most max_bytes=5 bytes; .* asks for 6"):
        read_bytes(file, data, max_bytes=5)


@pytest.mark.parametrize("body", [b"", bytes(64 * MIB)], ids=["lying header", "bomb"])
@pytest.mark.parametrize("packed", [False, True])
def test_memory_follows_the_file_not_the_header(file, body, packed):
    claimed = 10 if body else 4 * 1024 * MIB - 1
    data = idx(0x08, (claimed,), body)
    file.write_bytes(gzip.compress(data, 1) if packed else data)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"must hold {claimed} bytes after its header"):
            read_idx(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * MIB


@quick
@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_named(file, data):
    assert_read_or_named(file, data)


@st.composite
def headers(draw):
    """Files with a plausible header, whose body has the right length now and then."""
    code = draw(st.sampled_from(sorted(DTYPES)) | st.integers(0, 255))
    extent = st.integers(0, 4) | st.integers(0, 2**32 - 1)
    shape = draw(st.lists(extent, max_size=4))
    ndim = draw(st.none() | st.integers(0, 255))
    return idx(code, shape, draw(st.binary(max_size=64)), ndim)


@quick
@given(headers())
@example(idx(0x08, (2**32 - 1, 0)))
@example(idx(0x0E, (2**31, 2**31, 2)))
@example(idx(0x0D, (1,), b"\x7f\xa0\0\0"))  # a signalling NaN
def test_what_is_read_from_a_header_is_what_the_file_holds(file, data):
    array = assert_read_or_named(file, data)
    packed = assert_read_or_named(file, gzip.compress(data, 1))
    assert (array is None) == (packed is None)
    if array is not None:
        write_idx(file, array)
        assert file.read_bytes() == data
        assert packed.tobytes() == array.tobytes() and packed.shape == array.shape


@quick
@given(st.data())
def test_cut_or_flipped_gzip_never_gives_other_elements(file, data):
    expected = np.arange(60, dtype=np.int16).reshape(3, 20)
    write_idx(Path(f"{file}.gz"), expected)
    packed = bytearray(Path(f"{file}.gz").read_bytes())
    if data.draw(st.booleans(), label="cut"):
        del packed[data.draw(st.integers(0, len(packed) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    array = assert_read_or_named(file, bytes(packed))
    if array is not None:  # only bytes of the gzip header changed that carry no data
        np.testing.assert_array_equal(array, expected)


@quick
@given(st.data())
def test_cut_or_extended_file_is_refused(file, data):
    whole = idx(0x0C, (2, 3), bytes(24))
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert assert_read_or_named(file, whole[:cut]) is None
    assert assert_read_or_named(file, whole + data.draw(st.binary(min_size=1))) is None
