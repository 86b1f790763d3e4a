"""How fast are the kernels here, beside other packages and beside what the machine can do?

    pip install -r bench/requirements.txt
    python bench/run.py                        # everything, on all cores
    python bench/run.py gibbs --threads 1
    python bench/run.py --quick --json new.json --compare old.json

Every package runs in its own process with the same number of threads, and each result is checked
against float64 NumPy before it is timed. The processes take turns, one sample of at least 10 ms at
a time while the others sleep; the table has the medians of the samples. Where other programs took
more than 8% of the CPUs the samples are taken again, and the row says "busy" if that did not help.
Where a package has several ways to do a case, its fastest counts.

The machine's limits are measured in the same run by machine.cpp, at its start: the best that it
can do. A clock that is shared moves by a tenth from second to second, so the multiply-add peak of
these threads also takes its turn among the packages, as one more of them. "of peak" is the share of
that peak that layerwise (or, without it, the fastest package) reaches, the median over the turns.
"ratio" is the time of the fastest other package over layerwise's; numpy-avx512, which is NumPy with
its BLAS forced to use AVX-512, is only shown beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import bench_dense
import bench_gemm
import bench_gibbs
import bench_lasso
import bench_lasso_path
import bench_omp
import numpy as np
from common import Case
from compare import OURS, show_comparison

HERE = Path(__file__).parent
KERNELS = {
    "gemm": bench_gemm,
    "gibbs": bench_gibbs,
    "dense": bench_dense,
    "lasso": bench_lasso,
    "lasso_path": bench_lasso_path,
    "omp": bench_omp,
}
FORCED = "numpy-avx512"
SAMPLES = 9
SETTLE_SECONDS = 0.25  # idle thread pools spin before they sleep, OpenBLAS for over 50 ms
QUIET = 0.08  # share of the CPUs that other programs may take
ATTEMPTS = 3
# Memory stays in the process: otherwise glibc gives large blocks back to the kernel at each free,
# and page faults decide the time of whatever allocates its results.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "268435456",
}


def compile_machine(folder: Path) -> str:
    """The program that measures the machine, compiled once a folder."""
    program = folder / "machine"
    if not program.exists():
        names = (os.environ.get("CXX"), "c++", "g++", "clang++")
        compiler = next((name for name in names if name and shutil.which(name)), None)
        if compiler is None:
            raise SystemExit("run.py: a C++ compiler is required, named by CXX or on the PATH")
        flags = ["-std=c++20", "-O3", "-march=native", "-pthread"]
        source = str(HERE / "machine.cpp")
        subprocess.run([compiler, *flags, source, "-o", str(program)], check=True)
    return str(program)


def measure_limits(machine: str, threads: int) -> dict[str, float]:
    """The best of a few runs."""
    best: dict[str, float] = {}
    for _ in range(ATTEMPTS):
        answer = subprocess.run([machine, str(threads)], check=True, capture_output=True)
        for name, value in json.loads(answer.stdout).items():
            best[name] = max(value, best.get(name, value))
    return best


class Child:
    """A process that answers lines with lines."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None) -> None:
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env, text=True)

    def stop(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def answer(self, line: str) -> str:
        """Give its answer; RuntimeError where it has died."""
        pipes = self._popen
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        try:
            pipes.stdin.write(line + "\n")
            pipes.stdin.flush()
            found = pipes.stdout.readline()
        except BrokenPipeError:
            found = ""
        if not found:
            raise RuntimeError(f"the process died with exit code {pipes.wait()}")
        return found


class Peak(Child):
    """The multiply-add peak of the moment, as often as it is asked for."""

    def __init__(self, machine: str, threads: int) -> None:
        super().__init__([machine, str(threads), "peak"])

    def gflops(self, dtype: str) -> float:
        return float(self.answer(dtype))


class Process(Child):
    """A worker.py that answers one request at a time."""

    def __init__(self, kernel: str, package: str, threads: int) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        env = os.environ | MALLOC | dict.fromkeys(names, str(threads))
        if package == FORCED:
            env["OPENBLAS_CORETYPE"] = "SkylakeX"
        worker = [sys.executable, str(HERE / "worker.py"), kernel, package]
        super().__init__([*worker, "--threads", str(threads)], env)

    def ask(self, do: str, **rest: Any) -> dict[str, Any]:
        try:
            return dict(json.loads(self.answer(json.dumps({"do": do} | rest))))
        except RuntimeError as error:
            return {"wrong": str(error)}


@dataclass
class Samples:
    """What each turn found."""

    seconds: dict[str, list[float]]  # a call, by package
    peak: list[float] = field(default_factory=list)  # GFLOP/s
    others: float = 0.0  # the share of the CPUs that other programs took


def take_samples(processes: dict[str, Process], peak: Peak, dtype: str) -> Samples:
    """Every package, and the peak, in turn."""
    found = Samples({name: [] for name in processes})
    wall = others = 0.0
    for _ in range(SAMPLES):
        found.peak.append(peak.gflops(dtype))
        for name, process in processes.items():
            answer = process.ask("sample")
            time.sleep(SETTLE_SECONDS)
            if "seconds" not in answer:
                raise RuntimeError(f"{name}: {answer}")
            found.seconds[name].append(answer["seconds"])
            wall += answer["wall"]
            others += answer["busy"] - answer["own"]
    found.others = max(0.0, others / (wall * (os.cpu_count() or 1)))
    return found


def quietest_samples(processes: dict[str, Process], peak: Peak, dtype: str) -> Samples:
    best = take_samples(processes, peak, dtype)
    for _ in range(ATTEMPTS - 1):
        if best.others <= QUIET:
            break
        again = take_samples(processes, peak, dtype)
        best = min(best, again, key=lambda found: found.others)
    return best


def run_case(
    case: Case, prepare: Process, processes: dict[str, Process], peak: Peak, folder: Path
) -> dict[str, Any]:
    """One row: what each package needs for the case, or why there is no figure."""
    request = {"case": asdict(case), "file": str(folder / "case.npz")}
    answer = prepare.ask("prepare", **request)
    row: dict[str, Any] = {**asdict(case), "notes": answer.get("notes", ""), "results": {}}
    if "notes" not in answer:
        return row | {"failed": answer.get("skip") or answer.get("wrong")}
    able = {}
    for name, process in processes.items():
        row["results"][name] = process.ask("open", **request)
        if "variant" in row["results"][name]:
            able[name] = process
    if not able:
        return row | {"failed": "no package gave a right result"}
    samples = quietest_samples(able, peak, case.dtype)
    row |= {"other_cpu": samples.others, "peak": samples.peak}
    for name, process in able.items():
        seconds = samples.seconds[name]
        row["results"][name] |= {
            "seconds": median(seconds),
            "gflops": case.flops / median(seconds) * 1e-9,
            "of_peak": median(
                case.flops / call * 1e-9 / rate
                for call, rate in zip(seconds, samples.peak, strict=True)
            ),
            "samples": seconds,
        }
        process.ask("close")
    return row | compare(row["results"])


def compare(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Whose figure is set against the peak, and the fastest rival's time over ours."""
    seconds = {name: found["seconds"] for name, found in results.items() if "seconds" in found}
    if not seconds:
        return {}
    rivals = {name: seconds[name] for name in seconds if name not in (OURS, FORCED)}
    subject = OURS if OURS in seconds else min(seconds, key=seconds.__getitem__)
    found: dict[str, Any] = {"subject": subject}
    if rivals and OURS in seconds:
        found["rival"] = min(rivals, key=rivals.__getitem__)
        found["ratio"] = rivals[found["rival"]] / seconds[OURS]
    return found


def show_row(row: dict[str, Any], packages: list[str]) -> None:
    cells = []
    for name in packages:
        found = row["results"].get(name, {})
        if "seconds" in found:
            cells.append(f"{found['seconds'] * 1e6:.0f} ({found['gflops']:.0f})")
        else:
            cells.append("WRONG" if "wrong" in found else "-")
    share = "-"
    if "subject" in row:
        share = f"{row['results'][row['subject']]['of_peak']:.1%} of {median(row['peak']):.0f}"
    ratio = f"{row['ratio']:.2f}" if "ratio" in row else "-"
    busy = f"  busy: others took {row['other_cpu']:.0%}" if row.get("other_cpu", 0) > QUIET else ""
    columns = "".join(f"{cell:>17}" for cell in cells)
    print(f"{row['name']:<58}{columns}{share:>14}{ratio:>7}{busy}", flush=True)
    for name, found in row["results"].items():
        if reason := found.get("wrong") or found.get("skip"):
            print(f"    {name}: {reason}")
    if row["notes"] or "failed" in row:
        print(f"    {row.get('failed', row['notes'])}")


def run_kernel(kernel: str, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All cases of a kernel; prints its part of the table."""
    module, threads = KERNELS[kernel], arguments.threads
    machine = compile_machine(folder)
    limits = measure_limits(machine, threads)
    rng = np.random.default_rng(arguments.seed)
    cases = module.cases() + module.random_cases(rng, 3 if arguments.quick else 10)
    cases = [case for case in cases if arguments.only in case.name]
    cases = [case for case in cases if case.quick or not arguments.quick]
    chosen = [name for name in module.PACKAGES if name in arguments.packages]
    processes = {name: Process(kernel, name, threads) for name in chosen}
    prepare, peak = Process(kernel, "float64", threads), Peak(machine, threads)
    try:
        versions = {name: process.ask("describe") for name, process in processes.items()}
        show_head(kernel, versions, limits)
        rows = []
        for case in cases:
            rows.append(run_case(case, prepare, processes, peak, folder))
            show_row(rows[-1], chosen)
    finally:
        for process in (prepare, peak, *processes.values()):
            process.stop()
    found = {"limits": limits, "packages": versions, "rows": rows}
    worst = [row for row in rows if row["random"] and "ratio" in row]
    if worst:
        found["worst_random"] = min(worst, key=lambda row: row["ratio"])
        name, ratio = found["worst_random"]["name"], found["worst_random"]["ratio"]
        print(f"worst of {len(worst)} random shapes: {ratio:.2f} at {name}")
    return found


def show_head(kernel: str, versions: dict[str, Any], limits: dict[str, float]) -> None:
    print(f"\n{kernel}, {limits['threads']} threads")
    for name, answer in versions.items():
        print(f"  {name}: {answer.get('version') or answer.get('skip') or answer.get('wrong')}")
    if FORCED in KERNELS[kernel].PACKAGES and not has_avx512():
        print(f"  {FORCED}: left out, this CPU has no AVX-512")
    units = {"fma": "GFLOP/s", "dot": "GFLOP/s", "memory": "GB/s", "cache": "GB/s"}
    for kind, unit in units.items():
        figures = ", ".join(
            f"{name.removeprefix(kind + '_')} {value:.0f}"
            for name, value in limits.items()
            if name.startswith(kind)
        )
        print(f"  {kind} limit in {unit}: {figures or 'this CPU has no such instruction'}")
    columns = "".join(f"{name:>17}" for name in versions)
    print(f"{'us (GFLOP/s)':<58}{columns}{'of peak':>14}{'ratio':>7}", flush=True)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "")


def has_avx512() -> bool:
    try:
        return " avx512f " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def parse_arguments() -> argparse.Namespace:
    lines = (__doc__ or "").splitlines()
    parser = argparse.ArgumentParser(
        description=lines[0],
        epilog="\n".join(lines[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = list(dict.fromkeys(name for module in KERNELS.values() for name in module.PACKAGES))
    if not has_avx512():
        names.remove(FORCED)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    add = parser.add_argument
    add("kernels", nargs="*", metavar="kernel", help=f"{', '.join(KERNELS)}; all by default")
    add("--threads", type=int, default=cores, help="threads of every package; all cores by default")
    add("--quick", action="store_true", help="fewer and smaller cases")
    add("--only", default="", metavar="TEXT", help="only the cases whose name contains TEXT")
    add("--packages", nargs="+", choices=names, default=names, help="only these packages")
    add("--seed", type=int, default=None, help="of the random shapes; new ones by default")
    add("--json", type=Path, metavar="FILE", help="also write everything here")
    add("--compare", type=Path, metavar="FILE", help="set beside what --json wrote earlier")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.kernels if name not in KERNELS]
    if unknown:
        parser.error(f"kernel must be one of {', '.join(KERNELS)}; got {unknown[0]}")
    if arguments.compare and not arguments.compare.is_file():
        parser.error(f"compare must be a file that --json wrote; got {arguments.compare}")
    if arguments.seed is None:
        arguments.seed = int.from_bytes(os.urandom(4))
    return arguments


def main() -> int:
    arguments = parse_arguments()
    report: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "processor": processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": arguments.threads,
        "seed": arguments.seed,
        "kernels": {},
    }
    print(f"{report['processor']}, {report['system']}, random shapes from seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as folder:
        for kernel in arguments.kernels or KERNELS:
            report["kernels"][kernel] = run_kernel(kernel, arguments, Path(folder))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.compare:
        show_comparison(json.loads(arguments.compare.read_text()), report)
    results = [
        row["results"].get(OURS, {}) for part in report["kernels"].values() for row in part["rows"]
    ]
    return int(any("wrong" in found for found in results))


if __name__ == "__main__":
    sys.exit(main())
