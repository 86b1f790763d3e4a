"""The examples of every public docstring run, against the installed package."""

import doctest
import importlib
import pkgutil

import pytest

import layerwise

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    found = pkgutil.walk_packages(layerwise.__path__, "layerwise.")
    skipped = ("layerwise._core", "layerwise.__main__")
    return ["layerwise", *(module.name for module in found if module.name not in skipped)]


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0
