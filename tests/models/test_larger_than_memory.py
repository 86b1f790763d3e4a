"""Data larger than memory: how much memory training takes, measured in a process of its own.

LAYERWISE_STREAM_GB sets the size of the data on disk, 0.4 by default; they lie in the folder of
temporary files (TMPDIR) and are deleted afterwards.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WIDTH = 784
SIZE = float(os.environ.get("LAYERWISE_STREAM_GB", "0.4"))
LIMIT_MB = 1000 if SIZE >= 4 else 300  # of memory taken by training, beside Python and packages

TRAIN = """
import sys
import numpy as np
from layerwise import DBN, RBM

def peak_mb():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

path, dtype, how = sys.argv[1:]
RBM(8, n_iter=1).fit(np.zeros((9, 9)))  # what is loaded by first use is loaded
before = peak_mb()
x = np.memmap(path, dtype, "r").reshape(-1, 784)
if how == "array":
    x = np.array(x)

def blocks():
    with open(path, "rb") as file:
        size = 5000 * x.shape[1] * x.itemsize
        for part in iter(lambda: file.read(size), b""):
            yield np.frombuffer(part, dtype).reshape(-1, 784)

options = {"n_iter": 1, "batch_size": 1000, "random_state": 0, "learning_rate": 0.01}
if how == "stack":
    DBN((16, 8), visible_bias="log_odds", **options).fit(x)
elif how == "partial_fit":
    rbm = RBM(16, **options)
    RBM(16, **options).partial_fit(part[:1000] for part in blocks())
elif how == "blocks":
    RBM(16, **options).fit(blocks)
else:
    RBM(16, monitor=True, **options).fit(x)
print(peak_mb() - before)
"""


def write_data(path, dtype, gigabytes):
    rng = np.random.default_rng(0)
    some = (rng.random((4096, WIDTH)) < 0.2).astype(dtype)
    blocks = max(1, round(gigabytes * 2**30 / some.nbytes))
    with path.open("wb") as file:
        for _ in range(blocks):
            file.write(np.roll(some, rng.integers(WIDTH), axis=1).tobytes())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("larger") / "x"
    write_data(path, "float32", SIZE)
    yield path, "float32"
    path.unlink()


def memory_taken(path, dtype, how):
    command = [sys.executable, "-c", TRAIN, str(path), dtype, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc"),
    pytest.mark.timeout(300 if SIZE < 4 else 7200),
]


@pytest.mark.parametrize("how", ["map", "stack", "blocks", "partial_fit"])
def test_training_takes_little_memory(data, how):
    taken = memory_taken(*data, how)
    print(f"{SIZE:g} GB, {how}: {taken:.0f} MB")
    assert taken < LIMIT_MB


def test_bytes_are_not_converted_as_a_whole(tmp_path):
    write_data(tmp_path / "x", "uint8", min(SIZE, 1) / 4)  # in float32 as large as the others
    assert memory_taken(tmp_path / "x", "uint8", "map") < LIMIT_MB


@pytest.mark.skipif(SIZE > 0.5, reason="the data must fit into memory")
def test_the_limit_would_catch_data_that_are_read_as_a_whole(data):
    assert memory_taken(*data, "array") > LIMIT_MB
