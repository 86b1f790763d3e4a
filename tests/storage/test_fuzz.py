"""Whatever is in a file, `load` gives a sound model or an error in its own words.

LAYERWISE_FUZZ_FILES is how many files are tried, LAYERWISE_FUZZ_SEED of which seed.
"""

import contextlib
import faulthandler
import mmap
import os
import resource
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.validation import check_is_fitted

import layerwise

from . import fuzzing

FILES = int(os.environ.get("LAYERWISE_FUZZ_FILES", "400"))
SEED = int(os.environ.get("LAYERWISE_FUZZ_SEED", "0"))
SPARE_MEMORY = 1 << 29


def load_one(path, mutators, index):
    """Load a spoilt file; what loads can be shown and, if fitted, used."""
    rng = np.random.default_rng([SEED, index])
    path.write_bytes(mutators[index % len(mutators)].make(rng))
    try:
        model = layerwise.load(path)
    except ValueError as error:
        assert str(error).startswith("load: "), error
        return 0
    repr(model)
    try:
        check_is_fitted(model)
        features = model.n_features_in_
    except Exception:  # nothing to use
        return 1
    with contextlib.suppress(ValueError, TypeError, AttributeError):  # of hyper-parameters
        model.transform(np.zeros((2, features), np.float32))
    return 1


def fuzz(path, mutators, errors):
    """Try all files in a process whose memory is bounded; the exit code."""
    faulthandler.enable(errors)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_MEMORY, resource.RLIM_INFINITY))
    warnings.simplefilter("ignore")
    loaded = 0
    for index in range(FILES):
        try:
            loaded += load_one(path, mutators, index)
        except BaseException:
            errors.write(f"file {index} of seed {SEED}:\n{traceback.format_exc()}")
            errors.flush()
            return 1
    errors.write(f"{loaded} of {FILES} files loaded\n")
    errors.flush()
    return 0


@pytest.mark.timeout(120 + FILES / 10)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses fork and /proc")
def test_spoilt_files_are_refused_in_words_or_load(tmp_path):
    mutators = []
    for name, model in fuzzing.models().items():
        model.save(tmp_path / name)
        assert layerwise.load(tmp_path / name) is not None
        mutators.append(fuzzing.Mutator(tmp_path / name))
    with open(tmp_path / "errors", "w+") as errors:
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = fuzz(tmp_path / "spoilt", mutators, errors)
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        errors.seek(0)
        text = errors.read()
    print(text)
    if status != 0:
        pytest.fail(f"process ended with {status}\n{text}", pytrace=False)
    assert 0 < int(text.split()[0]) < FILES
