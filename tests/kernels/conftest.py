import pytest

from . import harness


@pytest.fixture(params=harness.backend_names())
def backend(request):
    """Each backend that is here, its outputs and scratch memory between sentinels."""
    name = request.param
    reason = harness.missing(name)
    if reason is not None and name in harness.required():
        pytest.fail(f"{name} is required, but {reason}")
    if reason is not None:
        pytest.skip(f"{name}: {reason}")
    with harness.guarded_outputs():
        yield harness.Backend(name)


@pytest.fixture
def native(backend):
    """The compiled backends only, for what the reference does not promise."""
    if backend.name == "reference":
        pytest.skip("about compiled kernels")
    return backend


@pytest.fixture
def on_host(native):
    """Compiled kernels in host memory, for what copies on a GPU would not keep."""
    if native.name == "cuda":
        pytest.skip("about host memory")
    return native


@pytest.fixture(params=harness.DTYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


@pytest.fixture(params=harness.ACTIVATIONS)
def activation(request):
    return request.param


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.name.startswith("test_no_bound_is_vacuous"))


def pytest_terminal_summary(terminalreporter):
    if not harness.SEEN:
        return
    terminalreporter.section("kernels against the oracle: largest error / allowed error")
    for (op, dtype), seen in sorted(harness.SEEN.items()):
        line = f"{op:24} {dtype:8} k={harness.K[op]}  {seen.largest:8.2e}  of {seen.elements:,}"
        if seen.samples:
            line += f"; {seen.ambiguous} of {seen.samples:,} samples left out"
        terminalreporter.write_line(line)
