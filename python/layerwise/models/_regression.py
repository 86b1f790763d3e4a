"""What the linear regressions share: their data, and a prediction from coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import _check_sample_weight, validate_data

__all__ = ["predict_linear", "read_regression", "read_sample_weight"]

FLOATS = (np.float64, np.float32)


def read_regression(
    estimator: Any, x: Any, y: Any, *, multi_output: bool
) -> tuple[Any, np.ndarray]:
    """Validate data to fit: columns in one piece, dense or CSC, and y of their dtype."""
    x, y = validate_data(
        estimator, x, y, accept_sparse="csc", dtype=FLOATS, order="F",
        multi_output=multi_output, y_numeric=True,
    )  # fmt: skip
    if sp.issparse(x) and not x.has_canonical_format:
        x = x.copy()
        x.sum_duplicates()
    return x, np.ascontiguousarray(y, x.dtype)


def read_sample_weight(op: str, sample_weight: Any, x: Any) -> np.ndarray | None:
    """Check the weights of the rows, where there are any."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, x, dtype=x.dtype)
    if weight.min() < 0:
        raise ValueError(f"{op}: sample_weight must be numbers >= 0; got {weight.min():g}")
    return weight


def predict_linear(estimator: Any, x: Any, coef: np.ndarray, intercept: Any) -> np.ndarray:
    """Validate data and compute ``X coef' + intercept``."""
    x = validate_data(estimator, x, accept_sparse=("csr", "csc", "coo"), dtype=FLOATS, reset=False)
    return safe_sparse_dot(x, coef.T, dense_output=True) + intercept
