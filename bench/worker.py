"""One package in one process, told what to do by run.py in lines of JSON.

    python bench/worker.py KERNEL PACKAGE --threads N

The package "float64" is none: it prepares the cases, that is inputs and what float64 NumPy makes of
them, into .npz files that all the others read.

Requests, one a line on stdin: {"do": "describe"}, {"do": "prepare" | "open", "case": {...},
"file": path}, {"do": "sample"}, {"do": "close"}. Each is answered by one line on stdout; an answer
with the key "skip" or "wrong" says why the package has no figure for the case.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import Case, Mismatch, Skip, Task, describe

SAMPLE_SECONDS = 0.012  # aimed at; a sample under MIN_SAMPLE_SECONDS is thrown away
MIN_SAMPLE_SECONDS = 0.010
TRIAL_SECONDS = 0.1  # spent on each variant of a package to find its best


def busy_seconds() -> float:
    """Time that all CPUs have spent on anything, 0 where the system does not say."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    except (OSError, ValueError):
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def seconds_of(task: Task, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        task.step()
    return (time.perf_counter() - start) / calls


def fastest(tasks: list[Task]) -> Task:
    """The best of a package's ways to do a case, by the least of a few interleaved times."""
    if len(tasks) == 1:
        return tasks[0]
    calls = []
    for task in tasks:
        task.step()
        once = seconds_of(task, 1)
        calls.append(max(1, math.ceil(TRIAL_SECONDS / 5 / once)))
    times = [math.inf] * len(tasks)
    for _ in range(5):
        for i, task in enumerate(tasks):
            times[i] = min(times[i], seconds_of(task, calls[i]))
    return tasks[times.index(min(times))]


class Worker:
    """The state between requests: the case that is open."""

    def __init__(self, module: Any, package: str, threads: int) -> None:
        self.module = module
        self.package = package
        self.threads = threads
        self.task: Task | None = None
        self.calls = 1

    def prepare(self, case: Case, file: str) -> dict[str, Any]:
        arrays, notes = self.module.prepare(case)
        np.savez(file, **arrays)
        return {"notes": notes}

    def open(self, case: Case, file: str) -> dict[str, Any]:
        with np.load(file) as arrays:
            data = dict(arrays)
        tasks = self.module.PACKAGES[self.package](case, data, self.threads)
        for task in tasks:
            task.check(data)
        self.task = fastest(tasks)
        seconds_of(self.task, 2)
        self.calls = max(1, math.ceil(SAMPLE_SECONDS / seconds_of(self.task, 1)))
        return {"variant": getattr(self.task, "variant", "")}

    def sample(self) -> dict[str, Any]:
        assert self.task is not None
        self.task.step()  # wakes the threads, brings the operands back into the cache
        while True:
            busy, own = busy_seconds(), time.process_time()
            seconds = seconds_of(self.task, self.calls)
            busy, own = busy_seconds() - busy, time.process_time() - own
            wall = seconds * self.calls
            if wall >= MIN_SAMPLE_SECONDS:
                return {"seconds": seconds, "wall": wall, "busy": busy, "own": own}
            self.calls = math.ceil(self.calls * SAMPLE_SECONDS / wall)

    def close(self) -> dict[str, Any]:
        self.task = None
        return {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "describe":
                return {"version": describe(self.package, self.threads)}
            case "prepare":
                return self.prepare(Case(**request["case"]), request["file"])
            case "open":
                return self.open(Case(**request["case"]), request["file"])
            case "sample":
                return self.sample()
            case "close":
                return self.close()
        raise ValueError(f"unknown request {request['do']!r}")

    def answer_or_reason(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.answer(request)
        except (Skip, ImportError) as reason:
            return {"skip": str(reason)}
        except Mismatch as error:
            return {"wrong": str(error)}
        except Exception as error:  # one package's failure must not end the others' run
            return {"wrong": f"{type(error).__name__}: {error}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kernel")
    parser.add_argument("package")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    # Answers go to the pipe; whatever a library prints goes to stderr.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = importlib.import_module(f"bench_{arguments.kernel}")
    worker = Worker(module, arguments.package, arguments.threads)
    for line in sys.stdin:
        channel.write(json.dumps(worker.answer_or_reason(json.loads(line))) + "\n")
        channel.flush()


if __name__ == "__main__":
    main()
