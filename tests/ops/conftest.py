import pytest

from layerwise import ops


@pytest.fixture(params=["native", "reference"])
def backend(request):
    """Runs the test on each backend."""
    with ops.use_backend(request.param):
        yield request.param


@pytest.fixture
def reference():
    """Runs the test on the reference."""
    with ops.use_backend("reference"):
        yield
