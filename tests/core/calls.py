"""_core functions called with a fresh workspace: what layerwise.ops does with a kept one."""

import numpy as np

from layerwise import _core


class Bits:
    """The least that passes for a BitMatrix."""

    def __init__(self, words, shape):
        self.words = words
        self.shape = shape


class InterfaceOnly:
    """An object with the Python side of NumPy's array interface."""

    def __init__(self, array, **changes):
        self._array = array
        self.__array_interface__ = {**array.__array_interface__, **changes}


def pack(x):
    """Rows of 0/1 as Bits."""
    rows, cols = x.shape
    padded = np.zeros((rows, -(-cols // 64) * 64), np.uint8)
    padded[:, :cols] = x
    words = np.packbits(padded, axis=1, bitorder="little").view(np.uint64)
    return Bits(words, (rows, cols))


def gemm(a, b, *, m=64, n=64, k=64, num_threads=None, dtype="float64", **keywords):
    """Run _core.gemm; m, n and k bound the sizes of what is multiplied."""
    needed = _core.gemm_workspace(m, n, k, dtype, num_threads)
    workspace = np.empty(needed, np.uint8)
    _core.gemm(a, b, workspace=workspace, num_threads=num_threads, **keywords)


def product(a, b, num_threads=None):
    """Give the matrix product of two NumPy arrays."""
    (m, k), n = a.shape, b.shape[1]
    out = np.empty((m, n), a.dtype)
    needed = _core.gemm_workspace(m, n, k, a.dtype.name, num_threads)
    workspace = np.empty(needed, np.uint8)
    _core.gemm(a, b, mean=out, workspace=workspace, num_threads=num_threads)
    return out
