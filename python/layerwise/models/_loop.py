"""How estimators that have a trainer run it: callbacks, counts, history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from layerwise import nn

from ._training import split_rows

__all__ = ["hold_out", "reset_counts", "run_epochs", "run_update"]


def reset_counts(estimator: Any, seed: int) -> None:
    """Set what counts training to that of an estimator that has learnt nothing."""
    estimator.history_ = []
    estimator.n_steps_ = 0
    estimator.n_epochs_ = 0
    estimator.n_samples_seen_ = 0
    estimator._seed = seed


def hold_out(estimator: Any, rows: Any, seed: int) -> tuple[Any, Any]:
    """Part rows into those to train on, and those to validate with or None."""
    if not estimator.validation_fraction:
        return rows, None
    op = type(estimator).__name__
    training, validation = split_rows(op, rows, estimator.validation_fraction, seed)
    return nn.RowsAt(rows, training), nn.RowsAt(rows, validation)


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
    nn.fit(trainer, batches, 1, before, t=estimator.n_steps_, first_epoch=estimator.n_epochs_)
    _count(estimator, trainer, 1)


def _count(estimator: Any, trainer: Any, n_epochs: int) -> None:
    estimator.n_steps_ += trainer.n_steps
    estimator.n_samples_seen_ += trainer.n_rows
    estimator.n_epochs_ += n_epochs
