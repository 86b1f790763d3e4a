"""Bit-packed 0/1 matrices: binary data and states at 1/32 of the memory of float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ._arrays import NUMPY, Array, Library, adopt, allocate, library_of, to_numpy

__all__ = ["BitMatrix"]

_WORD = 64
_BLOCK_BYTES = 1 << 24  # dense input is checked and packed in row blocks of about this size


class BitMatrix:
    """A 0/1 matrix with 64 elements in each word.

    Bit ``j % 64`` of word ``j // 64`` of a row is its element `j`; the bits past the last column
    are zero. Every op that takes a matrix of data or states takes a `BitMatrix`, and gives the
    same bits as for the same values in floats.

    Parameters
    ----------
    words : ndarray of shape (rows, ceil(cols / 64)), uint64
        The packed rows, C-contiguous. Not copied.
    cols : int
        Columns.

    Raises
    ------
    TypeError
        If `words` is not a uint64 array.
    ValueError
        If `words` has another shape, is not contiguous, or has a bit set past the last column.

    See Also
    --------
    BitMatrix.pack : From the values.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import BitMatrix
    >>> bits = BitMatrix.pack(np.array([[0, 1, 1], [1, 0, 0]]))
    >>> bits
    BitMatrix(shape=(2, 3), nbytes=16)
    >>> bits.words
    array([[6],
           [1]], dtype=uint64)
    >>> bits[1:].unpack()
    array([[1., 0., 0.]], dtype=float32)
    """

    __slots__ = ("cols", "words")

    words: Array  # of NumPy; on a GPU, of CuPy (uint64) or torch (int64)
    cols: int

    # NumPy must not take a BitMatrix operand for a sequence.
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, words: np.ndarray, cols: int) -> None:
        if not isinstance(words, np.ndarray) or words.dtype != np.uint64:
            got = getattr(words, "dtype", type(words).__name__)
            raise TypeError(f"BitMatrix: words must be a uint64 array; got {got}")
        cols = int(cols)
        count = _words_for(cols)
        if cols < 0 or words.ndim != 2 or words.shape[1] != count:
            raise ValueError(
                f"BitMatrix: words must have shape (rows, {max(count, 0)}) for {cols} columns; "
                f"got shape {words.shape}"
            )
        if not words.flags.c_contiguous:
            raise ValueError("BitMatrix: words must be C-contiguous; got a strided view")
        if cols % _WORD and (words[:, -1] >> np.uint64(cols % _WORD)).any():
            raise ValueError(f"BitMatrix: the bits past column {cols} must be zero; got one set")
        self.words = words
        self.cols = cols

    @classmethod
    def _wrap(cls, words: Array, cols: int) -> BitMatrix:
        """Wrap words known to be right."""
        self = cls.__new__(cls)
        self.words = words
        self.cols = cols
        return self

    @classmethod
    def zeros(cls, shape: tuple[int, int]) -> BitMatrix:
        """Make a matrix of zeros.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns.

        Raises
        ------
        MemoryError
            If it would not fit into memory.
        """
        rows, cols = (int(size) for size in shape)
        if rows < 0 or cols < 0:
            raise ValueError(f"BitMatrix.zeros: sizes must not be negative; got shape {shape}")
        words = allocate("BitMatrix.zeros", NUMPY, (rows, _words_for(cols)), "uint64")
        words[...] = 0
        return cls._wrap(words, cols)

    @classmethod
    def pack(cls, x: Any) -> BitMatrix:
        """Pack a matrix of zeros and ones.

        Parameters
        ----------
        x : array or sparse matrix of shape (rows, cols), bool, integer or float
            A NumPy, torch or CuPy array or a matrix of scipy.sparse, all of whose values are 0
            or 1. Nothing the size of a dense float copy is made.

        Returns
        -------
        BitMatrix
            In host memory.

        Raises
        ------
        TypeError
            If `x` is not an array, or of another dtype.
        ValueError
            If `x` is not two-dimensional, or has a value other than 0 and 1; the error names the
            first.

        Examples
        --------
        >>> import numpy as np
        >>> from layerwise.ops import BitMatrix
        >>> BitMatrix.pack(np.ones((100, 784), np.float32)).nbytes
        10400
        >>> BitMatrix.pack(np.array([[0.0, 0.5]]))
        Traceback (most recent call last):
            ...
        ValueError: BitMatrix.pack: every value of x must be 0 or 1; x[0, 1] is 0.5
        """
        return pack(x, "BitMatrix.pack", "x")

    @classmethod
    def empty(cls, op: str, library: Library, shape: tuple[int, int]) -> BitMatrix:
        """Allocate a matrix for a kernel to fill; on the CPU it starts as zeros."""
        if library.device == "cpu":
            return cls.zeros(shape)
        words = allocate(op, library, (shape[0], _words_for(shape[1])), "uint64")
        return cls._wrap(words, shape[1])

    @property
    def library(self) -> Library:
        """Array library and device of the words."""
        if isinstance(self.words, np.ndarray):
            return NUMPY
        return library_of("BitMatrix", "words", self.words) or NUMPY

    def to(self, x: Array) -> BitMatrix:
        """Copy to where an array is.

        Parameters
        ----------
        x : array
            A NumPy, torch or CuPy array: the copy is in host memory, or on the GPU of `x`.

        Returns
        -------
        BitMatrix

        Examples
        --------
        >>> import numpy as np
        >>> from layerwise.ops import BitMatrix
        >>> BitMatrix.pack(np.eye(2)).to(np.zeros(1)).shape
        (2, 2)
        """
        library = library_of("BitMatrix.to", "x", x)
        if library is None:
            raise TypeError(
                "BitMatrix.to: x must be an array of NumPy, torch or CuPy; "
                f"got {type(x).__module__}.{type(x).__qualname__}"
            )
        words = self._host_words()
        if library.device == "cpu":
            return BitMatrix._wrap(words.copy(), self.cols)
        return BitMatrix._wrap(library.from_numpy(words), self.cols)

    def _host_words(self) -> np.ndarray:
        return np.ascontiguousarray(to_numpy(self.words)).view(np.uint64)

    def unpack(self, dtype: DTypeLike = np.float32) -> np.ndarray:
        """Give the values as a dense array in host memory.

        Parameters
        ----------
        dtype : dtype, default float32
            Dtype of the result.

        Returns
        -------
        ndarray of shape (rows, cols)
        """
        words = self._host_words()
        if words.size == 0:
            return np.zeros(self.shape, dtype)
        octets = words.view(np.uint8)
        values = np.unpackbits(octets, axis=1, count=self.cols, bitorder="little")
        return values.astype(dtype, copy=False)

    @property
    def rows(self) -> int:
        """Rows."""
        return int(self.words.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.words.shape[0], self.cols

    @property
    def nbytes(self) -> int:
        """Bytes of the packed words."""
        return int(self.words.nbytes)

    def copy(self) -> BitMatrix:
        """Copy, words included."""
        words = self.words.clone() if hasattr(self.words, "clone") else self.words.copy()
        return BitMatrix._wrap(words, self.cols)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice | np.ndarray | list[int]) -> BitMatrix:
        """Select rows, by slice, index array or boolean mask.

        A slice of step 1 shares memory with this matrix; everything else is a copy. On a GPU only
        such slices are taken.
        """
        if self.library is not NUMPY:
            if not isinstance(rows, slice) or rows.step not in (None, 1):
                raise TypeError("BitMatrix: rows on a GPU are selected by a slice of step 1")
            return BitMatrix._wrap(self.words[rows], self.cols)
        if isinstance(rows, slice):
            words = self.words[rows]
            if words.flags.c_contiguous:
                return BitMatrix._wrap(words, self.cols)
        else:
            rows = np.asarray(rows)
            if rows.size == 0 and rows.ndim == 1:
                rows = rows.astype(np.intp)
            if rows.ndim != 1 or rows.dtype.kind not in "iub":
                raise TypeError(
                    "BitMatrix: rows are selected by a slice, a 1-D index array or a 1-D mask; "
                    f"got shape {rows.shape}, dtype {rows.dtype} (one row is x[i:i+1])"
                )
            words = self.words[rows] if rows.dtype == bool else self.words.take(rows, axis=0)
        return BitMatrix._wrap(np.ascontiguousarray(words), self.cols)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BitMatrix):
            return NotImplemented
        return self.cols == other.cols and np.array_equal(self._host_words(), other._host_words())

    def __repr__(self) -> str:
        return f"BitMatrix(shape={self.shape}, nbytes={self.nbytes})"


def _words_for(cols: int) -> int:
    return -(-cols // _WORD)


def pack(x: Any, op: str, name: str) -> BitMatrix:
    """Pack on behalf of an op: errors start with `op` and call the matrix `name`."""
    if isinstance(x, BitMatrix):
        return x
    sparse = type(x).__module__.startswith("scipy.sparse")
    if not sparse:
        library = library_of(op, name, x)
        array = adopt(x) if library is None else x
        if array is None:
            raise TypeError(
                f"{op}: {name} must be an array or a sparse matrix; "
                f"got {type(x).__module__}.{type(x).__qualname__}"
            )
        x = to_numpy(array)
    if x.ndim != 2:
        raise ValueError(f"{op}: {name} must have shape (rows, cols); got shape {x.shape}")
    if x.dtype.kind not in "buif":
        raise TypeError(f"{op}: {name} must be bool, integer or float; got {x.dtype}")
    packed = BitMatrix.zeros(x.shape)
    wrong = _pack_sparse(x, packed) if sparse else _pack_dense(x, packed)
    if wrong is not None:
        row, col, value = wrong
        raise ValueError(
            f"{op}: every value of {name} must be 0 or 1; {name}[{row}, {col}] is {value}"
        )
    return packed


def _pack_dense(x: np.ndarray, packed: BitMatrix) -> tuple[int, int, Any] | None:
    """Fill `packed`; give row, column and value of the first element that is neither 0 nor 1."""
    rows, cols = x.shape
    if x.size == 0:
        return None
    octets = packed.words.view(np.uint8)
    block = max(1, _BLOCK_BYTES // (cols * x.itemsize))
    for start in range(0, rows, block):
        part = x[start : start + block]
        ones = part != 0
        if part.dtype != bool:
            wrong = ones & (part != 1)
            if wrong.any():
                row, col = (int(i) for i in np.argwhere(wrong)[0])
                return start + row, col, part[row, col].item()
        bits = np.packbits(ones, axis=1, bitorder="little")
        octets[start : start + block, : bits.shape[1]] = bits
    return None


def _pack_sparse(x: Any, packed: BitMatrix) -> tuple[int, int, Any] | None:
    """Do as `_pack_dense`, in memory proportional to the stored elements."""
    x = x.tocsr()
    if not x.has_canonical_format:
        x = x.copy()  # the caller's matrix stays as it is
        x.sum_duplicates()
    wrong = np.flatnonzero((x.data != 0) & (x.data != 1))
    if wrong.size:
        first = int(wrong[0])
        row = int(np.searchsorted(x.indptr, first, side="right")) - 1
        return row, int(x.indices[first]), x.data[first].item()
    if not x.data.all():
        x = x.copy()
        x.eliminate_zeros()
    if x.nnz == 0:
        return None
    # Columns ascend within a row, so that the elements of one word are neighbours.
    row_of = np.repeat(np.arange(packed.rows), np.diff(x.indptr))
    word = row_of * packed.words.shape[1] + x.indices // _WORD
    bit = np.uint64(1) << (x.indices % _WORD).astype(np.uint64)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(word)) + 1))
    packed.words.ravel()[word[starts]] = np.bitwise_or.reduceat(bit, starts)
    return None
