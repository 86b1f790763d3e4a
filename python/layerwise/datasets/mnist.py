"""MNIST handwritten digits: a small part from the package, the full set from the user's files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from .idx import write_idx
from .published import (
    LabelledImages,
    Published,
    Sums,
    image_dtype,
    labelled_images,
    read_checked,
)

__all__ = ["MNIST", "load_mnist"]

MNIST = Published(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "train-images-idx3-ubyte": Sums(
            "6bbc9ace898e44ae57da46a324031adb",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train-labels-idx1-ubyte": Sums(
            "a25bea736e30d166cdddb491f175f624",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-images-idx3-ubyte": Sums(
            "2646ac647ad5339dbf082846283269ea",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "t10k-labels-idx1-ubyte": Sums(
            "27ae3e4e09519cfbb04c329615203637",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    },
)
# MD5 of the unpacked files, in the order of LabelledImages.
_SMALL = {
    "mnist-small-train-images": "5848679fa02ec6dee191a3295b239fad",
    "mnist-small-train-labels": "2dc32c043d1301fd5c2877b546251af0",
    "mnist-small-test-images": "658261784893cf2e575eb5cacabde307",
    "mnist-small-test-labels": "db8c854d9dc5446a4792347cd2d85006",
}
_BUNDLE = Path(__file__).with_name("data")
_TRAIN_PER_CLASS, _TEST_PER_CLASS = 500, 100


def load_mnist(
    subset: Literal["small"] | None = "small",
    *,
    flatten: bool = True,
    dtype: npt.DTypeLike = np.float32,
    download: bool = True,
) -> LabelledImages:
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
    download : bool, default True
        Whether files of the full set that are in neither folder are downloaded into
        `cache_folder`. It needs pooch, which comes with ``pip install 'layerwise[download]'``.

    Returns
    -------
    LabelledImages
        A named tuple ``(train_images, train_labels, test_images, test_labels)``. Images are
        C-contiguous, labels int64; all arrays are the caller's own.

    Raises
    ------
    FileNotFoundError
        `subset` is None, files are missing and `download` is False: the message lists them, and
        where they may lie.
    ImportError, OSError
        Files are missing and cannot be downloaded.
    ValueError
        `subset` is something else, or a file is not the published one: its MD5 is checked, a
        download's SHA-256 too.
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
    chosen = image_dtype("load_mnist", dtype)
    if subset is None:
        advice = "load_mnist('small') needs no files."
        parts = MNIST.read("load_mnist", download=download, advice=advice)
    elif isinstance(subset, str) and subset == "small":
        small = {_BUNDLE / f"{name}.gz": md5 for name, md5 in _SMALL.items()}
        parts = [read_checked("load_mnist", path, md5) for path, md5 in small.items()]
    else:
        raise ValueError(f"load_mnist: subset must be 'small' or None; got {subset!r}")
    return labelled_images(parts, flatten, chosen)


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
