import importlib
import subprocess
import sys
import threading

import pytest

import layerwise
from layerwise.ops import _backend, config


def test_num_threads_nests_and_is_undone_by_an_error():
    with layerwise.num_threads(3):
        assert config.get_num_threads() == 3
        with pytest.raises(KeyError), layerwise.num_threads(5):
            assert config.get_num_threads() == 5
            raise KeyError
        assert config.get_num_threads() == 3


def test_keyword_goes_before_the_context():
    assert config.resolve_threads("gemm", None) is None
    with layerwise.num_threads(3):
        assert config.resolve_threads("gemm", None) == 3
        assert config.resolve_threads("gemm", 2) == 2


def test_default_number_of_threads_is_the_runtimes():
    assert config.get_num_threads() == _backend.core().get_num_threads()


def test_settings_are_those_of_one_thread():
    seen = {}

    def other():
        seen["before"] = config.get_backend()
        with layerwise.use_backend("native"), layerwise.num_threads(7):
            seen["inside"] = config.get_num_threads()
            barrier.wait()
            barrier.wait()

    barrier = threading.Barrier(2, timeout=60)
    with layerwise.use_backend("reference"), layerwise.num_threads(2):
        thread = threading.Thread(target=other)
        thread.start()
        barrier.wait()
        assert config.get_backend() == "reference"
        assert config.get_num_threads() == 2
        barrier.wait()
        thread.join()
    assert seen == {"before": "native", "inside": 7}


def test_one_object_may_be_entered_again():
    setting = layerwise.num_threads(4)
    with setting:
        with layerwise.num_threads(2), setting:
            assert config.get_num_threads() == 4
        assert config.get_num_threads() == 4


def test_settings_decorate_functions():
    @layerwise.use_backend("reference")
    def backend():
        return config.get_backend()

    assert backend() == "reference"
    assert config.get_backend() == "native"


@pytest.mark.parametrize(
    ("n", "error"), [(0, ValueError), (-1, ValueError), (10**6, ValueError), (1.5, TypeError)]
)
def test_num_threads_refuses(n, error):
    with pytest.raises(error, match="num_threads: n must be"):
        layerwise.num_threads(n)


def test_use_backend_refuses_unknown_names():
    with pytest.raises(ValueError, match="backend must be one of native, reference; got 'numpy'"):
        layerwise.use_backend("numpy")


def test_missing_compiled_module_is_told_at_first_use(monkeypatch):
    monkeypatch.setattr(_backend, "_core", None)
    monkeypatch.setitem(sys.modules, "layerwise._core", None)
    with pytest.raises(ImportError, match=r"pip install \.") as info:
        _backend.core()
    assert "use_backend('reference')" in str(info.value)


def test_import_brings_neither_estimators_nor_array_libraries():
    code = (
        "import sys, layerwise, layerwise.ops\n"
        "print([m for m in ('sklearn', 'torch', 'cupy', 'scipy', 'tqdm') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_public_names_exist():
    for name in layerwise.__all__:
        assert getattr(layerwise, name) is not None
        assert name in dir(layerwise)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = layerwise.nothing
    for name in layerwise.ops.__all__:
        assert hasattr(layerwise.ops, name)


def test_show_config_returns_or_prints_the_same(capsys):
    told = layerwise.show_config(mode="dict")
    assert told["version"] == layerwise.__version__
    assert told["isa"] in told["isa_available"]
    assert set(told["isa_available"]) <= set(told["isa_compiled"])
    assert {"gemm", "gibbs", "dense"} <= set(told["kernels"])
    assert "gemm" in told["kernels"]["gemm"]["cpu"]
    assert layerwise.show_config() is None
    printed = capsys.readouterr().out
    for word in (told["version"], told["isa"], "gemm (cpu)", "openmp"):
        assert word in printed


def test_show_config_shows_the_threads_in_force():
    with layerwise.num_threads(3):
        assert layerwise.show_config(mode="dict")["num_threads"] == 3


def test_show_config_refuses_other_modes():
    with pytest.raises(ValueError, match="'stdout' or 'dict'; got 'json'"):
        layerwise.show_config(mode="json")


def test_submodules_import_by_name():
    for name in ("ops", "reference", "datasets", "nn", "models"):
        assert importlib.import_module(f"layerwise.{name}") is getattr(layerwise, name)
