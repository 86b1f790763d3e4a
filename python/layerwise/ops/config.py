"""Threads and backend in force for the calling thread.

Both are context variables: a ``with`` block changes them for the code inside it, in the thread (or
asyncio task) that entered it and in no other.
"""

from __future__ import annotations

from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Generic, Literal, TypeVar, get_args

from ._backend import core
from ._checks import check_choice, check_integer

__all__ = ["get_backend", "get_isa", "get_num_threads", "num_threads", "use_backend"]

Backend = Literal["native", "reference"]
T = TypeVar("T")

_MAX_THREADS = 4096

# None leaves the number to the OpenMP runtime, which threadpoolctl and OMP_NUM_THREADS steer.
_threads: ContextVar[int | None] = ContextVar("layerwise_num_threads", default=None)
_backend: ContextVar[Backend] = ContextVar("layerwise_backend", default="native")


class _Setting(ContextDecorator, Generic[T]):
    """Sets one context variable for the length of a ``with`` block; re-entrant."""

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._value = value
        self._tokens: list[Token[T]] = []

    def __enter__(self) -> None:
        self._tokens.append(self._variable.set(self._value))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._variable.reset(self._tokens.pop())

    def _recreate_cm(self) -> _Setting[T]:
        # As a decorator: one token stack a call, so that threads do not share it.
        return _Setting(self._variable, self._value)


class num_threads(_Setting[int | None]):
    """Run every op inside the ``with`` block on `n` threads.

    The thread count never changes a result, only the time it takes. The keyword ``num_threads=``
    of an op goes before this setting.

    Parameters
    ----------
    n : int
        Threads, at least 1.

    Raises
    ------
    ValueError
        If `n` is not between 1 and 4096.

    Examples
    --------
    >>> import layerwise
    >>> with layerwise.num_threads(2):
    ...     layerwise.ops.get_num_threads()
    2
    """

    def __init__(self, n: int) -> None:
        super().__init__(_threads, check_integer("num_threads", "n", n, 1, _MAX_THREADS))


class use_backend(_Setting[Backend]):
    """Choose what computes the ops inside the ``with`` block.

    Parameters
    ----------
    backend : {"native", "reference"}
        "native" is the compiled kernels, the default. "reference" is `layerwise.reference`: plain
        NumPy in float64, results cast to the dtype of the inputs. Slow; for checking.

    Raises
    ------
    ValueError
        If `backend` is neither.

    Examples
    --------
    >>> import numpy as np
    >>> import layerwise
    >>> x = np.eye(2, dtype=np.float32)
    >>> with layerwise.use_backend("reference"):
    ...     layerwise.ops.gemm(x, x)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    def __init__(self, backend: Backend) -> None:
        check_choice("use_backend", "backend", backend, get_args(Backend))
        super().__init__(_backend, backend)


def get_backend() -> Backend:
    """Name the backend in force: "native" or "reference"."""
    return _backend.get()


def use_reference() -> bool:
    """Tell whether the calling thread computes with `layerwise.reference`."""
    return _backend.get() == "reference"


def get_isa() -> str:
    """Name what fixes the bits of results: the kernels' instruction-set level, or "reference"."""
    return "reference" if use_reference() else str(core().isa())


def get_num_threads() -> int:
    """Tell how many threads an op called here would run on.

    The number set by the innermost `num_threads`, otherwise the OpenMP runtime's.
    """
    threads = _threads.get()
    return int(core().get_num_threads()) if threads is None else threads


def resolve_threads(op: str, n: int | None) -> int | None:
    """Choose a call's thread count: keyword, context, or None for the runtime's default."""
    return _threads.get() if n is None else check_integer(op, "num_threads", n, 1, _MAX_THREADS)
