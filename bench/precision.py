"""What precision="bfloat16" is worth: CD-k and PCD updates with weights as they are and rounded.

    python bench/precision.py [--threads 2]

Binary data of 20% density, float32; medians of runs that take turns, and of their ratios. Where
packed copies of the weights are read often and by few rows, half the bytes are the time saved;
elsewhere rounding costs a little more than it saves.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from layerwise import ops

DENSITY, TURNS, SECONDS = 0.2, 11, 0.1
CASES = [  # visible, hidden, rows, sweeps, persistent
    (784, 500, 100, 1, False),
    (784, 500, 100, 10, False),
    (784, 500, 10, 10, False),
    (2000, 2000, 20, 10, False),
    (2000, 2000, 100, 10, False),
    (4096, 4096, 16, 25, True),
    (4096, 4096, 100, 5, False),
    (4096, 4096, 512, 1, False),
]


def run_case(visible: int, hidden: int, rows: int, k: int, persistent: bool, threads: int) -> None:
    rng = np.random.default_rng(0)
    v, start = (ops.BitMatrix.pack(rng.random((rows, visible)) < DENSITY) for _ in range(2))
    w = (0.01 * rng.standard_normal((hidden, visible))).astype(np.float32)
    parameters = [w, np.zeros(visible, np.float32), np.zeros(hidden, np.float32)]
    velocities = [np.zeros_like(x) for x in parameters]
    options = {
        "rate": 1e-6, "momentum": 0.5, "k": k, "rng": ops.Philox(0), "num_threads": threads,
        "chains": start if persistent else None, "workspace": ops.Workspace(),
    }  # fmt: skip
    times: dict[str, list[float]] = {"full": [], "bfloat16": []}
    for _ in range(TURNS):
        for precision, found in times.items():
            runs, began = 0, time.perf_counter()
            while runs == 0 or time.perf_counter() - began < SECONDS:
                ops.gibbs_cd_update(v, *parameters, *velocities, precision=precision, **options)
                runs += 1
            found.append((time.perf_counter() - began) / runs)
    full, rounded = times["full"][1:], times["bfloat16"][1:]  # the first warm up
    ratio = statistics.median(x / y for x, y in zip(full, rounded, strict=True))
    name = f"{'PCD' if persistent else 'CD'}-{k} ({visible},{hidden},{rows})"
    print(
        f"{name:<24}  full {1e6 * statistics.median(full):9.0f} us"
        f"  bfloat16 {1e6 * statistics.median(rounded):9.0f} us  ratio {ratio:.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=ops.get_num_threads())
    arguments = parser.parse_args()
    for case in CASES:
        run_case(*case, arguments.threads)


if __name__ == "__main__":
    main()
