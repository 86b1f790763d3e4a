"""Calls of the compiled module with a few arguments spoilt.

Each starts from a call that an op made for its case in `cases.py`, so that a new op is fuzzed from
its case on. Some arguments are replaced by others of the kinds that `_core.pyi` names; every array
lies at the edge of pages that cannot be touched (`guarded.py`), and those that are read-only in
pages that cannot be written. A call is the function of a seed and its number.
"""

from __future__ import annotations

import ast
import importlib.resources
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse

from layerwise import _core, ops

from . import cases, guarded, harness

SIZES = [(3, 5, 4), (1, 1, 1), (33, 70, 65), (9, 130, 40), (0, 3, 2)]
VARIANTS = [{}, {"format": "csr"}, {"packed": True}, {"max_workspace": 1 << 20}, {"num_threads": 2}]
# Of one op, made of its arrays.
OWN_VARIANTS = {
    "lasso": [
        lambda x, phi: {"missing": "nan"},
        lambda x, phi: {"missing": x > 0.5, "gram": phi @ phi.T},
    ]
}

INTS = [-1, 0, 1, 2, 3, 5, 64, 65, 4096, 4097, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62]
INTS += [2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**200, -(2**31), -(2**63), -(2**64), True]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-310, 1e38, 1e300, np.nan, np.inf, -np.inf]
WORDS = ["", "float32", "float64", "none", "sigmoid", "tanh", "bernoulli", "gaussian", "auto"]
WORDS += ["active_set", "coordinate_descent", "x" * 10_000, "\0", "\ud800", "é"]
ODD = [None, True, 1, 1.5, "x", b"x", (), [1.0], [[1.0]], {}, {"shape": (1, 1)}, object(), int, ...]
DTYPES = ["f4", "f8", "f2", "g", "i1", "i4", "i8", "u1", "u4", "u8", "?", "c8", ">f4", "O", "S3"]


def signatures() -> dict[str, dict[str, str]]:
    """For each function of `_core.pyi` its parameters and their annotations."""
    text = (importlib.resources.files("layerwise") / "_core.pyi").read_text()
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            parameters = [*node.args.args, *node.args.kwonlyargs]
            found[node.name] = {p.arg: ast.unparse(p.annotation) for p in parameters}
    return found


class Template:
    """A right call: the function's name and its arguments, arrays as copies."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self.name, self.arguments = name, arguments


@contextmanager
def _recording(found: list[Template], written: set[tuple[str, str]]) -> Iterator[None]:
    plain = {name: getattr(_core, name) for name in signatures()}

    def recorder(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        names = list(signatures()[name])

        def call(*args: Any, **keywords: Any) -> Any:
            arguments = dict(zip(names, args, strict=False)) | keywords
            before = {key: _copied(value) for key, value in arguments.items()}
            found.append(Template(name, before))
            result = function(*args, **keywords)
            for key, value in arguments.items():
                if isinstance(value, np.ndarray) and not harness.same_bits(value, before[key]):
                    written.add((name, key))
            return result

        return call

    for name, function in plain.items():
        setattr(_core, name, recorder(name, function))
    try:
        yield
    finally:
        for name, function in plain.items():
            setattr(_core, name, function)


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (np.ndarray, ops.BitMatrix)) else value


def templates() -> tuple[list[Template], set[tuple[str, str]]]:
    """Right calls of all functions, and which of their arguments they write to."""
    rng, found, written = np.random.default_rng(0), [], set()
    with _recording(found, written):
        for op in cases.OPS:
            for i, (n, d, f) in enumerate(SIZES):
                for variant in (*VARIANTS, *OWN_VARIANTS.get(op, ())):
                    arrays, options = cases.arguments(op, rng, harness.DTYPES[i % 2], n, d, f)
                    own = variant(*arrays) if callable(variant) else variant
                    try:
                        cases.call(ops, op, arrays, options | own)
                    except (TypeError, ValueError):  # the op has no such option
                        continue
    found += [Template(name, {}) for name in signatures()]
    by_name: dict[str, list[Template]] = {}
    for template in found:
        by_name.setdefault(template.name, []).append(template)
    # As many of each function, whatever the number of ops that call it.
    return [kept for each in by_name.values() for kept in each[:40]], written


# Of a large workspace this much is spoilt: another dtype and gaps take 32 times the memory.
MOST_BYTES = 1 << 20


class Fuzzer:
    """Makes the calls of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.signatures = signatures()
        found, self.written = templates()
        self.names = sorted({template.name for template in found if self.signatures[template.name]})
        self.templates = {
            name: [template for template in found if template.name == name] for name in self.names
        }
        self.memory = guarded.Memory()

    def make(self, index: int) -> tuple[str, dict[str, Any]]:
        """Name and arguments of a call, in memory that the next one takes over."""
        self.memory.free()
        self.rng = rng = np.random.default_rng([self.seed, index])
        name = str(rng.choice(self.names))
        template = self.templates[name][rng.integers(len(self.templates[name]))]
        arguments, kinds = dict(template.arguments), self.signatures[name]
        shapes = [np.shape(x) for x in arguments.values() if hasattr(x, "shape")]
        # No more than 300: the workspace's is none of these.
        self.sizes = [size for shape in shapes for size in shape if size < 300] or [1, 3]
        count = int(rng.choice([0, 1, 1, 1, 2, 3]))
        spoilt = set(rng.choice(list(kinds), min(count, len(kinds)), replace=False).tolist())
        made: dict[str, Any] = {}
        for key in arguments.keys() | spoilt:
            value = arguments.get(key)
            if key in spoilt:
                value = self.spoil(kinds[key], value, list(made.values()))
            made[key] = self.place(value, (name, key) not in self.written or key in spoilt)
        return name, made

    def place(self, value: Any, may_be_readonly: bool) -> Any:
        """The value with its arrays in guarded memory, unless they lie there already."""
        if isinstance(value, np.ndarray):
            if any(np.may_share_memory(value, arena.view) for arena in self.memory.used):
                return value
            if value.dtype.hasobject or (value.size != 1 and 0 in value.strides):
                return value
            misaligned = value.flags.aligned is False
            layout = "misaligned" if misaligned else "c" if value.dtype == np.uint8 else "any"
            layout = "c" if value.dtype == np.uint64 else layout
            readonly = may_be_readonly and bool(self.rng.random() < 0.5)
            return self.memory.place(value, self.rng, layout=layout, readonly=readonly)
        if isinstance(value, (ops.BitMatrix, SimpleNamespace)) and hasattr(value, "words"):
            words = self.place(value.words, may_be_readonly)
            return SimpleNamespace(words=words, shape=value.shape)
        if hasattr(value, "indptr"):
            parts = {part: self.place(getattr(value, part), True) for part in _CSR}
            return SimpleNamespace(**parts, shape=value.shape, format="csr")
        return value

    def spoil(self, kind: str, value: Any, others: list[Any]) -> Any:
        """Another value of a kind of argument, or of none."""
        rng = self.rng
        if rng.random() < 0.1:
            return ODD[rng.integers(len(ODD))]
        if "_Matrix" in kind or "_BitMatrix" in kind:
            return self.matrix(value, others)
        if "_Array" in kind and not ("int" in kind and rng.random() < 0.5):
            return self.array(value, others)
        for word, choices in (("int", INTS), ("float", FLOATS), ("bool", [True, False, 2, "no"])):
            if word in kind:
                return choices[rng.integers(len(choices))]
        return WORDS[rng.integers(len(WORDS))]

    def matrix(self, value: Any, others: list[Any]) -> Any:
        """An array, BitMatrix or CSR matrix, damaged or not."""
        rng = self.rng
        dense = (
            np.zeros(self.shape(2)) if value is None else np.atleast_2d(harness.as_matrix(value))
        )
        if dense.ndim != 2 or rng.random() < 0.3:
            return self.array(value if isinstance(value, np.ndarray) else dense, others)
        if rng.random() < 0.5:
            bits = ops.BitMatrix.pack((dense != 0).astype(np.float32))
            return _damaged(rng, SimpleNamespace(words=bits.words.copy(), shape=bits.shape))
        dtype = value.dtype if getattr(value, "dtype", None) in harness.DTYPES else np.float32
        csr = scipy.sparse.csr_array(dense.astype(dtype))
        parts = {part: getattr(csr, part).copy() for part in _CSR}
        return _damaged(rng, SimpleNamespace(**parts, shape=csr.shape))

    def shape(self, rank: int) -> tuple[int, ...]:
        return tuple(int(size) for size in self.rng.choice(self.sizes, rank))

    def array(self, value: Any, others: list[Any]) -> Any:
        """An array that is nearly `value`, a view of another argument, or of any shape."""
        rng = self.rng
        if not isinstance(value, np.ndarray):
            value = np.zeros(self.shape(int(rng.integers(0, 3))), rng.choice(["f4", "f8"]))
        if value.nbytes > MOST_BYTES:
            value = value.reshape(-1)[: MOST_BYTES // value.itemsize]
        arrays = [x for x in others if isinstance(x, np.ndarray)]
        return _CHANGES[rng.integers(len(_CHANGES))](rng, value, arrays)

    def check(self, refused: bool) -> None:
        """Assert that nothing beside the arrays has changed, and nothing at all if refused."""
        for arena in self.memory.used:
            if arena.view.dtype == np.uint8 and refused:
                continue  # scratch memory
            assert arena.unchanged() if refused else arena.unchanged_beside()


_CSR = ("indptr", "indices", "data")


def _damaged(rng: np.random.Generator, matrix: SimpleNamespace) -> SimpleNamespace:
    """A bit-packed or CSR matrix with one attribute changed, or none."""
    names = [name for name in vars(matrix) if name != "shape"]
    part = str(rng.choice([*names, "shape", "none"]))
    if part == "shape":
        sizes = [*matrix.shape, *(x for x in INTS if abs(x) < 2**63)]
        pair = tuple(int(sizes[i]) for i in rng.integers(0, len(sizes), 2))
        matrix.shape = [pair, (*pair, 1), list(pair), None, pair[:1]][rng.integers(5)]
    elif part != "none":
        value = getattr(matrix, part)
        if value.size and rng.random() < 0.6 and value.dtype.kind in "iu":
            info = np.iinfo(value.dtype)
            value = value.copy()
            worst = [info.min, info.max, 0, 1, *matrix.shape]
            value.flat[rng.integers(value.size)] = min(worst[rng.integers(len(worst))], info.max)
        else:
            value = _CHANGES[rng.integers(len(_CHANGES))](rng, value, [value])
        setattr(matrix, part, value)
    return matrix


def _other_shape(rng: np.random.Generator, x: np.ndarray, _: Any) -> np.ndarray:
    shape = list(x.shape) or [1]
    axis = int(rng.integers(len(shape)))
    shape[axis] = max(0, shape[axis] + int(rng.choice([-1, 1, -shape[axis], shape[axis]])))
    return np.resize(x, shape) if x.size and 0 not in shape else np.zeros(shape, x.dtype)


def _other_rank(rng: np.random.Generator, x: np.ndarray, _: Any) -> np.ndarray:
    return [x[None], x.reshape(-1), x[..., None], x.reshape(-1)[:1].reshape(())
            if x.size else x[None]][rng.integers(4)]  # fmt: skip


def _huge(rng: np.random.Generator, x: np.ndarray, _: Any) -> np.ndarray:
    sizes = rng.choice([1, 3, 2**20, 2**31, 2**33, 2**40, 2**60], max(1, x.ndim))
    if np.prod([float(size) for size in sizes]) * x.itemsize >= 2**63:
        sizes[1:] = 1
    shape = tuple(int(size) // (8 if size == 2**60 else 1) for size in sizes)
    return np.broadcast_to(x.reshape(-1)[:1].reshape(()) if x.size else x.dtype.type(0), shape)


def _special(rng: np.random.Generator, x: np.ndarray, _: Any) -> np.ndarray:
    if x.dtype.kind != "f":
        return x.copy()
    out = x.copy()
    values = np.array([*FLOATS, 1e-45, 1e300])
    with np.errstate(over="ignore"):
        spread = rng.choice(values, x.shape).astype(x.dtype)
    out[...] = np.where(rng.random(x.shape) < rng.choice([0.05, 0.5, 1.0]), spread, out)
    return out


def _aliased(rng: np.random.Generator, x: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    if not others:
        return x[::-1] if x.ndim else x
    other = others[rng.integers(len(others))]
    choices = [other, other.T, other[::-1] if other.ndim else other]
    if other.flags.c_contiguous and other.nbytes >= x.nbytes and not other.dtype.hasobject:
        raw = other.reshape(-1).view(np.uint8)
        start = int(rng.integers(0, other.nbytes - x.nbytes + 1)) // x.itemsize * x.itemsize
        part = raw[start : start + x.nbytes]
        if part.size:
            choices.append(part.view(x.dtype).reshape(x.shape))
    return choices[rng.integers(len(choices))]


def _cast(rng: np.random.Generator, x: np.ndarray, _: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.nan_to_num(x).astype(str(rng.choice(DTYPES)))


def _self_overlapping(rng: np.random.Generator, x: np.ndarray, _: Any) -> np.ndarray:
    if x.ndim < 1 or not x.size:
        return x
    return np.broadcast_to(x[:1], x.shape)


_CHANGES: list[Callable[..., Any]] = [
    lambda rng, x, _: x.copy(),
    lambda rng, x, _: x.T.copy(),
    lambda rng, x, _: harness.byte_misaligned(x) if x.dtype.kind != "O" else x,
    _other_shape,
    _other_rank,
    _huge,
    _special,
    _special,
    _aliased,
    _cast,
    _self_overlapping,
]
