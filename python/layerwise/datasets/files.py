"""A user's data in files, as rows: NumPy arrays, IDX, CSV and folders of images."""

from __future__ import annotations

import csv
import gzip
import os
import stat
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .idx import read_idx
from .image_folder import read_image_folder

__all__ = ["FileData", "read_data", "read_labels"]

# What the readers of NumPy, gzip and zip raise for files that are damaged or something else.
_DAMAGED = (
    ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, gzip.BadGzipFile,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_FORMATS = ".npy, .npz, IDX (gzipped or not), .csv (.csv.gz) or a folder of images"


class FileData(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    x : ndarray of shape (n, d)
        One example a row, of the dtype in the file; a memory map, where the file is a ``.npy``.
    y : ndarray of shape (n,) or None
        Labels, where there are any.
    shape : tuple of int
        Of one example in the file, before it became a row: ``(height, width)`` of images.
    """

    x: np.ndarray
    y: np.ndarray | None
    shape: tuple[int, ...]


def read_data(path: str | os.PathLike[str], *, label_column: str | None = None) -> FileData:
    r"""Read data from a file or a folder of images.

    Parameters
    ----------
    path : str or path-like
        - ``.npy``: an array whose first axis are the examples; it is mapped, not read.
        - ``.npz``: one array, or one named ``x`` and maybe labels named ``y``.
        - IDX, gzipped or not, as MNIST is published.
        - ``.csv`` or ``.csv.gz``: numbers separated by commas, with or without a line of names.
        - a folder of images of one size, read as grey levels: in the folder itself, or in one
          folder for each class.
    label_column : str, optional
        Of a ``.csv``: name of the column that has the labels, or its number, from 0, or from the
        end for a negative one.

    Returns
    -------
    FileData
        Rows ``x``, labels ``y`` and the ``shape`` of one example. Labels are integers where all of
        them are, else strings.

    Raises
    ------
    OSError
        The file is not there or cannot be read.
    ValueError
        It is of another format, damaged or without rows. Nothing that is pickled is read.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from layerwise.datasets import read_data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("left,right,side\n0.5,1,L\n0,0.25,R\n")
    ...     x, y, shape = read_data(path, label_column="side")
    >>> x, y.tolist(), shape
    (array([[0.5 , 1.  ],
           [0.  , 0.25]], dtype=float32), ['L', 'R'], (2,))
    """
    path = Path(path)
    read = _format_of(path)
    if label_column is not None and read is not _read_csv:
        raise ValueError(f"read_data: label_column must be None but for .csv files; {path} is none")
    x, y = _read_csv(path, label_column) if read is _read_csv else read(path)
    return _checked(path, x, y)


def read_labels(path: str | os.PathLike[str], n: int) -> np.ndarray:
    """Read labels from a file of their own.

    Parameters
    ----------
    path : str or path-like
        A ``.npy``, IDX or one-column ``.csv`` file.
    n : int
        Examples there are.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    OSError, ValueError
        As `read_data`; and if there is not one label for each example.
    """
    path = Path(path)
    read = _format_of(path)
    if read is _read_csv:
        names, columns = _open_csv(path)
        table = _csv_table(path, names, columns, dtype=np.str_)
        y = _labels(table[:, 0]) if columns == 1 else table
    else:
        y = np.asarray(read(path)[0])
    if y.shape != (n,):
        raise ValueError(
            f"read_labels: {path} must hold one label for each of {n} examples, as an array of "
            f"shape ({n},); it has shape {y.shape}"
        )
    return y


def _format_of(path: Path) -> Callable[..., tuple[np.ndarray, np.ndarray | None]]:
    """Find what reads a file: by its name, or by its first bytes."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"read_data: {path} must be a file or folder; there is none"
        ) from error
    if stat.S_ISDIR(found.st_mode):
        return read_image_folder
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"read_data: {path} must be a file or folder; it is something else")
    if path.name.lower().endswith((".csv", ".csv.gz")):
        return _read_csv
    with open(path, "rb") as file:
        begins = file.read(6)
    if begins == b"\x93NUMPY":
        return _read_npy
    if begins[:4] == b"PK\x03\x04":
        return _read_npz
    if begins[:2] in (b"\0\0", b"\x1f\x8b"):
        return lambda path: (read_idx(path), None)
    raise ValueError(
        f"read_data: {path} must be {_FORMATS}; it begins with {begins.hex(' ') or 'nothing'}"
    )


def _checked(path: Path, x: np.ndarray, y: np.ndarray | None) -> FileData:
    if x.dtype.kind not in "buif":
        raise ValueError(f"read_data: {path} must hold numbers; it holds {x.dtype}")
    if x.ndim < 2 or x.size == 0:
        raise ValueError(
            f"read_data: {path} must hold examples along the first of two or more axes, at least "
            f"one; it has shape {x.shape}"
        )
    if y is not None and y.shape != (len(x),):
        raise ValueError(
            f"read_data: {path} must hold one label for each of {len(x)} examples; it has labels "
            f"of shape {y.shape}"
        )
    return FileData(x.reshape(len(x), -1), y, x.shape[1:])


def _read_npy(path: Path) -> tuple[np.ndarray, None]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False), None
    except _DAMAGED as error:
        raise ValueError(
            f"read_data: {path} must be a .npy file of numbers, whole; {error}"
        ) from error


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = arrays.files
            if len(names) == 1:
                return arrays[names[0]], None
            if "x" in names:
                return arrays["x"], arrays["y"] if "y" in names else None
    except _DAMAGED as error:
        raise ValueError(
            f"read_data: {path} must be a .npz file of numbers, whole; {error}"
        ) from error
    raise ValueError(
        f"read_data: {path} must hold one array, or one named x and maybe one named y; it holds "
        f"{', '.join(names) or 'none'}"
    )


def _read_csv(path: Path, label_column: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    names, columns = _open_csv(path)
    if label_column is None:
        return _csv_table(path, names, columns), None
    at = _column(path, label_column, names, columns)
    texts: list[str] = []

    def keep(text: str) -> float:
        texts.append(text)
        return 0.0

    table = _csv_table(path, names, columns, {at: keep})
    return np.delete(table, at, axis=1), _labels(np.array(texts))


def _open_csv(path: Path) -> tuple[list[str], int]:
    """Return the names of the columns, if the first line has them, and their number."""
    try:
        opened = gzip.open if path.suffix.lower() == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig") as file:
            first = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error, *_DAMAGED) as error:
        raise ValueError(f"read_data: {path} must be CSV in UTF-8; {error}") from error
    if not first:
        raise ValueError(f"read_data: {path} must begin with a line of values; it is empty")
    return ([] if any(_is_number(field) for field in first) else first), len(first)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _column(path: Path, wanted: str, names: list[str], columns: int) -> int:
    if wanted in names:
        return names.index(wanted)
    number = int(wanted) if wanted.lstrip("-").isdecimal() else columns
    if -columns <= number < columns:
        return number % columns
    named = f"one of {', '.join(names)} or " if names else ""
    raise ValueError(
        f"read_data: label_column must be {named}a number from {-columns} to {columns - 1}, a "
        f"column of {path}; got {wanted!r}"
    )


def _labels(texts: np.ndarray) -> np.ndarray:
    """Make integers of labels, if all of them are."""
    try:
        return texts.astype(np.int64)
    except ValueError:
        return texts


def _csv_table(
    path: Path,
    names: list[str],
    columns: int,
    converters: Mapping[int | str, Callable[[str], Any]] | None = None,
    dtype: Any = np.float32,
) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            table = np.loadtxt(
                path, dtype, comments=None, delimiter=",", skiprows=int(bool(names)), ndmin=2,
                encoding="utf-8-sig", quotechar='"', converters=converters,
            )  # fmt: skip
    except _DAMAGED as error:
        raise ValueError(
            f"read_data: {path} must hold numbers separated by commas, as many in every line; "
            f"{error}"
        ) from error
    if table.size and table.shape[1] != columns:
        raise ValueError(
            f"read_data: {path} must hold as many numbers in every line as its first has names, "
            f"{columns}; it holds {table.shape[1]}"
        )
    return table
