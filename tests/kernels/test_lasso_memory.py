"""How much memory sparse codes take while they are made: their own, and a bounded rest."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from core_under_test import program

from layerwise.ops import _codes as codes_module

# Codes patches read from a file, with private memory limited to what the codes may take and 500 MB.
_PROGRAM = """
import resource, sys
import numpy as np
from layerwise import ops
path, signals, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = np.memmap(path, np.float32, "r", shape=(signals, 64))
phi = np.random.default_rng(1).standard_normal((256, 64)).astype(np.float32)
phi /= np.linalg.norm(phi, axis=1, keepdims=True)
alpha = 0.25
sample = ops.lasso(x[:1000], phi, alpha, format="csr").codes
held = int(next(line for line in open("/proc/self/status") if "VmData" in line).split()[1]) << 10
output = signals * (1.1 * 8 * sample.nnz / 1000 + 8 + 4)
resource.setrlimit(resource.RLIMIT_DATA, (int(held + output + limit),) * 2)
codes, gap = ops.lasso(x, phi, alpha, format="csr")
print(codes.shape[0], codes.nnz, gap.max())
"""


def test_codes_in_csr_take_little_beside_themselves(native, dtype, rng, monkeypatch):
    slab = 2**20
    monkeypatch.setattr(codes_module, "SLAB_BYTES", slab)
    x = rng.standard_normal((30_000, 16)).astype(dtype)
    phi = rng.standard_normal((64, 16)).astype(dtype)
    native.lasso(x[:100], phi, 5.0, format="csr")  # what is imported late is not counted
    tracemalloc.start()
    codes, gap = native.lasso(x, phi, 5.0, format="csr", num_threads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    output = codes.data.nbytes + codes.indices.nbytes + codes.indptr.nbytes + gap.nbytes
    rest = 30_000 * 8 + 2**20  # row pointers before they are narrowed; scratch
    assert codes.nnz > 30_000
    assert peak <= output + slab + rest
    assert peak < 30_000 * 64 * dtype(0).itemsize  # no dense detour


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_codes_of_many_patches_fit_into_themselves_and_500_mb(tmp_path):
    """Ten million with ``LAYERWISE_PATCHES=10000000``."""
    signals = int(os.environ.get("LAYERWISE_PATCHES", "20000"))
    path, rng = tmp_path / "patches", np.random.default_rng(0)
    x = np.memmap(path, np.float32, "w+", shape=(signals, 64))
    for first in range(0, signals, 2**16):
        rows = x[first : first + 2**16]
        rows[...] = rng.standard_normal(rows.shape, np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    del x
    arguments = [*program(_PROGRAM), str(path), str(signals), str(500 * 10**6)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows, non_zeros, worst = result.stdout.split()
    assert int(rows) == signals
    assert int(non_zeros) > signals
    assert float(worst) <= 1e-4
