"""Memory of image features: a few blocks, however many patches; measured in another process."""

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_MB = 150  # beside images, features, Python and packages

CODE = """
import sys
import numpy as np
import layerwise
from layerwise import ImageFeatures, PatchExtractor, SpatialPyramid, VectorQuantizer

def peak_mb():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

shape, how = eval(sys.argv[1]), sys.argv[2]
x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
coder = VectorQuantizer(64, max_iter=2, random_state=0)
model = ImageFeatures(coder, patch_size=4, n_patches=2000, random_state=0)
with layerwise.num_threads(2):
    model.fit(x[:1]).transform(x[:1, :50, :50])  # what is loaded by first use is loaded
    before = peak_mb()
    if how == "stream":
        model.transform(x)
    else:
        codes = model.coder_.transform(PatchExtractor(4).fit_transform(x))
        side = x.shape[1] - 3
        SpatialPyramid((2,), pooling="sum").fit_transform(codes.reshape(len(x), side, side, -1))
print(peak_mb() - before)
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux's /proc"
)


def memory_taken(shape, how):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(shape), how], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.parametrize("shape", [(200, 96, 96), (1, 1200, 1200)], ids=["many", "large"])
def test_many_images_and_large_ones_take_little_memory(shape):
    taken = memory_taken(shape, "stream")
    print(f"{taken:.0f} MB")
    assert taken < LIMIT_MB


@pytest.mark.parametrize("shape", [(200, 96, 96), (1, 1200, 1200)], ids=["many", "large"])
def test_the_limit_would_catch_all_codes_at_once(shape):
    assert memory_taken(shape, "at once") > 2 * LIMIT_MB
