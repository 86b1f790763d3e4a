"""Unit types of restricted Boltzmann machines, and what a pair of them computes.

A unit type knows its own data: which values it may take and which bias fits their mean. What needs
both sides (half-steps, statistics, energies) belongs to the pair of types, so that a new type is a
class here and an entry in the table of pairs for every partner it can have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerwise import ops
from layerwise.nn.data.dense import dense
from layerwise.ops import BitMatrix, Philox, Purpose
from layerwise.storage import register

__all__ = [
    "Bernoulli",
    "BernoulliBernoulli",
    "Pair",
    "Parameters",
    "Units",
    "pair_of",
    "units_of",
]


@dataclass
class Parameters:
    """Parameters of one RBM, or their velocities: w (F,D), visible b (D,), hidden biases a (F,)."""

    w: np.ndarray
    b: np.ndarray
    a: np.ndarray


class Units(ABC):
    """A type of units."""

    name: str

    @abstractmethod
    def outside(self, low: float, high: float) -> str | None:
        """Say what data that span [low, high] should have been, None where they fit."""

    @abstractmethod
    def bias_for(self, mean: np.ndarray) -> np.ndarray:
        """Compute the biases under which units without a partner have these means."""


@register
class Bernoulli(Units):
    """Binary units; data in [0, 1] stand for the probability of a one."""

    name = "bernoulli"

    def outside(self, low: float, high: float) -> str | None:
        """Say what data that span [low, high] should have been, None where they fit."""
        return "values in [0, 1]" if low < 0.0 or high > 1.0 else None

    def bias_for(self, mean: np.ndarray) -> np.ndarray:
        """Compute the log-odds of the means, those under 0.001 or over 0.999 drawn in.

        A pixel that is never on would get a bias of minus infinity; one that the data switch on
        once must still be able to come on.
        """
        p = np.clip(np.asarray(mean, np.float64), 1e-3, 1.0 - 1e-3)
        return np.log(p) - np.log1p(-p)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Pair(ABC):
    """What an RBM with one unit type a side computes; `options` go to the ops unchanged."""

    @abstractmethod
    def hidden(self, v: Any, p: Parameters, **options: Any) -> Any:
        """Make a half-step up, P(h|v): means, samples or both (``returns=``)."""

    @abstractmethod
    def visible(self, h: Any, p: Parameters, **options: Any) -> Any:
        """Make a half-step down, P(v|h)."""

    @abstractmethod
    def statistics(self, v: Any, p: Parameters, **options: Any) -> Any:
        """Estimate data average minus model average of -dE: ``dw``, ``db``, ``da``."""

    @abstractmethod
    def update(self, v: Any, p: Parameters, velocities: Parameters, **options: Any) -> None:
        """Take a step along the statistics: also ``rate``, ``momentum``, ``weight_decay``."""

    @abstractmethod
    def free_energy(self, v: Any, p: Parameters, **options: Any) -> np.ndarray:
        """Compute F(v) of every row."""

    @abstractmethod
    def pseudo_likelihood(self, v: Any, p: Parameters, **options: Any) -> np.ndarray:
        """Compute the log pseudo-likelihood of every row."""

    @abstractmethod
    def log_hidden(self, h: Any, v: Any, p: Parameters) -> np.ndarray:
        """Compute log P(h|v) of every row."""

    @abstractmethod
    def log_visible(self, v: Any, h: Any, p: Parameters) -> np.ndarray:
        """Compute log P(v|h) of every row."""

    @abstractmethod
    def first_states(self, p: Parameters, n: int, rng: Philox) -> Any:
        """Draw the visible states from which n chains start."""


class BernoulliBernoulli(Pair):
    """Binary units on both sides; states of chains are bit-packed."""

    def hidden(self, v: Any, p: Parameters, **options: Any) -> Any:
        """Make a half-step up: ``sigm(v w' + a)``."""
        return ops.gibbs_hidden(v, p.w, p.a, **options)

    def visible(self, h: Any, p: Parameters, **options: Any) -> Any:
        """Make a half-step down: ``sigm(h w + b)``."""
        return ops.gibbs_visible(h, p.w, p.b, **options)

    def statistics(self, v: Any, p: Parameters, **options: Any) -> Any:
        """Run CD or, with ``chains=``, PCD."""
        return ops.gibbs_cd(v, p.w, p.b, p.a, **options)

    def update(self, v: Any, p: Parameters, velocities: Parameters, **options: Any) -> None:
        """Run CD or PCD with the step in the same pass."""
        u = velocities
        ops.gibbs_cd_update(v, p.w, p.b, p.a, u.w, u.b, u.a, **options)

    def free_energy(self, v: Any, p: Parameters, **options: Any) -> np.ndarray:
        """Compute F(v) of every row."""
        return ops.gibbs_free_energy(v, p.w, p.b, p.a, **options)

    def pseudo_likelihood(self, v: Any, p: Parameters, **options: Any) -> np.ndarray:
        """Compute the log pseudo-likelihood of every row, every unit flipped from v to 1 - v."""
        return ops.gibbs_pseudo_likelihood(v, p.w, p.b, p.a, **options)

    def log_hidden(self, h: Any, v: Any, p: Parameters) -> np.ndarray:
        """Compute log P(h|v) of every row."""
        return _log_bernoulli(h, ops.gemm(v, p.w.T, bias=p.a))

    def log_visible(self, v: Any, h: Any, p: Parameters) -> np.ndarray:
        """Compute log P(v|h) of every row."""
        return _log_bernoulli(v, ops.gemm(h, p.w, bias=p.b))

    def first_states(self, p: Parameters, n: int, rng: Philox) -> BitMatrix:
        """Draw the visible units as their biases alone would have them."""
        odds = np.exp(-np.logaddexp(0.0, -p.b.astype(np.float64)))
        return BitMatrix.pack(ops.uniform(rng, Purpose.gibbs_init, (n, len(odds))) < odds)


def _log_bernoulli(x: Any, z: np.ndarray) -> np.ndarray:
    """Sum x log sigm(z) + (1 - x) log sigm(-z) over the units of every row, float64."""
    z = z.astype(np.float64)
    total: np.ndarray = (dense(x) * z - np.logaddexp(0.0, z)).sum(axis=1)
    return total


_UNITS: dict[str, Units] = {"bernoulli": Bernoulli()}
_PAIRS: dict[tuple[type, type], Pair] = {(Bernoulli, Bernoulli): BernoulliBernoulli()}


def units_of(kind: str | Units, *, op: str, name: str) -> Units:
    """Return the unit type that a parameter names.

    Raises
    ------
    TypeError, ValueError
        If it names none; the message says `op` and `name`.
    """
    if isinstance(kind, Units):
        return kind
    accepted = " or ".join([repr(key) for key in _UNITS] + ["an object of layerwise.nn.Units"])
    if not isinstance(kind, str):
        raise TypeError(f"{op}: {name} must be {accepted}; got {kind!r}")
    if kind not in _UNITS:
        raise ValueError(f"{op}: {name} must be {accepted}; got {kind!r}")
    return _UNITS[kind]


def pair_of(visible: Units, hidden: Units) -> Pair:
    """Return what an RBM of these visible and hidden units computes.

    Raises
    ------
    ValueError
        If the two types make no RBM.
    """
    pair = _PAIRS.get((type(visible), type(hidden)))
    if pair is None:
        raise ValueError(
            f"layerwise: no RBM pairs {visible!r} visible units with {hidden!r} hidden units"
        )
    return pair
