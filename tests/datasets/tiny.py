"""A few images that stand for a published data set."""

import dataclasses
import gzip
import hashlib

import numpy as np

from layerwise.datasets import write_idx
from layerwise.datasets.published import Sums


def tiny_set(published, folder):
    """Write the four files, unpacked, and describe them as the published ones are."""
    rng = np.random.default_rng(0)
    parts = []
    files = {}
    for name, n in zip(published.files, (6, 6, 3, 3), strict=True):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        parts.append(images if "images" in name else np.arange(n, dtype=np.uint8))
        files[name] = write_served(folder / name, parts[-1])
    return parts, dataclasses.replace(published, files=files)


def write_served(path, array):
    """Write an IDX file, unpacked, and return the sums it has as a published one."""
    write_idx(path, array)
    unpacked = path.read_bytes()
    packed = gzip.compress(unpacked, mtime=0)
    return Sums(hashlib.md5(unpacked).hexdigest(), hashlib.sha256(packed).hexdigest())
