"""Work in blocks on all threads: what is held at a time stays small however much there is."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from layerwise.ops import get_backend, get_num_threads, num_threads, recycle_memory

__all__ = ["BLOCK_ELEMENTS", "coding_blocks", "row_blocks", "run_blocks"]

T = TypeVar("T")

_BLOCK_BYTES = 1 << 27  # of a matrix of codes
BLOCK_ELEMENTS = 1 << 20  # values of the widest array of a block: 4 MiB of float32


def row_blocks(n: int, width: int) -> list[slice]:
    """Cut n rows into blocks of which an array that is `width` wide is small.

    Examples
    --------
    >>> from layerwise.nn import row_blocks
    >>> row_blocks(5, 1 << 19)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, BLOCK_ELEMENTS // max(1, width))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def coding_blocks(n: int, width: int, dtype: Any) -> Iterator[slice]:
    """Cut n rows into blocks whose matrices of `width` columns take at most 128 MiB.

    They are larger than those of `row_blocks`: each costs a Gram matrix of the dictionary.

    Parameters
    ----------
    n, width : int
    dtype : float32 or float64

    Yields
    ------
    slice

    Examples
    --------
    >>> list(coding_blocks(5, 2**23, np.float32))
    [slice(0, 4, None), slice(4, 5, None)]
    """
    size = max(1, _BLOCK_BYTES // (max(1, width) * np.dtype(dtype).itemsize))
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def run_blocks(task: Callable[[T], object], blocks: Iterable[T]) -> None:
    """Call a function for every block, each on one thread, as many at a time as ops have threads.

    So all that a block goes through runs in parallel, NumPy's part too, and its arrays take the
    memory of earlier ones (`ops.recycle_memory`). A block is computed in the same way on any number
    of threads.

    Parameters
    ----------
    task : function
        Takes a block and writes what comes of it where no other block does.
    blocks : iterable

    Raises
    ------
    Exception
        What the function raised first; blocks that were not begun then are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import run_blocks
    >>> squares = np.zeros(4)
    >>> def square(i):
    ...     squares[i] = i * i
    >>> run_blocks(square, range(4))
    >>> squares
    array([0., 1., 4., 9.])
    """
    blocks = list(blocks)
    threads = 1 if get_backend() == "reference" else min(get_num_threads(), len(blocks))
    if threads <= 1:  # the ops that a single block calls have all threads to themselves

        def one_by_one() -> None:
            for block in blocks:
                task(block)

        return recycle_memory(one_by_one)
    waiting, lock, stopped = iter(blocks), threading.Lock(), threading.Event()

    def work() -> None:
        with num_threads(1):
            while not stopped.is_set():
                with lock:
                    block = next(waiting, lock)
                if block is lock:
                    return
                task(block)  # type: ignore[arg-type]

    with ThreadPoolExecutor(threads, "layerwise") as pool:
        contexts = [contextvars.copy_context() for _ in range(threads)]
        done = [pool.submit(context.run, recycle_memory, work) for context in contexts]
        try:
            for one in done:
                one.result()
        finally:  # after an error or Ctrl-C the others finish the block they are at
            stopped.set()
