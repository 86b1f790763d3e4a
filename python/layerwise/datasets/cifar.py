"""CIFAR-10: small photographs of ten kinds of things, from the user's files or the net."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from .download import download as fetch
from .folders import cache_folder, find_files, missing_files, place_files
from .published import LabelledImages, image_dtype, labelled_images

__all__ = ["CIFAR10_CLASSES", "load_cifar10"]

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

_OP = "load_cifar10"
_FOLDER = "cifar10"
_ARCHIVE = "cifar-10-binary.tar"
_JPEG = "cifar10_jpeg.zip"
_MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"  # of the .tar.gz
# SHA-256 of the files in the archive, the training part first.
_SUMS = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
_SIDE, _CHANNELS = 32, 3

Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]  # images (n,32,32,3), labels


def load_cifar10(
    *, flatten: bool = True, dtype: npt.DTypeLike = np.float32, download: bool = True
) -> LabelledImages:
    """Return CIFAR-10: 50,000 training and 10,000 test photographs of 32 x 32 pixels in colour.

    Parameters
    ----------
    flatten : bool, default True
        Images as rows of 3,072 values, else as 32 x 32 x 3: red, green and blue of a pixel lie
        side by side.
    dtype : float32, float64 or uint8, default float32
        Floats are scaled to [0, 1]; uint8 gives the bytes as published, 0 to 255.
    download : bool, default True
        Whether the archive ``cifar-10-binary.tar.gz``, where it is neither in the folder
        ``cifar10`` of the environment variable ``LAYERWISE_DATA`` nor in that of `cache_folder`,
        is downloaded into the latter: 170 MB. It needs pooch, which comes with
        ``pip install 'layerwise[download]'``.

    Returns
    -------
    LabelledImages
        A named tuple ``(train_images, train_labels, test_images, test_labels)``. Images are
        C-contiguous, labels int64; all arrays are the caller's own.

    Raises
    ------
    FileNotFoundError
        The archive is missing and `download` is False.
    ImportError, OSError
        It is missing and cannot be downloaded.
    ValueError
        It is not the published one: the SHA-256 of what is in it is checked.
    TypeError
        `dtype` is something else.

    Notes
    -----
    The labels are 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship,
    9 truck. No part is set aside for validation; it is customary to take the last 10,000 training
    images.

    Where the archive is missing but one of the folders has ``cifar10_jpeg.zip``, with a JPEG file
    ``train/airplane/0000.jpg`` or alike for each image, that is read: the same photographs but for
    what the compression lost, the classes taking turns.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report,
    University of Toronto, 2009.

    Examples
    --------
    >>> from layerwise.datasets import load_cifar10
    >>> x, y, x_test, y_test = load_cifar10(flatten=False)  # doctest: +SKIP
    >>> x.shape, x_test.shape  # doctest: +SKIP
    ((50000, 32, 32, 3), (10000, 32, 32, 3))
    """
    chosen = image_dtype(_OP, dtype)
    paths = find_files(_FOLDER, [_ARCHIVE, _JPEG])
    if _ARCHIVE not in paths and _JPEG in paths:
        train, test = _read_jpeg(paths[_JPEG])
    else:
        train, test = _read_archive(paths.get(_ARCHIVE) or _fetched(download))
    return labelled_images([*train, *test], flatten, chosen)


def _fetched(may_download: bool) -> Path:
    """Download the archive, if allowed."""
    advice = place_files(_FOLDER)
    if not may_download:
        raise missing_files(_OP, _FOLDER, [_ARCHIVE], advice)
    path = cache_folder() / _FOLDER / f"{_ARCHIVE}.gz"
    fetch(_OP, path, _MIRRORS, _SHA256, advice)
    return path


def _read_archive(path: Path) -> tuple[Part, Part]:
    """Read the published archive: records of a label and three planes of pixels."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in _SUMS and (file := archive.extractfile(member)) is not None:
                    found[name] = file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{_OP}: {path} must be an archive, undamaged; {error}") from error
    for name, sha256 in _SUMS.items():
        digest = hashlib.sha256(found[name]).hexdigest() if name in found else "none"
        if digest != sha256:
            raise ValueError(
                f"{_OP}: {path} must hold {name} with the SHA-256 {sha256}; it has {digest}, so "
                "it is damaged or another file: fetch it again"
            )
    batches = [_records(found[name]) for name in _SUMS]
    images, labels = zip(*batches[:-1], strict=True)
    return (np.concatenate(images), np.concatenate(labels)), batches[-1]


def _records(data: bytes) -> Part:
    """Take apart a file of records."""
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _CHANNELS * _SIDE**2)
    planes = records[:, 1:].reshape(-1, _CHANNELS, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0]


def _read_jpeg(path: Path) -> tuple[Part, Part]:
    """Read an archive of JPEG files in folders of classes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _jpeg_part(archive, "train"), _jpeg_part(archive, "test")
    except (zipfile.BadZipFile, SyntaxError, OSError, ValueError) as error:
        raise ValueError(
            f"{_OP}: {path} must hold the images of CIFAR-10 as JPEG, undamaged; {error}"
        ) from error


def _jpeg_part(archive: zipfile.ZipFile, part: str) -> Part:
    """Read ``part/<class>/<name>.jpg``, the first of every class, then the second, and so on."""
    named = [name.split("/") for name in archive.namelist() if name.endswith(".jpg")]
    files = sorted((name[2], name[1]) for name in named if len(name) == 3 and name[0] == part)
    if not files:
        raise ValueError(f"it has none in {part}/")
    images = np.empty((len(files), _SIDE, _SIDE, _CHANNELS), np.uint8)
    labels = np.empty(len(files), np.uint8)
    for i, (name, kind) in enumerate(files):
        with Image.open(io.BytesIO(archive.read(f"{part}/{kind}/{name}"))) as image:
            images[i] = _pixels(image, f"{part}/{kind}/{name}")
        labels[i] = CIFAR10_CLASSES.index(kind)
    return images, labels


def _pixels(image: Any, name: str) -> npt.NDArray[np.uint8]:
    pixels = np.asarray(image.convert("RGB"))
    if pixels.shape != (_SIDE, _SIDE, _CHANNELS):
        raise ValueError(f"{name} has {pixels.shape[1]} x {pixels.shape[0]} pixels")
    return pixels
