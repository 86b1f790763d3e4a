"""Arrays at the edge of pages that cannot be touched: a read or write past them is a crash."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

_FILL = 0xFF  # NaN in both float dtypes
_READ, _READ_WRITE = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE
_libc = ctypes.CDLL(None, use_errno=True)


def _protect(address: int, nbytes: int, flags: int) -> None:
    if _libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(nbytes), flags):
        raise OSError(ctypes.get_errno(), "mprotect")


class Arena:
    """Pages between two that cannot be touched, and the one array that lies in them."""

    def __init__(self, pages: int) -> None:
        size = mmap.PAGESIZE
        self._map = mmap.mmap(-1, (pages + 2) * size)  # as long as the arena lives
        whole = np.frombuffer(self._map, np.uint8)
        self._address, self._nbytes = whole.ctypes.data + size, pages * size
        _protect(self._address - size, size, 0)
        _protect(self._address + self._nbytes, size, 0)
        self._bytes = whole[size:-size]
        self._readonly = False

    def place(
        self, values: np.ndarray, strides: tuple[int, ...], at_end: bool, shift: int, readonly: bool
    ) -> np.ndarray:
        """The values at these strides, the first byte or the last `shift` bytes off the edge."""
        if self._readonly:
            _protect(self._address, self._nbytes, _READ_WRITE)
        low, high = _reach(values.shape, strides, values.itemsize)
        start = self._nbytes - high - shift if at_end else shift - low
        self._used = slice(max(0, start + low - 512), start + high + 512)
        self._bytes[self._used] = _FILL
        view = np.ndarray(values.shape, values.dtype, self._bytes.data, start, strides)
        view[...] = values
        self.view, self._own = view, None
        self._before = self._bytes[self._used].copy()
        self._start = start - self._used.start
        if readonly:
            view.flags.writeable = False
            _protect(self._address, self._nbytes, _READ)
        self._readonly = readonly
        return view

    def unchanged(self) -> bool:
        return np.array_equal(self._bytes[self._used], self._before)

    def unchanged_beside(self) -> bool:
        """Whether every byte that is none of the array's elements is as it was."""
        own = np.zeros(len(self._before), bool)
        shape = (*self.view.shape, self.view.itemsize)
        np.ndarray(shape, bool, own.data, self._start, (*self.view.strides, 1))[...] = True
        same = self._bytes[self._used] == self._before
        return bool((same | own).all())


def _reach(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> tuple[int, int]:
    """First and one-past-last byte of the elements, from the address of the first element."""
    if 0 in shape:
        return 0, 0
    spans = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
    return sum(s for s in spans if s < 0), sum(s for s in spans if s > 0) + itemsize


class Memory:
    """Arenas of many sizes, each used once between two calls of `free`."""

    def __init__(self) -> None:
        self._idle: dict[int, list[Arena]] = {}
        self.used: list[Arena] = []

    def free(self) -> None:
        for arena in self.used:
            self._idle[arena._nbytes // mmap.PAGESIZE].append(arena)
        self.used = []

    def place(
        self,
        values: Any,
        rng: np.random.Generator,
        *,
        layout: str = "any",
        readonly: bool = False,
    ) -> np.ndarray:
        """A copy of the values at a random edge and, unless "c" is asked for, of any strides.

        The layout "misaligned" puts the elements between multiples of their size.
        """
        values = np.asarray(values)
        gaps = [1] * values.ndim if layout == "c" else rng.choice([1, 1, 1, 2, 3], values.ndim)
        order = range(values.ndim)[::-1] if layout == "c" else rng.permutation(values.ndim)
        strides, step = [0] * values.ndim, values.itemsize
        for axis in order:
            step *= int(gaps[axis])
            strides[axis] = step if layout == "c" or rng.random() < 0.8 else -step
            step *= max(1, values.shape[axis])
        low, high = _reach(values.shape, tuple(strides), values.itemsize)
        shift = int(rng.integers(1, max(2, values.itemsize))) if layout == "misaligned" else 0
        pages = 1
        while pages * mmap.PAGESIZE < high - low + shift:
            pages *= 2
        idle = self._idle.setdefault(pages, [])
        arena = idle.pop() if idle else Arena(pages)
        self.used.append(arena)
        return arena.place(values, tuple(strides), bool(rng.random() < 0.7), shift, readonly)
