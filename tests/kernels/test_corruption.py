"""The kernel tests fail for each deliberate error compiled in, and pass for the control.

`corruption.py` builds the modules; LAYERWISE_CORRUPT_BUILDS names the folder it left them in. The
tests below run the oracle tests in a subprocess against each module.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .corruption import CONTROL, CORRUPTIONS, ROOT

BUILDS = os.environ.get("LAYERWISE_CORRUPT_BUILDS")
HERE = Path(__file__).parent
ORACLE_TESTS = [
    f"test_{name}.py"
    for name in ("philox", "gemm", "gibbs", "dense", "lars", "lasso", "omp", "dictionary")
]

pytestmark = [
    pytest.mark.skipif(BUILDS is None, reason="LAYERWISE_CORRUPT_BUILDS names no builds"),
    pytest.mark.timeout(900),
]


def _environment(name):
    modules = list((Path(BUILDS) / name).glob("_core*.so"))
    assert len(modules) == 1, f"one module expected in {Path(BUILDS) / name}"
    under_test = {"LAYERWISE_TEST_CORE": str(modules[0]), "LAYERWISE_TEST_BACKENDS": "native"}
    return os.environ | under_test


def _run_kernel_tests(name, *options):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    files = [str(HERE / file) for file in ORACLE_TESTS]
    return subprocess.run(
        [*command, *files], cwd=ROOT, env=_environment(name), capture_output=True, text=True
    )


def test_kernel_tests_pass_without_a_deliberate_error():
    done = _run_kernel_tests(CONTROL)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_kernel_tests_fail_for_a_deliberate_error(name):
    done = _run_kernel_tests(name, "--maxfail=20", "--tb=line")
    output = done.stdout + done.stderr
    # 1: tests ran and failed. A crash, a wrong option or an import error would prove nothing.
    assert done.returncode == 1, output[-4000:]
    failures = re.findall(r"^FAILED .*$", output, re.MULTILINE)
    assert failures, output[-4000:]
    assert "beyond the tolerance" in output or "AssertionError" in output or "assert" in output
    assert not re.search(r"^ERROR ", output, re.MULTILINE), output[-4000:]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_module_under_test_is_the_corrupted_one(name):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import conftest; from layerwise import _core;"
        "print(_core.config()['corrupt'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(HERE.parent)],
        env=_environment(name), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == name
