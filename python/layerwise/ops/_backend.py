"""The compiled module, imported at its first use."""

from __future__ import annotations

import importlib
from typing import Any

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
