"""Documents: one safetensors file of arrays, with everything else as JSON in its metadata.

The metadata have one key, ``layerwise``, whose value is a JSON object: ``kind`` (of document),
``version`` of the format, ``layerwise`` (version of the writer), ``isa`` (the instruction-set level
that it ran at), ``content`` (see `layerwise.storage.encoding`) and ``sha256``, of all the others
and the arrays. So a file that was damaged is recognised, wherever the damage is, and any other
program can read the arrays.

Format versions are (major, minor). A newer minor version may add entries, which are left out with a
warning; a newer major version cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

import layerwise
from layerwise.ops.config import get_isa

from .atomic import replacing
from .encoding import Malformed, decode, encode

__all__ = ["FORMAT_VERSION", "Document", "read_document", "write_document"]

FORMAT_VERSION = (1, 0)

_KEY = "layerwise"
_MAX_JSON = 1 << 24  # characters
_DTYPES = ("BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F16", "F32", "F64")


@dataclass(frozen=True)
class Document:
    """What a file holds.

    Attributes
    ----------
    content : object
        As it was given to `write_document`.
    isa : str
        Instruction-set level that the writer ran at.
    writer : str
        Version of layerwise that wrote it.
    """

    content: Any
    isa: str
    writer: str


def write_document(op: str, path: str | os.PathLike[str], kind: str, content: Any) -> None:
    """Write a document: whole, or not at all.

    Parameters
    ----------
    op : str
        With which errors begin.
    path : path
    kind : str
        What is written, which `read_document` will ask for: "model", ...
    content : object
        Of types that `encode` takes.

    Raises
    ------
    TypeError
        If `content` has a value that cannot be stored.
    ValueError
        If there is too much of it besides arrays.
    OSError
        If the file cannot be written; what was there before is then still there.
    """
    path = os.fsdecode(path)
    try:
        body, arrays = encode(content)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{op}: {error}") from None
    head = {
        "kind": kind,
        "version": list(FORMAT_VERSION),
        "layerwise": layerwise.__version__,
        "isa": get_isa(),
        "content": body,
    }
    text = json.dumps({**head, "sha256": _digest(head, arrays)}, allow_nan=False)
    if len(text) > _MAX_JSON:
        raise ValueError(
            f"{op}: what is not an array must take less than {_MAX_JSON} characters of JSON; "
            f"it takes {len(text)}"
        )
    required = f"{op}: {path} must be a file that can be written"
    try:
        with replacing(path) as temporary:
            # The library's own way to a file leaves one of its temporary files when it is killed.
            temporary.write_bytes(save(arrays, {_KEY: text}))
    except OSError as error:
        raise _os_error(required, error) from error


def read_document(op: str, path: str | os.PathLike[str], kind: str) -> Document:
    """Read a document.

    Parameters
    ----------
    op : str
        With which errors begin.
    path : path
    kind : str
        What it must be.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a document of that kind, is damaged, or was written by a version whose files
        cannot be read here.
    MemoryError
        If its arrays are larger than the machine's memory.
    """
    path = os.fsdecode(path)
    required = f"{op}: {path} must be a layerwise {kind}"
    try:
        _check_file(path)
        with safe_open(path, framework="np") as file:
            head = _head(file.metadata(), kind)
            arrays = _arrays(file)
        if head.pop("sha256", None) != _digest(head, arrays):
            raise Malformed("contents that its checksum does not fit: it is damaged")
        newer = tuple(head["version"]) > FORMAT_VERSION
        content = decode(head["content"], arrays, newer=newer)
        return Document(content, str(head.get("isa")), str(head.get("layerwise")))
    except OSError as error:
        raise _os_error(required, error) from error
    except SafetensorError as error:
        raise ValueError(f"{required}; it is damaged or something else: {error}") from error
    except RecursionError:
        raise ValueError(f"{required}; it has JSON that is nested too deep") from None
    except Malformed as error:
        raise ValueError(f"{required}; it has {error}") from error
    except MemoryError as error:
        raise MemoryError(f"{required} that fits into memory; {error}") from error


def _check_file(path: str) -> None:
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError("it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is not a regular file")
    with open(path, "rb"):  # safe_open calls whatever goes wrong 'no such file'
        pass
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if found.st_size > memory:
            raise MemoryError(f"it has {found.st_size} bytes, the machine {memory}")


def _head(found: Mapping[str, str] | None, kind: str) -> dict[str, Any]:
    """Parse and check everything but the arrays."""
    text = (found or {}).get(_KEY)
    if text is None:
        raise Malformed("no metadata of layerwise: another program wrote it")
    if len(text) > _MAX_JSON:
        raise Malformed(f"{len(text)} characters of metadata, more than {_MAX_JSON}")
    try:
        head = json.loads(text)
    except ValueError as error:
        raise Malformed(f"metadata that are no JSON: {error}") from error
    if not isinstance(head, dict):
        raise Malformed("metadata that are no JSON object")
    _check_version(head.get("version"))
    if head.get("kind") != kind:
        raise Malformed(f"the kind {str(head.get('kind'))[:80]!r}")
    if "content" not in head:
        raise Malformed("no content")
    return head


def _check_version(version: Any) -> None:
    if (
        not isinstance(version, list)
        or len(version) != 2
        or not all(isinstance(number, int) and number >= 0 for number in version)
    ):
        raise Malformed("no version of the format")
    if version[0] > FORMAT_VERSION[0]:
        raise Malformed(
            f"the format {version[0]}.{version[1]}, of a newer layerwise: this one reads "
            f"{FORMAT_VERSION[0]}.x, update it"
        )


def _arrays(file: Any) -> dict[str, np.ndarray]:
    """Read all arrays; safe_open has checked that they lie one after another in the file."""
    names = list(file.keys())
    for name in names:
        dtype = file.get_slice(name).get_dtype()
        if dtype not in _DTYPES:
            raise Malformed(f"an array {name[:80]!r} of the type {dtype}")
    return {name: file.get_tensor(name) for name in names}


def _digest(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of contents, so that other writers of the same may order the file as they like."""
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def _os_error(required: str, error: OSError) -> OSError:
    """Return the same error, in our words."""
    made = type(error)(f"{required}; {error.strerror or error}")
    made.errno = error.errno
    return made
