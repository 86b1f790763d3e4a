"""What an estimator's fitted attributes are: a table of checks, for files and against mistakes.

A check takes the attribute's name and value and the sizes found so far, by axis name: two arrays
that name the same axis must agree on its size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = [
    "COMMON",
    "Check",
    "Optional",
    "array",
    "check_fitted",
    "count",
    "each",
    "fields",
    "instance",
    "none_or",
    "strings",
]

Sizes = dict[str, Any]
Check = Callable[[str, Any, Sizes], None]


class Optional:
    """A check of an attribute that a fitted estimator may lack."""

    def __init__(self, check: Check) -> None:
        self.check = check

    def __call__(self, name: str, value: Any, sizes: Sizes) -> None:
        self.check(name, value, sizes)


def check_fitted(table: Mapping[str, Check], fitted: Mapping[str, Any]) -> None:
    """ValueError unless the fitted attributes are complete, or absent, and as the table has them.

    Examples
    --------
    >>> table = {"w_": array("out", "in"), "b_": array("out")}
    >>> check_fitted(table, {"w_": np.zeros((3, 2)), "b_": np.zeros(3)})
    >>> check_fitted(table, {"w_": np.zeros((3, 2)), "b_": np.zeros(4)})
    Traceback (most recent call last):
        ...
    ValueError: b_ must have shape (out=3); got shape (4,)
    """
    needed = [name for name, check in table.items() if not isinstance(check, Optional)]
    missing = [name for name in needed if name not in fitted]
    if missing and len(missing) < len(needed):
        raise ValueError(f"a fitted estimator must have {', '.join(missing)}; got none")
    sizes: Sizes = {}
    for name, check in table.items():
        if name in fitted:
            check(name, fitted[name], sizes)


def array(*axes: str, own_dtype: Any = None) -> Check:
    """Check for finite float32 or float64 values, of one dtype throughout the estimator.

    An array with a dtype of its own, whatever the others have, names it.
    """

    def check(name: str, value: Any, sizes: Sizes) -> None:
        dtype = getattr(value, "dtype", type(value).__name__)
        if not isinstance(value, np.ndarray) or dtype not in (np.float32, np.float64):
            raise ValueError(f"{name} must be a float32 or float64 array; got {dtype}")
        if own_dtype is not None:
            if dtype != own_dtype:
                raise ValueError(f"{name} must be {np.dtype(own_dtype)}; got {dtype}")
        elif sizes.setdefault("dtype", dtype) != dtype:
            raise ValueError(f"{name} must be {sizes['dtype']} like the others; got {dtype}")
        if value.ndim != len(axes) or any(
            sizes.setdefault(axis, size) != size
            for axis, size in zip(axes, value.shape, strict=True)
        ):
            wanted = ", ".join(
                [f"{axis}={sizes[axis]}" if axis in sizes else axis for axis in axes]
            )
            raise ValueError(f"{name} must have shape ({wanted}); got shape {value.shape}")
        if not np.isfinite(value).all():
            raise ValueError(f"{name} must be finite; got NaN or infinity")

    return check


def count(axis: str | None = None) -> Check:
    """Check for an int >= 0, the size of an axis if one is named."""

    def check(name: str, value: Any, sizes: Sizes) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f"{name} must be an integer; got {value!r}")
        size = value if axis is None else sizes.setdefault(axis, value)
        if value != size or not 0 <= value < 2**64:
            raise ValueError(
                f"{name} must be {size if axis else 'from 0 to 2**64 - 1'}; got {value}"
            )

    return check


def each(check_of: Callable[[int], Check]) -> Check:
    """Check for a list with something in it; the function gives the check of item i."""

    def check(name: str, value: Any, sizes: Sizes) -> None:
        if not isinstance(value, list) or not value:
            raise ValueError(f"{name} must be a list that is not empty; got {value!r}")
        if sizes.setdefault("layers", len(value)) != len(value):
            raise ValueError(f"{name} must have {sizes['layers']} items; got {len(value)}")
        for i, item in enumerate(value):
            check_of(i)(f"{name}[{i}]", item, sizes)

    return check


def fields(**checks: Check) -> Check:
    """Check for a dict with these keys, and maybe more."""

    def check(name: str, value: Any, sizes: Sizes) -> None:
        if not isinstance(value, dict) or not checks.keys() <= value.keys():
            raise ValueError(f"{name} must be a dict with {', '.join(checks)}; got {value!r}")
        for key, inner in checks.items():
            inner(f"{name}[{key!r}]", value[key], sizes)

    return check


def instance(*types: type) -> Check:
    """Check for an object of one of some types."""

    def check(name: str, value: Any, sizes: Sizes) -> None:
        if not isinstance(value, types):
            wanted = " or ".join([kind.__name__ for kind in types])
            raise ValueError(f"{name} must be of type {wanted}; got {type(value).__name__}")

    return check


def none_or(inner: Check) -> Check:
    """Check for None, or what passes another check."""

    def check(name: str, value: Any, sizes: Sizes) -> None:
        if value is not None:
            inner(name, value, sizes)

    return check


def strings(axis: str) -> Check:
    """Check for a 1-D array of str."""

    def check(name: str, value: Any, sizes: Sizes) -> None:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "UO" or value.ndim != 1:
            raise ValueError(f"{name} must be a 1-D array of str; got {value!r}")
        if sizes.setdefault(axis, len(value)) != len(value):
            raise ValueError(f"{name} must have {sizes[axis]} names; got {len(value)}")

    return check


#: What scikit-learn keeps in any estimator whose data have `features` columns.
COMMON: dict[str, Check] = {
    "n_features_in_": count("features"),
    "feature_names_in_": Optional(strings("features")),
    "_sklearn_output_config": Optional(instance(dict)),
}
