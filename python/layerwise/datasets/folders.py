"""Where data files lie: the folder the user names, then the user's cache."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["cache_folder", "find_files"]


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


def find_files(op: str, dataset: str, names: Iterable[str], advice: str) -> dict[str, Path]:
    """Return where each file of a data set lies, unpacked or with ``.gz`` added to its name.

    Parameters
    ----------
    op : str
        The caller's name, with which an error begins.
    dataset : str
        The data set's folder below ``LAYERWISE_DATA`` and the cache.
    names : iterable of str
        Names of the unpacked files.
    advice : str
        One sentence that ends the error.

    Returns
    -------
    dict of str to Path
        For each name the first file found: ``LAYERWISE_DATA`` before the cache, unpacked before
        packed.

    Raises
    ------
    FileNotFoundError
        A file is in neither folder. The message lists every file and every folder.
    """
    chosen = os.environ.get("LAYERWISE_DATA")
    folders = [cache_folder() / dataset]
    if chosen:
        folders.insert(0, _absolute(chosen) / dataset)
    names = list(names)
    found: dict[str, Path] = {}
    for name in names:
        candidates = (folder / (name + end) for folder in folders for end in ("", ".gz"))
        if path := next((path for path in candidates if path.is_file()), None):
            found[name] = path
    missing = [name for name in names if name not in found]
    if missing:
        unset = "" if chosen else " (LAYERWISE_DATA is not set)"
        raise FileNotFoundError(
            f"{op}: {', '.join(names)} must exist, each unpacked or as .gz; "
            f"{', '.join(missing)} not found in {' or '.join(map(str, folders))}{unset}. "
            f"Put the files in such a folder, or set LAYERWISE_DATA to the folder "
            f"that holds {dataset}/. {advice}"
        )
    return found
