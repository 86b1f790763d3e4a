"""The conformance harness: tolerance rule, layouts of inputs, sentinels around outputs, backends.

Tolerance rule: ``|got - oracle| <= k * (eps(dtype) * bound + smallest normal)``. The bound is the
oracle evaluated on magnitudes (`bounds.py`), and k is fixed per op below. The largest
``error / allowed`` seen is kept per op and dtype: the terminal summary prints it, and
`test_no_bound_is_vacuous` fails where it never comes above 1e-3.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import layerwise
from layerwise import ops
from layerwise.ops import _arrays
from layerwise.reference import gemm as ref_gemm
from layerwise.reference import philox

# Chains of a few hundred terms of either sign stay within a few eps of the magnitudes. The sums of
# gibbs_cd have terms of one sign, so that the error grows with the batch: by sqrt(n) / 4 or so.
# Elementwise ops round two to four times.
K = {
    "gemm": 4,
    "gemm_gaussian": 8,
    "gibbs_hidden": 4,
    "gibbs_visible": 4,
    "gibbs_cd": 16,
    "gibbs_cd_update": 16,
    "gibbs_free_energy": 4,
    "gibbs_pseudo_likelihood": 4,
    "dense": 4,
    "dense_dx": 4,
    "dense_dw_update": 4,
    "dense_dw": 4,
    "dense_db": 4,
    "activation_dx": 4,
    "softmax": 8,
    "softmax_cross_entropy": 8,
    "dropout": 2,
    "dropout_dx": 2,
    "sgd_momentum": 4,
    "lars": 4,
    "lars_path": 4,
    "lasso": 4,
    "lasso_path": 8,
    "omp": 4,
    "dictionary_statistics": 4,
    "dictionary_update": 4,
}

ACTIVATIONS = ["none", "sigmoid", "relu", "softplus", "tanh"]
DTYPES = [np.float32, np.float64]
# 0, 1, odd; one to each side of every vector width, word width and register block.
SIZES = [0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257]
DEEP = [255, 256, 257, 511, 512, 513, 770]  # beyond one and two blocks of k
VACUOUS = 1e-3
ENOUGH = 2_000  # elements from which on an op's bound is judged


@dataclass
class Seen:
    """What the tolerance rule has met for one op and dtype."""

    largest: float = 0.0  # error / allowed
    elements: int = 0
    samples: int = 0
    ambiguous: int = 0  # samples too close to their probability to be told


SEEN: dict[tuple[str, str], Seen] = {}


def seen(op: str, dtype: Any) -> Seen:
    return SEEN.setdefault((op, np.dtype(dtype).name), Seen())


def allowed_error(op: str, dtype: Any, bound: Any) -> np.ndarray:
    info = np.finfo(dtype)
    return K[op] * (float(info.eps) * np.asarray(bound) + float(info.smallest_normal))


def check(op: str, got: Any, expected: Any, bound: Any, *, dtype: Any, case: Any = "") -> None:
    """Assert the tolerance rule; NaN and infinity must be where the oracle has them."""
    got = np.asarray(got)
    expected = np.asarray(expected)
    if got.dtype != dtype or got.shape != expected.shape:
        raise AssertionError(
            f"{op} {case}: {np.dtype(dtype).name} of shape {expected.shape} expected; "
            f"{got.dtype.name} of shape {got.shape} received"
        )
    finite = np.isfinite(expected)
    if not np.array_equal(got[~finite], expected[~finite].astype(dtype), equal_nan=True):
        raise AssertionError(f"{op} {case}: NaN or infinity where the oracle has another value")
    limit = np.broadcast_to(allowed_error(op, dtype, bound), expected.shape)[finite]
    with np.errstate(invalid="ignore"):
        ratio = np.abs(got[finite].astype(np.float64) - expected[finite]) / limit
    record = seen(op, dtype)
    record.elements += ratio.size
    if ratio.size == 0:
        return
    if not ratio.max() <= 1:  # a NaN fails too
        worst = np.argmax(np.where(np.isnan(ratio), np.inf, ratio))
        index = tuple(int(i) for i in np.argwhere(finite)[worst])
        wrong = int(np.sum(~(ratio <= 1)))
        raise AssertionError(
            f"{op} {case}: {wrong} of {ratio.size} elements beyond the tolerance; worst at "
            f"{index}: got {got[index]!r}, oracle {expected[index]!r}, error / allowed "
            f"{ratio[worst]:.3g}"
        )
    record.largest = max(record.largest, float(ratio.max()))


def check_samples(
    op: str, sample: Any, mean: Any, bound: Any, uniforms: Any, *, dtype: Any, case: Any = ""
) -> None:
    """Assert that ``sample = uniform < mean``, leaving out what rounding of the mean may decide.

    Units with ``|uniform - mean|`` within the tolerance are left out and counted. Uniforms are
    spread evenly, so about ``2 * allowed`` of the units are: ten times as many, and a few, is the
    most that is accepted.
    """
    sample, mean = np.asarray(sample, np.float64), np.asarray(mean)
    margin = np.broadcast_to(allowed_error(op, dtype, bound), mean.shape)
    ambiguous = np.abs(uniforms - mean) <= margin
    wrong = (sample != (uniforms < mean)) & ~ambiguous
    if sample.shape != mean.shape or wrong.any():
        raise AssertionError(
            f"{op} {case}: {int(wrong.sum())} of {mean.size} samples differ from the oracle's; "
            f"first at {np.argwhere(wrong)[:1].tolist()}"
        )
    most = 3 + 10 * 2 * float(np.minimum(margin, 1).sum())
    if ambiguous.sum() > most:
        raise AssertionError(f"{op} {case}: {ambiguous.sum()} samples left out, {most:.0f} at most")
    record = seen(op, dtype)
    record.samples += mean.size
    record.ambiguous += int(ambiguous.sum())


def uniforms(rng: Any, purpose: int, shape: tuple[int, int]) -> np.ndarray:
    """The oracle's uniform numbers for a batch."""
    return philox.stream(philox.uniform, rng, purpose, shape)


def same_bits(x: Any, y: Any) -> bool:
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()


# Layouts of inputs

LAYOUTS = ["c", "f", "negative", "step", "columns", "offset"]


def lay_out(x: np.ndarray, layout: str) -> np.ndarray:
    """The values of a matrix in another memory layout; what lies between them is NaN."""
    rows, cols = x.shape
    if layout == "c":
        return np.ascontiguousarray(x)
    if layout == "f":
        return np.asfortranarray(x)
    if layout == "negative":
        return np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    if layout == "step":
        base = np.full((2 * rows + 1, 3 * cols + 1), np.nan, x.dtype)
        view = base[1 : 2 * rows + 1 : 2, 1 : 3 * cols + 1 : 3]
    elif layout == "columns":
        base = np.full((rows, cols + 8), np.nan, x.dtype)
        view = base[:, 5 : 5 + cols]
    elif layout == "offset":  # one element past where the allocator aligns
        base = np.full(rows * cols + 2, np.nan, x.dtype)
        view = base[1 : 1 + rows * cols].reshape(rows, cols)
    else:
        raise ValueError(layout)
    view[...] = x
    return view


def byte_misaligned(x: np.ndarray) -> np.ndarray:
    """The values of x at an address that is not a multiple of the item size."""
    buffer = bytearray(x.nbytes + 1)
    view = np.frombuffer(buffer, x.dtype, offset=1).reshape(x.shape)
    view[...] = x
    return view


def encode(x: np.ndarray, encoding: str) -> Any:
    """A matrix as dense array, BitMatrix (of zeros and ones) or CSR."""
    if encoding == "bits":
        return ops.BitMatrix.pack(x)
    if encoding == "csr":
        return scipy.sparse.csr_array(x)
    return x


ENCODINGS = ["dense", "bits", "csr"]


# Sentinels around outputs

_BAND = 256  # bytes on either side; a multiple of every alignment
_SENTINEL = 0xFF  # NaN in both dtypes


class GuardedMemory:
    """Allocates arrays between two bands of sentinels, poisoned inside, and checks the bands."""

    def __init__(self) -> None:
        self._buffers: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """A C-contiguous array of NaN (all bits one in integers)."""
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        buffer = np.full(nbytes + 2 * _BAND + 64, _SENTINEL, np.uint8)
        start = _BAND + -(buffer.ctypes.data + _BAND) % 64
        self._buffers.append((buffer, start, nbytes))
        return buffer[start : start + nbytes].view(dtype).reshape(shape)

    def like(self, x: np.ndarray) -> np.ndarray:
        """A copy of x between bands."""
        copy = self.empty(x.shape, x.dtype)
        copy[...] = x
        return copy

    def check(self) -> None:
        for buffer, start, nbytes in self._buffers:
            before, after = buffer[:start], buffer[start + nbytes :]
            if not (before == _SENTINEL).all() or not (after == _SENTINEL).all():
                side = "before" if not (before == _SENTINEL).all() else "after"
                raise AssertionError(f"memory {side} an output of {nbytes} bytes was written to")


@contextmanager
def guarded_outputs() -> Iterator[None]:
    """NumPy outputs and scratch memory of all ops between sentinels, checked at the end.

    On the emulated GPU all arrays lie so (tests/emulated_cuda/cupy.py).
    """
    memory, unguarded = GuardedMemory(), _arrays.Library.empty

    def guarded(library: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        if library.name != "numpy":
            return unguarded(library, shape, dtype)
        return memory.empty(shape, dtype)

    _arrays.Library.empty = guarded  # type: ignore[method-assign]
    try:
        yield
        memory.check()
        if core().config()["cuda"]["toolkit"] == "emulated":
            importlib.import_module("cupy").check()
    finally:
        _arrays.Library.empty = unguarded  # type: ignore[method-assign]


class GuardedView:
    """A strided output inside a larger array, whose other elements must stay as they are."""

    def __init__(self, shape: tuple[int, int], dtype: Any, layout: str) -> None:
        rows, cols = shape
        self.base = np.full((2 * rows + 3, 2 * cols + 3), -77.0, dtype)
        inside = {
            "columns": np.s_[1 : rows + 1, 1 : cols + 1],
            "step": np.s_[1 : 2 * rows + 1 : 2, 1 : 2 * cols + 1 : 2],
            "negative": np.s_[rows:0:-1, cols:0:-1],
        }[layout]
        self.view = self.base[inside]
        self._outside = np.ones(self.base.shape, bool)
        self._outside[inside] = False

    def check(self) -> None:
        assert (self.base[self._outside] == -77.0).all(), "an element beside the output changed"


# Backends


class Backend:
    """The ops of one backend, NumPy in and NumPy out."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, op: str) -> Any:
        function = getattr(ops, op)
        if self.name == "cuda" and op in without_cuda():
            pytest.skip(f"{op} has no CUDA kernel")

        def call(*args: Any, **keywords: Any) -> Any:
            with layerwise.use_backend("reference" if self.name == "reference" else "native"):
                if self.name != "cuda":
                    return function(*args, **keywords)
                return _on_device(function, args, keywords)

        return call


def _on_device(function: Any, args: Any, keywords: Any) -> Any:
    """A call on copies in GPU memory; what it wrote to its arguments is copied back.

    An array that comes twice is one array there too. CSR has no CUDA kernels: its values, dense.
    """
    import cupy

    copies: dict[int, tuple[np.ndarray, Any]] = {}

    def move(x: Any) -> Any:
        if isinstance(x, ops.BitMatrix):
            return ops.BitMatrix._wrap(move(x.words), x.cols) if x.library.device == "cpu" else x
        if scipy.sparse.issparse(x):
            return cupy.asarray(x.toarray())
        if not isinstance(x, np.ndarray) or x.dtype == object:  # which CuPy has not
            return x
        return copies.setdefault(id(x), (x, _in_the_same_layout(cupy, x)))[1]

    moved = {name: move(x) for name, x in keywords.items()}
    result = function(*map(move, args), **moved)
    for host, device in copies.values():
        if host.flags.writeable:
            host[...] = device.get()
    return _to_host(result)


def _in_the_same_layout(cupy: Any, x: np.ndarray) -> Any:
    """A copy of `x` on the GPU with its strides, gaps and negative ones included."""
    if x.size == 0 or x.flags.c_contiguous:
        return cupy.asarray(x)
    low, high = np.lib.array_utils.byte_bounds(x)
    gap = np.frombuffer(b"\xff", np.uint8)
    memory = cupy.asarray(np.broadcast_to(gap, high - low).copy())
    start = x.__array_interface__["data"][0] - low
    pointer = cupy.cuda.MemoryPointer(memory.data.mem, start)
    view = cupy.ndarray(x.shape, x.dtype, pointer, x.strides)
    view[...] = cupy.asarray(np.ascontiguousarray(x))
    return view


def _to_host(result: Any) -> Any:
    if isinstance(result, tuple):
        parts = [_to_host(part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if isinstance(result, ops.BitMatrix):
        return result.to(np.zeros(1))
    return result.get() if hasattr(result, "get") else result


def core() -> Any:
    """The compiled module, imported late: the harness also runs without it."""
    return importlib.import_module("layerwise._core")


def without_cuda() -> set[str]:
    """The ops that have no CUDA kernel."""
    families = core().config()["families"].values()
    return {op for family in families for op in family["cpu"] if op not in family["cuda"]}


def backend_names() -> list[str]:
    """Backends under test: ``LAYERWISE_TEST_BACKENDS``, else the compiled ones that are here.

    One that ``LAYERWISE_REQUIRE`` names is always among them: its tests then fail where it is not.
    """
    if "LAYERWISE_TEST_BACKENDS" in os.environ:
        return os.environ["LAYERWISE_TEST_BACKENDS"].split(",")
    return [name for name in ("native", "cuda") if name in required() or not missing(name)]


def required() -> list[str]:
    return os.environ.get("LAYERWISE_REQUIRE", "").split(",")


def missing(name: str) -> str | None:
    """Why a backend cannot run here, None where it can. The native one always can."""
    if name != "cuda":
        return None
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    if not any(kernels["cuda"] for kernels in core().config()["families"].values()):
        return "layerwise was built without CUDA"
    return None if core().config()["cuda"]["devices"] else "no CUDA device"


# Cases


def shapes(axes: int, others: tuple[int, ...] = (6, 13, 37)) -> list[tuple[int, ...]]:
    """Every awkward size on every axis, the other axes short and odd; and a few all awkward."""
    cases = []
    for axis in range(axes):
        for size in SIZES:
            shape = list(islice(cycle(others), axes))
            shape[axis] = size
            cases.append(tuple(shape))
    for i in range(3, len(SIZES)):
        cases.append(tuple(SIZES[(i * (5 + 3 * axis)) % len(SIZES)] for axis in range(axes)))
    return list(dict.fromkeys(cases))


def real(rng: np.random.Generator, shape: Any, dtype: Any, scale: float = 1.0) -> np.ndarray:
    return (scale * rng.standard_normal(shape)).astype(dtype)


def binary(rng: np.random.Generator, shape: Any, dtype: Any, density: float = 0.4) -> np.ndarray:
    return (rng.random(shape) < density).astype(dtype)


def stream(**changes: Any) -> Any:
    """A random stream with awkward coordinates."""
    values = {"seed": 0x9E3779B97F4A7C15, "step": 3, "layer": 2, "rows": 1000}
    return ops.Philox(**(values | changes))


def as_matrix(x: Any) -> np.ndarray:
    """A result in any encoding as float64."""
    return ref_gemm.densify(x)


def tiny_rbm(rng: np.random.Generator, hidden: int, visible: int, dtype: Any) -> SimpleNamespace:
    """Parameters whose pre-activations are of order 1 at any size."""
    return SimpleNamespace(
        w=real(rng, (hidden, visible), dtype, 2 / np.sqrt(max(1, hidden, visible))),
        b=real(rng, visible, dtype),
        a=real(rng, hidden, dtype),
    )
