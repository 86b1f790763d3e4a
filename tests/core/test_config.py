"""What the compiled module says of itself, its instruction-set levels and its stub."""

import ast
import importlib.resources
import inspect

import pytest

from layerwise import _core

from .test_threads import run_python


def test_config_names_every_family_and_level():
    config = _core.config()
    assert config["isa"] in config["isa_available"]
    assert set(config["isa_available"]) <= set(config["isa_compiled"])
    assert config["openmp"]["version"] >= 201511
    assert config["compiler"]
    for family, devices in config["families"].items():
        assert set(devices) == {"cpu", "cuda"}, family
        for op in devices["cpu"]:
            assert callable(getattr(_core, op))


def test_kernels_are_listed_for_cuda_where_the_build_has_them():
    config = _core.config()
    listed = {family for family, devices in config["families"].items() if devices["cuda"]}
    assert listed == ({"dense", "gemm", "gibbs"} if config["cuda"]["toolkit"] else set())


@pytest.mark.parametrize("level", _core.config()["isa_available"])
def test_a_level_can_be_forced(level):
    result = run_python("from layerwise import _core; print(_core.isa())", LAYERWISE_ISA=level)
    assert result.stdout.strip() == level, result.stderr


def test_an_unknown_level_is_an_error_that_lists_the_known_ones():
    result = run_python("from layerwise import _core; _core.isa()", LAYERWISE_ISA="v9")
    levels = ", ".join(_core.config()["isa_compiled"])
    assert f"LAYERWISE_ISA: must be one of {levels}; got 'v9'" in result.stderr


def test_a_level_that_this_cpu_lacks_is_an_error():
    config = _core.config()
    missing = [x for x in config["isa_compiled"] if x not in config["isa_available"]]
    if not missing:
        pytest.skip("this CPU runs every level")
    result = run_python("from layerwise import _core; _core.isa()", LAYERWISE_ISA=missing[0])
    assert "LAYERWISE_ISA: must be a level this CPU runs" in result.stderr


def stub():
    text = importlib.resources.files("layerwise").joinpath("_core.pyi").read_text()
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return {node.name: node for node in functions}


def compiled():
    return {name for name, value in vars(_core).items() if callable(value) and name[0] != "_"}


def test_the_stub_lists_what_the_module_has():
    assert set(stub()) == compiled()


@pytest.mark.parametrize("name", sorted(compiled()))
def test_the_stub_has_the_module_s_parameters(name):
    arguments = stub()[name].args
    names = [x.arg for x in arguments.args + arguments.kwonlyargs]
    signature = inspect.getdoc(getattr(_core, name)).splitlines()[0]
    listed = signature[signature.index("(") + 1 : signature.rindex(")")]
    parameters = [part.split(":")[0].strip() for part in listed.split(",") if ":" in part]
    assert names == parameters
