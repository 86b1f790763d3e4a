"""Schedules of learning rates and momenta: values that change while a model trains.

A schedule is a function of time, from 0 up, and knows no unit of it: estimators count epochs, an
optimiser that is handed one counts updates.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from layerwise.storage import register

from .callbacks import Callback

__all__ = [
    "Constant",
    "Exponential",
    "Inverse",
    "Linear",
    "Rate",
    "Schedule",
    "Scheduler",
    "Step",
    "Switch",
]

#: A constant, or a function of the number of updates made so far.
Rate = float | Callable[[float], float]


class Schedule(ABC):
    """A value as a function of time; subclasses are frozen dataclasses of numbers."""

    @abstractmethod
    def __call__(self, t: float) -> float:
        """Compute the value at time t."""

    @property
    @abstractmethod
    def span(self) -> tuple[float, float]:
        """Smallest and largest value there is, at any time."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            _check(type(self).__name__, field.name, getattr(self, field.name))


@register
@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at all times.

    Parameters
    ----------
    value : float

    Examples
    --------
    >>> from layerwise.nn import Constant
    >>> Constant(0.1)(7)
    0.1
    """

    value: float

    def __call__(self, t: float) -> float:
        """Return the value."""
        return self.value

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.value, self.value


@register
@dataclass(frozen=True)
class Switch(Schedule):
    """One value before time `at`, another from then on.

    Parameters
    ----------
    first, later : float
    at : float

    Examples
    --------
    >>> from layerwise.nn import Switch
    >>> momentum = Switch(0.5, 0.9, at=5)
    >>> momentum(4), momentum(5)
    (0.5, 0.9)
    """

    first: float
    later: float
    at: float

    def __call__(self, t: float) -> float:
        """Return the value that holds at time t."""
        return self.first if t < self.at else self.later

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return min(self.first, self.later), max(self.first, self.later)


@register
@dataclass(frozen=True)
class Step(Schedule):
    """A value that is multiplied by `factor` after every `every`: ``first factor**(t // every)``.

    Parameters
    ----------
    first : float
    factor : float
        From 0 to 1.
    every : float
        Above 0.

    Examples
    --------
    >>> from layerwise.nn import Step
    >>> [Step(0.8, 0.5, every=10)(t) for t in (0, 9, 10, 25)]
    [0.8, 0.8, 0.4, 0.2]
    """

    first: float
    factor: float
    every: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("Step", self.factor)
        _check_positive("Step", "every", self.every)

    def __call__(self, t: float) -> float:
        """Compute the value at time t."""
        return self.first * self.factor ** (t // self.every)

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return (self.first, self.first) if self.factor == 1 else (0.0, self.first)


@register
@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from `first` at 0 to `last` at time `until`, and `last` from then on.

    Parameters
    ----------
    first, last : float
    until : float
        With 0 the value is `first` throughout.

    Examples
    --------
    >>> from layerwise.nn import Linear
    >>> rate = Linear(0.1, 0.0, until=10)
    >>> rate(0), rate(5), rate(20)
    (0.1, 0.05, 0.0)
    """

    first: float
    last: float
    until: float

    def __call__(self, t: float) -> float:
        """Compute the value at time t."""
        gone = min(1.0, t / self.until) if self.until > 0 else 0.0
        return self.first * (1.0 - gone) + self.last * gone

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return min(self.first, self.last), max(self.first, self.last)


@register
@dataclass(frozen=True)
class Exponential(Schedule):
    """Exponential decay, ``first factor**t``.

    Parameters
    ----------
    first : float
    factor : float
        From 0 to 1.

    Examples
    --------
    >>> from layerwise.nn import Exponential
    >>> Exponential(0.1, 0.5)(2)
    0.025
    """

    first: float
    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("Exponential", self.factor)

    def __call__(self, t: float) -> float:
        """Compute the value at time t."""
        return self.first * self.factor**t

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return (self.first, self.first) if self.factor == 1 else (0.0, self.first)


@register
@dataclass(frozen=True)
class Inverse(Schedule):
    """Decay as 1/t, ``first / (1 + t / half)``: half the first value at time `half`.

    Parameters
    ----------
    first : float
    half : float
        Above 0.

    References
    ----------
    H. Robbins, S. Monro (1951). A stochastic approximation method. Annals of Mathematical
    Statistics 22.

    Examples
    --------
    >>> from layerwise.nn import Inverse
    >>> [Inverse(0.8, half=10)(t) for t in (0, 10, 30)]
    [0.8, 0.4, 0.2]
    """

    first: float
    half: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive("Inverse", "half", self.half)

    def __call__(self, t: float) -> float:
        """Compute the value at time t."""
        return self.first / (1.0 + t / self.half)

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return 0.0, self.first


class Scheduler(Callback):
    """Gives the optimiser of a stepper its rate and momentum for each epoch.

    Parameters
    ----------
    rate, momentum : Schedule, optional
        Of epochs; one that is None is left as it is.

    Attributes
    ----------
    n_epochs : int or None
        Epochs that have come to their end, earlier runs' included; None before the first.
    """

    def __init__(self, *, rate: Schedule | None = None, momentum: Schedule | None = None) -> None:
        self.schedules = {"rate": rate, "momentum": momentum}
        self.n_epochs: int | None = None
        self._stepper: Any = None

    def start(self, stepper: Any, n_iter: int) -> None:
        """Find the optimiser, through its stepper."""
        self._stepper = stepper

    def begin(self, epoch: int) -> None:
        """Set the values of an epoch."""
        for name, schedule in self.schedules.items():
            if schedule is not None:
                setattr(self._stepper.optimiser, name, schedule(epoch))

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Count."""
        self.n_epochs = epoch + 1


def _check(op: str, name: str, value: Any) -> None:
    required = f"{op}: {name} must be a finite number >= 0"
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise TypeError(f"{required}; got {value!r}")
    if not 0 <= float(value) < math.inf:
        raise ValueError(f"{required}; got {value:g}")


def _check_share(op: str, factor: float) -> None:
    if factor > 1:
        raise ValueError(f"{op}: factor must be from 0 to 1; got {factor:g}")


def _check_positive(op: str, name: str, value: float) -> None:
    if value == 0:
        raise ValueError(f"{op}: {name} must be above 0; got 0")
