"""The compiled module under test: the installed one, or that at ``LAYERWISE_TEST_CORE``.

Importing this puts it in place; programs of ``program(code)`` have it too.
"""

import importlib.abc
import importlib.util
import os
import sys
import textwrap
from pathlib import Path


class _CoreFinder(importlib.abc.MetaPathFinder):
    """Finds the compiled module at a given path: how other builds are put under test."""

    def __init__(self, path):
        self._path = path

    def find_spec(self, name, path=None, target=None):
        if name != "layerwise._core":
            return None
        return importlib.util.spec_from_file_location(name, self._path)


def program(code):
    """Return the command that runs code in a fresh interpreter, with the same module."""
    here = str(Path(__file__).parent)
    first = f"import sys; sys.path.insert(0, {here!r}); import core_under_test\n"
    return [sys.executable, "-c", first + textwrap.dedent(code)]


if "LAYERWISE_TEST_CORE" in os.environ:
    sys.meta_path.insert(0, _CoreFinder(os.environ["LAYERWISE_TEST_CORE"]))
