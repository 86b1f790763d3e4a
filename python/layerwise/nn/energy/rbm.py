"""Training steps and sampling of one restricted Boltzmann machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerwise.nn.data.minibatch import Batch
from layerwise.nn.training.checkpoint import restore_arrays
from layerwise.nn.training.optim import SGD
from layerwise.nn.training.schedules import Rate
from layerwise.ops import Philox, Workspace

from .learning import LearningRule
from .penalties import BatchMeans, Correction
from .units import Pair, Parameters

__all__ = ["RBMTrainer", "gibbs_chain"]

_SAMPLES_LAYER = (1 << 16) - 1  # layer word that no layer's training uses


class RBMTrainer:
    """Steps of a learning rule on one RBM, with momentum and weight decay.

    Parameters
    ----------
    parameters : Parameters
        Updated in place; C-contiguous, of one dtype.
    pair : Pair
        What the RBM's two unit types compute.
    rule : LearningRule
        CD, PCD, ...
    rate, momentum : float or function of the number of updates made
    weight_decay : float
        ``dw = rate (gradient - weight_decay w)``, on the weights only.
    batch_size : int
        For rules that keep one chain a row.
    seed, layer : int
        Key and layer word of the random stream.
    corrections : sequence of Correction
        Penalties and constraints, one of a type.
    state : mapping, optional
        What `state_dict` gave, to go on from there; updated in place.

    Attributes
    ----------
    n_steps, n_rows : int
        Updates made by this trainer, and the rows they were made from.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> p = nn.Parameters(nn.random_weights((2, 3), 0.01, "float64", seed=0),
    ...                   np.zeros(3), np.zeros(2))
    >>> trainer = nn.RBMTrainer(p, nn.BernoulliBernoulli(), nn.CD(), rate=0.1)
    >>> data = nn.Rows(np.array([[1.0, 1.0, 0.0]]), "float64")
    >>> nn.fit(trainer, nn.Minibatches(data, 1, seed=0), n_iter=50)
    50
    >>> bool(p.b[0] > 0 > p.b[2])
    True
    """

    def __init__(
        self,
        parameters: Parameters,
        pair: Pair,
        rule: LearningRule,
        *,
        rate: Rate,
        momentum: Rate = 0.0,
        weight_decay: float = 0.0,
        batch_size: int = 1,
        seed: int = 0,
        layer: int = 0,
        corrections: Sequence[Correction] = (),
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.parameters = parameters
        self.pair = pair
        self.rule = rule
        self.optimiser = SGD(
            {"w": parameters.w, "b": parameters.b, "a": parameters.a},
            rate=rate,
            momentum=momentum,
            weight_decay=weight_decay,
            velocities=None if state is None else state["velocities"],
        )
        self._velocities = Parameters(**self.optimiser.velocities)
        self._rng = Philox(seed, layer=layer)
        self._workspace = Workspace()
        self.rule_state: dict[str, Any] = (
            rule.start(pair, parameters, batch_size, self._rng) if state is None else state["rule"]
        )
        self.corrections = list(corrections)
        before = {} if state is None else state["corrections"]
        self.correction_states: dict[str, dict[str, np.ndarray]] = {
            type(each).__name__: before.get(type(each).__name__) or each.start(parameters)
            for each in corrections
        }
        self.n_steps = 0
        self.n_rows = 0
        self._last: Any = None
        self._fused = rule.fused and not self.corrections

    def step(self, batch: Batch, t: int) -> dict[str, float]:
        """Make one update from a batch, the t-th ever."""
        rng = self._rng.at(step=t * self.rule.sweeps % 2**32, rows=batch.rows)
        if self._fused and batch.weight is None:
            self.rule.update(
                self.pair,
                batch.x,
                self.parameters,
                self._velocities,
                self.optimiser.step(t),
                rng,
                self.rule_state,
                self._workspace,
            )
        else:
            self._composed_step(batch, rng, t)
        self.n_steps += 1
        self.n_rows += len(batch)
        self._last = batch.x
        return {}

    def _composed_step(self, batch: Batch, rng: Philox, t: int) -> None:
        """Make an update in which each part of the direction is seen: statistics, corrections."""
        weighted: dict[str, Any] = {} if batch.weight is None else {"weight": batch.weight}
        statistics = self.rule.statistics(
            self.pair, batch.x, self.parameters, rng, self.rule_state, self._workspace, **weighted
        )
        means = BatchMeans(self.pair, self.parameters, batch)
        for each in self.corrections:
            state = self.correction_states[type(each).__name__]
            each.apply(statistics, self.parameters, means, state)
        self.optimiser.update({"w": statistics.dw, "b": statistics.db, "a": statistics.da}, t)
        for each in self.corrections:
            each.constrain(self.parameters)

    def hidden_samples(self, t: int) -> np.ndarray:
        """Draw hidden units given the chains, or the last batch where there are none."""
        v = self.rule_state.get("chains", self._last)
        rng = self._rng.at(step=t * self.rule.sweeps % 2**32, layer=_SAMPLES_LAYER, rows=0)
        return self.pair.hidden(v, self.parameters, returns="sample", rng=rng)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Parameters by name; not copies."""
        return self.optimiser.parameters

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes from step to step; not copies."""
        return {
            "parameters": self.optimiser.parameters,
            "velocities": self.optimiser.state_dict(),
            "rule": self.rule_state,
            "corrections": self.correction_states,
            "n_steps": self.n_steps,
            "n_rows": self.n_rows,
            "last": None if "chains" in self.rule_state else self._last,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, in the same arrays."""
        restore_arrays(self.optimiser.parameters, state["parameters"])
        restore_arrays(self.optimiser.velocities, state["velocities"])
        if state["rule"].keys() != self.rule_state.keys():
            raise ValueError(f"rule must have {list(self.rule_state)}; got {list(state['rule'])}")
        self.rule_state.update(state["rule"])
        if state["corrections"].keys() != self.correction_states.keys():
            raise ValueError(
                f"corrections must be {list(self.correction_states)}; "
                f"got {list(state['corrections'])}"
            )
        for name, arrays in self.correction_states.items():
            restore_arrays(arrays, state["corrections"][name])
        self.n_steps, self.n_rows = int(state["n_steps"]), int(state["n_rows"])
        self._last = state["last"]


def gibbs_chain(
    pair: Pair,
    parameters: Parameters,
    v: Any,
    n_sweeps: int,
    rng: Philox,
    *,
    returns: str = "sample",
) -> Any:
    """Run block Gibbs sampling.

    Parameters
    ----------
    pair : Pair
    parameters : Parameters
    v : matrix of shape (n, D)
        Where the chains start.
    n_sweeps : int
        Sweeps of h ~ P(h|v), v ~ P(v|h), at least 1.
    rng : Philox
        Sweep s uses step ``rng.step + s``.
    returns : {"sample", "mean"}
        The last sweep's samples, bit-packed, or the probabilities they would be drawn from.

    Returns
    -------
    BitMatrix or ndarray of shape (n, D)
    """
    workspace = Workspace()
    for sweep in range(n_sweeps):
        stream = rng.at(step=(rng.step + sweep) % 2**32)
        options = {"rng": stream, "workspace": workspace}
        h = pair.hidden(v, parameters, returns="sample", packed=True, **options)
        if returns == "mean" and sweep == n_sweeps - 1:
            return pair.visible(h, parameters, workspace=workspace)
        v = pair.visible(h, parameters, returns="sample", packed=True, **options)
    return v
