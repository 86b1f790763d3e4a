"""What is worth watching while an RBM trains, and what it says in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerwise import ops
from layerwise.nn.data.dense import dense
from layerwise.nn.training.callbacks import Callback
from layerwise.ops import BitMatrix, Philox, Purpose

from .units import Pair, Parameters

__all__ = ["MONITORED_ROWS", "RBMMonitor", "advice", "rbm_metrics"]

#: Rows of the data that are looked at after an epoch, at most.
MONITORED_ROWS = 500

_PSEUDO_ROWS = 30  # of these, for the pseudo-likelihood, which takes 30 times the work on a row

_OFF, _ON = 0.05, 0.95  # a unit that stays below, or above, on all rows is dead, or saturated
_MANY = 0.1  # share of the hidden units that is worth a warning
# Free-energy gap that is worth a warning: in standard deviations of the energy over rows, in nats.
_GAP, _GAP_NATS = 0.5, 1.0
_WORSE, _WORSE_BY = 1.5, 0.005  # growth of the reconstruction error that is worth a warning


def rbm_metrics(pair: Pair, p: Parameters, x: Any, held: Any = None) -> dict[str, float]:
    """Measure an RBM on some rows.

    Parameters
    ----------
    pair : Pair
    p : Parameters
    x : matrix of shape (n, D)
        Some of the training data.
    held : matrix of shape (m, D), optional
        Some data that training does not see.

    Returns
    -------
    dict of str to float
        ``reconstruction_error``: mean squared error after a step up and a step down with means.
        ``pseudo_likelihood``: mean log pseudo-likelihood of up to 30 of the rows, in nats; of
        values between 0 and 1 as bits drawn with these probabilities. ``weight_norm`` and
        ``largest_weight_norm``: mean and maximum over hidden units of the norm of their weights.
        ``dead_units`` and ``saturated_units``: hidden units whose probability stays below 0.05, or
        above 0.95, on all rows. With `held` also ``validation_reconstruction_error``,
        ``validation_pseudo_likelihood``, and ``free_energy_gap``: mean free energy of `held` minus
        that of `x`, which rises as a model over-fits; ``free_energy_spread`` is the standard
        deviation of the free energy over the rows of x.

    References
    ----------
    G. Hinton (2010). A practical guide to training restricted Boltzmann machines, sections 5, 6
    and 15.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> p = nn.Parameters(np.array([[50.0, 0.0], [0.0, 0.0]]), np.zeros(2), np.array([-99.0, 9.0]))
    >>> found = nn.rbm_metrics(nn.BernoulliBernoulli(), p, np.eye(2))
    >>> found["dead_units"], found["saturated_units"], found["largest_weight_norm"]
    (1.0, 1.0, 50.0)
    """
    norms = np.sqrt(np.einsum("fd,fd->f", p.w, p.w, dtype=np.float64))
    h = pair.hidden(x, p)
    metrics = {
        "reconstruction_error": _error(pair, p, h, x),
        "pseudo_likelihood": _pseudo_likelihood(pair, p, x),
        "weight_norm": float(norms.mean()),
        "largest_weight_norm": float(norms.max()),
        "dead_units": float((h.max(axis=0) < _OFF).sum()),
        "saturated_units": float((h.min(axis=0) > _ON).sum()),
    }
    if held is not None:
        energy = pair.free_energy(x, p)
        metrics |= {
            "validation_reconstruction_error": _error(pair, p, pair.hidden(held, p), held),
            "validation_pseudo_likelihood": _pseudo_likelihood(pair, p, held),
            "free_energy_gap": _mean(pair.free_energy(held, p)) - _mean(energy),
            "free_energy_spread": float(energy.std(dtype=np.float64)),
        }
    return metrics


class RBMMonitor(Callback):
    """Adds to each epoch's metrics those of `rbm_metrics`, of the RBM that a trainer trains.

    Parameters
    ----------
    x : matrix of shape (n, D)
        Some of the training data.
    held : matrix of shape (m, D), optional
        Some data that training does not see.
    """

    def __init__(self, x: Any, held: Any = None) -> None:
        self.x = x
        self.held = held
        self._trainer: Any = None

    def start(self, stepper: Any, n_iter: int) -> None:
        """Find the RBM."""
        self._trainer = stepper

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Measure."""
        trainer = self._trainer
        metrics.update(rbm_metrics(trainer.pair, trainer.parameters, self.x, self.held))


def advice(history: Sequence[dict[str, float]], n_hidden: int) -> list[str]:
    """Say in plain words what the metrics of a training run warn of, and what helps.

    Parameters
    ----------
    history : sequence of dict
        Metrics of `rbm_metrics` for every epoch.
    n_hidden : int
        Hidden units.

    Examples
    --------
    >>> from layerwise.nn import advice
    >>> advice([{"dead_units": 87.0}], 500)
    ['87 of 500 hidden units never turn on: lower the learning rate or raise sparsity_target']
    """
    if not history:
        return []
    last = history[-1]
    found = []
    dead, saturated = int(last.get("dead_units", 0)), int(last.get("saturated_units", 0))
    if dead >= _MANY * n_hidden:
        found.append(
            f"{dead} of {n_hidden} hidden units never turn on: lower the learning rate or raise "
            "sparsity_target"
        )
    if saturated >= _MANY * n_hidden:
        found.append(
            f"{saturated} of {n_hidden} hidden units are always on: lower the learning rate, raise "
            "weight_decay or set a sparsity_target"
        )
    gap, spread = last.get("free_energy_gap", 0.0), last.get("free_energy_spread", np.inf)
    if gap > max(_GAP * spread, _GAP_NATS):
        found.append(
            f"the free energy of validation data is {gap:.3g} nats above that of training data: "
            "the model over-fits; raise weight_decay, stop earlier or use fewer hidden units"
        )
    errors = [epoch.get("reconstruction_error", np.nan) for epoch in history]
    if errors[-1] > max(_WORSE * min(errors), min(errors) + _WORSE_BY):
        found.append(
            f"the reconstruction error rose from {min(errors):.3g} to {errors[-1]:.3g}: lower the "
            "learning rate"
        )
    return found


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64))


def _error(pair: Pair, p: Parameters, h: np.ndarray, x: Any) -> float:
    return _mean(np.square(pair.visible(h, p) - dense(x)))


def _pseudo_likelihood(pair: Pair, p: Parameters, x: Any) -> float:
    """Average over few rows, from all over x, the same ones every time."""
    n = min(_PSEUDO_ROWS, x.shape[0])
    few = x[np.arange(n) * x.shape[0] // n]
    if not isinstance(few, BitMatrix):
        means = dense(few)
        few = BitMatrix.pack(ops.uniform(Philox(0), Purpose.gibbs_init, means.shape) < means)
    return _mean(pair.pseudo_likelihood(few, p))
