"""Every kernel family is whole: contract, kernel, binding, op, reference, tests, bench."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "csrc"
NOT_FAMILIES = {"core", "cmake"}


def _families():
    if not SOURCES.is_dir():
        return []
    return sorted(
        path.name for path in SOURCES.iterdir() if path.is_dir() and path.name not in NOT_FAMILIES
    )


needs_sources = pytest.mark.skipif(not SOURCES.is_dir(), reason="no source tree beside the tests")


@needs_sources
@pytest.mark.parametrize("family", _families() or [None])
def test_family_is_complete(family):
    wanted = [
        f"csrc/{family}/{family}.h",
        f"csrc/{family}/{family}_cpu.cpp",
        f"csrc/{family}/{family}_bind.cpp",
        f"python/layerwise/ops/{family}.py",
        f"python/layerwise/reference/{family}.py",
        f"tests/kernels/test_{family}.py",
        f"bench/bench_{family}.py",
    ]
    assert [path for path in wanted if not (ROOT / path).is_file()] == []


@needs_sources
def test_every_folder_of_a_family_is_built():
    built = (ROOT / "CMakeLists.txt").read_text()
    assert [name for name in _families() if f"layerwise_family({name})" not in built] == []


@needs_sources
@pytest.mark.parametrize("family", _families() or [None])
def test_contract_says_what_a_caller_must_know(family):
    """The header's text has the headings of a contract (equations come first, untitled)."""
    text = (SOURCES / family / f"{family}.h").read_text()
    for heading in ("Shapes", "Cost", "Source"):
        assert f"// {heading}" in text, heading
