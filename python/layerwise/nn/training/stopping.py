"""Early stopping: training ends when a metric no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerwise.storage import register

from .callbacks import Callback

__all__ = ["EarlyStopping"]


@register
@dataclass
class EarlyStopping(Callback):
    """Stops when a metric has not improved for some epochs, and goes back to the best weights.

    Parameters
    ----------
    metric : str
        Name of the metric, as in ``history_``; best one of a validation part.
    patience : int, default 10
        Epochs without improvement after which training stops.
    tolerance : float, default 0.0
        What counts as an improvement must exceed the best value by more than this.
    mode : {"min", "max"}, default "min"
        Whether small or large values are good.
    restore_best : bool, default True
        Whether training ends, however it ends, with the weights of the best epoch.

    Attributes
    ----------
    best : float
        Best value of the metric.
    best_epoch : int
        Its epoch, from 0 up; -1 before the first.

    References
    ----------
    L. Prechelt (1998). Early stopping - but when? Neural Networks: Tricks of the Trade.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import RBM, nn
    >>> stop = nn.EarlyStopping("validation_pseudo_likelihood", patience=2, mode="max")
    >>> x = np.random.default_rng(0).integers(0, 2, (60, 8))  # nothing to be learnt in it
    >>> rbm = RBM(32, learning_rate=1.0, n_iter=100, validation_fraction=0.2, callbacks=[stop],
    ...           monitor=True, random_state=0).fit(x)
    >>> len(rbm.history_) == stop.best_epoch + 3 < 100
    True
    """

    metric: str
    patience: int = 10
    tolerance: float = 0.0
    mode: str = "min"
    restore_best: bool = True
    best: float = field(default=math.nan, init=False, compare=False, repr=False)
    best_epoch: int = field(default=-1, init=False, compare=False, repr=False)
    _weights: dict[str, np.ndarray] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    _stepper: Any = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max'; got {self.mode!r}")
        if isinstance(self.patience, bool) or not hasattr(self.patience, "__index__"):
            raise TypeError(
                f"EarlyStopping: patience must be an integer >= 1; got {self.patience!r}"
            )
        if self.patience < 1:
            raise ValueError(
                f"EarlyStopping: patience must be an integer >= 1; got {self.patience}"
            )
        if not 0 <= self.tolerance < math.inf:
            raise ValueError(
                f"EarlyStopping: tolerance must be a finite number >= 0; got {self.tolerance:g}"
            )

    def start(self, stepper: Any, n_iter: int) -> None:
        """Forget earlier runs."""
        self._stepper = stepper
        self.best, self.best_epoch, self._weights = math.nan, -1, {}

    def epoch(self, epoch: int, metrics: dict[str, float]) -> bool:
        """Compare the epoch's metric with the best one; True when patience has run out."""
        if self.metric not in metrics:
            raise ValueError(
                f"EarlyStopping: metric must be one of {sorted(metrics)}; got {self.metric!r} "
                "(metrics of a validation part come with validation_fraction)"
            )
        value = metrics[self.metric]
        gain = value - self.best if self.mode == "max" else self.best - value
        first = math.isnan(self.best) and not math.isnan(value)
        if first or gain > self.tolerance:
            self.best, self.best_epoch = value, epoch
            if self.restore_best:
                self._weights = {name: w.copy() for name, w in self._stepper.weights.items()}
        return epoch - self.best_epoch >= self.patience

    def close(self) -> None:
        """Go back to the best weights."""
        for name, w in self._weights.items():
            self._stepper.weights[name][...] = w
        self._weights, self._stepper = {}, None

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch, its metric and weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": dict(self._weights)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from them."""
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        self._weights = dict(state["weights"])
