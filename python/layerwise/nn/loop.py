"""The training loop. There is one: it knows steps, and callbacks do the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from .callbacks import Callback

__all__ = ["Stepper", "fit"]

Metrics = dict[str, float]


class Stepper(Protocol):
    """Something that learns from one batch at a time."""

    def step(self, batch: Any, t: int) -> Mapping[str, float]:
        """Learn from a batch, the t-th ever; the metrics are means over its rows."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later run needs to go on from here."""
        ...


def fit(
    stepper: Stepper,
    batches: Callable[[int], Iterable[Any]],
    n_iter: int,
    callbacks: Sequence[Callback] = (),
    *,
    t: int = 0,
) -> int:
    """Run the stepper over all batches, `n_iter` times.

    Parameters
    ----------
    stepper : Stepper
    batches : function
        Maps the epoch to the batches of that epoch; ``len(batch)`` is the rows of a batch.
    n_iter : int
        Epochs.
    callbacks : sequence of Callback
        Called in this order. Training stops after an epoch for which one returns True.
    t : int, default 0
        Updates made before.

    Returns
    -------
    int
        Updates made in all.
    """
    for callback in callbacks:
        callback.start(stepper, n_iter)
    try:
        for epoch in range(n_iter):
            t, metrics = _epoch(stepper, batches(epoch), callbacks, t)
            answers = [callback.epoch(epoch, metrics) for callback in callbacks]
            if any(answers):
                break
    finally:
        for callback in callbacks:
            callback.close()
    return t


def _epoch(
    stepper: Stepper, batches: Iterable[Any], callbacks: Sequence[Callback], t: int
) -> tuple[int, Metrics]:
    totals: Metrics = {}
    rows = 0
    for batch in batches:
        metrics = stepper.step(batch, t)
        t += 1
        rows += len(batch)
        for name, value in metrics.items():
            totals[name] = totals.get(name, 0.0) + value * len(batch)
        for callback in callbacks:
            callback.step(t, metrics)
    return t, {name: total / rows for name, total in totals.items()}
