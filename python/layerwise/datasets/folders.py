"""Where data files lie: the folder the user names, then the user's cache."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["cache_folder", "find_files", "missing_files", "place_files"]


def _absolute(path: str) -> Path:
    # Path.expanduser raises where no home folder is known; a path that is not there is enough.
    return Path(os.path.abspath(os.path.expanduser(path)))


def cache_folder() -> Path:
    r"""Return the folder for data files of layerwise, which need not exist.

    Returns
    -------
    Path
        The environment variable ``LAYERWISE_CACHE`` where it is set, else the platform's cache
        folder of the user: ``~/.cache/layerwise`` on Linux (``XDG_CACHE_HOME`` is obeyed),
        ``~/Library/Caches/layerwise`` on macOS, ``%LOCALAPPDATA%\layerwise\Cache`` on Windows.

    Examples
    --------
    >>> from layerwise.datasets import cache_folder
    >>> cache_folder().is_absolute()
    True
    """
    if chosen := os.environ.get("LAYERWISE_CACHE"):
        return _absolute(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join("~", "AppData", "Local")
        return _absolute(base) / "layerwise" / "Cache"
    if sys.platform == "darwin":
        return _absolute("~/Library/Caches") / "layerwise"
    return _absolute(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "layerwise"


def find_files(dataset: str, names: Iterable[str]) -> dict[str, Path]:
    """Return where files of a data set lie, unpacked or with ``.gz`` added to their names.

    Parameters
    ----------
    dataset : str
        The data set's folder below ``LAYERWISE_DATA`` and the cache.
    names : iterable of str
        Names of the unpacked files.

    Returns
    -------
    dict of str to Path
        For each name the first file found, if any: ``LAYERWISE_DATA`` before the cache, unpacked
        before packed.
    """
    folders = _folders(dataset)
    found: dict[str, Path] = {}
    for name in names:
        candidates = (folder / (name + end) for folder in folders for end in ("", ".gz"))
        if path := next((path for path in candidates if path.is_file()), None):
            found[name] = path
    return found


def missing_files(op: str, dataset: str, names: Iterable[str], advice: str) -> FileNotFoundError:
    """Make the error that says which files were looked for, and where they may be put.

    Parameters
    ----------
    op : str
        The caller's name, with which the error begins.
    dataset, names
        As for `find_files`.
    advice : str
        One sentence that ends the error.
    """
    names = list(names)
    found = find_files(dataset, names)
    missing = ", ".join(name for name in names if name not in found)
    unset = "" if os.environ.get("LAYERWISE_DATA") else " (LAYERWISE_DATA is not set)"
    return FileNotFoundError(
        f"{op}: {', '.join(names)} must exist, each unpacked or as .gz; "
        f"{missing} not found in {' or '.join(map(str, _folders(dataset)))}{unset}. {advice}"
    )


def place_files(dataset: str) -> str:
    """Say in a sentence where a user may put the files of a data set."""
    return (
        f"You can put the files into {cache_folder() / dataset}, or set LAYERWISE_DATA to the "
        f"folder that holds {dataset}/."
    )


def _folders(dataset: str) -> list[Path]:
    """Where files may lie, in the order in which they are looked for."""
    chosen = os.environ.get("LAYERWISE_DATA")
    folders = [_absolute(chosen) / dataset] if chosen else []
    return [*folders, cache_folder() / dataset]
