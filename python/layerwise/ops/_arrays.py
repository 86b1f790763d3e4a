"""Arrays of the caller's library: which one it is, how to allocate and copy there.

NumPy, torch and CuPy are told apart by the module of the array's type, so that none is imported
before its user did so. Anything else that speaks DLPack or an array interface is viewed as NumPy
(on the CPU) or CuPy (on a GPU), and so are its results.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "NUMPY",
    "Array",
    "Library",
    "Matrix",
    "adopt",
    "allocate",
    "library_of",
    "scratch",
    "to_numpy",
]

#: An array of NumPy, torch or CuPy; and one of these, a BitMatrix or a CSR matrix.
Array: TypeAlias = Any
Matrix: TypeAlias = Any

_ITEMSIZE = {"float32": 4, "float64": 8, "uint64": 8, "uint8": 1}

# torch has few operations for wide unsigned integers: words and ids are kept as signed ones.
_TORCH_DTYPES = {"uint32": "int32", "uint64": "int64"}


def _host_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return sys.maxsize


_HOST_MEMORY = _host_memory()


@dataclass(frozen=True)
class Library:
    """An array library and the device its arrays are on."""

    name: str
    device: str = "cpu"

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Allocate a C-contiguous array, uninitialised."""
        if self.name == "numpy":
            return np.empty(shape, dtype)
        module = importlib.import_module(self.name)
        if self.name == "torch":
            dtype = _TORCH_DTYPES.get(dtype, dtype)
            return module.empty(shape, dtype=getattr(module, dtype), device=self.device)
        with module.cuda.Device(self.device_id):
            return module.empty(shape, dtype)

    @property
    def device_id(self) -> int:
        """Number of the GPU."""
        return int(self.device.partition(":")[2])

    def stream(self) -> tuple[int, int]:
        """Tell the GPU, and the address of the stream that its arrays are in order with."""
        module = importlib.import_module(self.name)
        if self.name == "torch":
            return self.device_id, int(module.cuda.current_stream(self.device_id).cuda_stream)
        with module.cuda.Device(self.device_id):
            return self.device_id, int(module.cuda.get_current_stream().ptr)

    def as_int64(self, x: Array) -> Array:
        """Give the array `x` of a GPU as contiguous int64."""
        if self.name == "torch":
            return x.long().contiguous()
        return importlib.import_module(self.name).ascontiguousarray(x, "int64")

    def copy_into(self, out: Array, values: np.ndarray) -> None:
        """Write NumPy `values` into `out`, an array of this library."""
        if self.name == "numpy":
            out[...] = values
            return
        module = importlib.import_module(self.name)
        if self.name == "torch":
            name = values.dtype.name
            values = np.ascontiguousarray(values).view(_TORCH_DTYPES.get(name, name))
            out.copy_(module.from_numpy(values))
        else:
            out[...] = module.asarray(values)

    def from_numpy(self, values: np.ndarray) -> Array:
        """Copy `values` into an array of this library; NumPy takes them as they are."""
        if self.name == "numpy":
            return values
        out = self.empty(values.shape, values.dtype.name)
        self.copy_into(out, values)
        return out


NUMPY = Library("numpy")
_TORCH_CPU = Library("torch")


def _torch_library(op: str, name: str, x: Array) -> Library:
    if x.requires_grad:
        raise TypeError(
            f"{op}: {name} must not require a gradient, since ops record none for autograd; "
            f"pass {name}.detach()"
        )
    if str(x.layout) != "torch.strided":
        raise TypeError(f"{op}: {name} must be a strided tensor; got layout {x.layout}")
    kind = x.device.type
    if kind == "cpu":
        return _TORCH_CPU
    if kind == "cuda":
        return Library("torch", f"cuda:{x.device.index}")
    raise TypeError(f"{op}: {name} must be on the CPU or a CUDA device; got device {kind!r}")


def library_of(op: str, name: str, x: Any) -> Library | None:
    """Tell the library of `x`; None where it is not an array of NumPy, torch or CuPy.

    Raises
    ------
    TypeError
        For arrays with more to them than their elements: masked, sparse, requiring gradients.
    """
    if type(x) is np.ndarray:
        return NUMPY
    root = type(x).__module__.partition(".")[0]
    if isinstance(x, np.ndarray):
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(f"{op}: {name} must be a plain array; got a masked one (call filled())")
        return NUMPY
    if root == "torch" and hasattr(x, "data_ptr"):
        return _torch_library(op, name, x)
    if root == "cupy" and hasattr(x, "__cuda_array_interface__"):
        return Library("cupy", f"cuda:{x.device.id}")
    return None


def adopt(x: Any) -> Array | None:
    """View `x` of another library as NumPy or CuPy array; None if it is no array."""
    if hasattr(x, "__cuda_array_interface__"):
        return importlib.import_module("cupy").asarray(x)
    if hasattr(x, "__array_interface__"):
        return np.asarray(x)
    if hasattr(x, "__dlpack_device__"):
        on_host = int(x.__dlpack_device__()[0]) == 1
        return (np if on_host else importlib.import_module("cupy")).from_dlpack(x)
    return None


def to_numpy(x: Array) -> np.ndarray:
    """View `x` as a NumPy array; copies from a GPU only."""
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "data_ptr"):
        return np.asarray(x.cpu().numpy())
    return np.asarray(x.get())


def _gibibytes(nbytes: int) -> str:
    return f"{nbytes / 2**30:.3g} GiB"


def allocate(op: str, library: Library, shape: tuple[int, ...], dtype: str) -> Array:
    """Allocate an uninitialised array; MemoryError before anything too large is asked for."""
    nbytes = math.prod(shape, start=_ITEMSIZE[dtype])
    if library.device == "cpu" and nbytes > _HOST_MEMORY:
        raise MemoryError(
            f"{op}: an array of shape {shape} and dtype {dtype} needs {_gibibytes(nbytes)}; "
            f"this machine has {_gibibytes(_HOST_MEMORY)} of memory"
        )
    try:
        return np.empty(shape, dtype) if library is NUMPY else library.empty(shape, dtype)
    except (MemoryError, RuntimeError) as error:
        # torch says so with a RuntimeError, which may also report an earlier failure of the GPU.
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise MemoryError(
            f"{op}: an array of shape {shape} and dtype {dtype} needs {_gibibytes(nbytes)}; "
            "that much could not be allocated"
        ) from error


def scratch(op: str, library: Library, nbytes: int) -> Array:
    """Allocate `nbytes` of uninitialised memory on the device of `library`."""
    if library.device == "cpu":
        library = NUMPY
        if nbytes < 2**20:  # to check so little takes a tenth of a small call
            return np.empty(nbytes, np.uint8)
    return allocate(op, library, (nbytes,), "uint8")
