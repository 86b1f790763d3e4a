import importlib
import signal

import core_under_test  # noqa: F401
import numpy as np
import pytest


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
