"""How an RBM estimator trains: between its hyper-parameters and the training loop."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from layerwise import nn

from ._loop import (
    check_finite,
    hold_out,
    rate_of,
    reset_counts,
    run_epochs,
    run_update,
    schedule_of,
    writable,
)
from ._run import finish_part, restore_part

__all__ = ["fit_rbm", "start_rbm", "update_rbm"]

_SCALE = 0.01  # of the first weights (Hinton 2010)
_MONITORED_ELEMENTS = 1 << 22


def start_rbm(rbm: Any, rows: Any, seed: int, layer: int = 0) -> None:
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
    rbm._state = None
    reset_counts(rbm, seed)


def fit_rbm(
    rbm: Any,
    rows: Any,
    seed: int,
    layer: int = 0,
    label: str = "",
    weight: np.ndarray | None = None,
    checkpoint: nn.Checkpoint | None = None,
) -> None:
    """Train an RBM from the start, or from where the checkpoint is."""
    part = f"layer {layer}"
    if restore_part(checkpoint, part, rbm):
        return
    rows, held, weight = hold_out(rbm, rows, seed, weight)
    start_rbm(rbm, rows, seed, layer)
    batches = rows.minibatches(
        rbm.batch_size, seed=seed, shuffle=bool(rbm.shuffle), layer=layer, weight=weight
    )
    momentum = rbm.momentum
    if rbm.final_momentum is not None and not isinstance(momentum, nn.Schedule):
        momentum = nn.Switch(momentum, rbm.final_momentum, rbm.momentum_switch)
    label = label or f"{type(rbm).__name__} {rows.shape[1]}-{rbm.n_components}"
    watched = bool(rbm.monitor or rbm.verbose)
    before = [_scheduler(rbm, momentum), *([_monitor(rows, held)] if watched else [])]
    trainer = _trainer(rbm, momentum, layer)
    try:
        run_epochs(rbm, trainer, batches, label, before=before, checkpoint=checkpoint)
    finally:
        _keep(rbm, trainer)
    _finish(rbm, trainer)
    finish_part(checkpoint, part, rbm)
    if watched:
        for line in nn.advice(rbm.history_, len(rbm.components_)):
            warnings.warn(f"{label}: {line}.", UserWarning, stacklevel=3)


def update_rbm(rbm: Any, rows: nn.Rows) -> None:
    """Make one update from all rows; ids go on from the rows seen before."""
    first_row = rbm.n_samples_seen_ % 2**32
    batches = rows.minibatches(len(rows), seed=rbm._seed, shuffle=False, first_row=first_row)
    trainer = _trainer(rbm, rbm.momentum, layer=0)
    try:
        run_update(rbm, trainer, batches, [_scheduler(rbm, rbm.momentum)])
    finally:
        _keep(rbm, trainer)
    _finish(rbm, trainer)


def _monitor(rows: Any, held: nn.Rows | None) -> nn.RBMMonitor:
    """Measure on few rows: an epoch's measurements must cost little beside the epoch."""
    n = max(1, min(nn.MONITORED_ROWS, _MONITORED_ELEMENTS // rows.shape[1]))
    return nn.RBMMonitor(rows.some(n), None if held is None else held.some(n))


def _trainer(rbm: Any, momentum: float | nn.Schedule, layer: int) -> nn.RBMTrainer:
    # Loaded from a memory map the arrays are read-only, and users may set their own.
    dtype = rbm.components_.dtype
    w, b, a = [
        np.require(array, dtype, ["C", "W"])
        for array in (rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_)
    ]
    rule = nn.rule_of(rbm.learning, rbm.k, op=type(rbm).__name__)
    return nn.RBMTrainer(
        nn.Parameters(w, b, a),
        rbm._pair,
        nn.Dropout(rule, rbm.dropout) if rbm.dropout else rule,
        rate=rate_of(rbm.learning_rate),
        momentum=rate_of(momentum),
        weight_decay=rbm.weight_decay,
        batch_size=rbm.batch_size,
        seed=rbm._seed,
        layer=layer,
        corrections=_corrections(rbm),
        state=writable(rbm._state),
    )


def _corrections(rbm: Any) -> list[nn.Correction]:
    found: list[nn.Correction] = []
    if rbm.centered:
        found.append(rbm.centered if isinstance(rbm.centered, nn.Centring) else nn.Centring())
    if rbm.sparsity_target is not None:
        found.append(
            nn.SparsityTarget(rbm.sparsity_target, rbm.sparsity_cost, rbm.sparsity_penalty)
        )
    if rbm.l1_decay:
        found.append(nn.L1(rbm.l1_decay))
    if rbm.max_norm is not None:
        found.append(nn.MaxNorm(rbm.max_norm))
    return found


def _scheduler(rbm: Any, momentum: float | nn.Schedule) -> nn.Scheduler:
    return nn.Scheduler(rate=schedule_of(rbm.learning_rate), momentum=schedule_of(momentum))


def _keep(rbm: Any, trainer: nn.RBMTrainer) -> None:
    """Keep what was learnt, and what `partial_fit` goes on from; also on Ctrl-C."""
    p, state = trainer.parameters, trainer.state_dict()
    rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = p.w, p.b, p.a
    rbm._state = {name: state[name] for name in ("velocities", "rule", "corrections")}


def _finish(rbm: Any, trainer: nn.RBMTrainer) -> None:
    p = trainer.parameters
    check_finite(type(rbm).__name__, "components_", p.w, p.b, p.a)
    if trainer.n_steps:
        rbm.h_samples_ = trainer.hidden_samples(rbm.n_steps_)
