"""Teams, the GIL, Ctrl-C, fork, and calls from several threads at once."""

import os
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from core_under_test import program

from layerwise import _core

from . import calls


def run_python(code, **environment):
    """Run code in a fresh interpreter that can be given 60 s at most."""
    return subprocess.run(
        program(code),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def square(rng):
    return rng.random((300, 300), np.float32)


def test_default_threads_can_be_set_and_unset():
    before = _core.get_num_threads()
    assert 1 <= before <= len(os.sched_getaffinity(0))
    try:
        _core.set_num_threads(3)
        assert _core.get_num_threads() == 3
    finally:
        _core.set_num_threads(None)
    assert _core.get_num_threads() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
@pytest.mark.skipif("OMP_NUM_THREADS" in os.environ, reason="OMP_NUM_THREADS is set")
def test_default_threads_are_those_that_the_calling_thread_may_run_on():
    before, found = _core.get_num_threads(), []

    def pinned():
        _core.get_num_threads()
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # of this thread alone
        time.sleep(0.05)
        found.append(_core.get_num_threads())

    thread = threading.Thread(target=pinned)
    thread.start()
    thread.join()
    assert found == [1]
    assert _core.get_num_threads() == before


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_the_team_has_the_size_asked_for(square, full_teams, threads):
    calls.product(square, square, num_threads=threads)
    assert _core.last_team_size() == threads


def test_little_work_stays_on_one_thread(rng):
    calls.product(rng.random((4, 4)), rng.random((4, 4)), num_threads=7)
    assert _core.last_team_size() == 1


MANY_THREADS = """
import numpy as np
from layerwise import _core, ops
_core.wait_for_full_teams(True)
gradient = np.random.default_rng(0).standard_normal((1100, 1037), np.float32)
for threads in (2, 3, 32, 33, 50):
    # In place, so that a task done twice shows as one left out does.
    w, velocity = np.zeros_like(gradient), np.zeros_like(gradient)
    ops.sgd_momentum(w, velocity, gradient, rate=1.0, momentum=0.5, num_threads=threads)
    assert _core.last_team_size() == threads
    np.testing.assert_array_equal(w, gradient)
"""


def test_every_task_is_done_once_by_as_many_threads_as_there_are():
    # In a process of its own: later tests would wake all these workers at every call.
    result = run_python(MANY_THREADS)
    assert result.returncode == 0, result.stderr


def test_threadpoolctl_steers_the_default(square):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1):
        assert _core.get_num_threads() == 1


def test_python_threads_may_call_at_once(square):
    expected = calls.product(square, square)
    results = [None] * 4

    def work(i):
        for _ in range(5):
            results[i] = calls.product(square, square, num_threads=2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_the_gil_is_free_during_a_call(rng):
    x = rng.random((1200, 1200))
    ticks = 0
    done = threading.Event()

    def count():
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    # The switch interval plays no part where the GIL is released; where it is not, none passes.
    thread.start()
    start = time.perf_counter()
    ticks = 0
    calls.product(x, x, num_threads=1)
    seen, seconds = ticks, time.perf_counter() - start
    done.set()
    thread.join()
    assert seconds > 0.02, "too quick to tell"
    assert seen >= 3


INTERRUPTED = """
import signal, threading, time, numpy as np
from layerwise import _core
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells may have it ignored
n = 6000
x = np.ones((n, n), np.float32)
out = np.empty((n, n), np.float32)
workspace = np.empty(_core.gemm_workspace(n, n, n, "float32", {threads}), np.uint8)
sent = []
def interrupt():
    sent.append(time.perf_counter())
    signal.raise_signal(signal.SIGINT)
timer = threading.Timer(0.5, interrupt)
timer.start()
try:
    for _ in range(100):
        _core.gemm(x, x, mean=out, workspace=workspace, num_threads={threads})
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0])
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_a_long_call_within_a_second(threads):
    result = run_python(INTERRUPTED.format(threads=threads))
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 1.0


def test_an_error_in_a_signal_handler_comes_through(rng):
    def handler(number, frame):
        raise LookupError("from the handler")

    x = rng.random((1500, 1500))
    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(LookupError, match="from the handler"):
            for _ in range(200):
                calls.product(x, x, num_threads=1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    calls.product(x[:10], x, num_threads=2)


FORKED = """
import os, sys, numpy as np
from layerwise import _core
x = np.random.default_rng(0).random((300, 300), np.float32)
def product():
    out = np.empty_like(x)
    workspace = np.empty(_core.gemm_workspace(300, 300, 300, "float32", 4), np.uint8)
    _core.gemm(x, x, mean=out, workspace=workspace, num_threads=4)
    return out
_core.wait_for_full_teams(True)
expected = product()
assert _core.last_team_size() == 4
pid = os.fork()
if pid == 0:
    same = np.array_equal(product(), expected)
    os._exit(0 if same and _core.last_team_size() == 4 else 1)
status = os.waitpid(pid, 0)[1]
product()
assert _core.last_team_size() == 4
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_a_team_of_its_own():
    result = run_python(FORKED)
    assert result.returncode == 0, result.stderr
