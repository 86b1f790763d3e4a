"""No object compiled for one instruction-set level defines what another object could pick up."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from layerwise import _core

LISTING = Path(_core.__file__).with_name("_isa_symbols.txt")


def leaks(lines):
    """Give the lines whose symbol lies outside namespace layerwise::isa_<level> of its own level.

    A line is ``<level> <object> <type> <mangled name>``. Mangled names may start with what the
    compiler derives from a type or variable: virtual table (TV), type info (TI, TS), guard (GV).
    """
    found = []
    for line in lines:
        level, _, _, symbol = line.split()
        name = f"isa_{level}"
        inside = rf"_Z(?:TV|TI|TS|GV|Z)?N[KVRO]*9layerwise{len(name)}{name}\d"
        if not re.match(inside, symbol):
            found.append(line)
    return found


def test_every_symbol_is_in_the_namespace_of_its_level():
    lines = LISTING.read_text().splitlines()
    assert {line.split()[0] for line in lines} == set(_core.config()["isa_compiled"])
    # A family may have several tables: lasso_kernels, lasso_path_kernels.
    table = re.compile(r"\d([a-z]+)(?:_[a-z]+)*_kernelsEv$")
    tables = {table.search(line)[1] for line in lines if "_kernelsEv" in line}
    assert tables == set(_core.config()["families"])
    assert leaks(lines) == []


def test_leaks_are_recognised():
    good = "v3 gemm_cpu.cpp.o T _ZN9layerwise6isa_v312gemm_kernelsEv"
    bad = [
        "v2 gemm_cpu.cpp.o T _ZN9layerwise6isa_v312gemm_kernelsEv",
        "v4 gemm_cpu.cpp.o W _ZNSt6vectorIfSaIfEE9push_backEOf",
        "v4 gemm_cpu.cpp.o W _ZSt3maxIfERKT_S2_S2_",
        "v4 gemm_cpu.cpp.o T _ZN9layerwise12parallel_forEv",
        "v4 gemm_cpu.cpp.o V DW.ref.__gxx_personality_v0",
        "v4 gemm_cpu.cpp.o T gemm",
    ]
    assert leaks([good, *bad]) == bad


LEAKING = """
#include <algorithm>
namespace layerwise {
inline float shared(const float& x) { return x * 2; }
namespace isa_v2 {
float kernel(const float* x) { return std::max(shared(x[0]), x[1]); }
}
}
"""


@pytest.mark.skipif(not (shutil.which("c++") and shutil.which("nm")), reason="no compiler here")
def test_a_compiled_leak_is_found(tmp_path):
    source, target = tmp_path / "leak.cpp", tmp_path / "leak.o"
    source.write_text(LEAKING)
    subprocess.run(["c++", "-O0", "-c", source, "-o", target], check=True)
    command = ["nm", "--defined-only", "--extern-only", "--format=posix", target]
    symbols = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [f"v2 leak.o {kind} {name}" for name, kind, *_ in map(str.split, symbols.splitlines())]
    assert [line.split()[3] for line in leaks(lines)] == [
        "_ZN9layerwise6sharedERKf",
        "_ZSt3maxIfERKT_S2_S2_",
    ]
