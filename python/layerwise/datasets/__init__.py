"""Real data sets, ready for the estimators.

`load_mnist` returns handwritten digits: a small part that comes with the package, or the full set;
`load_fashion_mnist` pictures of clothes of the same form, `load_cifar10` photographs in colour.
Full sets come from a folder of the user's, from the cache or from the net. `read_idx` and
`write_idx` read and write the format they are published in, `read_data` what a user has: arrays,
CSV, folders of images.
"""

from .cifar import CIFAR10_CLASSES, load_cifar10
from .fashion import load_fashion_mnist
from .files import FileData, read_data, read_labels
from .folders import cache_folder
from .idx import read_idx, write_idx
from .mnist import load_mnist
from .published import LabelledImages

__all__ = [
    "CIFAR10_CLASSES",
    "FileData",
    "LabelledImages",
    "cache_folder",
    "load_cifar10",
    "load_fashion_mnist",
    "load_mnist",
    "read_data",
    "read_idx",
    "read_labels",
    "write_idx",
]
