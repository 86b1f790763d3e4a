"""Optimisers: they turn the direction of an update into the update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layerwise import ops

from .checkpoint import restore_arrays
from .schedules import Rate

__all__ = ["SGD", "Adam"]


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


class Adam:
    """Gradient descent with steps by the running mean and mean square of each gradient.

    ``m = beta_1 m + (1 - beta_1) g``, ``v = beta_2 v + (1 - beta_2) g^2`` and
    ``w = w - rate m' / (sqrt(v') + epsilon)``, where m' and v' are m and v divided by the sum of
    the weights in them.

    Parameters
    ----------
    parameters : mapping of str to ndarray
        Updated in place.
    rate : float or function of the number of updates made, default 1e-3
    betas : tuple of float, default (0.9, 0.999)
    epsilon : float, default 1e-8
    moments : mapping, optional
        What `state_dict` gave, to go on from there.

    References
    ----------
    D. Kingma, J. Ba (2015). Adam: a method for stochastic optimization. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> w = np.array([3.0, -5.0])
    >>> nn.Adam({"w": w}, rate=0.5).update({"w": np.array([0.1, 100.0])}, t=0)
    >>> w.round(3)
    array([ 2.5, -5.5])
    """

    def __init__(
        self,
        parameters: Mapping[str, np.ndarray],
        *,
        rate: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        moments: Mapping[str, Any] | None = None,
    ) -> None:
        self.parameters = dict(parameters)
        self.rate = rate
        self.betas = betas
        self.epsilon = epsilon
        self.n_steps = 0
        self._first = {name: np.zeros_like(value) for name, value in parameters.items()}
        self._second = {name: np.zeros_like(value) for name, value in parameters.items()}
        if moments is not None:
            self.load_state_dict(moments)

    def update(self, gradients: Mapping[str, np.ndarray], t: int) -> None:
        """Move every parameter against its gradient, at the rate of update t."""
        self.n_steps += 1
        beta_1, beta_2 = self.betas
        # Both corrections in the step, so that every array is passed over once.
        share_1, share_2 = 1.0 - beta_1**self.n_steps, 1.0 - beta_2**self.n_steps
        step = _at(self.rate, t) / share_1
        for name, gradient in gradients.items():
            first, second = self._first[name], self._second[name]
            first += (1.0 - beta_1) * (gradient - first)
            second += (1.0 - beta_2) * (np.square(gradient) - second)
            self.parameters[name] -= step * first / (np.sqrt(second / share_2) + self.epsilon)

    def state_dict(self) -> dict[str, Any]:
        """Return the moments and the number of updates; not copies."""
        return {"first": self._first, "second": self._second, "n_steps": self.n_steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, in the same arrays."""
        restore_arrays(self._first, state["first"])
        restore_arrays(self._second, state["second"])
        self.n_steps = int(state["n_steps"])
