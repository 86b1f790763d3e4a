"""MNIST handwritten digits: a small part from the package, the full set from the user's files."""

import hashlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from .folders import find_files
from .idx import idx_header, read_idx, write_idx

__all__ = ["Digits", "load_mnist"]

# MD5 of the unpacked files. The order is that of the fields of Digits.
_FULL = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_SMALL = {
    "mnist-small-train-images": "5848679fa02ec6dee191a3295b239fad",
    "mnist-small-train-labels": "2dc32c043d1301fd5c2877b546251af0",
    "mnist-small-test-images": "658261784893cf2e575eb5cacabde307",
    "mnist-small-test-labels": "db8c854d9dc5446a4792347cd2d85006",
}
_BUNDLE = Path(__file__).with_name("data")
_MAX_BYTES = 64 * 1024**2  # of one file; the largest holds 47 MB
_TRAIN_PER_CLASS, _TEST_PER_CLASS = 500, 100


class Digits(NamedTuple):
    """Images and labels of handwritten digits, in a training and a test part.

    Attributes
    ----------
    train_images : ndarray of shape (n_train, 784) or (n_train, 28, 28)
        Ink of each pixel, row by row from the top left: 0 is paper, 1 (255 in uint8) full ink.
    train_labels : ndarray of shape (n_train,), int64
        The digit each image shows, 0 to 9.
    test_images : ndarray of shape (n_test, 784) or (n_test, 28, 28)
    test_labels : ndarray of shape (n_test,), int64
    """

    train_images: npt.NDArray[Any]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[Any]
    test_labels: npt.NDArray[np.int64]


def load_mnist(
    subset: Literal["small"] | None = "small",
    *,
    flatten: bool = True,
    dtype: npt.DTypeLike = np.float32,
) -> Digits:
    """Return the MNIST handwritten digits.

    Parameters
    ----------
    subset : 'small' or None, default 'small'
        'small' is 5,000 training and 1,000 test digits that come with the package: the first 500
        of each class of MNIST's training part and the first 100 of each class of its test part,
        in MNIST's order. None is all 60,000 and 10,000, read from the four published IDX files,
        unpacked or gzipped, in the folder ``mnist`` of the environment variable
        ``LAYERWISE_DATA`` or, where they are not there, of `cache_folder`.
    flatten : bool, default True
        Images as rows of 784 pixels, else as 28 x 28.
    dtype : float32, float64 or uint8, default float32
        Floats are scaled to [0, 1]; uint8 gives the bytes as published, 0 to 255.

    Returns
    -------
    Digits
        A named tuple ``(train_images, train_labels, test_images, test_labels)``. Images are
        C-contiguous, labels int64; all arrays are the caller's own.

    Raises
    ------
    FileNotFoundError
        `subset` is None and files are missing: the message lists them, and where they may lie.
    ValueError
        `subset` is something else, or a file is not the published one: its MD5 is checked.
    TypeError
        `dtype` is something else.

    Notes
    -----
    No part is set aside for validation; with the full set it is customary to take the last
    10,000 training digits.

    The digits are by Y. LeCun, C. Cortes and C. J. C. Burges, under the Creative Commons licence
    BY-SA 3.0; the file ``LICENSE-mnist.txt`` lies beside the bundled ones.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.datasets import load_mnist
    >>> x, y, x_test, y_test = load_mnist()
    >>> x.shape, x.dtype, float(x.min()), float(x.max())
    ((5000, 784), dtype('float32'), 0.0, 1.0)
    >>> np.bincount(y_test).tolist()
    [100, 100, 100, 100, 100, 100, 100, 100, 100, 100]
    >>> load_mnist(flatten=False, dtype=np.uint8).test_images.shape
    (1000, 28, 28)
    """
    dtype = _image_dtype(dtype)
    if subset is None:
        advice = "load_mnist('small') needs no files."
        paths = find_files("load_mnist", "mnist", _FULL, advice)
        parts = [_read_checked(paths[name], md5) for name, md5 in _FULL.items()]
    elif isinstance(subset, str) and subset == "small":
        parts = [_read_checked(_BUNDLE / f"{name}.gz", md5) for name, md5 in _SMALL.items()]
    else:
        raise ValueError(f"load_mnist: subset must be 'small' or None; got {subset!r}")
    train, train_labels, test, test_labels = parts
    return Digits(
        _as_images(train, flatten, dtype),
        train_labels.astype(np.int64),
        _as_images(test, flatten, dtype),
        test_labels.astype(np.int64),
    )


def write_small(folder: Path) -> None:
    """Write the four files of the bundled part into a folder, from the full set.

    The unpacked bytes are always the same; how they are packed depends on the zlib at hand.
    """
    full = load_mnist(None, flatten=False, dtype=np.uint8)
    train = _first_of_each_class(full.train_labels, _TRAIN_PER_CLASS)
    test = _first_of_each_class(full.test_labels, _TEST_PER_CLASS)
    parts = (
        full.train_images[train],
        full.train_labels[train].astype(np.uint8),
        full.test_images[test],
        full.test_labels[test].astype(np.uint8),
    )
    for name, part in zip(_SMALL, parts, strict=True):
        write_idx(folder / f"{name}.gz", part)


def _first_of_each_class(labels: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.intp]:
    """Return the indices, ascending, of the first `count` of each label."""
    chosen = [np.flatnonzero(labels == label)[:count] for label in range(10)]
    return np.sort(np.concatenate(chosen))


def _image_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    required = "load_mnist: dtype must be float32, float64 or uint8"
    try:
        chosen = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{required}; got {dtype!r}") from error
    if dtype is None or chosen not in (np.float32, np.float64, np.uint8):
        raise TypeError(f"{required}; got {dtype!r}")
    return chosen


def _read_checked(path: Path, md5: str) -> npt.NDArray[Any]:
    """Read an IDX file of uint8 and check the MD5 of its unpacked bytes."""
    array = read_idx(path, max_bytes=_MAX_BYTES)
    # Every array has one header, so that the bytes of the file need not be read again.
    digest = hashlib.md5(idx_header(array), usedforsecurity=False)
    digest.update(array.data)
    if digest.hexdigest() != md5:
        raise ValueError(
            f"load_mnist: {path} must have the MD5 {md5} when unpacked; it has "
            f"{digest.hexdigest()}, so it is damaged or another file: fetch it again"
        )
    return array


def _as_images(pixels: npt.NDArray[Any], flatten: bool, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    images = pixels.reshape(len(pixels), -1) if flatten else pixels
    return images if dtype == np.uint8 else np.divide(images, 255, dtype=dtype)
