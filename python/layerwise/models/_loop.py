"""How estimators that have a trainer run it: callbacks, counts, history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from layerwise import nn
from layerwise.ops import BitMatrix, Philox

__all__ = [
    "check_finite",
    "hold_out",
    "rate_of",
    "reset_counts",
    "run_epochs",
    "run_update",
    "schedule_of",
    "split_rows",
    "writable",
]

_SPLIT_LAYER = (1 << 16) - 2  # layer word that no layer's training uses


def reset_counts(estimator: Any, seed: int) -> None:
    """Set what counts training to that of an estimator that has learnt nothing."""
    estimator.history_ = []
    estimator.n_steps_ = 0
    estimator.n_epochs_ = 0
    estimator.n_samples_seen_ = 0
    estimator._seed = seed


def hold_out(estimator: Any, rows: Any, seed: int, weight: Any = None) -> tuple[Any, Any, Any]:
    """Part rows into those to train on, with their weights, and those to validate with or None."""
    if not estimator.validation_fraction:
        return rows, None, weight
    op = type(estimator).__name__
    training, validation = split_rows(op, rows, estimator.validation_fraction, seed)
    kept = None if weight is None else weight[training]
    return nn.RowsAt(rows, training), nn.RowsAt(rows, validation), kept


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


def run_epochs(
    estimator: Any,
    trainer: Any,
    batches: Callable[[int], Any],
    label: str,
    *,
    before: Sequence[nn.Callback] = (),
    measure: Callable[[], Mapping[str, float]] | None = None,
    checkpoint: nn.Checkpoint | None = None,
) -> None:
    """Run a trainer for ``n_iter`` epochs, or for those that the checkpoint leaves."""
    n_batches = len(batches) if isinstance(batches, nn.Minibatches) else None
    history = nn.History()
    callbacks = [
        *before,
        *([] if measure is None else [nn.Monitor(measure)]),
        *(estimator.callbacks or ()),
        history,
        nn.Progress(label, n_batches, verbose=bool(estimator.verbose)),
        *([] if checkpoint is None else [checkpoint]),
    ]
    try:
        nn.fit(trainer, batches, estimator.n_iter, callbacks)
    finally:  # also on Ctrl-C: what was learnt so far stays
        estimator.history_ = history.epochs
        _count(estimator, trainer, len(history.epochs))


def run_update(
    estimator: Any,
    trainer: Any,
    batches: Callable[[int], Any],
    before: Sequence[nn.Callback] = (),
) -> None:
    """Run a trainer for one more epoch."""
    made = 0
    try:
        nn.fit(trainer, batches, 1, before, t=estimator.n_steps_, first_epoch=estimator.n_epochs_)
        made = 1
    finally:
        _count(estimator, trainer, made)


def _count(estimator: Any, trainer: Any, n_epochs: int) -> None:
    estimator.n_steps_ += trainer.n_steps
    estimator.n_samples_seen_ += trainer.n_rows
    estimator.n_epochs_ += n_epochs


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
