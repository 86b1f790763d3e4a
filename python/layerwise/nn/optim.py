"""Optimisers: they turn the direction of an update into the update."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerwise import ops

from .schedules import Rate

__all__ = ["SGD"]


def _at(value: Rate, t: int) -> float:
    return value(t) if callable(value) else value


class SGD:
    """Stochastic gradient ascent with momentum and weight decay.

    ``velocity = momentum velocity + rate (dw - weight_decay w)``, ``w = w + velocity``; biases,
    which are the parameters with one axis, do not decay.

    Parameters
    ----------
    parameters : mapping of str to ndarray
        Updated in place.
    rate, momentum : float or function of the number of updates made
    weight_decay : float
    velocities : mapping of str to ndarray, optional
        Those of an earlier run, to go on from; updated in place. Zero by default.
    """

    def __init__(
        self,
        parameters: Mapping[str, np.ndarray],
        *,
        rate: Rate,
        momentum: Rate = 0.0,
        weight_decay: float = 0.0,
        velocities: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.parameters = dict(parameters)
        self.rate = rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        if velocities is None:
            velocities = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.velocities = dict(velocities)

    def step(self, t: int) -> dict[str, float]:
        """Give the rate, the momentum and the weight decay of update t."""
        return {
            "rate": _at(self.rate, t),
            "momentum": _at(self.momentum, t),
            "weight_decay": self.weight_decay,
        }

    def update(self, directions: Mapping[str, np.ndarray], t: int) -> None:
        """Move every parameter along its direction of ascent (for a loss: minus its gradient)."""
        step = self.step(t)
        for name, direction in directions.items():
            w = self.parameters[name]
            ops.sgd_momentum(
                w,
                self.velocities[name],
                direction,
                rate=step["rate"],
                momentum=step["momentum"],
                weight_decay=step["weight_decay"] if w.ndim > 1 else 0.0,
            )

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the velocities, by parameter; not copies."""
        return dict(self.velocities)
