"""Every op in threads that call at once, in children of fork, short of memory, and interrupted."""

import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from layerwise import ops

from . import cases, harness

SIZES = (130, 200, 90)
needs_fork = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fork and /proc")


@pytest.fixture
def runs(rng):
    """For each op a call, as a function of backend and options, and its results."""
    found = {op: cases.runner(op, rng, np.float32, *SIZES) for op in cases.OPS}
    return {op: (run, run(ops, num_threads=1)) for op, run in found.items()}


def same(results, expected):
    return all(harness.same_bits(x, y) for x, y in zip(results, expected, strict=True))


def test_python_threads_may_call_any_ops_at_once(runs):
    wrong, barrier = [], threading.Barrier(4)

    def work(seed):
        barrier.wait()
        for op in np.random.default_rng(seed).permutation(list(runs)):
            run, expected = runs[op]
            if not same(run(ops, num_threads=2), expected):
                wrong.append(op)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def in_child(work):
    """Run `work` in a child of fork: an exception there fails here, a crash too."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            os.write(write, work().encode())
            status = 0
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode()[:4000])
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, f"child ended with {status}: {text}"
    return text


@needs_fork
def test_a_child_of_fork_gives_the_same_bits(runs, full_teams):
    def work():
        return ",".join(
            op
            for op, (run, expected) in runs.items()
            if not same(run(ops, num_threads=3), expected)
        )

    assert in_child(work) == ""


@needs_fork
@pytest.mark.parametrize("spare", [0, 1 << 16, 1 << 20, 1 << 24])
def test_too_little_memory_is_a_memory_error_or_enough(runs, spare):
    """Threads that cannot be started, too: the calling one then does the work."""

    def limited(call, spare):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + spare, hard))
        try:
            return call()
        except MemoryError:
            return None
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    def work():
        for op, (run, expected) in runs.items():
            results = limited(lambda run=run: run(ops, num_threads=7), spare)
            if not same(results or expected, expected) or not same(run(ops), expected):
                return f"{op} has other results"
        column = np.ones((16384, 1), np.float32)
        # 1 GiB: the heap may give back some of what earlier tests left in it.
        large = limited(lambda: ops.gemm(column, column.T), spare)
        return "" if large is None else "more memory than there is"

    assert in_child(work) == ""


def ones(*shape):
    """An array of any size in the memory of one element."""
    return np.broadcast_to(np.float32(0.01), shape)


def long_calls():
    """For each op that computes more than it reads and writes a call of seconds, on one thread."""
    w, b = np.full((128, 128), 0.01, np.float32), np.zeros(128, np.float32)
    parameters = [w, b, b.copy(), w.copy(), b.copy(), b.copy()]
    chain, rate = {"k": 10**6, "rng": ops.Philox(0)}, {"rate": 0.1}
    n, depth = 2048, 1 << 15
    dictionary = np.random.default_rng(0).standard_normal((256, 64)).astype(np.float32)
    signals = np.broadcast_to(dictionary[:40].sum(axis=0), (1 << 19, 64))
    codes = scipy.sparse.csr_array(np.ones((4096, 512), np.float32))
    sums = np.zeros((512, 512), np.float32), np.zeros((512, n), np.float32)
    return {
        "dense": ([ones(n, depth), ones(n, depth)], {}),
        "dense_db": ([ones(1 << 36, 16)], {}),
        "dense_dw": ([ones(depth, n), ones(depth, n)], {}),
        "dense_dx": ([ones(n, depth), ones(depth, n)], {}),
        "dictionary_statistics": ([codes, ones(4096, n), *sums], {}),
        "dictionary_update": ([w.copy(), np.eye(128, dtype="f4"), w], {"sweeps": 10**6}),
        "gemm": ([ones(n, depth), ones(depth, n)], {}),
        "gibbs_cd": ([ones(64, 128), *parameters[:3]], chain),
        "gibbs_cd_update": ([ones(64, 128), *parameters], chain | rate),
        "gibbs_free_energy": ([ones(1 << 22, 128), w, b, b], {}),
        "gibbs_hidden": ([ones(n, depth), ones(n, depth), ones(n)], {}),
        "gibbs_pseudo_likelihood": ([ones(1 << 18, 128), w, b, b], {}),
        "gibbs_visible": ([ones(n, depth), ones(depth, n), ones(n)], {}),
        "lars": ([signals, dictionary], {"alpha": 0.5, "format": "csr"}),
        "lars_path": ([signals, dictionary], {"alpha": 0.5}),
        "lasso": ([signals, dictionary], {"alpha": 0.5, "tol": 1e-6, "format": "csr"}),
        "omp": ([signals, dictionary], {"max_active": 20, "format": "csr"}),
    }


LONG = sorted(long_calls())
_SIGNAL_AFTER = 0.15  # seconds of CPU time


class Alarm(Exception):
    """Raised by a signal handler, as KeyboardInterrupt is by Ctrl-C's."""


def check_interrupted(call):
    """Assert that a signal during the call ends it within a second of the process's CPU time."""

    def handler(number, frame):
        raise Alarm

    previous = signal.signal(signal.SIGPROF, handler)
    try:
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, _SIGNAL_AFTER)
        with pytest.raises(Alarm):
            call()
            pytest.fail("too quick to tell")
        ended = time.process_time()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    assert ended - begun < 1.0 + 2 * _SIGNAL_AFTER


@pytest.mark.parametrize("op", LONG)
def test_a_signal_ends_a_long_call_within_a_second(native, op):
    """Ops that are not here are bound by memory: a call takes no longer than reading its arrays.

    Nor is dense_dw_update: a step is taken all or not at all, and is not broken off.
    """
    arrays, options = long_calls()[op]
    check_interrupted(lambda: getattr(native, op)(*arrays, **options, num_threads=1))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_signal_ends_a_search_that_has_no_end(native, full_teams, threads):
    """Rounding keeps the gaps above 0; each thread has one block of signals."""
    rng = np.random.default_rng(0)
    x, dictionary = rng.standard_normal((128, 130)), rng.standard_normal((40, 130))
    options = {"tol": 0.0, "max_iter": 2**62, "num_threads": threads}
    check_interrupted(lambda: native.lasso(x, dictionary, 0.6, **options))
    native.lasso(x, dictionary, 0.6, num_threads=threads)  # its threads are well
