"""How an RBM estimator trains: between its hyper-parameters and the training loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise import nn
from layerwise.ops import BitMatrix

from ._run import finish_part, restore_part

__all__ = ["check_finite", "fit_rbm", "start_rbm", "update_rbm", "writable"]

_SCALE = 0.01  # of the first weights (Hinton 2010)
_MONITORED_ROWS = 1000  # of the data whose reconstruction error is shown, at most
_MONITORED_ELEMENTS = 1 << 22


def start_rbm(rbm: Any, rows: nn.Rows, seed: int, layer: int = 0) -> None:
    """Give an RBM its first parameters, those of a model that has learnt nothing."""
    shape = (int(rbm.n_components), rows.shape[1])
    try:
        w = nn.random_weights(shape, _SCALE, rows.dtype, seed, layer)
    except MemoryError as error:
        raise MemoryError(
            f"{type(rbm).__name__}: n_components must fit into memory; "
            f"got {rbm.n_components}: {error}"
        ) from error
    b = np.zeros(shape[1], rows.dtype)
    if rbm.visible_bias == "log_odds":
        b[:] = rbm._units.bias_for(rows.mean())
    rbm.components_ = w
    rbm.intercept_visible_ = b
    rbm.intercept_hidden_ = np.zeros(shape[0], rows.dtype)
    rbm.random_state_ = np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32])
    rbm.n_steps_ = 0
    rbm.n_samples_seen_ = 0
    rbm._seed = seed
    rbm._state = None


def fit_rbm(
    rbm: Any,
    rows: nn.Rows,
    seed: int,
    layer: int = 0,
    label: str = "",
    checkpoint: nn.Checkpoint | None = None,
) -> None:
    """Train an RBM from the start, or from where the checkpoint is."""
    part = f"layer {layer}"
    if restore_part(checkpoint, part, rbm):
        return
    start_rbm(rbm, rows, seed, layer)
    batches = nn.Minibatches(
        rows, rbm.batch_size, seed=seed, shuffle=bool(rbm.shuffle), layer=layer
    )
    final = rbm.momentum if rbm.final_momentum is None else rbm.final_momentum
    momentum = nn.switch(rbm.momentum, final, rbm.momentum_switch * len(batches))
    label = label or f"{type(rbm).__name__} {rows.shape[1]}-{rbm.n_components}"
    callbacks: list[nn.Callback] = [nn.Monitor(_measure(rbm, rows))] if rbm.verbose else []
    callbacks.append(nn.Progress(label, len(batches), verbose=bool(rbm.verbose)))
    if checkpoint is not None:
        callbacks.append(checkpoint)
    _train(rbm, _trainer(rbm, momentum, layer), batches, rbm.n_iter, callbacks)
    finish_part(checkpoint, part, rbm)


def update_rbm(rbm: Any, rows: nn.Rows) -> None:
    """Make one update from all rows; ids go on from the rows seen before."""
    batches = nn.Minibatches(
        rows,
        len(rows),
        seed=rbm._seed,
        shuffle=False,
        first_row=rbm.n_samples_seen_ % 2**32,
    )
    _train(rbm, _trainer(rbm, rbm.momentum, layer=0), batches, 1, [])


def check_finite(op: str, what: str, *arrays: np.ndarray) -> None:
    """ValueError if training ran away."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(
            f"{op}: training must stay finite; {what} became infinite or NaN "
            "(lower learning_rate or weight_decay)"
        )


def writable(state: Any) -> Any:
    """Copy the parts of a trainer's state that a memory map made read-only."""
    if isinstance(state, dict):
        return {name: writable(value) for name, value in state.items()}
    if isinstance(state, BitMatrix):
        return BitMatrix(writable(state.words), state.cols)
    return np.require(state, requirements="W") if isinstance(state, np.ndarray) else state


def _trainer(rbm: Any, momentum: nn.Schedule, layer: int) -> nn.RBMTrainer:
    # Loaded from a memory map the arrays are read-only, and users may set their own.
    dtype = rbm.components_.dtype
    w, b, a = [
        np.require(array, dtype, ["C", "W"])
        for array in (rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_)
    ]
    return nn.RBMTrainer(
        nn.Parameters(w, b, a),
        rbm._pair,
        nn.rule_of(rbm.learning, rbm.k, op=type(rbm).__name__),
        rate=rbm.learning_rate,
        momentum=momentum,
        weight_decay=rbm.weight_decay,
        batch_size=rbm.batch_size,
        seed=rbm._seed,
        layer=layer,
        state=writable(rbm._state),
    )


def _train(
    rbm: Any,
    trainer: nn.RBMTrainer,
    batches: nn.Minibatches,
    n_iter: int,
    callbacks: list[nn.Callback],
) -> None:
    try:
        nn.fit(trainer, batches, n_iter, callbacks, t=rbm.n_steps_)
    finally:
        # Also on Ctrl-C: what was learnt so far stays, with everything partial_fit goes on from.
        p = trainer.parameters
        rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = p.w, p.b, p.a
        rbm.n_steps_ += trainer.n_steps
        rbm.n_samples_seen_ += trainer.n_rows
        state = trainer.state_dict()
        rbm._state = {name: state[name] for name in ("velocities", "rule")}
    check_finite(type(rbm).__name__, "components_", p.w, p.b, p.a)
    if trainer.n_steps:
        rbm.h_samples_ = trainer.hidden_samples(rbm.n_steps_)


def _measure(rbm: Any, rows: nn.Rows) -> Callable[[], dict[str, float]]:
    some = rows[: max(1, min(_MONITORED_ROWS, _MONITORED_ELEMENTS // rows.shape[1]))]
    dense = some.toarray() if sp.issparse(some) else some
    data = dense.unpack() if isinstance(dense, BitMatrix) else dense

    def measure() -> dict[str, float]:
        pair, p = rbm._pair, rbm._parameters
        error = np.square(pair.visible(pair.hidden(some, p), p) - data)
        return {"reconstruction error": float(error.mean(dtype=np.float64))}

    return measure
