"""Published data sets of labelled images in IDX files: where they lie, how they are checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .download import download
from .folders import cache_folder, find_files, missing_files, place_files
from .idx import idx_header, read_idx

__all__ = ["LabelledImages", "Published", "Sums", "image_dtype", "labelled_images", "read_checked"]

_MAX_BYTES = 64 * 1024**2  # of one file; the largest holds 47 MB


class LabelledImages(NamedTuple):
    """Images and labels, in a training and a test part.

    Attributes
    ----------
    train_images : ndarray of shape (n_train, 784) or (n_train, 28, 28)
        Pixels row by row from the top left: 0 is background, 1 (255 in uint8) full ink. Photographs
        have another size, and their colours side by side: (n_train, 32, 32, 3) for CIFAR-10.
    train_labels : ndarray of shape (n_train,), int64
        The class of each image, 0 to 9.
    test_images : ndarray of shape (n_test, 784) or (n_test, 28, 28)
    test_labels : ndarray of shape (n_test,), int64
    """

    train_images: npt.NDArray[Any]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[Any]
    test_labels: npt.NDArray[np.int64]


class Sums(NamedTuple):
    """Sums of a published file.

    Attributes
    ----------
    md5 : str
        Of the unpacked file, however it is packed.
    sha256 : str
        Of the ``.gz`` file as it is published.
    """

    md5: str
    sha256: str


@dataclass(frozen=True)
class Published:
    """A data set of four IDX files: training images and labels, test images and labels.

    Attributes
    ----------
    folder : str
        Below ``LAYERWISE_DATA`` and the cache.
    mirrors : tuple of str
        Addresses of folders that have the files, packed.
    files : mapping of str to Sums
        By the names of the unpacked files, in the order of `LabelledImages`.
    """

    folder: str
    mirrors: tuple[str, ...]
    files: Mapping[str, Sums]

    def read(self, op: str, *, download: bool, advice: str = "") -> list[npt.NDArray[Any]]:
        """Read the four arrays from the folder of the user, the cache or, if allowed, the net.

        Raises
        ------
        FileNotFoundError
            Files are missing and may not be downloaded.
        ImportError, OSError
            Files are missing and cannot be downloaded.
        ValueError
            A file is not the published one.
        """
        paths = self._paths(op, download, f"{place_files(self.folder)} {advice}".rstrip())
        return [read_checked(op, paths[name], sums.md5) for name, sums in self.files.items()]

    def _paths(self, op: str, may_download: bool, advice: str) -> dict[str, Path]:
        paths = find_files(self.folder, self.files)
        missing = {name: sums for name, sums in self.files.items() if name not in paths}
        if missing and not may_download:
            raise missing_files(op, self.folder, self.files, advice)
        for name, sums in missing.items():
            paths[name] = cache_folder() / self.folder / f"{name}.gz"
            download(op, paths[name], self.mirrors, sums.sha256, advice)
        return paths


def image_dtype(op: str, dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Check the dtype in which images are wanted."""
    required = f"{op}: dtype must be float32, float64 or uint8"
    try:
        chosen = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{required}; got {dtype!r}") from error
    if dtype is None or chosen not in (np.float32, np.float64, np.uint8):
        raise TypeError(f"{required}; got {dtype!r}")
    return chosen


def read_checked(op: str, path: Path, md5: str) -> npt.NDArray[Any]:
    """Read an IDX file of uint8 and check the MD5 of its unpacked bytes."""
    array = read_idx(path, max_bytes=_MAX_BYTES)
    # Every array has one header, so that the bytes of the file need not be read again.
    digest = hashlib.md5(idx_header(array), usedforsecurity=False)
    digest.update(array.data)
    if digest.hexdigest() != md5:
        raise ValueError(
            f"{op}: {path} must have the MD5 {md5} when unpacked; it has "
            f"{digest.hexdigest()}, so it is damaged or another file: fetch it again"
        )
    return array


def labelled_images(
    parts: list[npt.NDArray[Any]], flatten: bool, dtype: np.dtype[Any]
) -> LabelledImages:
    """Bring what four files hold into the form that was asked for."""
    train, train_labels, test, test_labels = parts
    return LabelledImages(
        _as_images(train, flatten, dtype),
        train_labels.astype(np.int64),
        _as_images(test, flatten, dtype),
        test_labels.astype(np.int64),
    )


def _as_images(pixels: npt.NDArray[Any], flatten: bool, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    images = pixels.reshape(len(pixels), -1) if flatten else pixels
    return images if dtype == np.uint8 else np.divide(images, 255, dtype=dtype)
