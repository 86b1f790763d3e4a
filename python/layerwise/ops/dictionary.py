"""What codes say about a dictionary, and its update to them."""

from __future__ import annotations

from typing import Any

from layerwise.reference import dictionary as reference

from ._arrays import Array, Matrix, to_numpy
from ._backend import core
from ._checks import check_integer, check_numbers
from ._signature import Call, Signature
from .bits import BitMatrix
from .config import resolve_threads, use_reference
from .workspace import Workspace

__all__ = ["dictionary_statistics", "dictionary_update"]

_STATISTICS = Signature("dictionary_statistics", codes="N K *", x="N D *", a="K J", b="K D")
_UPDATE = Signature("dictionary_update", dictionary="K D", a="K J", b="K D")


def dictionary_statistics(
    codes: Matrix,
    x: Matrix,
    a: Array,
    b: Array,
    *,
    keep: float = 0.0,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> None:
    """Add up what signals and their codes say about the dictionary, in place.

    ``a <- keep a + C'C`` and ``b <- keep b + C'X``: all that the squared error of a dictionary, as
    a function of it, depends on.

    Parameters
    ----------
    codes : array or CSR matrix of shape (N, K), float32 or float64
        C. The work grows with its non-zeros; a dense array is listed as CSR first.
    x : array, BitMatrix or CSR matrix of shape (N, D)
        The signals X.
    a : array of shape (K, K)
        Overwritten.
    b : array of shape (K, D)
        Overwritten.
    keep : float, default 0
        Share of what was there that is kept; 0 for the sums of these signals alone.
    num_threads, workspace
        As for `gemm`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    Notes
    -----
    A call that Ctrl-C ends may leave sums that are part way.

    References
    ----------
    J. Mairal, F. Bach, J. Ponce, G. Sapiro (2010). Online learning for matrix factorization and
    sparse coding. JMLR 11.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import dictionary_statistics
    >>> a, b = np.ones((1, 1)), np.ones((1, 2))
    >>> dictionary_statistics(np.array([[2.0]]), np.array([[3.0, 1.0]]), a, b, keep=0.5)
    >>> a, b
    (array([[4.5]]), array([[6.5, 2.5]]))
    """
    call = _STATISTICS(codes, x, a, b)
    _check_square(call, a)
    check_numbers("dictionary_statistics", keep=keep)
    if use_reference():
        host_codes, host_x, host_a, host_b = call.on_host()
        found = reference.dictionary_statistics(host_codes, host_x, host_a, host_b, keep=keep)
        for out, values in zip(call.operands[2:], found, strict=True):
            call.store(out, values)
        return
    codes, x, a, b = call.operands
    threads = resolve_threads("dictionary_statistics", num_threads)
    core().dictionary_statistics(
        _listed(codes, call.dtype), x, a, b, keep=keep, num_threads=threads
    )


def _listed(codes: Any, dtype: str) -> Any:
    """Codes in CSR."""
    if hasattr(codes, "indptr"):
        return codes
    import scipy.sparse  # not brought in by importing the ops

    dense = codes.unpack(dtype) if isinstance(codes, BitMatrix) else to_numpy(codes)
    return scipy.sparse.csr_array(dense)


def _check_square(call: Call, a: Array) -> None:
    if call.sizes["J"] != call.sizes["K"]:
        raise ValueError(
            f"{call.op}: a must have shape (K,K), K = {call.sizes['K']}; got shape {tuple(a.shape)}"
        )


def dictionary_update(
    dictionary: Array,
    a: Array,
    b: Array,
    *,
    positive: bool = False,
    sweeps: int = 1,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> None:
    """Take every atom in turn to where it serves the codes best given the others, in place.

    What falls, or stays, is ``1/2 ||X - C Phi||^2`` for signals X and their codes C, with
    ``||phi_j|| <= 1``; the statistics A = C'C and B = C'X say all of X and C that matters. They may
    be sums over more signals than are at hand, weighted in any way.

    Parameters
    ----------
    dictionary : array of shape (K, D), float32 or float64
        Atoms Phi, one a row. Overwritten.
    a : array of shape (K, K)
        C'C. Atoms with a diagonal element of 0, which no code uses, stay as they are.
    b : array of shape (K, D)
        C'X.
    positive : bool, default False
        Keep atoms >= 0.
    sweeps : int, default 1
        Times that every atom is taken.
    num_threads, workspace
        As for `gemm`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    References
    ----------
    J. Mairal, F. Bach, J. Ponce, G. Sapiro (2010). Online learning for matrix factorization and
    sparse coding. JMLR 11.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import dictionary_update
    >>> x, codes = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[2.0], [1.0]])
    >>> phi = np.array([[0.0, 1.0]])
    >>> dictionary_update(phi, codes.T @ codes, codes.T @ x)
    >>> phi
    array([[0.8, 0.2]])
    """
    call = _UPDATE(dictionary, a, b)
    _check_square(call, a)
    sweeps = check_integer("dictionary_update", "sweeps", sweeps, 1, 2**63 - 1)
    if use_reference():
        result = reference.dictionary_update(*call.on_host(), positive=positive, sweeps=sweeps)
        call.store(call.operands[0], result)
        return
    compiled, threads = core(), resolve_threads("dictionary_update", num_threads)
    k, d = call.sizes["K"], call.sizes["D"]
    nbytes = compiled.dictionary_update_workspace(k, d, call.dtype, threads)
    compiled.dictionary_update(
        *call.operands, nonnegative=bool(positive), sweeps=sweeps,
        workspace=call.scratch(nbytes, workspace), num_threads=threads,
    )  # fmt: skip
