"""Fine-tuning of a net by methods with line searches, on large minibatches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import minimize

from layerwise.nn.data.minibatch import Batch
from layerwise.nn.training.checkpoint import restore_arrays
from layerwise.ops import Philox

from .losses import Loss, SoftmaxCrossEntropy
from .net import Net

__all__ = ["NetMinimiser"]

_METHODS = {"cg": "CG", "lbfgs": "L-BFGS-B"}


class NetMinimiser:
    """Steps of conjugate gradients or L-BFGS on a net: a few line searches on each batch.

    A step minimises ``mean loss + weight_decay / 2 sum w^2`` over its batch alone, for a few
    iterations of `scipy.optimize.minimize`, and forgets the directions it went: the next batch has
    another objective. The method computes in float64 on a copy of the parameters.

    Parameters
    ----------
    net : Net
        Updated in place.
    method : {"cg", "lbfgs"}
        Polak and Ribiere's conjugate gradients, or L-BFGS.
    line_searches : int, default 3
        Iterations on a batch. One of either method is one line search; scipy calls their number
        ``maxiter``, and each evaluates the loss one or more times.
    memory : int, default 10
        Line searches of which L-BFGS remembers the step and the change of the gradient. Where many
        are to reach a minimum, more memory makes do with fewer.
    tol : float, default 2.2e-9
        L-BFGS ends early with a line search that lowers the objective by less than this times its
        value; scipy's own default.
    weight_decay : float
        On weights only.
    loss : Loss, default SoftmaxCrossEntropy
    seed : int
        Key of the dropout's random stream; the mask is the same throughout a step.

    Attributes
    ----------
    n_steps : int
        Batches learnt from by this trainer.
    lowest : int
        Layer below which nothing is learnt, 0 for all.

    References
    ----------
    G. Hinton, R. Salakhutdinov (2006). Reducing the dimensionality of data with neural networks.
    Science 313, supporting material: minibatches of 1000, three line searches.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> net = nn.Net([nn.Layer(np.zeros((2, 2)), np.zeros(2), "none")])
    >>> batch = nn.Batch(np.eye(2), 0, y=np.array([1, 0]))
    >>> round(nn.NetMinimiser(net, method="cg").step(batch, 0)["loss"], 3)  # before the step
    0.693
    >>> net.forward(np.eye(2)).outputs[-1].argmax(axis=1)
    array([1, 0])
    """

    def __init__(
        self,
        net: Net,
        *,
        method: str,
        line_searches: int = 3,
        memory: int = 10,
        tol: float = 2.2e-9,
        weight_decay: float = 0.0,
        loss: Loss | None = None,
        seed: int = 0,
    ) -> None:
        self.net = net
        self.loss = SoftmaxCrossEntropy() if loss is None else loss
        self.lowest = 0
        self.n_steps = 0
        self._method = _METHODS[method]
        self._options: dict[str, float] = {"maxiter": line_searches}
        if method == "lbfgs":
            self._options |= {"maxcor": memory, "ftol": tol}
        self._decay = weight_decay
        self._rng = Philox(seed)

    def step(self, batch: Batch, t: int) -> dict[str, float]:
        """Minimise on a batch, the t-th ever; the metric is the loss before."""
        rng = self._rng.at(step=t % 2**32, rows=batch.rows)
        labels = np.asarray(batch.y)
        names = [name for name in self.weights if int(name[1:]) >= self.lowest]
        losses: list[float] = []

        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            self._write(names, theta)
            run = self.net.forward(batch.x, rng)
            each, dz = self.loss(run.outputs[-1], labels)
            losses.append(float(each.mean(dtype=np.float64)))
            gradients = self.net.backward(run, dz, 1.0 / len(batch), lowest=self.lowest)
            return self._penalised(names, losses[-1], gradients)

        start = np.concatenate([self.weights[name].ravel() for name in names])
        found = minimize(
            objective,
            start.astype(np.float64),
            jac=True,
            method=self._method,
            options=self._options,
        )
        self._write(names, found.x)
        self.n_steps += 1
        return {"loss": losses[0]}

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Parameters by name; not copies."""
        return self.net.parameters

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes from step to step; not copies."""
        return {"parameters": self.weights, "n_steps": self.n_steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, in the same arrays."""
        restore_arrays(self.weights, state["parameters"])
        self.n_steps = int(state["n_steps"])

    def _write(self, names: list[str], theta: np.ndarray) -> None:
        start = 0
        for name in names:
            w = self.weights[name]
            w[...] = theta[start : start + w.size].reshape(w.shape)
            start += w.size

    def _penalised(
        self, names: list[str], value: float, gradients: dict[str, np.ndarray]
    ) -> tuple[float, np.ndarray]:
        parts = []
        for name in names:
            w, gradient = self.weights[name], gradients[name].astype(np.float64)
            if w.ndim > 1 and self._decay:
                value += 0.5 * self._decay * float(np.square(w, dtype=np.float64).sum())
                gradient += self._decay * w
            parts.append(gradient.ravel())
        return value, np.concatenate(parts)
