import importlib
import importlib.abc
import importlib.util
import os
import signal
import sys

import numpy as np
import pytest


class _CoreFinder(importlib.abc.MetaPathFinder):
    """Finds the compiled module at a given path: how the corrupted builds are put under test."""

    def __init__(self, path):
        self._path = path

    def find_spec(self, name, path=None, target=None):
        if name != "layerwise._core":
            return None
        return importlib.util.spec_from_file_location(name, self._path)


if "LAYERWISE_TEST_CORE" in os.environ:
    sys.meta_path.insert(0, _CoreFinder(os.environ["LAYERWISE_TEST_CORE"]))


@pytest.fixture(autouse=True)
def ctrl_c_stays_as_it_was():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def rng(request):
    """NumPy generator seeded by the test's name: the same data in any order and selection."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture
def full_teams():
    """Teams of the size asked for; without this a member that comes late is not waited for."""
    core = importlib.import_module("layerwise._core")
    core.wait_for_full_teams(True)
    yield
    core.wait_for_full_teams(False)
