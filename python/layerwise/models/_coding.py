"""What the estimators that code signals over a dictionary share."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array

from layerwise import nn, ops

from ._checks import check_bool, check_choice, check_integer, check_number

__all__ = ["CODERS", "as_dictionary", "check_coding", "code", "coding_of", "decode"]

CODERS = ("lasso", "lasso_cd", "lasso_lars", "omp", "threshold")

_METHODS = {"lasso": "auto", "lasso_cd": "coordinate_descent"}


def check_coding(estimator: Any, op: str, algorithm: str) -> None:
    """Check the hyper-parameters that say how signals are coded."""
    check_choice(op, "transform_algorithm", algorithm, CODERS)
    if estimator.transform_n_nonzero_coefs is not None:
        check_integer(op, "transform_n_nonzero_coefs", estimator.transform_n_nonzero_coefs, 1)
    if estimator.transform_alpha is not None:
        check_number(op, "transform_alpha", estimator.transform_alpha)
    check_integer(op, "transform_max_iter", estimator.transform_max_iter, 1)
    check_number(op, "gap_tol", estimator.gap_tol)
    for name in ("split_sign", "positive_code", "sparse_output"):
        check_bool(op, name, getattr(estimator, name))
    if algorithm == "omp" and estimator.positive_code:
        raise ValueError(f"{op}: positive_code must be False with omp; got True")


def coding_of(estimator: Any, algorithm: str, n_features: int, alpha: float = 1.0) -> nn.Coding:
    """Make the coding that hyper-parameters ask for; `alpha` where they have no penalty."""
    penalty = estimator.transform_alpha
    if algorithm == "omp":
        count = estimator.transform_n_nonzero_coefs
        if count is None and penalty is None:
            count = max(n_features // 10, 1)
        return nn.PursuitCoding(count, 0.0 if penalty is None else float(penalty))
    own = float(alpha if penalty is None else penalty)
    positive = bool(estimator.positive_code)
    if algorithm == "threshold":
        return nn.ThresholdCoding(own, positive)
    passes = int(estimator.transform_max_iter)
    if algorithm == "lasso_lars":
        return nn.LarsCoding(own, positive, passes)
    method = _METHODS[algorithm]
    return nn.LassoCoding(own, positive, method, float(estimator.gap_tol), passes)


def as_dictionary(op: str, name: str, value: Any, dtype: Any) -> np.ndarray:
    """Atoms that a user gave, as a matrix of the dtype."""
    atoms = np.asarray(value)
    if atoms.ndim != 2 or 0 in atoms.shape or atoms.dtype.kind not in "buif":
        raise ValueError(
            f"{op}: {name} must be an array of numbers of shape (n_components, n_features); "
            f"got {atoms.dtype} of shape {atoms.shape}"
        )
    if not np.isfinite(atoms).all():
        raise ValueError(f"{op}: {name} must be finite; got NaN or infinity")
    return np.ascontiguousarray(atoms, dtype)


def code(
    rows: nn.Rows, dictionary: np.ndarray, coding: nn.Coding, estimator: Any, **options: Any
) -> Any:
    """Code rows as an estimator's transform does: dense or CSR, signs together or apart.

    Options go to the op unchanged.
    """
    split = estimator.split_sign
    if not estimator.sparse_output:
        return rows.map(lambda x: _apart(coding.codes(x, dictionary, **options), split))
    # As a whole where that is a view: the kernel codes stretch by stretch, and nothing is copied.
    whole = isinstance(rows.x, np.ndarray) and rows.x.dtype == rows.dtype
    found = [
        _apart(coding.codes(rows[part], dictionary, format="csr", **options), split)
        for part in ([slice(None)] if whole else rows.chunks())
    ]
    return found[0] if len(found) == 1 else sp.vstack(found, format="csr")


def _apart(codes: Any, split: bool) -> Any:
    """Positive parts beside the sizes of negative ones, where that is asked for."""
    if not split:
        return codes
    if sp.issparse(codes):
        return sp.hstack([codes.maximum(0), (-codes).maximum(0)], format="csr")
    return np.concatenate([np.maximum(codes, 0), -np.minimum(codes, 0)], axis=1)


def decode(estimator: Any, x: Any, dictionary: np.ndarray) -> np.ndarray:
    """Turn codes into signals, as an estimator's inverse_transform does."""
    codes = check_array(
        x, accept_sparse="csr", dtype=[np.float64, np.float32], estimator=estimator, input_name="X"
    )
    width = len(dictionary) * (2 if estimator.split_sign else 1)
    if codes.shape[1] != width:
        raise ValueError(
            f"{type(estimator).__name__}.inverse_transform: X must have shape (n, {width}), one "
            f"column a code; got shape {codes.shape}"
        )
    if estimator.split_sign:
        codes = codes[:, : len(dictionary)] - codes[:, len(dictionary) :]
    if sp.issparse(codes) and not codes.has_canonical_format:
        codes = codes.copy()
        codes.sum_duplicates()
    return ops.gemm(codes, dictionary.astype(codes.dtype, copy=False))
