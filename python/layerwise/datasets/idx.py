"""Reader and writer of IDX, the array format in which MNIST is published.

An IDX file is two zero bytes, one byte for the element type, one byte for the number of
dimensions, one big-endian uint32 for each dimension, then the elements in C order, big-endian.
"""

import gzip
import math
import os
import stat
import struct
import sys
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

__all__ = ["idx_header", "read_idx", "write_idx"]

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_MAX_NDIM = 64  # NumPy's own limit
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = 4 * 1024**3) -> npt.NDArray[Any]:
    """Read the array an IDX file holds.

    Whether the file is gzipped is seen from its first bytes, whatever its name. Nothing is
    believed before it is checked: memory grows with what the file really holds, so that neither a
    header that lies nor a gzip bomb can exhaust it.

    Parameters
    ----------
    path : str or path-like
        An IDX file, plain or gzipped.
    max_bytes : int, default 4 GiB
        Largest size of the array to read, in bytes.

    Returns
    -------
    ndarray
        Writeable and C-contiguous, in the machine's byte order; shape and dtype (uint8, int8,
        int16, int32, float32 or float64) as the header says.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, is not IDX, or holds more than `max_bytes`. The message names the
        file, what was required and what the file has.
    TypeError
        `path` is no path.

    See Also
    --------
    write_idx : Writes such a file.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section
    "The IDX file format".

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from layerwise.datasets import read_idx, write_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "table.idx.gz")
    ...     write_idx(path, np.array([[1, 2, 3], [4, 5, 6]], dtype=np.int16))
    ...     read_idx(path)
    array([[1, 2, 3],
           [4, 5, 6]], dtype=int16)
    """
    path = _regular_file(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        gzipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not gzipped:
            return _read_array(file, path, max_bytes, size)
        try:
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                return _read_array(stream, path, max_bytes, None)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                f"read_idx: {path} must be an undamaged gzip file; unpacking failed: {error}"
            ) from error


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Write an array as an IDX file, gzipped when the name ends in ``.gz``.

    Parameters
    ----------
    path : str or path-like
        The file to write; one that is there is replaced.
    array : array-like of 1 to 64 dimensions
        uint8, int8, int16, int32, float32 or float64, any strides and byte order.

    Raises
    ------
    TypeError
        IDX has no code for the dtype of `array`.
    ValueError
        `array` has no or too many dimensions, or one longer than 2**32 - 1.

    See Also
    --------
    read_idx : Reads the file again.

    Notes
    -----
    Equal arrays give equal files: the gzip header carries neither a time nor a name.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from layerwise.datasets import write_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "zeros.idx")
    ...     write_idx(path, np.zeros((2, 3), dtype=np.uint8))
    ...     os.path.getsize(path)  # 4 + 2 * 4 bytes of header, 6 of data
    18
    """
    path = Path(path)
    values = np.asarray(array)
    header = idx_header(values)
    body = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder(">")).tobytes()
    with open(path, "wb") as file:
        if path.suffix != ".gz":
            file.writelines((header, body))
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=9, mtime=0) as out:
            out.writelines((header, body))


def idx_header(array: npt.NDArray[Any]) -> bytes:
    """Return the bytes with which the IDX file of an array begins; `write_idx` has the errors."""
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        accepted = ", ".join(map(str, _CODES))
        raise TypeError(f"write_idx: array must be one of {accepted}; it is {array.dtype}")
    if not 1 <= array.ndim <= _MAX_NDIM:
        raise ValueError(
            f"write_idx: array must have 1 to {_MAX_NDIM} dimensions; it has {array.ndim}"
        )
    if max(array.shape) >= 2**32:
        raise ValueError(
            f"write_idx: each dimension must be under 2**32; the array is {array.shape}"
        )
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)


def _regular_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that is safe to open: opening a named pipe would hang."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"read_idx: path must be str or os.PathLike; got {type(path).__name__}")
    path = Path(path)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(f"read_idx: {path} must exist; there is no such file") from error
    except ValueError as error:
        raise ValueError(f"read_idx: path must be a valid path; got {path!r}: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise ValueError(f"read_idx: {path} must be a regular file; it is {kind}")
    if status.st_size == 0:
        raise ValueError(f"read_idx: {path} must hold an IDX header; it is empty")
    return path


def _read_array(
    stream: BinaryIO | gzip.GzipFile, path: Path, max_bytes: int, size: int | None
) -> npt.NDArray[Any]:
    """Read header and elements; `size` is the length of the stream where that is known."""
    dtype, shape = _read_header(stream, path)
    nbytes = math.prod(shape) * dtype.itemsize
    required = f"{path} must hold {nbytes} bytes after its header ({dtype}, shape {shape})"
    held = None if size is None else size - 4 - 4 * len(shape)
    if held is not None and held != nbytes:
        raise ValueError(f"read_idx: {required}; it holds {held}")
    if nbytes > max_bytes:
        raise ValueError(
            f"read_idx: {path} must hold at most max_bytes={max_bytes} bytes; "
            f"its header ({dtype}, shape {shape}) asks for {nbytes}"
        )
    body = _read_at_most(stream, nbytes + 1)
    if len(body) != nbytes:
        found = "more" if len(body) > nbytes else str(len(body))
        raise ValueError(f"read_idx: {required}; it holds {found}")
    array = np.frombuffer(body, dtype=dtype) if nbytes else np.empty(0, dtype)
    if sys.byteorder == "little":
        array.byteswap(inplace=True)
    return array.reshape(shape)


def _read_header(
    stream: BinaryIO | gzip.GzipFile, path: Path
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise ValueError(
            f"read_idx: {path} must begin with the four bytes of an IDX header (00 00, type, "
            f"dimensions) or be gzip of it; it begins with {magic.hex(' ') or 'nothing'}"
        )
    dtype = _DTYPES.get(magic[2])
    if dtype is None:
        accepted = ", ".join(f"{code:02x} ({known})" for code, known in _DTYPES.items())
        raise ValueError(
            f"read_idx: {path} must have an element type of {accepted}; it has {magic[2]:02x}"
        )
    ndim = magic[3]
    if not 1 <= ndim <= _MAX_NDIM:
        raise ValueError(f"read_idx: {path} must have 1 to {_MAX_NDIM} dimensions; it has {ndim}")
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(
            f"read_idx: {path} must hold {4 * ndim} bytes for its {ndim} dimensions; "
            f"it ends after {len(sizes)}"
        )
    shape = struct.unpack(f">{ndim}I", sizes)
    # NumPy refuses a shape whose other dimensions overflow even where one of them is zero.
    if math.prod(n for n in shape if n) * dtype.itemsize > sys.maxsize:
        raise ValueError(
            f"read_idx: {path} must have a shape that fits in memory; it has {shape} of {dtype}"
        )
    return dtype, shape


def _read_at_most(stream: BinaryIO | gzip.GzipFile, limit: int) -> bytearray:
    """Read up to `limit` bytes in chunks, for a gzip stream may hold far fewer, or far more."""
    body = bytearray()
    while chunk := stream.read(min(_CHUNK, limit - len(body))):
        body += chunk
    return body
