"""Sparse codes by orthogonal matching pursuit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from layerwise.reference import lasso as reference

from ._arrays import Array, Matrix, to_numpy
from ._checks import check_choice, check_integer, check_numbers
from ._codes import FORMATS, code_rows, in_format, refuse_lost_rows
from ._signature import Signature
from .config import use_reference
from .workspace import Workspace

__all__ = ["OmpCodes", "omp"]

_OMP = Signature("omp", x="N D *", dictionary="K D")


class OmpCodes(NamedTuple):
    """Sparse codes and what they leave of the signals.

    Attributes
    ----------
    codes : array or CSR array of shape (N, K)
        One row a signal.
    residual : array of shape (N,)
        Square norms ``||x - a Phi||^2``.
    """

    codes: Any
    residual: Array


def omp(
    x: Matrix,
    dictionary: Array,
    *,
    max_active: int | None = None,
    tol: float = 0.0,
    format: str = "dense",
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> OmpCodes:
    """Code each signal greedily: the atom of largest cosine joins, all codes are solved for.

    Parameters
    ----------
    x : array, BitMatrix or CSR matrix of shape (N, D), float32 or float64
        Signals, one a row.
    dictionary : array of shape (K, D)
        Atoms Phi, one a row, of any norms.
    max_active : int, optional
        Most non-zeros of a code; by default, and at most, min(D, K).
    tol : float, default 0
        A signal is done when ``||x - a Phi||^2 <= tol``.
    format : {"dense", "csr"}
        Of the codes. CSR, a ``scipy.sparse.csr_array``, is made without a dense detour.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    OmpCodes
        codes (N, K) and residual (N,), in the library of the first dense array (CSR: in SciPy's).

    Raises
    ------
    TypeError, MemoryError
        As for `gemm`.
    ValueError
        As for `gemm`; also if the signals or atoms are not finite, or `tol` is negative or NaN.

    Notes
    -----
    A pursuit ends early where the best atom depends on those that are active, or what is left of
    the signal is rounding. The residual is a difference of square norms: its rounding error is
    about ``eps ||x||^2``. A signal's code depends on no other signal, to the last bit.

    References
    ----------
    Y. Pati, R. Rezaiifar, P. Krishnaprasad (1993). Orthogonal matching pursuit: recursive function
    approximation with applications to wavelet decomposition. Asilomar Conference on Signals,
    Systems and Computers.

    R. Rubinstein, M. Zibulevsky, M. Elad (2008). Efficient implementation of the K-SVD algorithm
    using batch orthogonal matching pursuit. Technical report, Technion.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import omp
    >>> omp(np.array([[3.0, 0.5]]), np.eye(2), max_active=1)
    OmpCodes(codes=array([[3., 0.]]), residual=array([0.25]))
    """
    call = _OMP(x, dictionary)
    check_numbers("omp", tol=tol)
    if not 0 <= tol < np.inf:
        raise ValueError(f"omp: tol must be finite and at least 0; got {tol}")
    check_choice("omp", "format", format, FORMATS)
    most = max(1, min(call.sizes["D"], call.sizes["K"]))
    if max_active is not None:
        most = min(most, check_integer("omp", "max_active", max_active, 1, 2**31 - 1))
    if use_reference():
        codes, residual = reference.omp(*call.on_host(), max_active=most, tol=tol)
        result = OmpCodes(in_format(call, codes, format), call.result(residual))
    else:
        x, dictionary = call.operands
        codes, residual = code_rows(
            call, x, dictionary, "residual", format=format, by_row={}, max_active=most,
            tolerance=float(tol), num_threads=num_threads, workspace=workspace,
        )  # fmt: skip
        result = OmpCodes(codes, residual)
    refuse_lost_rows("omp", to_numpy(result.residual))
    return result
