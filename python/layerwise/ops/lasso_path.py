"""The LASSO of one target over many features: a list of penalties, each from the one before."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from layerwise.reference import lasso_path as reference

from ._arrays import Array, to_numpy
from ._backend import core
from ._checks import check_integer, check_numbers
from ._signature import Call, Signature
from .config import resolve_threads, use_reference
from .workspace import Workspace

__all__ = ["LassoSolutions", "lasso_path"]

_PATH = Signature("lasso_path", x="N P csc", y="N", sample_weight="N ?", weights="P ?", start="P ?")


class LassoSolutions(NamedTuple):
    """One solution a penalty, and how far from the optimum they can be.

    Attributes
    ----------
    coefs : array of shape (A, P)
        Coefficients.
    intercepts : array of shape (A,)
        Zeros without an intercept.
    gap : array of shape (A,)
        Relative duality gaps.
    n_iter : ndarray of shape (A,), int64
        Epochs of coordinate descent on the working set.
    """

    coefs: Array
    intercepts: Array
    gap: Array
    n_iter: np.ndarray


def lasso_path(
    x: Any,
    y: Array,
    alphas: Any,
    *,
    l1_ratio: float = 1.0,
    fit_intercept: bool = True,
    sample_weight: Array | None = None,
    weights: Array | None = None,
    positive: bool = False,
    start: Array | None = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> LassoSolutions:
    """Solve the LASSO or the elastic net for each penalty in turn.

    ``argmin_{w,b} 1/(2 S) sum_i s_i (y_i - x_i w - b)^2 + alpha (l1_ratio sum_j v_j |w_j| +
    (1 - l1_ratio)/2 ||w||^2)``, where S is the sum of the sample weights s: scikit-learn's
    objective.

    Parameters
    ----------
    x : array or CSC matrix of shape (N, P), float32 or float64
        Design. Column-major arrays are read where they are, others are copied; centring is
        implicit.
    y : array of shape (N,)
        Target.
    alphas : array_like of shape (A,)
        Penalties, >= 0, best in descending order: each solution starts from the one before. From
        ``max_j |x_j' (y - mean)| / (N l1_ratio)`` on, all coefficients are zero; 0 asks for least
        squares, with a warning.
    l1_ratio : float, default 1.0
        Share of the L1 penalty, in [0, 1].
    fit_intercept : bool, default True
        Whether b is free; it is 0 otherwise.
    sample_weight : array of shape (N,), optional
        s, >= 0. Ones by default.
    weights : array of shape (P,), optional
        v, > 0; infinity bars a feature. Ones by default.
    positive : bool, default False
        Keep coefficients >= 0.
    start : array of shape (P,), optional
        Coefficients to start from; zeros by default.
    tol : float, default 1e-4
        Relative duality gap at which a solution is good enough.
    max_iter : int, default 1000
        Most epochs for one penalty.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    LassoSolutions
        coefs (A, P), intercepts (A,), gap (A,) and n_iter (A,). The gap is (primal - dual) of the
        objective times 2 S, over ``2 sum_i s_i y_i^2`` of the centred y, as scikit-learn's `tol`
        has it; with ``alpha = 0`` the largest cosine between a feature and the residual, times the
        share of y that is left.

    Raises
    ------
    TypeError, MemoryError
        As for `gemm`.
    ValueError
        As for `gemm`; also if an array is not finite, if an alpha, a weight or the tolerance is out
        of its range.

    Warns
    -----
    ConvergenceWarning
        If solutions did not reach the tolerance: how many, and the worst gap.
    UserWarning
        If an alpha is 0.

    Notes
    -----
    Sums are in float64 for float32 arrays too. The result does not depend on the number of threads,
    to the last bit.

    References
    ----------
    M. Massias, A. Gramfort, J. Salmon (2018). Celer: a fast solver for the lasso with dual
    extrapolation. ICML.

    O. Fercoq, A. Gramfort, J. Salmon (2015). Mind the duality gap: safer rules for the lasso. ICML.

    J. Friedman, T. Hastie, R. Tibshirani (2010). Regularization paths for generalized linear models
    via coordinate descent. Journal of Statistical Software 33.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import lasso_path
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> lasso_path(x, np.array([2.0, 1.0, -3.0]), [0.5, 0.1]).coefs.round(3)
    array([[1.5, 0.5],
           [1.9, 0.9]])
    """
    call = _PATH(x, y, sample_weight, weights, start)
    penalties = _check_alphas(alphas)
    options = {
        "l1_ratio": _check_number("l1_ratio", l1_ratio, 1.0),
        "fit_intercept": bool(fit_intercept),
        "positive": bool(positive),
        "tol": _check_number("tol", tol, np.inf),
        "max_iter": check_integer("lasso_path", "max_iter", max_iter, 1, 2**63 - 1),
    }
    _check_weights(call)
    if (penalties == 0.0).any():
        warnings.warn(
            "lasso_path: alphas should be above 0; got 0, which asks for least squares without a "
            "penalty",
            stacklevel=2,
        )
    if use_reference():
        result = _run_reference(call, penalties, options)
    else:
        result = _run(call, penalties, options, num_threads, workspace)
    _judge(call, result, options)
    return result


def _check_alphas(alphas: Any) -> np.ndarray:
    try:
        values = np.asarray(alphas, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"lasso_path: alphas must be numbers; got {alphas!r}") from None
    if values.ndim != 1:
        raise ValueError(f"lasso_path: alphas must have shape (A,); got shape {values.shape}")
    valid = (values >= 0) & (values < np.inf)
    if not valid.all():
        raise ValueError(
            f"lasso_path: alphas must be finite and at least 0; got {values[~valid][0]}"
        )
    return np.ascontiguousarray(values)


def _check_number(name: str, value: float, high: float) -> float:
    check_numbers("lasso_path", **{name: value})
    if not (0 <= value <= high and value < np.inf):
        bound = "finite and at least 0" if high == np.inf else f"from 0 to {high:g}"
        raise ValueError(f"lasso_path: {name} must be {bound}; got {value}")
    return float(value)


def _check_weights(call: Call) -> None:
    _, _, sample_weight, weights, _ = call.operands
    if sample_weight is not None:
        host = to_numpy(sample_weight)
        if not ((host >= 0) & (host < np.inf)).all():
            raise ValueError("lasso_path: sample_weight must be finite and >= 0; got others")
    if weights is not None:
        host = to_numpy(weights)
        if not (host > 0).all():
            raise ValueError(f"lasso_path: weights must be > 0; got {host[~(host > 0)][0]}")


def _total(call: Call) -> float:
    sample_weight = call.operands[2]
    if sample_weight is None:
        return float(call.sizes["N"])
    return float(to_numpy(sample_weight).sum(dtype=np.float64))


def _run(
    call: Call,
    alphas: np.ndarray,
    options: dict[str, Any],
    num_threads: int | None,
    workspace: Workspace | None,
) -> LassoSolutions:
    x, y, sample_weight, weights, start = call.operands
    compiled, threads = core(), resolve_threads("lasso_path", num_threads)
    n, p = call.sizes["N"], call.sizes["P"]
    call.sizes["A"] = len(alphas)
    copied = not hasattr(x, "indptr") and n > 1 and _column_step(x) != 1
    nbytes = compiled.lasso_path_workspace(n, p, call.dtype, copied, threads)
    coefs, intercepts, gap = call.empty("A", "P"), call.empty("A"), call.empty("A")
    iterations = np.empty(len(alphas), np.int64)
    penalty = alphas * (_total(call) * options["l1_ratio"])
    ridge = alphas * (_total(call) * (1.0 - options["l1_ratio"]))
    compiled.lasso_path(
        x.T, y, penalty, ridge, sample_weights=sample_weight, weights=weights, start=start,
        intercept=options["fit_intercept"], nonnegative=options["positive"],
        tolerance=options["tol"], max_iterations=options["max_iter"], codes=coefs,
        intercepts=intercepts, gap=gap, iterations=iterations,
        workspace=call.scratch(nbytes, workspace), num_threads=threads,
    )  # fmt: skip
    return LassoSolutions(coefs, intercepts, gap, iterations)


def _column_step(x: Any) -> int:
    """Elements from one row of a dense matrix to the next."""
    if isinstance(x, np.ndarray):
        return x.strides[0] // x.itemsize
    return int(x.stride(0)) if hasattr(x, "stride") else int(x.strides[0]) // x.itemsize


def _run_reference(call: Call, alphas: np.ndarray, options: dict[str, Any]) -> LassoSolutions:
    x, y, sample_weight, weights, start = call.on_host()
    with np.errstate(invalid="ignore", over="ignore"):
        coefs, intercepts, gap, n_iter = reference.lasso_path(
            x, y, alphas, sample_weight=sample_weight, weights=weights, start=start, **options
        )
    return LassoSolutions(call.result(coefs), call.result(intercepts), call.result(gap), n_iter)


def _judge(call: Call, result: LassoSolutions, options: dict[str, Any]) -> None:
    """Refuse what is not finite; warn of solutions that did not reach the tolerance."""
    gaps = to_numpy(result.gap)
    worst = gaps.max(initial=0.0)
    if np.isnan(worst):
        raise ValueError(
            "lasso_path: x, y and start must be finite, the square norms of y and of x's columns "
            "too; got others"
        )
    tol = gaps.dtype.type(options["tol"])
    if worst > tol:
        from sklearn.exceptions import ConvergenceWarning  # not brought in by importing the ops

        warnings.warn(
            f"lasso_path: {int((gaps > tol).sum())} of {gaps.size} solutions did not reach the "
            f"tolerance; the worst gap is {worst:.3g}, tol {options['tol']:.3g}, max_iter "
            f"{options['max_iter']}",
            ConvergenceWarning,
            stacklevel=3,
        )
