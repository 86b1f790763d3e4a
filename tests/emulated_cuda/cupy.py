"""CuPy for the emulated GPU: arrays of host memory that pass as the device's.

Just what the ops and the harness ask of it. Every array lies between sentinels, which `check`
reads.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

_BAND, _FILL = 256, 0xFF  # NaN in both float dtypes
_allocated: list[np.ndarray] = []


class ndarray:
    """An array of shape and dtype over `pointer`, (NumPy array, offset), or over new memory."""

    def __init__(self, shape: Any, dtype: Any, pointer: Any = None, strides: Any = None) -> None:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        memory, offset = pointer or (_allocate(size), 0)
        self.host = np.ndarray(shape, dtype, memory.data, offset, strides)
        self.device = SimpleNamespace(id=0)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.host.__array_interface__, "version": 3}

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size", "nbytes", "strides"):
            return getattr(self.host, name)
        raise AttributeError(name)

    @property
    def data(self) -> Any:
        return SimpleNamespace(mem=self.host)

    @property
    def T(self) -> ndarray:
        return _view(self.host.T)

    def get(self) -> np.ndarray:
        return self.host.copy()

    def __getitem__(self, key: Any) -> ndarray:
        return _view(self.host[key])

    def __setitem__(self, key: Any, values: Any) -> None:
        self.host[key] = values.host if isinstance(values, ndarray) else values

    def __len__(self) -> int:
        return len(self.host)


def _allocate(nbytes: int) -> np.ndarray:
    memory = np.full(nbytes + 2 * _BAND, _FILL, np.uint8)
    _allocated.append(memory)
    return memory[_BAND : _BAND + nbytes]


def _view(host: np.ndarray) -> ndarray:
    x = ndarray.__new__(ndarray)
    x.host, x.device = host, SimpleNamespace(id=0)
    return x


def check() -> None:
    """Assert that nothing was written beside an array since the last time."""
    for memory in _allocated:
        assert (memory[:_BAND] == _FILL).all(), "written before an array"
        assert (memory[-_BAND:] == _FILL).all(), "written behind an array"
    _allocated.clear()


def empty(shape: Any, dtype: Any) -> ndarray:
    return ndarray(shape, dtype)


def asarray(values: Any) -> ndarray:
    if isinstance(values, ndarray):
        return values
    out = ndarray(np.shape(values), np.asarray(values).dtype)
    out.host[...] = values
    return out


def ascontiguousarray(x: ndarray, dtype: Any) -> ndarray:
    return asarray(np.ascontiguousarray(x.host, dtype))


cuda = SimpleNamespace(
    Device=lambda number: nullcontext(),
    get_current_stream=lambda: SimpleNamespace(ptr=0),
    MemoryPointer=lambda memory, offset: (memory, offset),
)
