"""Which kernel ran, and that the harness runs every op there is."""

import importlib
import os
import pkgutil

import pytest

from layerwise import ops, reference

from . import cases, harness

FAMILIES = ["dense", "gemm", "gibbs", "lasso"]
# Settings and the generators for initialisation, which are Python.
SETTINGS = {"get_backend", "get_num_threads", "num_threads", "recycle_memory", "use_backend"}
NO_KERNEL = SETTINGS | {"normal", "uniform"}


def test_cuda_is_tested():
    reason = harness.missing("cuda")
    if reason is None or "cuda" in harness.required():
        assert "cuda" in harness.backend_names()
    else:
        pytest.skip(f"no kernel test runs on CUDA: {reason}")


def test_the_harness_knows_every_op():
    functions = {name for name in ops.__all__ if name.islower()}
    assert functions - NO_KERNEL == set(cases.OPS)


@pytest.mark.parametrize("op", cases.OPS)
def test_compiled_ops_never_fall_back_to_the_reference(native, dtype, op, rng, monkeypatch):
    def refuse(*args, **keywords):
        raise AssertionError(f"{op} ran on the reference")

    run = cases.runner(op, rng, dtype, 9, 70, 33)
    for found in pkgutil.iter_modules(reference.__path__, "layerwise.reference."):
        module = importlib.import_module(found.name)
        for name in set(cases.OPS) & set(vars(module)):
            monkeypatch.setattr(module, name, refuse)
    run(native)
    with pytest.raises(AssertionError, match="ran on the reference"):
        run(harness.Backend("reference"))


def test_compiled_module_lists_its_kernels(native):
    kernels = harness.core().config()["families"]
    device = "cuda" if native.name == "cuda" else "cpu"
    assert set(FAMILIES) <= set(kernels)
    without = {"lasso"} if device == "cuda" else set()
    assert {family for family in FAMILIES if not kernels[family][device]} == without


def test_build_under_test_is_not_a_corrupted_one(native):
    if "LAYERWISE_TEST_CORE" not in os.environ:
        assert not harness.core().config()["corrupt"]
