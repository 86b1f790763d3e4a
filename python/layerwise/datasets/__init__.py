"""Real data sets, ready for the estimators.

`load_mnist` returns handwritten digits: a small part that comes with the package, or the full set
from a folder of the user's. `read_idx` and `write_idx` read and write the format MNIST is
published in.
"""

from .folders import cache_folder
from .idx import read_idx, write_idx
from .mnist import Digits, load_mnist

__all__ = ["Digits", "cache_folder", "load_mnist", "read_idx", "write_idx"]
