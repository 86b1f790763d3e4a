"""The array arguments of an op: their names, shapes and kinds, checked in one pass.

These checks give errors that name the arguments. What guards memory (aliasing, overflow, read-only
outputs) the binding checks, for every caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._arrays import NUMPY, Array, Library, adopt, allocate, library_of, scratch, to_numpy
from ._backend import core
from .bits import BitMatrix
from .config import resolve_threads
from .random import Philox
from .workspace import Workspace

__all__ = ["Call", "Signature", "is_encoded"]

_DENSE = "an array of NumPy, torch or CuPy"
_WANTED = {
    "": _DENSE,
    "*": _DENSE + ", a BitMatrix or a scipy.sparse CSR matrix",
    "csc": _DENSE + ", or a scipy.sparse CSC matrix",
    "bits": "a BitMatrix",
    "int": _DENSE,
    "bool": _DENSE,
}
_FLOATS = ("float32", "float64")
_DTYPES = {"int": ("int32", "int64"), "bool": ("bool",)}  # of kinds that are not floats
_ANY = ("...",)  # one axis, whose size is the whole shape


class _Operand(NamedTuple):
    name: str
    axes: tuple[str, ...]
    kind: str  # a key of _WANTED
    optional: bool

    @property
    def shape(self) -> str:
        comma = "," if len(self.axes) == 1 and self.axes != _ANY else ""
        return f"({','.join(self.axes)}{comma})"


class Call:
    """One call of an op: its operands, their sizes, dtype and library."""

    __slots__ = ("dtype", "library", "op", "operands", "sizes")

    def __init__(
        self,
        op: str,
        operands: Sequence[Any],
        sizes: dict[str, Any],
        dtype: str,
        library: Library = NUMPY,
    ) -> None:
        self.op = op
        self.operands = operands
        self.sizes = sizes
        self.dtype = dtype
        self.library = library

    def empty(self, *axes: str) -> Array:
        """Allocate an array over the named axes, in the caller's library."""
        sizes = self.sizes
        return self.allocate(tuple([sizes[axis] for axis in axes]))

    def allocate(self, shape: tuple[int, ...]) -> Array:
        """Allocate an array in the caller's library."""
        return allocate(self.op, self.library, shape, self.dtype)

    def allocate_bits(self, shape: tuple[int, int]) -> BitMatrix:
        """Allocate a BitMatrix where the arrays are."""
        return BitMatrix.empty(self.op, self.library, shape)

    def where(self, num_threads: int | None) -> int | tuple[int, int]:
        """Say where the compiled op runs: threads on the CPU, or a GPU and its stream."""
        threads = resolve_threads(self.op, num_threads)
        if self.library.device != "cpu":
            return self.library.stream()
        return core().get_num_threads() if threads is None else threads

    def stream(self, rng: Philox, purpose: int = 0) -> tuple[int, int, int, Any]:
        """Give seed, step, layer with purpose, and row ids, these where the arrays are."""
        rows = rng.rows
        if not isinstance(rows, int) and self.library.device != "cpu":
            rows = self.library.from_numpy(rows)
        return rng.seed, rng.step, purpose << 16 | rng.layer, rows

    def scratch(self, nbytes: int, workspace: Workspace | None) -> Array | None:
        """Give the kernel scratch memory, from `workspace` where there is one."""
        if nbytes == 0:
            return None
        if workspace is None:
            return scratch(self.op, self.library, nbytes)
        return workspace.take(nbytes, self.library)

    def on_host(self) -> list[Any]:
        """Give the operands as the reference takes them: NumPy arrays, BitMatrix and CSR."""
        for x in self.operands:
            if isinstance(x, BitMatrix) and x.library.device != "cpu":
                raise TypeError(
                    f"{self.op}: a BitMatrix must be in host memory for the reference; "
                    f"got one on {x.library.device}"
                )
        return [x if x is None or is_encoded(x) else to_numpy(x) for x in self.operands]

    def result(self, values: np.ndarray) -> Array:
        """Convert a result of the reference to the caller's dtype and library."""
        return self.library.from_numpy(np.ascontiguousarray(values, self.dtype))

    def give(self, values: np.ndarray, out: Array | None) -> Array:
        """Give a result of the reference, in `out` where the caller gave one."""
        if out is None:
            return self.result(values)
        self.store(out, values)
        return out

    def store(self, out: Array, values: np.ndarray) -> None:
        """Write a result of the reference into an array of the caller's."""
        if isinstance(out, np.ndarray):
            out[...] = values
        else:
            self.library.copy_into(out, np.asarray(values, self.dtype))


class Signature:
    """Checks the array arguments of one op.

    Parameters
    ----------
    op : str
        Name that errors start with.
    **operands : str
        Axes of each argument in order, as in ``w="F D"``. A trailing word changes what is taken:
        ``*`` also a BitMatrix or CSR matrix, ``csc`` also a CSC matrix, ``bits`` only a BitMatrix,
        ``int`` int32 or int64 and ``bool`` bool in place of floats. A final ``?`` makes the
        argument optional. ``...`` is any shape.
    """

    def __init__(self, op: str, /, **operands: str) -> None:
        self.op = op
        self.operands = []
        for name, text in operands.items():
            words = text.split()
            axes = tuple(word for word in words if word not in (*_WANTED, "?"))
            kind = next((word for word in words if word in _WANTED), "")
            self.operands.append(_Operand(name, axes, kind, "?" in words))
        self._match: Callable[[tuple[Any, ...]], Call | None] = self._first_match

    def __call__(self, *values: Any) -> Call:
        """Check `values`; an optional argument may be None."""
        return self._match(values) or self._check(values)

    def _first_match(self, values: tuple[Any, ...]) -> Call | None:
        """Import what checks in compiled code what it can tell of the values, else gives None."""
        operands = [(operand.axes, operand.kind, operand.optional) for operand in self.operands]
        try:
            self._match = core().signature(self.op, operands, BitMatrix, Call)
        except ImportError:  # the reference does without
            self._match = lambda values: None
        return self._match(values)

    def _check(self, values: tuple[Any, ...]) -> Call:
        operands: list[Any] = []
        sizes: dict[str, Any] = {}
        library: Library | None = None
        dtype = ""
        for operand, x in zip(self.operands, values, strict=True):
            _, axes, _, optional = operand
            if x is None and optional:
                operands.append(None)
                continue
            x, own, own_dtype = self._classify(operand, x)
            if own_dtype != dtype and own_dtype:
                if dtype:
                    self._refuse_dtypes(values)
                dtype = own_dtype
            if own is not library and own is not None:
                if library is None:
                    library = own
                elif own.device != library.device:
                    self._refuse_devices(values)
            shape = x.shape
            if axes == _ANY:
                shape = (tuple(shape),)
            if len(shape) != len(axes):
                raise ValueError(
                    f"{self.op}: {operand.name} must have shape {operand.shape}; "
                    f"got shape {tuple(shape)}"
                )
            if tuple(map(sizes.setdefault, axes, shape)) != shape:
                self._refuse_sizes(operand, shape, sizes, values)
            operands.append(x)
        if library is not None and library.device != "cpu":
            self._check_encoded(operands, library)
        # Where every operand is a BitMatrix: NumPy, float32.
        return Call(self.op, operands, sizes, dtype or "float32", library or NUMPY)

    def _classify(self, operand: _Operand, x: Any) -> tuple[Any, Library | None, str]:
        """Give `x` or a view of it, its library (None for BitMatrix and CSR), its float dtype."""
        if isinstance(x, BitMatrix):
            if operand.kind in ("*", "bits"):
                return x, None if x.library is NUMPY else x.library, ""
        elif operand.kind == "bits":
            pass
        elif type(x).__module__.startswith("scipy.sparse"):
            if operand.kind in ("*", "csc"):
                self._check_sparse(operand, x, "csc" if operand.kind == "csc" else "csr")
                return x, None, self._dtype(operand, x)
        else:
            library = library_of(self.op, operand.name, x)
            if library is None:
                array = adopt(x)
                if array is not None:
                    x, library = array, library_of(self.op, operand.name, array)
            if library is not None:
                self._check_aligned(operand, x)
                return x, library, self._dtype(operand, x)
        raise TypeError(
            f"{self.op}: {operand.name} must be {_WANTED[operand.kind]}; got {_type_name(x)}"
        )

    def _check_encoded(self, operands: list[Any], library: Library) -> None:
        """Refuse BitMatrix and CSR operands in host memory beside arrays on a GPU."""
        for operand, x in zip(self.operands, operands, strict=True):
            if isinstance(x, BitMatrix):
                if x.library.device != library.device:
                    raise TypeError(
                        f"{self.op}: {operand.name} must be on {library.device}, like the arrays; "
                        f"got a BitMatrix on {x.library.device} (copy it by {operand.name}.to(x), "
                        "x being one of the arrays)"
                    )
            elif x is not None and is_encoded(x):
                raise TypeError(
                    f"{self.op}: {operand.name} must be an array or a BitMatrix on "
                    f"{library.device}, as there are no CUDA kernels for CSR; got {_type_name(x)}"
                )

    def _check_sparse(self, operand: _Operand, x: Any, wanted: str) -> None:
        name = operand.name
        if x.format != wanted:
            raise TypeError(
                f"{self.op}: {name} must be in {wanted.upper()} format; got {x.format} "
                f"(call {name}.to{wanted}())"
            )
        if not x.has_canonical_format:
            axis = "column" if wanted == "csr" else "row"
            raise ValueError(
                f"{self.op}: {name} must have {axis} indices that are sorted and unique; got some "
                f"that are not (call {name}.sum_duplicates())"
            )

    def _check_aligned(self, operand: _Operand, x: Any) -> None:
        if isinstance(x, np.ndarray) and not x.flags.aligned:
            raise ValueError(
                f"{self.op}: {operand.name} must be aligned to its item size; got an array whose "
                f"address or strides {x.strides} are not multiples of it: copy it first"
            )

    def _dtype(self, operand: _Operand, x: Any) -> str:
        """Tell the float dtype of `x`, "" where others are asked for; refuse what is neither."""
        name = _dtype_name(x)
        accepted = _DTYPES.get(operand.kind, _FLOATS)
        if name not in accepted:
            raise TypeError(
                f"{self.op}: {operand.name} must be {' or '.join(accepted)}; got {name}"
            )
        return "" if operand.kind in _DTYPES else name

    def _refuse_sizes(
        self,
        operand: _Operand,
        shape: tuple[Any, ...],
        sizes: dict[str, Any],
        values: tuple[Any, ...],
    ) -> None:
        """Name `operand` and the first argument that has the axis they disagree in."""
        pairs = zip(operand.axes, shape, strict=True)
        axis = next(axis for axis, size in pairs if sizes[axis] != size)
        having = [
            (other, x)
            for other, x in zip(self.operands, values, strict=True)
            if x is not None and axis in other.axes
        ]
        (first, x), y = having[0], values[self.operands.index(operand)]
        raise ValueError(
            f"{self.op}: {first.name} {first.shape} and {operand.name} {operand.shape} must agree "
            f"in {'shape' if operand.axes == _ANY else axis}; "
            f"got shapes {tuple(x.shape)} and {tuple(y.shape)}"
        )

    def _refuse_dtypes(self, values: tuple[Any, ...]) -> None:
        found = [
            f"{operand.name} {_dtype_name(x)}"
            for operand, x in zip(self.operands, values, strict=True)
            if operand.kind not in _DTYPES and hasattr(x, "dtype")
        ]
        raise TypeError(f"{self.op}: all float arrays must have one dtype; got {', '.join(found)}")

    def _refuse_devices(self, values: tuple[Any, ...]) -> None:
        found = []
        for operand, x in zip(self.operands, values, strict=True):
            if x is not None and not hasattr(x, "indptr"):
                library = self._classify(operand, x)[1]
                found.append(f"{operand.name} on {library.device if library else 'cpu'}")
        raise TypeError(f"{self.op}: all arrays must be on one device; got {', '.join(found)}")


def is_encoded(x: Any) -> bool:
    """Tell whether `x` is a BitMatrix or a sparse matrix."""
    return isinstance(x, BitMatrix) or hasattr(x, "indptr")


def _dtype_name(x: Any) -> str:
    # torch writes "torch.float32"; NumPy's str tells the byte order where it is not the machine's.
    return str(x.dtype).removeprefix("torch.")


def _type_name(x: Any) -> str:
    kind = type(x)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"
