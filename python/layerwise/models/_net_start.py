"""How a classifier's net starts: from a stack of RBMs, or at random weights."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from layerwise import nn

from ._stack_training import check_layers, fit_stack, layers_of
from .dbn import DBN
from .rbm import RBM

__all__ = ["Start", "check_pretrain", "start_net", "start_of"]

# The DBN whose weights the hidden layers take, and its layers where it is to be trained.
Start = tuple[DBN, list[RBM]]


def check_pretrain(op: str, pretrain: Any, sizes: tuple[int, ...]) -> None:
    """Check the parameter that says what the hidden layers start from."""
    if isinstance(pretrain, (bool, np.bool_, DBN)):
        return
    dbn = pretrain.estimator if isinstance(pretrain, FrozenEstimator) else None
    if not isinstance(dbn, DBN):
        raise TypeError(
            f"{op}: pretrain must be True, False, a DBN or a FrozenEstimator of one; "
            f"got {pretrain!r}"
        )
    check_is_fitted(dbn)
    theirs = tuple(len(rbm.components_) for rbm in dbn.rbms_)
    if theirs != sizes:
        raise ValueError(
            f"{op}: n_components must be those of pretrain's DBN, {theirs}; got {sizes}"
        )


def start_of(model: Any, rows: Any) -> Start | None:
    """Give what the hidden layers start from; None for random weights. Errors before any work."""
    op = type(model).__name__
    if isinstance(model.pretrain, FrozenEstimator):
        dbn: DBN = model.pretrain.estimator
        if dbn.n_features_in_ != rows.shape[1]:
            raise ValueError(
                f"{op}: X must have the features of pretrain's DBN, {dbn.n_features_in_}; "
                f"got {rows.shape[1]}"
            )
        return dbn, []
    if not model.pretrain:
        return None
    dbn = clone(model.pretrain) if isinstance(model.pretrain, DBN) else DBN()
    dbn.set_params(n_components=model.n_components, verbose=model.verbose)
    layers = layers_of(dbn)
    check_layers(op, layers, rows)
    return dbn, layers


def start_net(
    model: Any,
    start: Start | None,
    rows: Any,
    classes: np.ndarray,
    sizes: tuple[int, ...],
    seed: int,
    checkpoint: nn.Checkpoint | None = None,
) -> None:
    """Set up the net as it is before the fine-tuning."""
    dbn, layers = start or (None, [])
    if dbn is not None:
        if layers:
            _pretrain(model, dbn, layers, rows, seed, checkpoint)
        coefs = [rbm.components_.astype(rows.dtype) for rbm in dbn.rbms_]
        intercepts = [rbm.intercept_hidden_.astype(rows.dtype) for rbm in dbn.rbms_]
    else:
        coefs, intercepts = _sigmoid_start(rows.shape[1], sizes, rows.dtype, seed)
    # The softmax layer starts at zero: it is a convex problem of its own, and until it knows
    # something it should not move the layers below.
    coefs.append(np.zeros((len(classes), sizes[-1]), rows.dtype))
    intercepts.append(np.zeros(len(classes), rows.dtype))
    model.dbn_, model.classes_ = dbn, classes
    model.coefs_, model.intercepts_ = coefs, intercepts
    model.loss_curve_, model.history_ = [], []
    model.best_validation_score_ = None
    model.n_steps_ = 0
    model.n_epochs_ = 0
    model._seed = seed
    model._velocities = None


def _pretrain(
    model: Any,
    dbn: DBN,
    layers: list[RBM],
    rows: Any,
    seed: int,
    checkpoint: nn.Checkpoint | None,
) -> None:
    fit_stack(dbn, layers, rows, seed, checkpoint)
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(model, name):
            setattr(dbn, name, getattr(model, name))


def _sigmoid_start(
    n_features: int, sizes: tuple[int, ...], dtype: Any, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Random weights that keep the variance of signals through sigmoid units.

    Glorot and Bengio's standard deviation sqrt(2 / (in + out)), times 4 since the sigmoid's slope
    is a quarter of the tanh's.
    """
    widths = (n_features, *sizes)
    coefs = []
    for i, (below, above) in enumerate(itertools.pairwise(widths)):
        scale = 4.0 * np.sqrt(2.0 / (below + above))
        coefs.append(nn.random_weights((above, below), scale, dtype, seed, layer=i))
    return coefs, [np.zeros(size, dtype) for size in sizes]
