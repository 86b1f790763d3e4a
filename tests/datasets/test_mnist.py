"""`load_mnist` returns the published digits, or says which file it lacks or finds damaged."""

import gzip
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from layerwise.datasets import cache_folder, load_mnist, read_idx, write_idx
from layerwise.datasets import mnist as module

from .tiny import tiny_set

NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


@pytest.fixture(scope="module")
def full():
    """The full MNIST as bytes."""
    folder = Path(os.environ.get("LAYERWISE_DATA") or "unset", "mnist")
    if not (folder / f"{NAMES[0]}.gz").is_file():
        pytest.skip("needs the full MNIST: set LAYERWISE_DATA to the folder that holds mnist/")
    return load_mnist(None, dtype=np.uint8)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty folders of the user: where data lie, and the cache."""
    for name in ("data", "cache"):
        (tmp_path / name / "mnist").mkdir(parents=True)
        monkeypatch.setenv(f"LAYERWISE_{name.upper()}", str(tmp_path / name))
    return tmp_path / "data" / "mnist", tmp_path / "cache" / "mnist"


@pytest.fixture
def tiny(folders, monkeypatch):
    """Stands for the full set: four files of a few digits, with their sums, in the data folder."""
    parts, published = tiny_set(module.MNIST, folders[0])
    monkeypatch.setattr(module, "MNIST", published)
    return parts


def test_small_part_is_balanced_and_mixed():
    digits = load_mnist("small")
    assert np.bincount(digits.train_labels).tolist() == [500] * 10
    assert np.bincount(digits.test_labels).tolist() == [100] * 10
    for start in range(0, 4000, 500):  # classes end at different places, so not in the last part
        assert np.bincount(digits.train_labels[start : start + 500], minlength=10).min() >= 25


def test_small_part_shows_the_digits_of_its_labels():
    x, y, x_test, y_test = load_mnist()
    means = np.stack([x[y == digit].mean(axis=0) for digit in range(10)])
    distance = ((x_test[:, None] - means) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == y_test).mean() > 0.75


@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, "float64", np.uint8])
def test_shapes_dtypes_and_scale(flatten, dtype):
    digits = load_mnist(flatten=flatten, dtype=dtype)
    raw = load_mnist(dtype=np.uint8)
    for part, n in (("train", 5000), ("test", 1000)):
        images, labels = getattr(digits, f"{part}_images"), getattr(digits, f"{part}_labels")
        assert images.shape == ((n, 784) if flatten else (n, 28, 28))
        assert labels.shape == (n,) and labels.dtype == np.int64
        assert images.dtype == np.dtype(dtype)
        assert images.flags.c_contiguous and images.flags.writeable
        pixels = getattr(raw, f"{part}_images").astype(np.float64)
        expected = pixels if dtype is np.uint8 else (pixels / 255).astype(dtype)
        np.testing.assert_array_equal(images.reshape(n, 784), expected)


def test_arrays_are_the_callers_own():
    load_mnist(dtype=np.uint8).train_images[:] = 7
    assert load_mnist(dtype=np.uint8).train_images.min() == 0


def test_bundle_is_small_and_licensed():
    files = sorted(module._BUNDLE.glob("*.gz"))
    assert [file.stem for file in files] == sorted(module._SMALL)
    assert sum(file.stat().st_size for file in files) < 1.5e6
    text = (module._BUNDLE / "LICENSE-mnist.txt").read_text(encoding="utf-8")
    for words in ("LeCun", "Cortes", "Burges", "licenses/by-sa/3.0", "What was changed"):
        assert words in text


def test_damaged_bundle_is_named(tmp_path, monkeypatch):
    shutil.copytree(module._BUNDLE, tmp_path / "data")
    monkeypatch.setattr(module, "_BUNDLE", tmp_path / "data")
    path = tmp_path / "data" / "mnist-small-test-labels.gz"
    write_idx(path, read_idx(path)[::-1])
    with pytest.raises(ValueError, match=re.escape(f"load_mnist: {path} must have the MD5 ")):
        load_mnist()


@pytest.mark.parametrize("dtype", [np.int32, bool, ">f4", "no dtype", None, np.float16])
def test_other_dtypes_are_refused(dtype):
    required = "^load_mnist: dtype must be float32, float64 or uint8; got "
    with pytest.raises(TypeError, match=required):
        load_mnist(dtype=dtype)


@pytest.mark.parametrize("subset", ["tiny", "", 5000, np.array(["small", "small"])])
def test_other_subsets_are_refused(subset):
    with pytest.raises(ValueError, match=r"^load_mnist: subset must be 'small' or None; got "):
        load_mnist(subset)


def test_full_set_comes_from_the_data_folder(tiny):
    digits = load_mnist(None, flatten=False, dtype=np.uint8)
    for array, part in zip(digits, tiny, strict=True):
        np.testing.assert_array_equal(array, part)


def test_each_file_may_be_packed_or_in_the_cache(tiny, folders):
    data, cache = folders
    write_idx(data / f"{NAMES[0]}.gz", tiny[0])
    (data / NAMES[0]).unlink()
    (data / NAMES[1]).rename(cache / NAMES[1])
    (data / NAMES[2]).unlink()
    (data / NAMES[2]).mkdir()  # some archives unpack to folders of that name
    write_idx(cache / f"{NAMES[2]}.gz", tiny[2])
    digits = load_mnist(None)
    np.testing.assert_array_equal(digits.train_labels, tiny[1])
    assert digits.test_images.shape == (3, 784)


@pytest.mark.parametrize("with_data", [True, False])
def test_missing_files_are_listed(tiny, folders, monkeypatch, with_data):
    data, cache = folders
    (data / NAMES[3]).unlink()
    if not with_data:
        monkeypatch.delenv("LAYERWISE_DATA")
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(None, download=False)
    message = str(caught.value)
    assert message.startswith(f"load_mnist: {', '.join(NAMES)} must exist, each unpacked or as .gz")
    missing = NAMES[3] if with_data else ", ".join(NAMES)
    assert f"; {missing} not found in " in message
    assert str(cache) in message
    assert (str(data) in message) == with_data
    assert ("LAYERWISE_DATA is not set" in message) != with_data
    assert "load_mnist('small') needs no files" in message


@pytest.mark.parametrize("name", NAMES)
def test_damaged_file_is_named(tiny, folders, name):
    path = folders[0] / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    md5 = module.MNIST.files[name].md5
    message = f"load_mnist: {path} must have the MD5 {md5} when unpacked; it has "
    with pytest.raises(ValueError, match=re.escape(message)):
        load_mnist(None)
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=re.escape(f"read_idx: {path} must hold ")):
        load_mnist(None)


def test_header_of_another_type_is_refused_by_its_md5(tiny, folders):
    write_idx(folders[0] / NAMES[0], tiny[0].view(np.int8))
    with pytest.raises(ValueError, match="must have the MD5"):
        load_mnist(None)


def test_cache_folder_obeys_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LAYERWISE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("LAYERWISE_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "xdg" / "layerwise"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "layerwise"


def test_full_set_is_the_published_one(full):
    assert full.train_images.shape == (60000, 784) and full.train_labels.shape == (60000,)
    assert full.test_images.shape == (10000, 784) and full.test_labels.shape == (10000,)
    assert full.train_labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_bundled_digits_are_the_first_of_each_class(full):
    small = load_mnist(dtype=np.uint8)
    for part, n in (("train", 500), ("test", 100)):
        images, labels = (getattr(full, f"{part}_{kind}") for kind in ("images", "labels"))
        seen = np.zeros(10, dtype=int)
        chosen = []
        for index, label in enumerate(labels):
            seen[label] += 1
            if seen[label] <= n:
                chosen.append(index)
        np.testing.assert_array_equal(getattr(small, f"{part}_images"), images[chosen])
        np.testing.assert_array_equal(getattr(small, f"{part}_labels"), labels[chosen])


def test_maker_recreates_the_bundle(full, tmp_path):
    module.write_small(tmp_path)
    for name in module._SMALL:
        made, bundled = (
            gzip.decompress((folder / f"{name}.gz").read_bytes())
            for folder in (tmp_path, module._BUNDLE)
        )
        assert made == bundled
