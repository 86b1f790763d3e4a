"""NumPy's arrays in the memory of earlier ones."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any, TypeVar

from ._backend import core
from .config import use_reference

__all__ = ["recycle_memory"]

T = TypeVar("T")


def recycle_memory(task: Callable[..., T], *args: Any) -> T:
    """Call ``task(*args)``; large arrays made meanwhile take the memory of ones that are gone.

    Memory that is new to a process costs as much as several passes over it, and of every large
    array that goes the C library gives the memory back to the system. Here it is kept for the next
    array of about the same size, whichever function of NumPy or of layerwise makes it: up to 32 MiB
    a thread, until the process ends. Nothing else changes, in particular no value.

    Parameters
    ----------
    task : function
        Runs in a copy of the caller's context (see `contextvars`).
    *args
        Its arguments.

    Returns
    -------
    What `task` returns.

    References
    ----------
    NumPy Enhancement Proposal 49, data allocation strategies.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import recycle_memory
    >>> recycle_memory(np.zeros, 3)
    array([0., 0., 0.])
    """

    def run() -> T:
        if not use_reference():
            core().recycle_arrays()
        return task(*args)

    return contextvars.copy_context().run(run)
