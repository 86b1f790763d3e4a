"""`load_cifar10` returns the published photographs, or says what is missing or damaged."""

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from layerwise.datasets import CIFAR10_CLASSES, cifar, load_cifar10


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("data", "cache"):
        (tmp_path / name / "cifar10").mkdir(parents=True)
        monkeypatch.setenv(f"LAYERWISE_{name.upper()}", str(tmp_path / name))
    return tmp_path / "data" / "cifar10", tmp_path / "cache" / "cifar10"


@pytest.fixture
def published(rng, monkeypatch):
    """A few records in place of the published ones, under their names."""
    images = rng.integers(0, 256, (18, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, 18).astype(np.uint8)
    records = np.concatenate([labels[:, None], images.transpose(0, 3, 1, 2).reshape(18, -1)], 1)
    files = {
        name: part.tobytes() for name, part in zip(cifar._SUMS, np.split(records, 6), strict=True)
    }
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(cifar, "_SUMS", sums)
    return files, images, labels


def write_tar(path, files):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_images_and_labels_are_those_of_the_archive(end, where, published, folders):
    files, images, labels = published
    write_tar(folders[where] / f"cifar-10-binary.tar{end}", files)
    photographs = load_cifar10(flatten=False, dtype=np.uint8, download=False)
    np.testing.assert_array_equal(photographs.train_images, images[:15])
    np.testing.assert_array_equal(photographs.train_labels, labels[:15])
    np.testing.assert_array_equal(photographs.test_images, images[15:])
    np.testing.assert_array_equal(photographs.test_labels, labels[15:])
    assert photographs.test_labels.dtype == np.int64
    for array in photographs:
        assert array.flags.c_contiguous
        assert array.flags.writeable
    flat = load_cifar10(download=False).train_images
    assert flat.dtype == np.float32
    np.testing.assert_array_equal(flat, np.divide(images[:15].reshape(15, -1), 255, dtype="f4"))


def test_jpeg_files_are_read_where_there_is_no_archive(published, folders):
    def pixels(kind, i, part):
        return np.full((32, 32, 3), 20 * kind + 5 * i + part, np.uint8)

    with zipfile.ZipFile(folders[0] / "cifar10_jpeg.zip", "w") as archive:
        for part, name in enumerate(("train", "test")):
            for kind, of_class in enumerate(CIFAR10_CLASSES):
                for i in range(2 - part):
                    file = io.BytesIO()
                    Image.fromarray(pixels(kind, i, part)).save(file, "JPEG", quality=100)
                    archive.writestr(f"{name}/{of_class}/{i:04d}.jpg", file.getvalue())
    photographs = load_cifar10(flatten=False, dtype=np.uint8, download=False)
    assert photographs.train_labels.tolist() == [*range(10), *range(10)]
    assert photographs.test_labels.tolist() == [*range(10)]
    expected = [pixels(kind, i, 0) for i in range(2) for kind in range(10)]
    np.testing.assert_allclose(photographs.train_images, expected, atol=2)
    write_tar(folders[1] / "cifar-10-binary.tar", published[0])
    assert len(load_cifar10(download=False).train_images) == 15  # without losses goes first


def test_a_missing_archive_is_named(folders):
    with pytest.raises(FileNotFoundError, match=r"^load_cifar10: cifar-10-binary.tar must exist"):
        load_cifar10(download=False)


def test_a_damaged_archive_is_named(published, folders):
    files, _, _ = published
    path = folders[0] / "cifar-10-binary.tar"
    damaged = {**files, "test_batch.bin": files["test_batch.bin"][:-1] + b"?"}
    write_tar(path, damaged)
    with pytest.raises(ValueError, match=r"^load_cifar10: .*tar must hold test_batch.bin with the"):
        load_cifar10(download=False)
    write_tar(path, dict(list(files.items())[1:]))
    with pytest.raises(ValueError, match=r"must hold data_batch_1.bin .* it has none"):
        load_cifar10(download=False)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"^load_cifar10: .*tar must be an archive, undamaged"):
        load_cifar10(download=False)


def test_damaged_jpeg_archives_are_named(folders):
    path = folders[0] / "cifar10_jpeg.zip"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"^load_cifar10: .*zip must hold the images of CIFAR-10"):
        load_cifar10(download=False)
    small = io.BytesIO()
    Image.new("RGB", (8, 9)).save(small, "JPEG")
    for name, data, message in [
        ("train/cat/0.jpg", b"no image", "cannot identify image"),
        ("train/cat/0.jpg", small.getvalue(), "train/cat/0.jpg has 8 x 9 pixels"),
        ("cat/0.jpg", small.getvalue(), "it has none in train/"),
    ]:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, data)
        with pytest.raises(ValueError, match=message):
            load_cifar10(download=False)


def test_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="^load_cifar10: dtype must be float32, float64 or uint8"):
        load_cifar10(dtype=np.int32)


def test_the_full_set_is_balanced():
    folder = Path(os.environ.get("LAYERWISE_DATA") or "unset", "cifar10")
    if not folder.is_dir():
        pytest.skip("needs CIFAR-10: set LAYERWISE_DATA to the folder that holds cifar10/")
    photographs = load_cifar10(dtype=np.uint8, download=False)
    assert photographs.train_images.shape == (50000, 3072)
    assert np.bincount(photographs.train_labels).tolist() == [5000] * 10
    assert np.bincount(photographs.test_labels).tolist() == [1000] * 10
    assert np.bincount(photographs.train_labels[-10000:], minlength=10).min() > 900
