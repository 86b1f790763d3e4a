"""Two runs of run.py beside each other.

    python bench/run.py --json new.json --compare old.json
    python bench/compare.py old.json new.json

"then / now" is the time of layerwise in the old run over that in the new one: above 1 is faster
now. The machine may have been slower or faster at the time; its measured multiply-add peak, now
over then, is told for each kernel, and the ratio to the fastest rival, measured in the same run,
for each case. Random shapes are compared where both runs have them, that is of one seed.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

OURS = "layerwise"


def timed_rows(report: dict[str, Any], kernel: str) -> dict[str, dict[str, Any]]:
    """The cases of a kernel that layerwise has a time for, by name."""
    rows = report["kernels"].get(kernel, {}).get("rows", [])
    return {row["name"]: row for row in rows if "seconds" in row["results"].get(OURS, {})}


def ratio_text(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.2f}" if "ratio" in row else "-"


def show_comparison(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Print a table for each kernel that both runs have."""
    print(f"\n{OURS}, {old['time']} against {new['time']}")
    for name in ("processor", "threads", "python"):
        if old[name] != new[name]:
            print(f"  another {name}: {old[name]} then, {new[name]} now")
    for kernel in new["kernels"]:
        then, now = timed_rows(old, kernel), timed_rows(new, kernel)
        names = [name for name in now if name in then]
        if not names:
            continue
        peaks = [report["kernels"][kernel]["limits"]["fma_float32"] for report in (old, new)]
        print(f"\n{kernel}: the machine's peak is {peaks[1] / peaks[0]:.2f} of what it was")
        print(f"{'us':<58}{'then':>12}{'now':>12}{'then / now':>12}{'to rival':>16}")
        gains = {name: show_row(name, then[name], now[name]) for name in names}
        mean = math.exp(sum(map(math.log, gains.values())) / len(gains))
        worst = min(gains, key=gains.__getitem__)
        print(f"geometric mean {mean:.2f}, worst {gains[worst]:.2f} at {worst}")


def show_row(name: str, then: dict[str, Any], now: dict[str, Any]) -> float:
    """Print a case; the time then over the time now."""
    before, after = (row["results"][OURS]["seconds"] for row in (then, now))
    rivals = f"{ratio_text(then)} -> {ratio_text(now)}"
    gain = float(before / after)
    print(f"{name:<58}{before * 1e6:>12.0f}{after * 1e6:>12.0f}{gain:>12.2f}{rivals:>16}")
    return gain


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    old, new = (json.loads(Path(name).read_text()) for name in sys.argv[1:])
    show_comparison(old, new)


if __name__ == "__main__":
    main()
