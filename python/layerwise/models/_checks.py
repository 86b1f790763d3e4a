"""Checks of hyper-parameters and data that the estimators share; they run in `fit`."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    assert_all_finite,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from layerwise.nn import (
    CD,
    PCD,
    Bernoulli,
    Callback,
    Centring,
    MappedRows,
    Rows,
    Schedule,
    StreamRows,
    Units,
    pair_of,
    rule_of,
    units_of,
)
from layerwise.ops import BitMatrix

__all__ = [
    "check_bool",
    "check_choice",
    "check_integer",
    "check_labels",
    "check_number",
    "check_rate",
    "check_rbm",
    "check_rounding",
    "check_sizes",
    "check_training",
    "check_verbose",
    "check_weights",
    "per_layer",
    "read_rows",
    "read_training",
    "seed_of",
    "warn_outside",
]


def _is_integer(value: Any) -> bool:
    return not isinstance(value, (bool, np.bool_)) and hasattr(value, "__index__")


def check_integer(op: str, name: str, value: Any, least: int) -> int:
    """`value` as an int of at least `least`; errors name the estimator and the parameter."""
    required = f"{op}: {name} must be an integer >= {least}"
    if not _is_integer(value):
        raise TypeError(f"{required}; got {value!r}")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{required}; got {number}")
    return number


def check_number(
    op: str,
    name: str,
    value: Any,
    *,
    least: float = 0.0,
    below: float = np.inf,
    positive: bool = False,
) -> float:
    """`value` as a float in [least, below), or in (least, below) if `positive`."""
    low = "" if np.isinf(least) else f" > {least:g}" if positive else f" >= {least:g}"
    high = "" if np.isinf(below) else f" and < {below:g}"
    required = f"{op}: {name} must be a finite number{low}{high}"
    if isinstance(value, (bool, np.bool_, str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError(f"{required}; got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):  # an array of several numbers
        raise TypeError(f"{required}; got {value!r}") from None
    inside = least < number < below if positive else least <= number < below
    if not (inside and np.isfinite(number)):
        raise ValueError(f"{required}; got {number:g}")
    return number


def check_rate(
    op: str, name: str, value: Any, *, below: float = np.inf, positive: bool = False
) -> None:
    """Check a number as `check_number` does, or a schedule of numbers in [0, below)."""
    if not isinstance(value, Schedule):
        check_number(op, name, value, below=below, positive=positive)
    elif not value.span[1] < below:
        raise ValueError(f"{op}: {name} must stay below {below:g}; got {value!r}")


def check_choice(op: str, name: str, value: Any, choices: Sequence[str]) -> None:
    """ValueError unless `value` is one of some strings."""
    if not isinstance(value, str) or value not in choices:
        accepted = " or ".join([repr(choice) for choice in choices])
        raise ValueError(f"{op}: {name} must be {accepted}; got {value!r}")


def check_bool(op: str, name: str, value: Any) -> None:
    """TypeError unless `value` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{op}: {name} must be True or False; got {value!r}")


def check_verbose(op: str, verbose: Any) -> None:
    """Errors unless `verbose` is a bool or an integer >= 0."""
    if not isinstance(verbose, (bool, np.bool_)):
        check_integer(op, "verbose", verbose, 0)


def check_training(estimator: Any, op: str) -> None:
    """Check the hyper-parameters of a training run that estimators share."""
    check_integer(op, "batch_size", estimator.batch_size, 1)
    check_verbose(op, estimator.verbose)
    check_bool(op, "shuffle", estimator.shuffle)
    check_number(op, "validation_fraction", estimator.validation_fraction, below=1.0)
    callbacks = estimator.callbacks
    if callbacks is None:
        return
    required = f"{op}: callbacks must be a list of layerwise.nn.Callback objects"
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"{required}; got {callbacks!r}")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"{required}; got {callbacks!r}")


def check_rbm(estimator: Any, op: str = "RBM") -> None:
    """Check the hyper-parameters of an RBM; errors name `op`."""
    check_integer(op, "n_components", estimator.n_components, 1)
    check_rate(op, "learning_rate", estimator.learning_rate, positive=True)
    check_integer(op, "n_iter", estimator.n_iter, 0)
    check_training(estimator, op)
    check_bool(op, "monitor", estimator.monitor)
    check_rate(op, "momentum", estimator.momentum, below=1.0)
    if estimator.final_momentum is not None:
        check_number(op, "final_momentum", estimator.final_momentum, below=1.0)
    check_integer(op, "momentum_switch", estimator.momentum_switch, 0)
    check_number(op, "weight_decay", estimator.weight_decay)
    check_choice(op, "visible_bias", estimator.visible_bias, ("zeros", "log_odds"))
    check_number(op, "l1_decay", estimator.l1_decay)
    if estimator.sparsity_target is not None:
        check_number(op, "sparsity_target", estimator.sparsity_target, below=1.0, positive=True)
    check_number(op, "sparsity_cost", estimator.sparsity_cost)
    check_choice(op, "sparsity_penalty", estimator.sparsity_penalty, ("squared", "cross_entropy"))
    if estimator.max_norm is not None:
        check_number(op, "max_norm", estimator.max_norm, positive=True)
    if not isinstance(estimator.centered, Centring):
        check_bool(op, "centered", estimator.centered)
    check_number(op, "dropout", estimator.dropout, below=1.0)
    rule = rule_of(estimator.learning, estimator.k, op=op)
    if estimator.dropout and not isinstance(rule, (CD, PCD)):
        raise TypeError(f"{op}: learning must be CD or PCD with dropout; got {rule!r}")
    pair_of(units_of(estimator.visible, op=op, name="visible"), Bernoulli())


def check_rounding(op: str, rbm: Any, dtype: np.dtype[Any]) -> None:
    """Error if the rule of an RBM rounds its weights and X trains in another dtype than float32."""
    precision = rule_of(rbm.learning, rbm.k, op=op).precision
    if precision != "full" and dtype != np.float32:
        raise TypeError(
            f"{op}: X must be float32 or a BitMatrix where learning has "
            f"precision={precision!r}; got one that trains in {dtype}"
        )


def check_sizes(op: str, name: str, value: Any) -> tuple[int, ...]:
    """Layer sizes: one integer >= 1, or a non-empty sequence of them."""
    if _is_integer(value):
        return (check_integer(op, name, value, 1),)
    required = f"{op}: {name} must be an integer >= 1 or a sequence of them, one a layer"
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(f"{required}; got {value!r}")
    if len(value) == 0:
        raise ValueError(f"{required}; got an empty one")
    return tuple([check_integer(op, f"{name}[{i}]", size, 1) for i, size in enumerate(value)])


def per_layer(op: str, name: str, value: Any, n_layers: int) -> list[Any]:
    """Return a parameter's value for each layer: one for all, or a sequence of one a layer."""
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes)):
        return [value] * n_layers
    if len(value) != n_layers:
        raise ValueError(
            f"{op}: {name} must be one value or one for each of {n_layers} layers; "
            f"got {len(value)} values"
        )
    return list(value)


def seed_of(op: str, random_state: Any) -> int:
    """Return the Philox seed that `random_state` stands for: an int is its own seed."""
    if _is_integer(random_state):
        seed = operator.index(random_state)
        if not 0 <= seed < 2**64:
            raise ValueError(
                f"{op}: random_state must be an integer from 0 to 2**64 - 1, a RandomState or "
                f"None; got {seed}"
            )
        return seed
    if random_state is not None and not isinstance(random_state, np.random.RandomState):
        raise TypeError(
            f"{op}: random_state must be an integer, a RandomState or None; got {random_state!r}"
        )
    high, low = check_random_state(random_state).randint(0, 2**32, size=2, dtype=np.uint64)
    return int(high) << 32 | int(low)


def _fitting_dtype(x: Any) -> np.dtype[Any]:
    """float32 and bits train in float32; all else in float64, as in scikit-learn."""
    if isinstance(x, BitMatrix) or x.dtype == np.float32:
        return np.dtype(np.float32)
    return np.dtype(np.float64)


def read_rows(
    estimator: Any,
    x: Any,
    *,
    reset: bool,
    dtype: Any = None,
    units: Units | None = None,
    allow_nan: bool = False,
) -> Rows:
    """Validate the data of an estimator and give it the encoding that kernels read.

    Parameters
    ----------
    estimator : estimator
    x : array-like, DataFrame, sparse matrix or BitMatrix of shape (n, d)
    reset : bool
        Whether this is the first data the estimator sees, which set ``n_features_in_``.
    dtype : float32 or float64, optional
        What kernels compute in; by default that of the data.
    units : Units, optional
        Warn about data that these units cannot take.
    allow_nan : bool
        Whether dense data may hold NaN.
    """
    rows: Rows
    if isinstance(x, np.memmap) and x.ndim == 2 and x.dtype.kind in "buif":
        rows = _read_mapped(estimator, x, reset, dtype, allow_nan)
    else:
        rows = _read_array(estimator, x, reset, dtype, allow_nan)
    if units is not None:
        warn_outside(type(estimator).__name__, rows, units)
    return rows


def _read_array(estimator: Any, x: Any, reset: bool, dtype: Any, allow_nan: bool = False) -> Rows:
    if isinstance(x, BitMatrix):
        _check_bits(estimator, x, reset)
    else:
        finite = "allow-nan" if allow_nan and not sp.issparse(x) else True
        x = validate_data(estimator, x, accept_sparse="csr", reset=reset, ensure_all_finite=finite)
        if sp.issparse(x) and x.dtype.kind not in "biuf":
            raise TypeError(
                f"{type(estimator).__name__}: X must be bool, integer or float; got {x.dtype}"
            )
    return Rows(x, _fitting_dtype(x) if dtype is None else dtype)


def _comes_in_blocks(x: Any) -> bool:
    return isinstance(x, Iterator) or callable(x)


def read_training(
    estimator: Any, x: Any, *, reset: bool, dtype: Any = None, units: Units | None = None
) -> Rows | StreamRows:
    """Do as `read_rows`, also for data that come in blocks: an iterator, or a function of none.

    Rows that are to be read again and again are packed where their values allow.
    """
    if not _comes_in_blocks(x):
        return read_rows(estimator, x, reset=reset, dtype=dtype, units=units).packed()
    unseen = reset

    def check(block: Any) -> Any:
        nonlocal unseen
        rows = read_rows(estimator, block, reset=unseen, dtype=dtype, units=units)
        unseen = False
        return rows.x

    return StreamRows(x, dtype, check=check, dtype_of=_fitting_dtype)


def _read_mapped(
    estimator: Any, x: np.memmap, reset: bool, dtype: Any, allow_nan: bool = False
) -> MappedRows:
    """Validate a memory map without reading it into memory."""
    finite = "allow-nan" if allow_nan else True
    validate_data(estimator, x[:1], reset=reset, ensure_all_finite=finite)
    rows = MappedRows(x, _fitting_dtype(x) if dtype is None else dtype)
    if not np.isfinite(rows.bounds()).all():
        for part in rows.raw_chunks():
            assert_all_finite(
                part,
                allow_nan=allow_nan,
                input_name="X",
                estimator_name=type(estimator).__name__,
            )
    return rows


def _check_bits(estimator: Any, x: BitMatrix, reset: bool) -> None:
    _check_feature_names(estimator, x, reset=reset)
    _check_n_features(estimator, x, reset=reset)
    for size, axis in zip(x.shape, ("sample", "feature"), strict=True):
        if size == 0:
            raise ValueError(
                f"Found array with 0 {axis}(s) (shape={x.shape}) while a minimum of 1 is required "
                f"by {type(estimator).__name__}."
            )


def warn_outside(op: str, rows: Rows, units: Units) -> None:
    """Warn where data hold values that the units cannot take."""
    low, high = rows.bounds()
    required = units.outside(low, high)
    if required is not None:
        warnings.warn(
            f"{op}: {units.name} visible units take {required}; X spans [{low:g}, {high:g}]. "
            "Scale the data, for instance with sklearn.preprocessing.MinMaxScaler.",
            UserWarning,
            stacklevel=4,
        )


def check_weights(op: str, sample_weight: Any, n: int | None) -> np.ndarray | None:
    """Weights of n rows, where there are any, scaled to a mean of 1."""
    if sample_weight is None:
        return None
    required = f"{op}: sample_weight must have one finite number >= 0 for each row, not all zero"
    weight = np.asarray(sample_weight, np.float64)
    if weight.ndim != 1 or (n is not None and len(weight) != n):
        raise ValueError(f"{required}; got shape {weight.shape} for {n} rows")
    if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.any()):
        raise ValueError(f"{required}; got values from {weight.min():g} to {weight.max():g}")
    return weight * (len(weight) / weight.sum())


def check_labels(estimator: Any, x: Any, y: Any) -> np.ndarray:
    """Class labels for the rows of x, one-dimensional and without gaps."""
    op = type(estimator).__name__
    if y is None:
        raise ValueError(f"{op} requires y to be passed, but the target y is None")
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name="y", estimator_name=op)
    if not _comes_in_blocks(x):
        check_consistent_length(x, y)
    return np.asarray(y)
