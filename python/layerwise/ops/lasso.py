"""Sparse codes of signals over one dictionary: the LASSO, batch by batch."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from layerwise.reference import lasso as reference

from ._arrays import Array, Matrix, to_numpy
from ._checks import check_choice, check_integer, check_numbers
from ._codes import FORMATS, code_rows, in_format
from ._signature import Call, Signature, is_encoded
from .config import use_reference
from .workspace import Workspace

__all__ = ["LassoCodes", "lasso"]

_LASSO = Signature(
    "lasso", x="N D *", dictionary="K D", weights="W K ?", ridge="Q K ?", start="N K * ?",
    gram="K K ?", missing="N D bool ?",
)  # fmt: skip
_METHODS = ("auto", "active_set", "coordinate_descent")


class LassoCodes(NamedTuple):
    """Sparse codes and how far from the optimum they can be.

    Attributes
    ----------
    codes : array or CSR array of shape (N, K)
        One row a signal.
    gap : array of shape (N,)
        Relative duality gap of each.
    """

    codes: Any
    gap: Array


def lasso(
    x: Matrix,
    dictionary: Array,
    alpha: float,
    *,
    weights: Array | None = None,
    ridge: Array | None = None,
    positive: bool = False,
    start: Matrix | None = None,
    gram: Array | None = None,
    missing: Array | str | None = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
    method: str = "auto",
    format: str = "dense",
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> LassoCodes:
    """Code each signal x by the LASSO, on the Gram matrix of the dictionary.

    The code is ``argmin_a 1/2 ||x - a Phi||^2 + alpha sum_j w_j |a_j| + 1/2 sum_j q_j a_j^2``.

    Parameters
    ----------
    x : array, BitMatrix or CSR matrix of shape (N, D), float32 or float64
        Signals, one a row.
    dictionary : array of shape (K, D)
        Atoms Phi, one a row, of any norms.
    alpha : float
        Penalty, >= 0. From ``max_j |x Phi'_j|`` on, a signal's code is zero; 0 asks for least
        squares, with a warning.
    weights : array of shape (K,), (1, K) or (N, K), optional
        w, > 0; infinity bars an atom. Ones by default.
    ridge : array of shape (K,), (1, K) or (N, K), optional
        q, >= 0. Zeros by default.
    positive : bool, default False
        Keep codes >= 0.
    start : array, BitMatrix or CSR matrix of shape (N, K), optional
        Codes to start from; zeros by default.
    gram : array of shape (K, K), optional
        ``Phi Phi'``, where it is at hand, as for other signals over the same dictionary; made here
        by default. That it is symmetric and belongs to the dictionary is up to the caller but for
        its diagonal, the square norms of the atoms, which are compared.
    missing : "nan" or array of bool of shape (N, D), optional
        Entries of x, a dense array, that were not observed: those that are NaN, or those where it
        is True. They leave the sums over features: ``||x - a Phi||^2`` and ``||x||^2`` run over
        what is observed of a signal, without which its code is zero.
    tol : float, default 1e-4
        Relative duality gap at which a signal is done.
    max_iter : int, default 1000
        Most passes over the correlations of a signal.
    method : {"auto", "active_set", "coordinate_descent"}
        How; all give the same codes to the tolerance.
    format : {"dense", "csr"}
        Of the codes. CSR, a ``scipy.sparse.csr_array``, is made without a dense detour.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    LassoCodes
        codes (N, K) and gap (N,), in the library of the first dense array (CSR: in SciPy's). The
        gap of a signal is (primal - dual) / (1/2 ||x||^2), and with ``alpha = 0`` the largest
        cosine between an atom and what is left of the signal, times the share that is left.

    Raises
    ------
    TypeError, MemoryError
        As for `gemm`.
    ValueError
        As for `gemm`; also if observed signals, atoms or the Gram matrix are not finite, if alpha,
        a weight, a ridge or the tolerance is negative or NaN, a weight is 0, or the Gram matrix is
        that of other atoms.

    Warns
    -----
    ConvergenceWarning
        If signals did not reach the tolerance: how many, and the worst gap.
    UserWarning
        If alpha is 0.

    Notes
    -----
    A signal's code depends on no other signal and not on the number of threads, to the last bit.
    Where rounding keeps float32 from the tolerance, a signal is solved on in float64 and its codes
    are rounded at the end: relative gaps of about ``1e-7 ||a||_1 ||a||_2 / alpha`` may be left.
    A float64 signal without weights or ridge is solved in float32 first if `tol` is at least 4e-6;
    its gap is computed in float64, and where it is larger than `tol` float64 goes on from there.

    Signals with missing entries share no Gram matrix: each is solved in float64 on a copy of what
    the atoms have where it is observed, which takes many times as long. The others are coded as
    ever.

    References
    ----------
    M. Osborne, B. Presnell, B. Turlach (2000). A new approach to variable selection in least
    squares problems. IMA Journal of Numerical Analysis 20.

    H. Lee, A. Battle, R. Raina, A. Ng (2007). Efficient sparse coding algorithms. NIPS 19.

    J. Friedman, T. Hastie, R. Tibshirani (2010). Regularization paths for generalized linear models
    via coordinate descent. Journal of Statistical Software 33.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import lasso
    >>> lasso(np.array([[3.0, 0.5]]), np.eye(2), 1.0)
    LassoCodes(codes=array([[2., 0.]]), gap=array([0.]))

    The second entry was not observed, and the code says what it may have been:

    >>> phi = np.array([[0.6, 0.8]])
    >>> codes = lasso(np.array([[3.0, np.nan]]), phi, 0.36, missing="nan").codes
    >>> codes, codes @ phi
    (array([[4.]]), array([[2.4, 3.2]]))
    """
    w, q, marks = _as_rows(weights), _as_rows(ridge), _marks(missing)
    call = _LASSO(x, dictionary, w, q, start, gram, marks)
    options = _check_options(alpha, tol, max_iter, method)
    check_choice("lasso", "format", format, FORMATS)
    _check_rows(call)
    _check_gram(call)
    if missing is not None and is_encoded(call.operands[0]):
        raise TypeError(
            "lasso: x must be a dense array where entries are missing; "
            "got a BitMatrix or CSR matrix"
        )
    if options["alpha"] == 0.0:
        warnings.warn(
            "lasso: alpha should be above 0; got 0, which asks for least squares without a penalty",
            stacklevel=2,
        )
    options["positive"] = bool(positive)
    if use_reference():
        result = _run_reference(call, options, format, missing)
    else:
        x, dictionary, weights, ridge, start, gram, marks = call.operands
        by_row = {"weights": weights, "ridge": ridge, "start": start, "missing": marks}
        codes, gap = code_rows(
            call, x, dictionary, "gap", format=format, by_row=by_row, gram=gram,
            incomplete=missing is not None, nan_missing=isinstance(missing, str),
            num_threads=num_threads, workspace=workspace, **_keywords(options),
        )  # fmt: skip
        result = LassoCodes(codes, gap)
    _judge(call, result.gap, options, incomplete=missing is not None)
    return result


def _as_rows(values: Any) -> Any:
    """One weight an atom, (K,), as the matrix (1, K)."""
    return values[None] if getattr(values, "ndim", 0) == 1 else values


def _marks(missing: Any) -> Array | None:
    """Give the array that marks missing entries, if one does."""
    if not isinstance(missing, str):
        return missing
    if missing != "nan":
        raise ValueError(f"lasso: missing must be 'nan' or an array of bool; got {missing!r}")
    return None


def _check_options(alpha: float, tol: float, max_iter: int, method: str) -> dict[str, Any]:
    check_numbers("lasso", alpha=alpha, tol=tol)
    if not 0 <= alpha < np.inf:
        raise ValueError(f"lasso: alpha must be finite and at least 0; got {alpha}")
    if not 0 <= tol < np.inf:
        raise ValueError(f"lasso: tol must be finite and at least 0; got {tol}")
    check_choice("lasso", "method", method, _METHODS)
    passes = check_integer("lasso", "max_iter", max_iter, 1, 2**63 - 1)
    return {"alpha": float(alpha), "tol": float(tol), "max_iter": passes, "method": method}


def _check_rows(call: Call) -> None:
    """Weights and ridges: one row for all signals or one each, of values in their ranges."""
    weights, ridge = call.operands[2:4]
    for name, values, axis in (("weights", weights, "W"), ("ridge", ridge, "Q")):
        if values is None:
            continue
        rows, wanted = call.sizes[axis], call.sizes["N"]
        if rows not in (1, wanted):
            raise ValueError(
                f"lasso: {name} must have shape (K,), (1, K) or (N, K), N = {wanted}; "
                f"got shape {tuple(values.shape)}"
            )
        host = to_numpy(values)
        valid = host > 0 if name == "weights" else (host >= 0) & (host < np.inf)
        if not valid.all():
            bound = "> 0" if name == "weights" else "finite and >= 0"
            raise ValueError(f"lasso: {name} must be {bound}; got {host[~valid][0]}")


def _check_gram(call: Call) -> None:
    """Check that a Gram matrix is finite and has the square norms of the atoms on its diagonal."""
    if call.operands[5] is None:
        return
    phi, gram = to_numpy(call.operands[1]), to_numpy(call.operands[5])
    if not np.isfinite(gram).all():
        raise ValueError("lasso: gram must be finite; got NaN or infinity")
    squares, found = np.einsum("kd,kd->k", phi, phi), gram.diagonal()
    if not np.isfinite(squares).all():
        raise ValueError("lasso: dictionary must be finite, the square norms of its atoms too")
    wrong = np.flatnonzero(np.abs(found - squares) > np.sqrt(np.finfo(phi.dtype).eps) * squares)
    if wrong.size:
        raise ValueError(
            "lasso: gram must be dictionary @ dictionary.T, with the square norms of the atoms on "
            f"its diagonal; got {found[wrong[0]]:g} for atom {wrong[0]}, of square norm "
            f"{squares[wrong[0]]:g}"
        )


def _judge(call: Call, gap: Array, options: dict[str, Any], *, incomplete: bool) -> None:
    """Refuse what is not finite; warn of signals that did not reach the tolerance."""
    gaps = to_numpy(gap)
    worst = gaps.max(initial=0.0)
    if np.isnan(worst):
        start = call.operands[4]
        if not np.isfinite(to_numpy(call.operands[1])).all():
            raise ValueError("lasso: dictionary must be finite; got NaN or infinity")
        rows = np.flatnonzero(np.isnan(gaps))
        names = "x" if start is None else "x and start"
        observed = " where observed" if incomplete else ""
        raise ValueError(
            f"lasso: {names} must be finite{observed}, the square norms of the signals too; "
            f"got {len(rows)} rows that are not, the first is row {rows[0]}"
        )
    if worst > gaps.dtype.type(options["tol"]):
        from sklearn.exceptions import ConvergenceWarning  # not brought in by importing the ops

        count = int((gaps > gaps.dtype.type(options["tol"])).sum())
        warnings.warn(
            f"lasso: {count} of {gaps.size} signals did not reach the tolerance; the worst gap is "
            f"{worst:.3g}, tol {options['tol']:.3g}, max_iter {options['max_iter']}",
            ConvergenceWarning,
            stacklevel=3,
        )


def _run_reference(call: Call, options: dict[str, Any], format: str, missing: Any) -> LassoCodes:
    x, dictionary, weights, ridge, start, _, marks = call.on_host()
    named = {name: value for name, value in options.items() if name != "method"}
    with np.errstate(invalid="ignore"):
        codes, gap = reference.lasso(
            x, dictionary, weights=weights, ridge=ridge, start=start,
            missing=missing if marks is None else marks, **named,
        )  # fmt: skip
    return LassoCodes(in_format(call, codes, format), call.result(gap))


def _keywords(options: dict[str, Any]) -> dict[str, Any]:
    """Name the options as the compiled module does."""
    return {
        "alpha": options["alpha"],
        "nonnegative": options["positive"],
        "tolerance": options["tol"],
        "max_iterations": options["max_iter"],
        "method": options["method"],
    }
