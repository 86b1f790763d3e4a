"""Arrays in the memory of earlier ones."""

import contextvars
import os
import resource
import subprocess
import threading

import numpy as np
import pytest
from core_under_test import program

from layerwise.ops import recycle_memory

LARGE = 1 << 20  # bytes; worth keeping, and far below how much is kept


def address(array):
    return array.__array_interface__["data"][0]


def test_an_array_takes_the_memory_of_one_of_about_its_size():
    def task():
        first = address(np.empty(LARGE, np.uint8))
        assert address(np.empty(LARGE - 1000, np.uint8)) == first
        kept = np.empty(LARGE, np.uint8)
        assert address(np.empty(LARGE, np.uint8)) != address(kept) == first
        return address(np.empty((LARGE // 8, 2), np.float32))

    assert recycle_memory(task) == recycle_memory(task)


def test_results_are_those_of_fresh_memory(rng):
    x = rng.standard_normal((300, 400))

    def task():
        y = np.exp(x) @ x.T
        zeros = np.zeros((400, 400))
        y.sort(axis=1)
        return y, zeros, np.fromiter(range(40_000), float), np.concatenate([y, y])

    for _ in range(3):
        for got, expected in zip(recycle_memory(task), task(), strict=True):
            np.testing.assert_array_equal(got, expected)
            got[...] = np.nan  # what zeros() must not find


def test_arrays_may_grow_and_shrink(rng):
    def task():
        for rows in (20_000, 70_000, 30_000, 10, 0, 90_000):
            x = rng.standard_normal(50_000)
            whole = np.zeros(rows)
            whole[: min(rows, 50_000)] = x[:rows]
            x.resize(rows, refcheck=False)
            np.testing.assert_array_equal(x, whole)

    recycle_memory(task)


def test_pages_that_were_touched_once_stay():
    def task():
        for _ in range(3):
            np.ones(LARGE)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(50):
            np.ones(LARGE)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    assert recycle_memory(task) < LARGE * 8 // os.sysconf("SC_PAGE_SIZE")


def test_what_is_kept_has_a_limit():
    """In a process of its own, whose malloc gives every large block back to the system."""
    held = f"""
import os
import numpy as np
from layerwise.ops import get_num_threads, recycle_memory

def held():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def task():
    arrays = [np.ones({LARGE} + 1000 * i) for i in range(60)]
    full = held()
    arrays.clear()
    return full - held()

print(recycle_memory(task), get_num_threads())
"""
    done = subprocess.run(program(held), capture_output=True, text=True, timeout=120, check=True)
    freed, threads = map(int, done.stdout.split())
    assert freed > 60 * 8 * LARGE - threads * (32 << 20) - 2**24


def test_only_the_context_of_the_task_changes():
    recycle_memory(lambda: None)
    context = contextvars.copy_context()
    name = np._core.multiarray.get_handler_name  # of NumPy, for tests of handlers
    assert "layerwise" not in name()
    assert "layerwise" not in context.run(name)
    assert recycle_memory(name).startswith("layerwise")


def test_threads_share_what_is_kept():
    sums = []

    def work(seed):
        for i in range(200):
            x = np.full(40_000 + 1000 * (i % 7), float(seed))
            if x.sum() != seed * len(x):
                sums.append((seed, i))

    threads = [threading.Thread(target=recycle_memory, args=(work, s)) for s in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not sums


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_fork_goes_on_with_what_is_kept():
    def task():
        return np.full(LARGE, 3.0).sum()

    recycle_memory(task)
    child = os.fork()
    if child == 0:
        os._exit(0 if recycle_memory(task) == 3.0 * LARGE else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_errors_and_results_come_through():
    assert recycle_memory(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        recycle_memory(divmod, 7, 0)
    with pytest.raises(MemoryError):
        recycle_memory(np.empty, 2**58, np.uint8)
