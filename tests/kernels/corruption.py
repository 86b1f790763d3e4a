"""Builds the compiled module once with each deliberate error in it, for test_corruption.py.

    python tests/kernels/corruption.py OUT [NAME ...]

leaves ``OUT/<name>/_core*.so``, by default for every error and for none (the control). Only the
instruction-set level that this machine would choose is compiled.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What LAYERWISE_CORRUPT may name: the last k of a product is dropped; one lane of the random
# numbers is wrong; one sign is; the last columns of a product are not finished.
CORRUPTIONS = ["k_tail", "random_lane", "sign", "column_tail"]
CONTROL = "none"


def configure_command(name: str, build: Path, level: str) -> list[str]:
    import pybind11

    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    return [
        "cmake", *generator, "-S", str(ROOT), "-B", str(build),
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DLAYERWISE_CORRUPT={'' if name == CONTROL else name}",
        f"-DLAYERWISE_ISA_LEVELS={level}",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
    ]  # fmt: skip


def build(name: str, out: Path, level: str) -> Path:
    """Build one variant and return the path of its module."""
    tree, target = out / "build", out / name  # one tree: what a variant does not change is kept
    subprocess.run(configure_command(name, tree, level), check=True)
    subprocess.run(["cmake", "--build", str(tree), "--target", "_core", "-j2"], check=True)
    (module,) = tree.rglob("_core*.so")
    target.mkdir(exist_ok=True)
    return Path(shutil.copy2(module, target))


def main(arguments: list[str]) -> None:
    from layerwise import _core

    if not arguments:
        sys.exit(__doc__)
    out = Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    names = arguments[1:] or [CONTROL, *CORRUPTIONS]
    unknown = set(names) - {CONTROL, *CORRUPTIONS}
    if unknown:
        sys.exit(f"NAME: one of {', '.join([CONTROL, *CORRUPTIONS])} required; {unknown} received")
    for name in names:
        print(build(name, out, _core.isa()))


if __name__ == "__main__":
    main(sys.argv[1:])
