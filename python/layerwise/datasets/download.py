"""Files from the net: whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from layerwise.storage import replacing

__all__ = ["download"]

_TIMEOUT = 30.0  # seconds without an answer, or without a byte
_CHUNK = 1 << 16


def download(op: str, path: Path, mirrors: Sequence[str], sha256: str, advice: str) -> None:
    """Download a file from the first of its mirrors that has it.

    What comes is written beside `path` and gets that name only when its SHA-256 is right, so that
    whatever breaks off a download leaves no file that could be taken for whole.

    Parameters
    ----------
    op : str
        The caller's name, with which an error begins.
    path : Path
        Where to put the file; its folder is made where it is missing.
    mirrors : sequence of str
        Addresses of folders, tried in turn; the file has the last part of `path` as its name there.
    sha256 : str
        Of the file.
    advice : str
        One sentence that ends the error.

    Raises
    ------
    ImportError
        pooch is not installed.
    OSError
        No mirror gave the file, for the reasons in the message, or `path` cannot be written.
    """
    pooch = _pooch(op, path.name, advice)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(
            f"{op}: the cache {path.parent} must be a folder that can be written to; "
            f"{error.strerror}"
        ) from error
    failures = []
    for mirror in mirrors:
        address = mirror + path.name
        try:
            with replacing(path) as temporary:
                _fetch(pooch, address, temporary, sha256)
            return
        except _Failure as error:
            failures.append(f"{address}: {error}")
    told = "; ".join(failures)
    raise OSError(f"{op}: {path.name} must come whole from one of its mirrors; {told}. {advice}")


class _Failure(Exception):
    """Why a mirror did not give a file."""


def _pooch(op: str, name: str, advice: str) -> Any:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"{op}: pooch must be installed to download {name}; it is not "
            f"(pip install 'layerwise[download]'). {advice}"
        ) from error
    return pooch


def _fetch(pooch: Any, address: str, path: Path, sha256: str) -> None:
    from requests import RequestException  # pooch brings it

    bar = tqdm(
        total=1,  # pooch asks for the truth value of a bar, which needs one, and sets it
        desc=address.rpartition("/")[2],
        unit="B",
        unit_scale=True,
        disable=not sys.stderr.isatty(),
        file=sys.stderr,
    )
    get = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT)
    try:
        with open(path, "wb") as file:
            get(address, file, None)
    except RequestException as error:
        raise _Failure(_reason(error)) from error
    finally:
        bar.close()
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise _Failure(f"its SHA-256 must be {sha256}; it is {found}")


def _reason(error: Any) -> str:
    """Say in a few words what went wrong, without the layers of wrapping around it."""
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    cause = getattr(error.args[0], "reason", error) if error.args else error
    return f"{type(error).__name__}: {str(cause).rpartition('): ')[2]}"
