"""The folders of nn depend on each other one way only."""

import ast
from pathlib import Path

import pytest

from layerwise import nn

MAY_USE = {
    "data": set(),
    "training": {"data"},
    "energy": {"data", "training"},
    "nets": {"data", "training"},
    "coding": {"data", "training"},
    "images": {"data"},
}
ROOT = Path(nn.__file__).parent


def imported(path):
    """Absolute names of what a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ["layerwise", "nn", *path.relative_to(ROOT).parts[: -node.level]]
            names = [*(package if node.level else []), *filter(None, [node.module])]
            yield from (".".join([*names, alias.name]) for alias in node.names)


def test_every_folder_has_its_place():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(MAY_USE)
    assert [path.name for path in ROOT.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("folder", MAY_USE)
def test_a_folder_imports_only_those_below_it(folder):
    used = {
        module.split(".")[2]
        for path in (ROOT / folder).rglob("*.py")
        for module in imported(path)
        if module.startswith("layerwise.nn.")
    }
    assert used <= MAY_USE[folder] | {folder}


def test_no_layer_imports_an_estimator():
    above = ("layerwise.models", "layerwise.commands", "layerwise.viz", "layerwise.reproduce")
    found = {module for path in ROOT.rglob("*.py") for module in imported(path)}
    assert not [module for module in found if module.startswith(above)]
    assert "layerwise.nn" not in found  # all names of the package at once
