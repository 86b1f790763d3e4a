"""How an RBM estimator trains: between its hyper-parameters and the training loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerwise import nn
from layerwise.ops import BitMatrix, Philox

from ._run import finish_part, restore_part

__all__ = [
    "check_finite",
    "fit_rbm",
    "rate_of",
    "schedule_of",
    "split_rows",
    "start_rbm",
    "update_rbm",
    "writable",
]

_SCALE = 0.01  # of the first weights (Hinton 2010)
_MONITORED_ELEMENTS = 1 << 22
_SPLIT_LAYER = (1 << 16) - 2  # layer word that no layer's training uses


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
    rbm.n_steps_ = 0
    rbm.n_epochs_ = 0
    rbm.n_samples_seen_ = 0
    rbm.history_ = []
    rbm._seed = seed
    rbm._state = None


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
    held = None
    if rbm.validation_fraction:
        training, validation = split_rows(type(rbm).__name__, rows, rbm.validation_fraction, seed)
        rows, held = nn.RowsAt(rows, training), nn.RowsAt(rows, validation)
        weight = None if weight is None else weight[training]
    start_rbm(rbm, rows, seed, layer)
    batches = rows.minibatches(
        rbm.batch_size, seed=seed, shuffle=bool(rbm.shuffle), layer=layer, weight=weight
    )
    momentum = rbm.momentum
    if rbm.final_momentum is not None and not isinstance(momentum, nn.Schedule):
        momentum = nn.Switch(momentum, rbm.final_momentum, rbm.momentum_switch)
    label = label or f"{type(rbm).__name__} {rows.shape[1]}-{rbm.n_components}"
    n_batches = len(batches) if isinstance(batches, nn.Minibatches) else None
    shown = [nn.Progress(label, n_batches, verbose=bool(rbm.verbose))]
    watched = bool(rbm.monitor or rbm.verbose)
    before = [_monitor(rows, held)] if watched else []
    history = nn.History()
    callbacks = [*before, *(rbm.callbacks or ()), history, *shown]
    if checkpoint is not None:
        callbacks.append(checkpoint)
    try:
        _train(rbm, layer, batches, rbm.n_iter, momentum, callbacks)
    finally:
        rbm.history_ = history.epochs
    finish_part(checkpoint, part, rbm)
    if watched:
        for line in nn.advice(rbm.history_, len(rbm.components_)):
            warnings.warn(f"{label}: {line}.", UserWarning, stacklevel=3)


def update_rbm(rbm: Any, rows: nn.Rows) -> None:
    """Make one update from all rows; ids go on from the rows seen before."""
    batches = rows.minibatches(
        len(rows),
        seed=rbm._seed,
        shuffle=False,
        first_row=rbm.n_samples_seen_ % 2**32,
    )
    _train(rbm, 0, batches, 1, rbm.momentum)


def split_rows(op: str, rows: Any, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Part the positions of rows at random: those to train on, and a share to validate with."""
    if rows.shape[0] is None:
        raise ValueError(
            f"{op}: validation_fraction must be 0 where X comes in blocks; got {fraction:g}"
        )
    n = len(rows)
    n_held = round(fraction * n)
    if not 0 < n_held < n:
        raise ValueError(
            f"{op}: validation_fraction must leave rows for both training and validation; "
            f"got {fraction:g} of {n} rows"
        )
    order = nn.permutation(Philox(seed, layer=_SPLIT_LAYER), n)
    return np.sort(order[n_held:]), np.sort(order[:n_held])


def rate_of(value: float | nn.Schedule) -> float:
    """Return a constant, or the first value of a schedule."""
    return value(0) if isinstance(value, nn.Schedule) else value


def schedule_of(value: float | nn.Schedule) -> nn.Schedule | None:
    """Return a schedule, None for a constant."""
    return value if isinstance(value, nn.Schedule) else None


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


def _train(
    rbm: Any,
    layer: int,
    batches: Callable[[int], Any],
    n_iter: int,
    momentum: float | nn.Schedule,
    callbacks: Sequence[nn.Callback] = (),
) -> None:
    trainer = _trainer(rbm, momentum, layer)
    scheduler = nn.Scheduler(rate=schedule_of(rbm.learning_rate), momentum=schedule_of(momentum))
    try:
        nn.fit(
            trainer, batches, n_iter, [scheduler, *callbacks], t=rbm.n_steps_,
            first_epoch=rbm.n_epochs_,
        )  # fmt: skip
    finally:
        # Also on Ctrl-C: what was learnt so far stays, with everything partial_fit goes on from.
        p = trainer.parameters
        rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = p.w, p.b, p.a
        rbm.n_steps_ += trainer.n_steps
        rbm.n_epochs_ = scheduler.n_epochs or rbm.n_epochs_
        rbm.n_samples_seen_ += trainer.n_rows
        state = trainer.state_dict()
        rbm._state = {name: state[name] for name in ("velocities", "rule", "corrections")}
    check_finite(type(rbm).__name__, "components_", p.w, p.b, p.a)
    if trainer.n_steps:
        rbm.h_samples_ = trainer.hidden_samples(rbm.n_steps_)
