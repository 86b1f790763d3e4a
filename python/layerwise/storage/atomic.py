"""Replacing a file: whoever reads it finds the old contents or the new, whatever happens."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["remove_leftovers", "replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the name of a temporary file that takes the place of `path` when the block ends well.

    The temporary file lies in the same folder. At the end it is flushed to the disk, renamed, and
    the folder is flushed too: after a crash or a power cut at any moment, `path` holds the old
    contents or the new. If the block raises, the temporary file is removed and `path` stays as it
    is. A process that is killed may leave the temporary file behind.

    Parameters
    ----------
    path : path
        File to write; a symbolic link is followed. An existing file keeps its permissions.

    Yields
    ------
    Path
        An empty file, to be written by the block.

    Raises
    ------
    OSError
        If `path` is something else than a file, or writing fails.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from layerwise.storage import replacing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.txt")
    ...     with replacing(path) as temporary:
    ...         _ = temporary.write_text("contents")
    ...     path.read_text()
    'contents'
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    mode = _mode_of(target)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    if mode is None:  # of a new file
        mode = stat.S_IMODE(os.stat(temporary).st_mode)
    try:
        yield temporary
        _flush(temporary, os.O_RDWR)
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if os.name != "nt":  # Windows has no such call
        _flush(target.parent, os.O_RDONLY)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed writers of `path` have left behind."""
    target = Path(os.path.realpath(path))
    prefix, suffix = f".{target.name}.", ".tmp"
    for name in os.listdir(target.parent):
        middle = name[len(prefix) : -len(suffix)]
        if name.startswith(prefix) and name.endswith(suffix) and len(middle) == 8:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target.parent / name)


def _mode_of(target: Path) -> int | None:
    """Permissions of an existing file; what must not be renamed over raises."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{target} is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(f"{target} is not a regular file")
    if not os.access(target, os.W_OK):
        raise PermissionError(f"{target} is write-protected")
    return stat.S_IMODE(mode)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
