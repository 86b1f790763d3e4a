"""Whatever a binding is given, it raises a Python exception or computes inside its arrays.

LAYERWISE_FUZZ_CALLS is how many calls are made, LAYERWISE_FUZZ_SEED of which seed.
"""

import contextvars
import faulthandler
import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
import warnings
from pathlib import Path

import pytest

from layerwise import _core

from . import cases, fuzzing

CALLS = int(os.environ.get("LAYERWISE_FUZZ_CALLS", "1500"))
SEED = int(os.environ.get("LAYERWISE_FUZZ_SEED", "0"))
REFUSALS = (TypeError, ValueError, MemoryError)
CALL_SECONDS = 0.2  # then the call is interrupted
HANG_SECONDS = 20.0  # in one call: it does not obey
SPARE_MEMORY = 1 << 31
COUNTS = struct.Struct("4Q")  # call under way, calls that computed, were refused, interrupted


class Interrupted(Exception):
    """Raised by the handler of the alarm."""


def one_call(fuzzer, index):
    """Make a call, and say how it ended."""
    name, arguments = fuzzer.make(index)
    try:
        signal.setitimer(signal.ITIMER_REAL, CALL_SECONDS)
        try:
            context = contextvars.copy_context()  # which recycle_arrays changes
            context.run(getattr(_core, name), **arguments)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        ending = 1
    except REFUSALS:
        ending = 2
    except Interrupted:
        ending = 3
    fuzzer.check(refused=ending == 2)
    return ending


def child(seed, first, stop, counts, errors):
    """Fuzz in a process of its own; what goes wrong is written to `errors`."""
    faulthandler.enable(errors)
    signal.signal(signal.SIGALRM, interrupt)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_MEMORY, resource.RLIM_INFINITY))
    warnings.simplefilter("ignore")
    fuzzer, done = fuzzing.Fuzzer(seed), [first, 0, 0, 0]
    for index in range(first, stop):
        done[0] = index
        COUNTS.pack_into(counts, 0, *done)
        try:
            done[one_call(fuzzer, index)] += 1
        except BaseException:
            errors.write(f"call {index} of seed {seed}:\n{traceback.format_exc()}")
            errors.flush()
            return 1
        _core.set_num_threads(None)
        _core.wait_for_full_teams(False)
    COUNTS.pack_into(counts, 0, done[0] + 1, *done[1:])
    return 0


def interrupt(number, frame):
    raise Interrupted


def fuzz(errors_path, seed, first, stop):
    """Run `child`; return its counts, or fail with what it has left."""
    counts = mmap.mmap(-1, COUNTS.size)
    with open(errors_path, "w+") as errors:
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = child(seed, first, stop, counts, errors)
            finally:
                os._exit(status)
        watched, since = -1, time.monotonic()
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
            now = COUNTS.unpack_from(counts)[0]
            if now != watched:
                watched, since = now, time.monotonic()
            elif time.monotonic() - since > HANG_SECONDS + (30 if now == first else 0):
                os.kill(pid, signal.SIGABRT)
            time.sleep(0.05)
        errors.seek(0)
        found = COUNTS.unpack_from(counts)
        status = os.waitstatus_to_exitcode(ended[1])
        if status != 0:
            fuzzer = fuzzing.Fuzzer(seed)
            pytest.fail(
                f"process ended with {status} at call {found[0]} of seed {seed}, "
                f"{describe(*fuzzer.make(found[0]))}\n{errors.read()}",
                pytrace=False,
            )
    return found


def describe(name, arguments):
    """A call in a few lines."""
    lines = [f"{name}("]
    for key, value in arguments.items():
        text = repr(value)[:200]
        if hasattr(value, "strides"):
            flags = f"writeable={value.flags.writeable}"
            text = f"{value.dtype} {value.shape} strides {value.strides} {flags}"
        lines.append(f"    {key}={text},")
    return "\n".join([*lines, ")"])


def test_every_function_is_known_to_the_fuzzer():
    """The stub names all functions, and every one that takes arrays has a right call to spoil."""
    functions = {name for name in dir(_core) if callable(getattr(_core, name))}
    assert functions - {"__loader__"} == set(fuzzing.signatures())
    found, written = fuzzing.templates()
    for name, parameters in fuzzing.signatures().items():
        if any("_Array" in kind or "_Matrix" in kind for kind in parameters.values()):
            assert any(template.name == name and template.arguments for template in found), name
    assert {name for name, _ in written} >= {op for op in cases.OPS if hasattr(_core, op)}


@pytest.mark.timeout(120 + CALLS / 10)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses fork and mprotect")
def test_spoilt_arguments_never_crash_a_binding(tmp_path):
    calls, computed, refused, interrupted = fuzz(tmp_path / "errors", SEED, 0, CALLS)
    print(f"{calls} calls: {computed} computed, {refused} refused, {interrupted} interrupted")
    assert computed > 0.05 * calls
    assert refused > 0.05 * calls
