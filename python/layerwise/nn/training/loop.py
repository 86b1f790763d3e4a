"""The training loop. There is one: it knows steps, and callbacks do the rest."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from layerwise.ops import recycle_memory

from .callbacks import Callback

__all__ = ["Position", "Run", "Stepper", "fit"]

Metrics = dict[str, float]


class Stepper(Protocol):
    """Something that learns from one batch at a time."""

    def step(self, batch: Any, t: int) -> Mapping[str, float]:
        """Learn from a batch, the t-th ever; the metrics are means over its rows."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later run needs to go on from here."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        ...


@dataclass
class Position:
    """How far a run has come.

    Attributes
    ----------
    t : int
        Updates made in all.
    epoch : int
        The epoch under way.
    batch, rows : int
        Batches and rows of that epoch that were learnt from.
    totals : dict of str to float
        Sums of the metrics over these rows.
    """

    t: int = 0
    epoch: int = 0
    batch: int = 0
    rows: int = 0
    totals: Metrics = field(default_factory=dict)


@dataclass
class Run:
    """A training run, as callbacks see it between two updates.

    Attributes
    ----------
    stepper : Stepper
    callbacks : sequence of Callback
    position : Position
    """

    stepper: Stepper
    callbacks: Sequence[Callback]
    position: Position


def fit(
    stepper: Stepper,
    batches: Callable[[int], Iterable[Any]],
    n_iter: int,
    callbacks: Sequence[Callback] = (),
    *,
    t: int = 0,
    first_epoch: int = 0,
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
    first_epoch : int, default 0
        Epochs made before.

    Returns
    -------
    int
        Updates made in all.
    """
    run = Run(stepper, callbacks, Position(t, first_epoch))
    with contextlib.ExitStack() as closing:  # in their order, each whatever others raise
        for callback in reversed(callbacks):
            closing.callback(callback.close)
        for callback in callbacks:
            callback.start(stepper, n_iter)
        for callback in callbacks:
            callback.restore(run)
        for epoch in range(run.position.epoch, first_epoch + n_iter):
            for callback in callbacks:
                callback.begin(epoch)
            metrics = recycle_memory(_epoch, run, batches(epoch))
            answers = [callback.epoch(epoch, metrics) for callback in callbacks]
            if any(answers) or epoch + 1 == first_epoch + n_iter:
                break
            run.position = Position(run.position.t, epoch + 1)
            for callback in callbacks:
                callback.reached(run)
    return run.position.t


def _epoch(run: Run, batches: Iterable[Any]) -> Metrics:
    """Learn from the batches of an epoch, but for those that an earlier run has learnt from."""
    at = run.position
    heard = _listening(run.callbacks, "step")
    reached = _listening(run.callbacks, "reached")
    for batch in itertools.islice(batches, at.batch, None):
        metrics = run.stepper.step(batch, at.t)
        at.t += 1
        at.batch += 1
        n = len(batch)
        at.rows += n
        for name, value in metrics.items():
            at.totals[name] = at.totals.get(name, 0.0) + value * n
        for hear in heard:
            hear(at.t, metrics)
        for hear in reached:
            hear(run)
    return {name: total / at.rows for name, total in at.totals.items()}


def _listening(callbacks: Sequence[Callback], moment: str) -> list[Callable[..., Any]]:
    """Give the methods of that name that do anything: most callbacks leave those of a step out."""
    methods = [getattr(callback, moment) for callback in callbacks]
    idle = getattr(Callback, moment)
    return [method for method in methods if getattr(method, "__func__", None) is not idle]
