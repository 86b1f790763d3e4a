"""Fashion-MNIST: pictures of clothes, in MNIST's format and sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .published import LabelledImages, Published, Sums, image_dtype, labelled_images

__all__ = ["FASHION_MNIST", "load_fashion_mnist"]

FASHION_MNIST = Published(
    "fashion-mnist",
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    {
        "train-images-idx3-ubyte": Sums(
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train-labels-idx1-ubyte": Sums(
            "9018921c3c673c538a1fc5bad174d6f9",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "t10k-images-idx3-ubyte": Sums(
            "8181f5470baa50b63fa0f6fddb340f0a",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "t10k-labels-idx1-ubyte": Sums(
            "15d484375f8d13e6eb1aabb0c3f46965",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
)


def load_fashion_mnist(
    *, flatten: bool = True, dtype: npt.DTypeLike = np.float32, download: bool = True
) -> LabelledImages:
    """Return Fashion-MNIST: 60,000 training and 10,000 test images of ten kinds of clothes.

    Parameters
    ----------
    flatten : bool, default True
        Images as rows of 784 pixels, else as 28 x 28.
    dtype : float32, float64 or uint8, default float32
        Floats are scaled to [0, 1]; uint8 gives the bytes as published, 0 to 255.
    download : bool, default True
        Whether files that are neither in the folder ``fashion-mnist`` of the environment variable
        ``LAYERWISE_DATA`` nor in that of `cache_folder` are downloaded into the latter. It needs
        pooch, which comes with ``pip install 'layerwise[download]'``.

    Returns
    -------
    LabelledImages
        A named tuple ``(train_images, train_labels, test_images, test_labels)``. Images are
        C-contiguous, labels int64; all arrays are the caller's own.

    Raises
    ------
    FileNotFoundError
        Files are missing and `download` is False.
    ImportError, OSError
        Files are missing and cannot be downloaded.
    ValueError
        A file is not the published one: its MD5 is checked, that of a download's SHA-256 too.
    TypeError
        `dtype` is something else.

    Notes
    -----
    The labels are 0 T-shirt or top, 1 trousers, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt,
    7 sneaker, 8 bag, 9 ankle boot. The data set is under the MIT licence.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> from layerwise.datasets import load_fashion_mnist
    >>> x, y, x_test, y_test = load_fashion_mnist()  # doctest: +SKIP
    >>> x.shape, x_test.shape  # doctest: +SKIP
    ((60000, 784), (10000, 784))
    """
    chosen = image_dtype("load_fashion_mnist", dtype)
    parts = FASHION_MNIST.read("load_fashion_mnist", download=download)
    return labelled_images(parts, flatten, chosen)
