"""Callbacks of the training loop."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from .loop import Run

__all__ = ["Callback", "History", "Monitor", "Progress"]

_DELAY = 2.0  # seconds before a bar that nobody asked for appears


class Callback:
    """Hears of every step of a training run; each method may be left as it is.

    An estimator's ``callbacks=`` takes objects of subclasses of this. They are called in their
    order, after the estimator's own that measure; what one adds to an epoch's metrics the later
    ones hear, and the estimator's ``history_`` keeps.

    Notes
    -----
    The order of calls is `start`, `restore`, then for every epoch `begin`, a `step` for each update
    and `epoch`, and at last `close`, also when training is broken off; `reached` follows each
    `step` and, where training goes on, each `epoch`. A callback that carries something from epoch
    to epoch gives it in `state_dict` and takes it back in `load_state_dict`, between `start` and
    the next `begin` (which may be that of an epoch under way), so that a resumed run goes on as an
    unbroken one would.

    Examples
    --------
    Stop at a learning rate's end, or when somebody asks for it:

    >>> import numpy as np
    >>> from pathlib import Path
    >>> from layerwise import RBM, nn
    >>> class StopFile(nn.Callback):
    ...     def epoch(self, epoch, metrics):
    ...         metrics["asked to stop"] = float(Path("stop-training").exists())
    ...         return metrics["asked to stop"] > 0
    >>> rbm = RBM(2, n_iter=2, callbacks=[StopFile()]).fit(np.eye(3))
    >>> rbm.history_
    [{'epoch': 1, 'asked to stop': 0.0}, {'epoch': 2, 'asked to stop': 0.0}]
    """

    def start(self, stepper: Any, n_iter: int) -> None:
        """Hear of the beginning: n_iter epochs of what `stepper` learns."""

    def begin(self, epoch: int) -> None:
        """Hear that an epoch begins; the first is 0."""

    def step(self, t: int, metrics: Mapping[str, float]) -> None:
        """Hear of an update, the t-th ever."""

    def epoch(self, epoch: int, metrics: dict[str, float]) -> bool | None:
        """Hear of an epoch's end; True stops training, added metrics reach later callbacks."""
        return None

    def close(self) -> None:
        """Hear that training has ended, or was broken off."""

    def restore(self, run: Run) -> None:
        """Hear that all callbacks have started: the moment to go on from an earlier run."""

    def reached(self, run: Run) -> None:
        """Hear that all others have heard of an update, or of an epoch's end."""

    def state_dict(self) -> dict[str, Any]:
        """Return what this callback carries on: numbers, strings, arrays and lists of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


class Monitor(Callback):
    """Adds to each epoch's metrics what a function measures.

    Parameters
    ----------
    measure : function
        Takes nothing, returns a dict of metrics.
    """

    def __init__(self, measure: Callable[[], Mapping[str, float]]) -> None:
        self.measure = measure

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Measure."""
        metrics.update(self.measure())


class History(Callback):
    """Keeps the metrics of every epoch in the list `epochs`, each with its number from 1 up."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Keep them."""
        self.epochs.append({"epoch": epoch + 1, **metrics})

    def state_dict(self) -> dict[str, Any]:
        """Return the epochs so far."""
        return {"epochs": list(self.epochs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from them."""
        self.epochs[:] = state["epochs"]


class Progress(Callback):
    """A progress bar on standard error, counting epochs and naming their metrics.

    Off when standard error is not a terminal or in a worker process, unless `verbose`; without
    `verbose` it appears only when training takes longer than two seconds, and goes when done.

    Parameters
    ----------
    label : str
        What is being trained.
    n_batches : int or None
        Batches of an epoch, where that is known.
    verbose : bool
    """

    def __init__(self, label: str, n_batches: int | None, verbose: bool = False) -> None:
        self.label = label
        self.n_batches = n_batches
        self.verbose = verbose
        self._bar: Any = None

    def start(self, stepper: Any, n_iter: int) -> None:
        """Put up the bar."""
        alone = sys.stderr.isatty() and multiprocessing.parent_process() is None
        self._bar = tqdm(
            total=None if self.n_batches is None else n_iter * self.n_batches,
            desc=self.label,
            unit="batch",
            disable=not (self.verbose or alone),
            delay=0.0 if self.verbose else _DELAY,
            leave=bool(self.verbose),
            file=sys.stderr,
        )

    def restore(self, run: Run) -> None:
        """Begin where an earlier run ended."""
        if self.n_batches is not None:
            done = run.position.epoch * self.n_batches + run.position.batch
            if done:
                self._bar.update(done)

    def step(self, t: int, metrics: Mapping[str, float]) -> None:
        """Count."""
        self._bar.update()

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Show the epoch's metrics."""
        numbers = {name: value for name, value in metrics.items() if isinstance(value, Real)}
        shown = {name: f"{value:.4g}" for name, value in numbers.items()}
        self._bar.set_postfix({"epoch": epoch + 1, **shown}, refresh=False)

    def close(self) -> None:
        """Take down the bar."""
        if self._bar is not None:
            self._bar.close()
