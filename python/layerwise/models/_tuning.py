"""How a classifier is fine-tuned: between its hyper-parameters and the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerwise import nn

from ._loop import check_finite, rate_of, schedule_of, split_rows, writable
from ._run import finish_part, restore_part

__all__ = ["fit_net", "update_net"]

_TUNING = "fine-tuning"
_TUNING_LAYER = 1 << 14  # layer word of fine-tuning's shuffles; pretraining has those below


def fit_net(
    model: Any, rows: Any, codes: np.ndarray, checkpoint: nn.Checkpoint | None = None
) -> None:
    """Train all layers on class codes, for all epochs, or go on from where the checkpoint is."""
    if restore_part(checkpoint, _TUNING, model):
        return
    held: list[nn.Callback] = []
    stop = None
    if model.early_stopping:
        rows, codes, monitor, stop = _hold_out(model, rows, codes)
        held = [monitor, stop]
    batches = _batches(model, rows, codes, model.batch_size, bool(model.shuffle))
    n_batches = -(-len(codes) // model.batch_size)
    rate: nn.Rate = rate_of(model.learning_rate)
    if schedule_of(model.learning_rate) is None:  # falls update by update
        rate = nn.Linear(model.learning_rate, 0.0, until=model.n_iter * n_batches)
    history = nn.History()
    label = f"{type(model).__name__} fine-tuning"
    progress = nn.Progress(label, n_batches, verbose=bool(model.verbose))
    first = nn.OutputFirst(model.output_first)
    callbacks = [first, *held, *(model.callbacks or ()), history, progress]
    if checkpoint is not None:
        callbacks.append(checkpoint)
    try:
        _tune(model, batches, rate, model.n_iter, callbacks)
    finally:
        model.history_ = history.epochs
        model.loss_curve_ += [metrics["loss"] for metrics in history.epochs]
    model.best_validation_score_ = None if stop is None else stop.best
    finish_part(checkpoint, _TUNING, model, but=("dbn_",))


def update_net(model: Any, rows: nn.Rows, codes: np.ndarray) -> None:
    """Learn from all rows as one minibatch."""
    history = nn.History()
    batches = _batches(model, rows, codes, len(rows), shuffle=False)
    _tune(model, batches, rate_of(model.learning_rate), 1, [history])
    model.loss_curve_ += [metrics["loss"] for metrics in history.epochs]


def _batches(model: Any, rows: Any, codes: np.ndarray, batch_size: int, shuffle: bool) -> Any:
    return rows.minibatches(
        batch_size,
        seed=model._seed,
        shuffle=shuffle,
        y=codes.astype(np.int64),
        layer=_TUNING_LAYER,
    )


def _hold_out(
    model: Any, rows: Any, codes: np.ndarray
) -> tuple[nn.Rows, np.ndarray, nn.NetMonitor, nn.EarlyStopping]:
    """Part rows and labels to train on from those that early stopping watches."""
    op = type(model).__name__
    training, validation = split_rows(op, rows, model.validation_fraction, model._seed)
    stop = nn.EarlyStopping(
        "validation_score", patience=model.n_iter_no_change, tolerance=model.tol, mode="max"
    )
    labels = codes[validation].astype(np.int64)
    monitor = nn.NetMonitor(nn.RowsAt(rows, validation), labels)
    return nn.RowsAt(rows, training), codes[training], monitor, stop


def _trainer(model: Any, rate: nn.Rate) -> nn.NetTrainer | nn.NetMinimiser:
    options: dict[str, Any] = {"weight_decay": model.weight_decay, "seed": model._seed}
    if model.solver != "sgd":
        return nn.NetMinimiser(
            model._net(), method=model.solver, line_searches=model.line_searches, **options
        )
    return nn.NetTrainer(
        model._net(),
        rate=rate,
        momentum=rate_of(model.momentum),
        velocities=writable(model._velocities),
        **options,
    )


def _tune(
    model: Any, batches: Any, rate: nn.Rate, n_iter: int, callbacks: Sequence[nn.Callback]
) -> None:
    # Loaded from a memory map the arrays are read-only, and users may set their own.
    dtype = model.coefs_[0].dtype
    model.coefs_ = [np.require(w, dtype, ["C", "W"]) for w in model.coefs_]
    model.intercepts_ = [np.require(b, dtype, ["C", "W"]) for b in model.intercepts_]
    trainer = _trainer(model, rate)
    clock = nn.Scheduler()
    if model.solver == "sgd":
        clock = nn.Scheduler(
            rate=schedule_of(model.learning_rate), momentum=schedule_of(model.momentum)
        )
    try:
        nn.fit(
            trainer, batches, n_iter, [clock, *callbacks], t=model.n_steps_,
            first_epoch=model.n_epochs_,
        )  # fmt: skip
    finally:
        model.n_steps_ += trainer.n_steps
        model.n_epochs_ = clock.n_epochs or model.n_epochs_
        model._velocities = trainer.state_dict().get("velocities")
    check_finite(type(model).__name__, "coefs_", *model.coefs_, *model.intercepts_)
