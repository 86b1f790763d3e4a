"""Learning rules of RBMs: how the model's side of the gradient is estimated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerwise.ops import BitMatrix, Philox, Workspace
from layerwise.storage import register

from .composed import check_precision, composed_cd
from .units import Pair, Parameters

__all__ = ["CD", "PCD", "Dropout", "LearningRule", "rule_of"]


def _check_sweeps(op: str, k: int) -> None:
    if isinstance(k, bool) or not hasattr(k, "__index__"):
        raise TypeError(f"{op}: k must be an integer >= 1; got {k!r}")
    if k < 1:
        raise ValueError(f"{op}: k must be an integer >= 1; got {k}")


class LearningRule(ABC):
    """Estimates the gradient of the log-likelihood on a minibatch.

    A rule itself never changes; what it carries from update to update (persistent chains) is
    the state that `start` makes and an update overwrites.
    """

    @property
    @abstractmethod
    def sweeps(self) -> int:
        """Steps of the random stream that one update uses."""

    @property
    def fused(self) -> bool:
        """Whether `update` may stand for `statistics` and an optimiser's step."""
        return True

    @property
    def precision(self) -> str:
        """How half-steps read the weights: "full", or "bfloat16" for float32 data alone."""
        return "full"

    @abstractmethod
    def start(self, pair: Pair, p: Parameters, batch_size: int, rng: Philox) -> dict[str, Any]:
        """Make the state before the first update."""

    @abstractmethod
    def sampling(self, rng: Philox, state: dict[str, Any]) -> dict[str, Any]:
        """Give the options of `ops.gibbs_cd` that the rule stands for.

        A rule that is no matter of options overrides `statistics` and `update`.
        """

    def statistics(
        self,
        pair: Pair,
        v: Any,
        p: Parameters,
        rng: Philox,
        state: dict[str, Any],
        workspace: Workspace | None = None,
        weight: np.ndarray | None = None,
    ) -> Any:
        """Estimate data average minus model average: ``dw`` (F,D), ``db`` (D,), ``da`` (F,).

        Rows count by `weight` (n,), where that is given.
        """
        if weight is not None:
            options = self.sampling(rng, state)
            return composed_cd(pair, v, p, weight=weight, workspace=workspace, **options)
        return pair.statistics(v, p, workspace=workspace, **self.sampling(rng, state))

    def update(
        self,
        pair: Pair,
        v: Any,
        p: Parameters,
        velocities: Parameters,
        step: Mapping[str, float],
        rng: Philox,
        state: dict[str, Any],
        workspace: Workspace | None = None,
    ) -> None:
        """Move the parameters along the statistics: `step` has rate, momentum, weight_decay."""
        options = self.sampling(rng, state)
        pair.update(v, p, velocities, workspace=workspace, **step, **options)


@register
@dataclass(frozen=True)
class CD(LearningRule):
    """Contrastive divergence: chains of k sweeps that start at the data.

    Parameters
    ----------
    k : int, default 1
        Sweeps.
    visible : {"sample", "mean"}, default "sample"
        Whether the chain's visible states are samples or probabilities. Hidden states are
        samples, but for the last update, which uses probabilities.
    precision : {"full", "bfloat16"}, default "full"
        Whether the half-steps read the weights as they are or rounded to bfloat16, for float32
        data (`layerwise.ops.gibbs_cd`). What is learnt stays float32.

    References
    ----------
    G. Hinton (2002). Training products of experts by minimizing contrastive divergence. Neural
    Computation 14.

    G. Hinton (2010). A practical guide to training restricted Boltzmann machines.

    Examples
    --------
    >>> from layerwise.nn import CD
    >>> CD(k=3)
    CD(k=3, visible='sample', precision='full')
    """

    k: int = 1
    visible: str = "sample"
    precision: str = "full"

    def __post_init__(self) -> None:
        _check_sweeps("CD", self.k)
        check_precision("CD", self.precision)
        if self.visible not in ("sample", "mean"):
            raise ValueError(f"CD: visible must be 'sample' or 'mean'; got {self.visible!r}")

    @property
    def sweeps(self) -> int:
        """Steps of the random stream that one update uses."""
        return self.k

    def start(self, pair: Pair, p: Parameters, batch_size: int, rng: Philox) -> dict[str, Any]:
        """Carry nothing from update to update."""
        return {}

    def sampling(self, rng: Philox, state: dict[str, Any]) -> dict[str, Any]:
        """Run k sweeps from the data, chain n on the stream of data row n."""
        return {"k": self.k, "visible": self.visible, "rng": rng, "precision": self.precision}


@register
@dataclass(frozen=True)
class PCD(LearningRule):
    """Persistent contrastive divergence: chains go on from one update to the next.

    Parameters
    ----------
    k : int, default 1
        Sweeps an update.
    n_chains : int, optional
        Chains; by default one a row of a batch. Each phase is averaged over its own rows, so any
        number is right and a larger one makes the estimate quieter.
    precision : {"full", "bfloat16"}, default "full"
        As for `CD`.

    References
    ----------
    T. Tieleman (2008). Training restricted Boltzmann machines using approximations to the
    likelihood gradient. ICML.

    Examples
    --------
    >>> from layerwise.nn import PCD
    >>> PCD(k=5, n_chains=100)
    PCD(k=5, n_chains=100, precision='full')
    """

    k: int = 1
    n_chains: int | None = None
    precision: str = "full"

    def __post_init__(self) -> None:
        _check_sweeps("PCD", self.k)
        check_precision("PCD", self.precision)
        if self.n_chains is not None and (
            isinstance(self.n_chains, bool) or not hasattr(self.n_chains, "__index__")
        ):
            raise TypeError(f"PCD: n_chains must be an integer >= 1 or None; got {self.n_chains!r}")
        if self.n_chains is not None and self.n_chains < 1:
            raise ValueError(f"PCD: n_chains must be an integer >= 1 or None; got {self.n_chains}")

    @property
    def sweeps(self) -> int:
        """Steps of the random stream that one update uses."""
        return self.k

    def start(self, pair: Pair, p: Parameters, batch_size: int, rng: Philox) -> dict[str, Any]:
        """Start the chains at samples of the visible biases."""
        n = batch_size if self.n_chains is None else self.n_chains
        return {"chains": pair.first_states(p, n, rng)}

    def sampling(self, rng: Philox, state: dict[str, Any]) -> dict[str, Any]:
        """Run k sweeps from the chains, which are overwritten."""
        chains: BitMatrix = state["chains"]
        return {
            "k": self.k,
            "rng": rng,
            "chains": chains,
            "chain_rng": rng.at(rows=0),
            "precision": self.precision,
        }


@register
@dataclass(frozen=True)
class Dropout(LearningRule):
    """Another rule, with each hidden unit left out of each row and each chain at random.

    Parameters
    ----------
    rule : LearningRule
        CD or PCD.
    rate : float
        Probability that a unit is left out, in [0, 1).

    References
    ----------
    N. Srivastava et al. (2014). Dropout: a simple way to prevent neural networks from overfitting.
    JMLR 15, section 8.

    Examples
    --------
    >>> from layerwise.nn import CD, Dropout
    >>> Dropout(CD(), 0.5)
    Dropout(rule=CD(k=1, visible='sample', precision='full'), rate=0.5)
    """

    rule: LearningRule
    rate: float

    def __post_init__(self) -> None:
        if not isinstance(self.rule, (CD, PCD)):
            raise TypeError(f"Dropout: rule must be CD or PCD; got {self.rule!r}")
        if not 0 <= self.rate < 1:
            raise ValueError(f"Dropout: rate must be a number in [0, 1); got {self.rate}")

    @property
    def sweeps(self) -> int:
        """Steps of the random stream that one update uses."""
        return self.rule.sweeps

    @property
    def fused(self) -> bool:
        """Whether the kernel of `update` knows the rule."""
        return False

    @property
    def precision(self) -> str:
        """How half-steps read the weights."""
        return self.rule.precision

    def start(self, pair: Pair, p: Parameters, batch_size: int, rng: Philox) -> dict[str, Any]:
        """Make the state of the rule."""
        return self.rule.start(pair, p, batch_size, rng)

    def sampling(self, rng: Philox, state: dict[str, Any]) -> dict[str, Any]:
        """Give the options of the rule, and of its masks."""
        return {**self.rule.sampling(rng, state), "dropout": self.rate}

    def statistics(
        self,
        pair: Pair,
        v: Any,
        p: Parameters,
        rng: Philox,
        state: dict[str, Any],
        workspace: Workspace | None = None,
        weight: np.ndarray | None = None,
    ) -> Any:
        """Run the rule on what masks leave."""
        options = self.sampling(rng, state)
        return composed_cd(pair, v, p, weight=weight, workspace=workspace, **options)


_RULES: dict[str, type[CD] | type[PCD]] = {"cd": CD, "pcd": PCD}


def rule_of(learning: str | LearningRule, k: int, *, op: str) -> LearningRule:
    """Return the rule that the parameters `learning` and `k` of `op` stand for.

    Raises
    ------
    TypeError, ValueError
        If they stand for none.
    """
    accepted = "'cd', 'pcd' or an object such as layerwise.nn.CD(k=3)"
    if isinstance(learning, LearningRule):
        return learning
    if not isinstance(learning, str):
        raise TypeError(f"{op}: learning must be {accepted}; got {learning!r}")
    if learning not in _RULES:
        raise ValueError(f"{op}: learning must be {accepted}; got {learning!r}")
    _check_sweeps(op, k)
    return _RULES[learning](k=k)
