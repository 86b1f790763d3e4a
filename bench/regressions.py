"""The kernels' own speed from commit to commit, by pytest-benchmark.

    pip install '.[bench]'
    pytest bench/regressions.py --benchmark-autosave
    pytest bench/regressions.py --benchmark-compare --benchmark-compare-fail=median:10%

The cases are the quick ones of run.py, checked against float64 before they are timed; comparisons
with other packages are run.py's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from common import Case, Skip
from run import KERNELS, OURS

CASES = [case for module in KERNELS.values() for case in module.cases() if case.quick]


@pytest.mark.parametrize("threads", sorted({1, len(os.sched_getaffinity(0))}))
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kernel} {case.name}")
def test_speed(benchmark: Any, case: Case, threads: int) -> None:
    module = KERNELS[case.kernel]
    try:
        data, _ = module.prepare(case)
    except Skip as reason:
        pytest.skip(str(reason))
    (task,) = module.PACKAGES[OURS](case, data, threads)
    task.check(data)
    benchmark.group = f"{case.kernel} {case.name} {case.dtype}, {threads} threads"
    benchmark.extra_info["gflop"] = case.flops * 1e-9
    benchmark(task.step)
