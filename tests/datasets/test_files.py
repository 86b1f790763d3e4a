"""A user's data become rows, whatever file they come in, or the error says what is wrong."""

import gzip
import os
import re

import numpy as np
import pytest
from PIL import Image

from layerwise.datasets import read_data, read_labels, write_idx


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (5, 3, 4), dtype=np.uint8)


def save_npz(path, **arrays):
    np.savez_compressed(path, **arrays)


def save_images(folder, images, labels=None):
    for i, image in enumerate(images):
        inside = folder if labels is None else folder / labels[i]
        inside.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(inside / f"{i}.png")


WRITERS = {
    "a.npy": np.save,
    "a.npz": lambda path, x: save_npz(path, anything=x),
    "xy.npz": lambda path, x: save_npz(path, x=x, y=np.arange(len(x)), extra=np.zeros(3)),
    "plain-idx3-ubyte": write_idx,
    "packed.gz": lambda path, x: path.write_bytes(packed_idx(path, x)),
    "folder": save_images,
}


def packed_idx(path, x):
    write_idx(path.with_suffix(".idx"), x)
    return gzip.compress(path.with_suffix(".idx").read_bytes())


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows(name, images, tmp_path):
    WRITERS[name](tmp_path / name, images)
    x, y, shape = read_data(tmp_path / name)
    np.testing.assert_array_equal(x, images.reshape(5, 12))
    assert (x.dtype, shape) == (np.uint8, (3, 4))
    np.testing.assert_array_equal(y, np.arange(5) if name == "xy.npz" else None)


def test_npy_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "large.npy"
    shape = (1 << 20, 1 << 14)  # 16 GiB, all of it a hole in the file
    np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    x, _, _ = read_data(path)
    assert x.shape == shape
    assert isinstance(x, np.memmap) and not x.flags.writeable
    assert x[shape[0] // 2].max() == 0


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("header", ["", "a,b,c\n", '"a","b, or not","c"\n', "\ufeffa,b,c\n"])
def test_csv_with_or_without_names(tmp_path, header, packed):
    text = (header + "0,0.25,1e-3\n1,2,-3\n").encode()
    path = tmp_path / ("a.csv.gz" if packed else "a.CSV")
    path.write_bytes(gzip.compress(text) if packed else text)
    x, y, shape = read_data(path)
    assert (x.dtype, shape, y) == (np.float32, (3,), None)
    np.testing.assert_array_equal(x, np.float32([[0, 0.25, 1e-3], [1, 2, -3]]))


@pytest.mark.parametrize(
    ("column", "labels", "rest"),
    [
        ("kind", ["ant", "bee"], [[1, 16777217], [2, 3]]),
        ("1", ["ant", "bee"], [[1, 16777217], [2, 3]]),
        ("-1", [16777217, 3], None),
        ("number", [16777217, 3], None),
        ("0", [1, 2], None),
    ],
)
def test_labels_are_a_column_of_the_csv(tmp_path, column, labels, rest):
    path = tmp_path / "a.csv"
    path.write_text("id,kind,number\n1,ant,16777217\n2,bee,3\n")
    if rest is None:  # the other column of words is no number
        with pytest.raises(ValueError, match=r"must hold numbers.*'ant'"):
            read_data(path, label_column=column)
        path.write_text("id,kind,number\n1,7,16777217\n2,8,3\n")
        assert read_data(path, label_column=column).y.tolist() == labels
        return
    x, y, _ = read_data(path, label_column=column)
    assert y.tolist() == labels
    np.testing.assert_array_equal(x, np.float32(rest))


def test_folders_of_classes_are_labels_in_the_order_of_names(images, tmp_path):
    labels = ["cat", "ant", "cat", "bee", "ant"]
    save_images(tmp_path / "zoo", images, labels)
    (tmp_path / "zoo" / "notes.txt").write_text("left out")
    x, y, shape = read_data(tmp_path / "zoo")
    assert y.tolist() == ["ant", "ant", "bee", "cat", "cat"]
    np.testing.assert_array_equal(x, images[[1, 4, 3, 0, 2]].reshape(5, 12))
    assert shape == (3, 4)


def test_colours_become_grey_levels(tmp_path):
    colours = np.uint8([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]])
    Image.fromarray(colours).save(tmp_path / "a.png")
    x, _, shape = read_data(tmp_path)
    np.testing.assert_array_equal(x, [[76, 150, 29, 9]])
    assert shape == (1, 4)


def test_labels_from_a_file_of_their_own(tmp_path):
    np.save(tmp_path / "y.npy", np.arange(4))
    write_idx(tmp_path / "y.idx", np.arange(4, dtype=np.uint8))
    (tmp_path / "y.csv").write_text("label\n0\n1\n2\n3\n")
    for name in ("y.npy", "y.idx", "y.csv"):
        assert read_labels(tmp_path / name, 4).tolist() == [0, 1, 2, 3]
        with pytest.raises(ValueError, match=r"one label for each of 5 examples.*\(4,\)"):
            read_labels(tmp_path / name, 5)
    (tmp_path / "two.csv").write_text("0,1\n2,3\n")
    with pytest.raises(ValueError, match=r"it has shape \(2, 2\)"):
        read_labels(tmp_path / "two.csv", 2)


class Loaded:
    """Says so if it is unpickled."""

    def __reduce__(self):
        return (os._exit, (3,))


def save_cut(save, path, off):
    save(path, np.zeros((4, 4)))
    path.write_bytes(path.read_bytes()[:-off])


OBJECTS = np.array([Loaded()], dtype=object)
SIZES = [np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)]
BAD = {
    "none.npy": (lambda path: None, "must be a file or folder; there is none"),
    "empty": (lambda path: path.write_bytes(b""), "it begins with nothing"),
    "words.dat": (lambda path: path.write_text("words"), "must be .npy, .npz, IDX"),
    "pickle.npy": (lambda path: np.save(path, OBJECTS), "must be a .npy file of numbers"),
    "pickle.npz": (lambda path: np.savez(path, OBJECTS), "must be a .npz file of numbers"),
    "cut.npy": (lambda path: save_cut(np.save, path, 9), "must be a .npy file"),
    "cut.npz": (
        lambda path: save_cut(np.savez, path, 30),
        "must be a .npz file",
    ),
    "two.npz": (lambda path: save_npz(path, a=[1], b=[2]), "it holds a, b"),
    "text.npy": (lambda path: np.save(path, np.array([["a"]])), "must hold numbers; it holds"),
    "flat.npy": (lambda path: np.save(path, np.zeros(3)), r"it has shape \(3,\)"),
    "none.npz": (lambda path: save_npz(path, x=np.zeros((0, 3))), r"it has shape \(0, 3\)"),
    "y.npz": (lambda path: save_npz(path, x=np.zeros((2, 3)), y=[1]), r"labels of shape \(1,"),
    "cut.gz": (lambda path: path.write_bytes(b"\x1f\x8b\x08"), "read_idx.*gzip"),
    "words.csv": (lambda path: path.write_text("a,b\n1,2\n3,x\n"), "'x'.*row 1, column 2"),
    "ragged.csv": (lambda path: path.write_text("1,2\n3\n"), "as many in every line"),
    "narrow.csv": (lambda path: path.write_text("a\n1,2\n"), "as its first has names, 1; it"),
    "gap.csv": (lambda path: path.write_text("1,2\n3,\n"), "could not convert string ''"),
    "none.csv": (lambda path: path.write_text(""), "it is empty"),
    "names.csv": (lambda path: path.write_text("a,b\n"), "at least one; it has shape"),
    "latin.csv": (lambda path: path.write_bytes(b"caf\xe9,b\n1,2\n"), "CSV in UTF-8"),
    "cut.csv.gz": (lambda path: path.write_bytes(b"\x1f\x8b\x08"), "must be CSV in UTF-8"),
    "bare": (lambda path: path.mkdir(), "it holds none"),
    "sizes": (lambda path: save_images(path, SIZES), r"2 x 2 pixels, .*1.png 3 x 2"),
    "wide": (
        lambda path: save_images(path, [np.zeros((2, 2), np.uint16)]),
        "8 bits a channel.*I;16",
    ),
    "broken": (
        lambda path: (path.mkdir(), (path / "a.png").write_bytes(b"no picture")),
        "a.png must be an image, undamaged",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_and_told_apart(name, tmp_path):
    make, message = BAD[name]
    path = tmp_path / name
    make(path)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        read_data(path)
    assert re.match(rf"read_\w+: {re.escape(str(path))}", str(caught.value))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ValueError, match="must be a file or folder; it is something else"):
        read_data(tmp_path / "pipe.csv")


def test_label_columns_that_are_not_there(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    for column in ("c", "2", "-3", ""):
        with pytest.raises(ValueError, match=r"one of a, b or a number from -2 to 1.*; got"):
            read_data(path, label_column=column)
    path.write_text("1,2\n3,4,5\n")
    with pytest.raises(ValueError, match="as many in every line"):
        read_data(path, label_column="0")
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"None but for \.csv files"):
        read_data(tmp_path / "a.npy", label_column="0")
