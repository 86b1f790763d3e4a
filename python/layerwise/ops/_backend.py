"""What computes: the compiled module, imported at its first use, or the reference."""

from __future__ import annotations

import importlib
from typing import Any

from .config import get_backend

_core: Any = None


def core() -> Any:
    """Give the compiled module `layerwise._core`.

    Raises
    ------
    ImportError
        If it is not built, or a library that it needs is missing.
    """
    global _core
    if _core is None:
        try:
            _core = importlib.import_module("layerwise._core")
        except ImportError as error:
            raise ImportError(
                "layerwise: the compiled module layerwise._core could not be imported "
                f"({error}); build it with `pip install .`, or compute with "
                "`layerwise.use_backend('reference')`"
            ) from error
    return _core


def use_reference() -> bool:
    """Tell whether the calling thread computes with `layerwise.reference`."""
    return get_backend() == "reference"
