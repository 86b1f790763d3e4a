"""Runs the kernels that give sparse codes: dense, or packed into CSR stretch by stretch of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arrays import Array
from ._backend import core
from ._signature import Call
from .workspace import Workspace

__all__ = ["FORMATS", "SLAB_BYTES", "code_rows", "in_format", "join_rows", "refuse_lost_rows"]

FORMATS = ("dense", "csr")
# Codes of so many bytes, were all of them non-zero, are held before they are packed into CSR.
SLAB_BYTES = 2**28


def in_format(call: Call, codes: np.ndarray, format: str) -> Any:
    """Convert the reference's dense codes."""
    if format == "dense":
        return call.result(codes)
    return _csr(codes.astype(call.dtype))


def _csr(*arguments: Any, **keywords: Any) -> Any:
    import scipy.sparse  # not brought in by importing the ops

    return scipy.sparse.csr_array(*arguments, **keywords)


def join_rows(values: np.ndarray, indices: np.ndarray, indptr: np.ndarray, cols: int) -> Any:
    """Make a CSR array of its parts, with the narrowest row pointers."""
    narrow = indptr.astype(np.int32) if indptr[-1] < 2**31 else indptr
    return _csr((values, indices, narrow), shape=(len(indptr) - 1, cols))


def refuse_lost_rows(op: str, measured: np.ndarray) -> None:
    """Raise where what was measured of a row is NaN: it, or the dictionary, is not finite."""
    lost = np.flatnonzero(np.isnan(measured))
    if len(lost):
        raise ValueError(
            f"{op}: x and dictionary must be finite, the square norms of their rows too; "
            f"got {len(lost)} rows that cannot be coded, the first is row {lost[0]}"
        )


def code_rows(
    call: Call,
    x: Any,
    dictionary: Array,
    measure: str,
    *,
    format: str,
    by_row: dict[str, Any],
    num_threads: int | None,
    workspace: Workspace | None,
    max_active: int = 0,
    incomplete: bool = False,
    **options: Any,
) -> tuple[Any, Array]:
    """Run the kernel named as the op.

    Parameters
    ----------
    call, x, dictionary
        The call and its operands, of sizes N, D and K.
    measure : str
        The kernel's name for its second output, one number a row.
    format : {"dense", "csr"}
        Of the codes.
    by_row : dict
        Arguments of N rows, or of one row or None for all.
    num_threads, workspace, max_active, options
        Passed on.
    incomplete : bool
        Whether entries of x may be missing.

    Returns
    -------
    codes : array or csr_array of shape (N, K)
    measured : array of shape (N,)
    """
    n, d, k = (call.sizes[axis] for axis in "NDK")
    compiled, where = core(), call.where(num_threads)
    kernel, measured = getattr(compiled, call.op), call.empty("N")
    slabs = format == "csr"
    if max_active:
        options["max_active"] = max_active

    def scratch(rows: int) -> Any:
        nbytes = compiled.lasso_workspace(
            rows, d, k, call.dtype, slabs, max_active, incomplete, where
        )
        return call.scratch(nbytes, workspace)

    if not slabs:
        codes = call.empty("N", "K")
        kernel(
            x, dictionary, codes=codes, **{measure: measured}, workspace=scratch(n),
            num_threads=where, **by_row, **options,
        )  # fmt: skip
        return codes, measured
    dtype = np.dtype(call.dtype)
    step = max(64, SLAB_BYTES // (max(k, 1) * (4 + dtype.itemsize)) // 64 * 64)
    indptr = np.zeros(n + 1, np.int64)
    indices, values = np.empty(0, np.int32), np.empty(0, dtype)
    memory = scratch(min(step, n))
    for first in range(0, n, step):
        rows = slice(first, min(first + step, n))
        counts = np.empty(rows.stop - first, np.int64)
        own = {name: _rows_of(array, rows, n) for name, array in by_row.items()}
        kernel(
            x[rows], dictionary, counts=counts, **{measure: measured[rows]}, workspace=memory,
            num_threads=where, **own, **options,
        )  # fmt: skip
        ends, old = np.concatenate(([0], np.cumsum(counts))), int(indptr[first])
        indptr[first + 1 : rows.stop + 1] = old + ends[1:]
        for array in (indices, values):  # grows in place: never are two copies held
            array.resize(old + int(ends[-1]), refcheck=False)
        compiled.lasso_compact(
            ends, features=d, atoms=k, indices=indices[old:], values=values[old:],
            workspace=memory, num_threads=where,
        )  # fmt: skip
    return join_rows(values, indices, indptr, k), measured


def _rows_of(array: Any, rows: slice, n: int) -> Any:
    return array[rows] if array is not None and array.shape[0] == n else array
