"""Classes whose objects files may name: nothing else is ever made when a file is read."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["class_of", "name_of", "register"]

C = TypeVar("C", bound=type)

_CLASSES: dict[str, type] = {}


def register(cls: C) -> C:
    """Let objects of a class be saved and loaded, under the class's name. A decorator.

    An object is stored as its attributes (a dataclass: those fields that are arguments), and made
    again by handing these to the constructor. Classes that do otherwise define ``_stored_state()``,
    which gives a dict, and the class method ``_from_stored_state(state, known)``.

    Parameters
    ----------
    cls : class

    Returns
    -------
    class
        The same.

    Raises
    ------
    ValueError
        If another class has the name.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from layerwise import RBM, nn
    >>> from layerwise.storage import register
    >>> @register
    ... @dataclass(frozen=True)
    ... class Patient(nn.CD):
    ...     patience: int = 3
    >>> rbm = RBM(learning=Patient(k=2))  # can now be saved
    """
    known = _CLASSES.setdefault(cls.__name__, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(
            f"register: names must be unique; {cls.__name__} is "
            f"{known.__module__}.{known.__qualname__}, got {cls.__module__}.{cls.__qualname__}"
        )
    _CLASSES[cls.__name__] = cls  # defined anew, as notebooks do
    return cls


def name_of(cls: type) -> str | None:
    """Return the name of a registered class, None for any other."""
    return cls.__name__ if _CLASSES.get(cls.__name__) is cls else None


def class_of(name: str) -> type | None:
    """Return the registered class of a name, None where there is none."""
    return _CLASSES.get(name)
