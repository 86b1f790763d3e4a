"""Real data sets, ready for the estimators.

`load_mnist` returns handwritten digits: a small part that comes with the package, or the full set;
`load_fashion_mnist` pictures of clothes of the same form. Full sets come from a folder of the
user's, from the cache or from the net. `read_idx` and `write_idx` read and write the format they
are published in.
"""

from .fashion import load_fashion_mnist
from .folders import cache_folder
from .idx import read_idx, write_idx
from .mnist import load_mnist
from .published import LabelledImages

__all__ = [
    "LabelledImages",
    "cache_folder",
    "load_fashion_mnist",
    "load_mnist",
    "read_idx",
    "write_idx",
]
