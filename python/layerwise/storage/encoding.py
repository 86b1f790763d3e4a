"""Python values as JSON beside named arrays, and back.

None, bool, int, str, finite floats and lists are their own JSON. Everything else is a JSON object
with one key, its tag:

=================  ===============================================================
``float``          "nan", "inf" or "-inf"
``number``         NumPy scalar: [dtype, value]
``tuple``          list of values
``dict``           JSON object of values; keys are str
``array``          name of an array of numbers or bools
``strings``        [dtype, list]: 1-D array of str, dtype "str" or "object"
``bits``           [name of the words, columns]: BitMatrix
``csr``            [class, shape, data, indices, indptr], the last three names of arrays
``random_state``   [key, position, has_gauss, gauss] of a RandomState's Mersenne Twister
``object``         [name, state]: object of a registered class
=================  ===============================================================
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise.ops import BitMatrix

from .registry import class_of, name_of

__all__ = ["Malformed", "decode", "describe", "encode"]

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES = ("bool", *_INTEGERS, "float16", "float32", "float64")
_SPARSE = {"csr_array": sp.csr_array, "csr_matrix": sp.csr_matrix}
_TWISTER_WORDS = 624

Tree = Any  # what json.dumps takes
Arrays = dict[str, np.ndarray]


class Malformed(ValueError):
    """What a file holds is not what `encode` makes; the message completes 'it has ...'."""


def encode(value: Any, name: str = "") -> tuple[Tree, Arrays]:
    """Turn a value into JSON and named arrays.

    Parameters
    ----------
    value : object
        Of the types that the module's table lists.
    name : str, default ""
        With which errors and the names of arrays begin.

    Returns
    -------
    tree : object
        What `json.dumps` takes.
    arrays : dict of str to ndarray
        Not copies, where they are C-contiguous and of the machine's byte order.

    Raises
    ------
    TypeError
        If there is a value that cannot be stored; the message says which.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.storage import decode, encode
    >>> tree, arrays = encode({"w": np.eye(2), "sizes": (3, 2)})
    >>> tree
    {'dict': {'w': {'array': 'w'}, 'sizes': {'tuple': [3, 2]}}}
    >>> decode(tree, arrays)["sizes"]
    (3, 2)
    """
    encoder = _Encoder()
    return encoder.encode(value, name), encoder.arrays


def decode(tree: Tree, arrays: Mapping[str, np.ndarray], *, newer: bool = False) -> Any:
    """Make again what `encode` took.

    Parameters
    ----------
    tree : object
    arrays : mapping of str to ndarray
        Taken over without a copy; each may be named once.
    newer : bool, default False
        The writer was newer: attributes that are unknown here are left out with a warning.

    Raises
    ------
    ValueError
        If that is not possible. No code but the constructors of registered classes is run.
    """
    return _Decoder(dict(arrays), newer).decode(tree)


def describe(value: Any) -> str:
    """Describe a value in words that differ where values differ; arrays by their hash.

    What cannot be stored is described by its type, in lists and dicts item by item.

    Examples
    --------
    >>> from layerwise import nn
    >>> from layerwise.storage import describe
    >>> describe((1, 0.5))
    '{"tuple": [1, 0.5]}'
    >>> describe(nn.CD(k=3))
    '{"object": ["CD", {"k": 3, "visible": "sample", "precision": "full"}]}'
    >>> describe(len)
    'builtin_function_or_method'
    """
    try:
        tree, arrays = encode(value)
    except (TypeError, ValueError):
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__}({', '.join(map(describe, value))})"
        if isinstance(value, Mapping):
            items = (f"{name!r}: {describe(item)}" for name, item in value.items())
            return f"{{{', '.join(items)}}}"
        return type(value).__qualname__
    parts = [json.dumps(tree)]
    for array in arrays.values():
        digest = hashlib.sha256(array.data if array.size else b"").hexdigest()
        parts.append(f"{array.dtype.name}{list(array.shape)} {digest}")
    return " ".join(parts)


class _Encoder:
    def __init__(self) -> None:
        self.arrays: Arrays = {}

    def encode(self, value: Any, name: str) -> Tree:
        if isinstance(value, np.generic) and not isinstance(value, np.str_):
            return self._number(value, name)
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, (list, tuple)):
            items = [self.encode(item, f"{name}.{i}") for i, item in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        if isinstance(value, Mapping):
            return {"dict": self._mapping(value, name)}
        if isinstance(value, np.ndarray):
            return self._array(value, name)
        if isinstance(value, BitMatrix):
            return {"bits": [self._keep(value.words, name), value.cols]}
        if isinstance(value, (sp.csr_array, sp.csr_matrix)):
            parts = [self._keep(getattr(value, p), f"{name}.{p}") for p in _CSR_PARTS]
            return {"csr": [type(value).__name__, list(map(int, value.shape)), *parts]}
        if isinstance(value, np.random.RandomState):
            return self._random_state(value, name)
        return self._object(value, name)

    def _mapping(self, value: Mapping[Any, Any], name: str) -> dict[str, Tree]:
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{name} must have keys that are str; got {key!r}")
        prefix = f"{name}." if name else ""
        return {key: self.encode(item, f"{prefix}{key}") for key, item in value.items()}

    def _number(self, value: np.generic, name: str) -> Tree:
        if value.dtype.name not in _DTYPES:
            raise TypeError(f"{name} must be a bool, integer or float; got {value!r}")
        return {"number": [value.dtype.name, self.encode(value.item(), name)]}

    def _array(self, value: np.ndarray, name: str) -> Tree:
        if value.dtype.kind in "UO" and value.ndim == 1:
            items = value.tolist()
            if all(isinstance(item, str) for item in items):
                return {"strings": ["object" if value.dtype == object else "str", items]}
        if value.dtype.name not in _DTYPES:
            raise TypeError(
                f"{name} must be an array of bools, integers or floats, or a 1-D array of str; "
                f"got shape {value.shape}, dtype {value.dtype}"
            )
        return {"array": self._keep(value, name)}

    def _keep(self, value: np.ndarray, name: str) -> str:
        while name in self.arrays:
            name += "_"
        native = value.astype(value.dtype.newbyteorder("="), copy=False)
        self.arrays[name] = np.asarray(native, order="C")
        return name

    def _random_state(self, value: np.random.RandomState, name: str) -> Tree:
        state: Any = value.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            raise TypeError(
                f"{name} must be a RandomState of MT19937; got {state['bit_generator']}"
            )
        twister = state["state"]
        gauss = self.encode(float(state["gauss"]), name)
        key = self._keep(np.asarray(twister["key"], np.uint32), name)
        return {"random_state": [key, int(twister["pos"]), int(state["has_gauss"]), gauss]}

    def _object(self, value: Any, name: str) -> Tree:
        registered = name_of(type(value))
        if registered is None:
            raise TypeError(
                f"{name or 'the object'} must be a number, str, array, RandomState, None, list, "
                "tuple, dict or object of a class given to layerwise.storage.register; "
                f"got {value!r}"
            )
        return {"object": [registered, self._mapping(_state_of(value), name)]}


def _state_of(value: Any) -> Mapping[str, Any]:
    """Return what a registered object is made from again."""
    if hasattr(type(value), "_stored_state"):  # a FrozenEstimator hands on its estimator's
        state: Mapping[str, Any] = value._stored_state()
        return state
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    return vars(value)


_CSR_PARTS = ("data", "indices", "indptr")


class _Decoder:
    def __init__(self, arrays: Arrays, newer: bool) -> None:
        self._arrays = arrays
        self._newer = newer
        self._by_tag: dict[str, Callable[[Any], Any]] = {
            "float": self._float,
            "number": self._number,
            "tuple": lambda body: tuple([self.decode(item) for item in _list(body)]),
            "dict": self._mapping,
            "array": self._take,
            "strings": self._strings,
            "bits": self._bits,
            "csr": self._csr,
            "random_state": self._random_state,
            "object": self._object,
        }

    def decode(self, tree: Tree) -> Any:
        if isinstance(tree, list):
            return [self.decode(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        tag = next(iter(tree), None)
        if len(tree) != 1 or tag not in self._by_tag:
            raise Malformed(f"a value with the keys {_short(list(tree))} that is none of its types")
        return self._by_tag[tag](tree[tag])

    def _mapping(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise Malformed(f"no mapping where one must be but {_short(body)}")
        return {key: self.decode(item) for key, item in body.items()}

    def _float(self, body: Any) -> float:
        if body not in ("nan", "inf", "-inf"):
            raise Malformed(f"no float where one must be but {_short(body)}")
        return float(body)

    def _number(self, body: Any) -> np.generic:
        name, value = _list(body, 2)
        number = self.decode(value)
        if name not in _DTYPES or not isinstance(number, (bool, int, float)):
            raise Malformed(f"no number where one must be but {_short(body)}")
        try:
            return np.dtype(name).type(number)
        except OverflowError as error:
            raise Malformed(f"the number {_short(number)}, too large for {name}") from error

    def _take(self, name: Any, dtype: Any = None, ndim: int | None = None) -> np.ndarray:
        array = self._arrays.pop(name, None) if isinstance(name, str) else None
        if array is None:
            raise Malformed(f"no array {_short(name)}, or names it twice")
        if (dtype is not None and array.dtype != dtype) or ndim not in (None, array.ndim):
            raise Malformed(f"an array {name} of shape {array.shape}, dtype {array.dtype}")
        return array

    def _strings(self, body: Any) -> np.ndarray:
        kind, items = _list(body, 2)
        if kind not in ("str", "object") or not all(isinstance(item, str) for item in _list(items)):
            raise Malformed(f"no strings where they must be but {_short(body)}")
        return np.array(items, dtype=kind)

    def _bits(self, body: Any) -> BitMatrix:
        name, cols = _list(body, 2)
        words = self._take(name, np.uint64, 2)
        if not _is_count(cols):
            raise Malformed(f"a bit matrix of {_short(cols)} columns")
        try:
            return BitMatrix(words, cols)
        except ValueError as error:
            raise Malformed(f"an array {name} that makes no bit matrix: {error}") from error

    def _csr(self, body: Any) -> Any:
        kind, shape, *names = _list(body, 5)
        data, indices, indptr = [self._take(name, ndim=1) for name in names]
        if kind not in _SPARSE or len(_list(shape)) != 2 or not all(map(_is_count, shape)):
            raise Malformed(f"no sparse matrix where one must be but {_short(body)}")
        try:
            matrix = _SPARSE[kind]((data, indices, indptr), shape=tuple(shape))
            matrix.check_format(full_check=True)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise Malformed(f"arrays that make no sparse matrix: {error}") from error
        return matrix

    def _random_state(self, body: Any) -> np.random.RandomState:
        name, position, has_gauss, gauss = _list(body, 4)
        key = self._take(name, np.uint32, 1)
        gauss = self.decode(gauss)
        # NumPy itself does not check the position, and would read past the key.
        if (
            key.shape != (_TWISTER_WORDS,)
            or not (_is_count(position) and position <= _TWISTER_WORDS)
            or has_gauss not in (0, 1)
            or not isinstance(gauss, float)
        ):
            raise Malformed(f"no state of a RandomState where one must be but {_short(body)}")
        state = np.random.RandomState(0)
        state.set_state(("MT19937", key, position, has_gauss, gauss))
        return state

    def _object(self, body: Any) -> Any:
        name, stored = _list(body, 2)
        cls = class_of(name) if isinstance(name, str) else None
        if cls is None:
            raise Malformed(
                f"an object of the class {_short(name)}, which is not registered here (give a "
                "class of your own to layerwise.storage.register before)"
            )
        state = self._mapping(stored)
        make: Callable[..., Any] | None = getattr(cls, "_from_stored_state", None)
        try:
            if make is not None:
                return make(state, self.known)
            return cls(**self.known(state, inspect.signature(cls).parameters, name))
        except Malformed:
            raise
        except (TypeError, ValueError) as error:
            raise Malformed(f"no valid {name}: {error}") from error

    def known(self, state: Mapping[str, Any], names: Any, owner: str) -> dict[str, Any]:
        """Keep the entries that are known here; others may only come from a newer writer."""
        unknown = [name for name in state if name not in names]
        if unknown and not self._newer:
            raise Malformed(f"unknown entries of {owner}: {_short(unknown)}")
        if unknown:
            warnings.warn(
                f"load: the file was written by a newer layerwise; unknown entries of {owner} are "
                f"left out: {', '.join(unknown)}",
                UserWarning,
                stacklevel=2,
            )
        return {name: value for name, value in state.items() if name in names}


def _list(body: Any, length: int | None = None) -> list[Any]:
    if not isinstance(body, list) or length not in (None, len(body)):
        raise Malformed(f"no list of {length or 'any'} values where one must be but {_short(body)}")
    return body


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _short(value: Any) -> str:
    """Show a value from a file that may hold anything, at bearable length."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
