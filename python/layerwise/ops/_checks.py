"""Checks of arguments that are no arrays; errors name the op and the parameter."""

from __future__ import annotations

import operator
from typing import Any

__all__ = ["check_choice", "check_integer", "check_numbers"]


def check_choice(op: str, name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{op}: {name} must be one of {', '.join(choices)}; got {value!r}")


def check_integer(op: str, name: str, value: Any, low: int, high: int) -> int:
    """Give `value` as an int from `low` to `high`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{op}: {name} must be an int; got {type(value).__name__}") from None
    if not low <= number <= high:
        raise ValueError(f"{op}: {name} must be from {low} to {high}; got {number}")
    return number


def check_numbers(op: str, **values: Any) -> None:
    """Raise TypeError unless every value is a real number."""
    for name, value in values.items():
        if type(value) is not float and not (
            hasattr(value, "__float__") and getattr(value, "shape", ()) == ()
        ):
            raise TypeError(f"{op}: {name} must be a number; got {type(value).__name__}")
