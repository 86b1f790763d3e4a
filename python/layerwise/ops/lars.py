"""The LASSO of many signals as its penalty falls: whole paths, or where they end."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from layerwise.reference import lars as reference

from . import _codes
from ._arrays import Array, Matrix, to_numpy
from ._backend import core
from ._checks import check_choice, check_integer, check_numbers
from ._codes import FORMATS, in_format, join_rows, refuse_lost_rows
from ._signature import Call, Signature
from .config import use_reference
from .workspace import Workspace

__all__ = ["LarsCodes", "LarsPath", "lars", "lars_path"]

_LARS = Signature("lars", x="N D *", dictionary="K D")
_LARS_PATH = Signature("lars_path", x="N D *", dictionary="K D")
_TASK = 16  # signals that share a slab


class LarsCodes(NamedTuple):
    """Sparse codes, how far from the optimum they can be, and for which penalty.

    Attributes
    ----------
    codes : array or CSR array of shape (N, K)
        One row a signal.
    gap : array of shape (N,)
        Relative duality gap of each.
    alphas : array of shape (N,)
        Where each path ended: alpha, or above it.
    """

    codes: Any
    gap: Array
    alphas: Array


class LarsPath(NamedTuple):
    """The knots of all signals, one after the other; between two of a signal codes are linear.

    Attributes
    ----------
    alphas : array of shape (T,)
        Falling within a signal.
    codes : CSR array of shape (T, K)
        The solution at each knot.
    gap : array of shape (T,)
        Relative duality gap of each.
    indptr : ndarray of shape (N + 1,), int64
        Signal i has the knots ``indptr[i]`` to ``indptr[i + 1] - 1``, one at least.
    """

    alphas: Array
    codes: Any
    gap: Array
    indptr: np.ndarray


def lars(
    x: Matrix,
    dictionary: Array,
    alpha: float,
    *,
    positive: bool = False,
    max_active: int | None = None,
    max_iter: int = 1000,
    format: str = "dense",
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> LarsCodes:
    """Code each signal x by the LASSO, following its solutions down to alpha: LARS, homotopy.

    The code is ``argmin_a 1/2 ||x - a Phi||^2 + alpha ||a||_1``, as that of `lasso` is, exact but
    for rounding.

    Parameters
    ----------
    x : array, BitMatrix or CSR matrix of shape (N, D), float32 or float64
        Signals, one a row.
    dictionary : array of shape (K, D)
        Atoms Phi, one a row, of any norms.
    alpha : float
        Penalty, >= 0. From ``max_j |x Phi'_j|`` on, a signal's code is zero; 0 gives least squares.
    positive : bool, default False
        Keep codes >= 0.
    max_active : int, optional
        Most non-zeros of a code: the path of a signal ends where one more would join. By default,
        and at most, min(D, K).
    max_iter : int, default 1000
        Most steps of a path, each from one knot to the next.
    format : {"dense", "csr"}
        Of the codes.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    LarsCodes
        codes (N, K), gap (N,) and alphas (N,), in the library of the first dense array (codes in
        CSR: in SciPy's). The gap is that of `lasso` at the signal's own element of alphas.

    Raises
    ------
    TypeError, MemoryError
        As for `gemm`.
    ValueError
        As for `gemm`; also if the signals or atoms are not finite, or alpha is negative or NaN.

    Warns
    -----
    ConvergenceWarning
        If paths ended before alpha with fewer than `max_active` non-zeros: how many.

    Notes
    -----
    Worked out in float64 at either dtype; the codes are rounded at the end. A signal's code depends
    on no other signal and not on the number of threads, to the last bit. Where several solutions
    are equally good, as with equal atoms, it is one of them.

    References
    ----------
    M. Osborne, B. Presnell, B. Turlach (2000). A new approach to variable selection in least
    squares problems. IMA Journal of Numerical Analysis 20.

    B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004). Least angle regression. Annals of
    Statistics 32.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import lars
    >>> lars(np.array([[3.0, 0.5]]), np.eye(2), 1.0)
    LarsCodes(codes=array([[2., 0.]]), gap=array([0.]), alphas=array([1.]))
    """
    call = _LARS(x, dictionary)
    options = _check_options(call, alpha, positive, max_active, max_iter)
    check_choice("lars", "format", format, FORMATS)
    if use_reference():
        codes, gap, alphas = _run_reference(call, reference.lars, options)
        result = LarsCodes(in_format(call, codes, format), call.result(gap), call.result(alphas))
    elif format == "csr":
        path = _run_slabs(call, options, False, num_threads, workspace)
        result = LarsCodes(path.codes, call.result(path.gap), call.result(path.alphas))
    else:
        result = LarsCodes(call.empty("N", "K"), call.empty("N"), call.empty("N"))
        scratch = call.scratch(_workspace_bytes(call, options, 0, num_threads), workspace)
        _run(call, options, slice(None), num_threads, scratch, **result._asdict())
    _judge(call, result, options)
    return result


def lars_path(
    x: Matrix,
    dictionary: Array,
    alpha: float = 0.0,
    *,
    positive: bool = False,
    max_active: int | None = None,
    max_iter: int = 1000,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> LarsPath:
    """Follow the LASSO solutions of each signal from where they are zero down to alpha.

    Parameters
    ----------
    x, dictionary
        As for `lars`.
    alpha : float, default 0
        Where the paths end, >= 0.
    positive, max_active, max_iter, num_threads, workspace
        As for `lars`.

    Returns
    -------
    LarsPath
        alphas (T,), codes (T, K) in SciPy's CSR, gap (T,) and indptr (N + 1,): the T knots of all
        signals. The first of a signal is ``max_j |x Phi'_j|``, with codes of zero, and the last
        alpha; one whose correlations do not exceed alpha has that knot alone.

    Raises
    ------
    TypeError, MemoryError, ValueError
        As for `lars`.

    Warns
    -----
    ConvergenceWarning
        As for `lars`.

    Notes
    -----
    As for `lars`. The solution at any penalty t between two knots t0 > t1 of a signal is
    ``((t - t1) a0 + (t0 - t) a1) / (t0 - t1)``. Atoms that join or leave at one penalty share a
    knot. scikit-learn's ``lars_path`` divides alphas by the number of features, D.

    References
    ----------
    B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004). Least angle regression. Annals of
    Statistics 32.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import lars_path
    >>> path = lars_path(np.array([[3.0, 1.0]]), np.eye(2))
    >>> path.alphas
    array([3., 1., 0.])
    >>> path.codes.toarray()
    array([[0., 0.],
           [2., 0.],
           [3., 1.]])
    """
    call = _LARS_PATH(x, dictionary)
    options = _check_options(call, alpha, positive, max_active, max_iter)
    if use_reference():
        alphas, codes, gap, indptr = _run_reference(call, reference.lars_path, options)
        path = LarsPath(alphas, in_format(call, codes, "csr"), gap, indptr)
    else:
        path = _run_slabs(call, options, True, num_threads, workspace)
    last = path.indptr[1:] - 1
    _judge(call, LarsCodes(path.codes[last], path.gap[last], path.alphas[last]), options)
    return LarsPath(call.result(path.alphas), path.codes, call.result(path.gap), path.indptr)


def _check_options(
    call: Call, alpha: float, positive: bool, max_active: int | None, max_iter: int
) -> dict[str, Any]:
    op, most = call.op, max(1, min(call.sizes["D"], call.sizes["K"]))
    check_numbers(op, alpha=alpha)
    if not 0 <= alpha < np.inf:
        raise ValueError(f"{op}: alpha must be finite and at least 0; got {alpha}")
    if max_active is not None:
        most = min(most, check_integer(op, "max_active", max_active, 1, 2**63 - 1))
    return {
        "alpha": float(np.dtype(call.dtype).type(alpha)),
        "positive": bool(positive),
        "max_active": most,
        "max_iter": check_integer(op, "max_iter", max_iter, 1, 2**62),
    }


def _run_reference(call: Call, function: Any, options: dict[str, Any]) -> Any:
    with np.errstate(invalid="ignore", over="ignore"):
        return function(*call.on_host(), **options)


def _workspace_bytes(
    call: Call, options: dict[str, Any], kept: int, num_threads: int | None, rows: int | None = None
) -> int:
    n, d, k = (call.sizes[axis] for axis in "NDK")
    return core().lars_workspace(
        n if rows is None else rows, d, k, call.dtype, options["max_active"], kept,
        call.where(num_threads),
    )  # fmt: skip


def _run(
    call: Call,
    options: dict[str, Any],
    rows: slice,
    num_threads: int | None,
    scratch: Array | None,
    **outputs: Any,
) -> None:
    x, dictionary = call.operands
    core().lars(
        x if rows == slice(None) else x[rows], dictionary, options["alpha"],
        nonnegative=options["positive"], max_active=options["max_active"],
        max_steps=options["max_iter"], workspace=scratch, num_threads=call.where(num_threads),
        **outputs,
    )  # fmt: skip


def _run_slabs(
    call: Call,
    options: dict[str, Any],
    path: bool,
    num_threads: int | None,
    workspace: Workspace | None,
) -> LarsPath:
    """Run the kernel stretch by stretch of rows, and join what it leaves of each."""
    n, d, k = (call.sizes[axis] for axis in "NDK")
    dtype, most = np.dtype(call.dtype), options["max_active"]
    kept = options["max_iter"] + 1 if path else 1
    signal_bytes = (kept * (min(d, k, most) + 2)) * (4 + dtype.itemsize)
    step = max(_TASK, _codes.SLAB_BYTES // signal_bytes // _TASK * _TASK)
    nbytes = _workspace_bytes(call, options, kept, num_threads, min(step, n))
    scratch = call.scratch(nbytes, workspace)
    indptr = np.zeros(n + 1, np.int64)
    joined = [np.empty(0, kind) for kind in (dtype, dtype, np.int64, np.int32, dtype)]
    names = ("alphas", "gap", "sizes", "indices", "values")
    for first in range(0, n, step):
        rows = slice(first, min(first + step, n))
        knots, counts = np.empty((2, rows.stop - first), np.int64)
        _run(call, options, rows, num_threads, scratch, path=path, knots=knots, counts=counts)
        knot_ends, code_ends = (np.concatenate(([0], np.cumsum(part))) for part in (knots, counts))
        indptr[first + 1 : rows.stop + 1] = indptr[first] + knot_ends[1:]
        own = {}
        for i, name in enumerate(names):  # grows in place: never are two copies held
            old, more = len(joined[i]), (knot_ends if i < 3 else code_ends)[-1]
            joined[i].resize(old + int(more), refcheck=False)
            own[name] = joined[i][old:]
        core().lars_compact(
            knot_ends, code_ends, features=d, atoms=k, max_active=most, kept=kept,
            workspace=scratch, num_threads=call.where(num_threads), **own,
        )  # fmt: skip
    alphas, gap, sizes, indices, values = joined
    ends = np.concatenate(([0], np.cumsum(sizes)))
    return LarsPath(alphas, join_rows(values, indices, ends, k), gap, indptr)


def _judge(call: Call, ends: LarsCodes, options: dict[str, Any]) -> None:
    """Refuse what is not finite; warn of paths that ended early."""
    gap, alphas = to_numpy(ends.gap), to_numpy(ends.alphas)
    refuse_lost_rows(call.op, gap)
    early = np.flatnonzero(alphas > options["alpha"])
    if len(early):
        codes = ends.codes if hasattr(ends.codes, "indptr") else to_numpy(ends.codes)
        active = (codes[early] != 0).sum(axis=1)
        early = early[np.asarray(active) < options["max_active"]]
    if len(early):
        from sklearn.exceptions import ConvergenceWarning  # not brought in by importing the ops

        warnings.warn(
            f"{call.op}: {len(early)} of {len(alphas)} paths ended before alpha = "
            f"{options['alpha']:.3g}, the first at {alphas[early].max():.3g}; max_iter "
            f"{options['max_iter']}",
            ConvergenceWarning,
            stacklevel=3,
        )
