"""A stack of fully connected layers with explicit forward and backward passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerwise import ops
from layerwise.nn.data.dense import dense
from layerwise.nn.data.minibatch import Batch, Rows
from layerwise.nn.training.callbacks import Callback
from layerwise.nn.training.checkpoint import restore_arrays
from layerwise.nn.training.optim import SGD
from layerwise.nn.training.schedules import Rate
from layerwise.ops import Philox, Workspace

from .losses import Loss, SoftmaxCrossEntropy

__all__ = ["Layer", "Net", "NetMonitor", "NetTrainer", "OutputFirst"]


@dataclass
class Layer:
    """``y = f(x w' + b)``, then dropout: w (out,in), b (out,)."""

    w: np.ndarray
    b: np.ndarray
    activation: str = "sigmoid"
    dropout: float = 0.0


@dataclass
class Pass:
    """What a forward pass leaves for the backward pass, layer by layer."""

    inputs: list[Any] = field(default_factory=list)
    outputs: list[np.ndarray] = field(default_factory=list)  # before dropout
    rng: Philox | None = None


class Net:
    """Layers, one on another; the last one's outputs go to the loss.

    Parameters
    ----------
    layers : sequence of Layer
    input_dropout : float, default 0.0
        Probability with which an input is left out of a pass in training.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> net = nn.Net([nn.Layer(np.ones((1, 2)), np.zeros(1), "none")])
    >>> net.forward(np.array([[2.0, 3.0]])).outputs[-1]
    array([[5.]])
    """

    def __init__(self, layers: Sequence[Layer], input_dropout: float = 0.0) -> None:
        self.layers = list(layers)
        self.input_dropout = input_dropout
        self._workspace = Workspace()

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """Parameters by name: w0, b0, w1, ...; not copies."""
        named: dict[str, np.ndarray] = {}
        for i, layer in enumerate(self.layers):
            named[f"w{i}"], named[f"b{i}"] = layer.w, layer.b
        return named

    def forward(self, x: Any, rng: Philox | None = None) -> Pass:
        """Run the net.

        Parameters
        ----------
        x : ndarray, BitMatrix or CSR of shape (n, in)
        rng : Philox, optional
            Stream of the dropout, whose layer word counts up from the given one, the inputs' being
            the last. Without it nothing is dropped.

        Returns
        -------
        Pass
            ``outputs[-1]`` is what the loss takes.
        """
        run = Pass(rng=rng)
        if rng is not None and self.input_dropout > 0:
            stream = rng.at(layer=rng.layer + len(self.layers))
            x = ops.dropout(dense(x, self.layers[0].w.dtype), self.input_dropout, rng=stream)
        for i, layer in enumerate(self.layers):
            run.inputs.append(x)
            y = ops.dense(x, layer.w, layer.b, layer.activation, workspace=self._workspace)
            run.outputs.append(y)
            x = y
            if rng is not None and layer.dropout > 0:
                x = ops.dropout(y, layer.dropout, rng=rng.at(layer=rng.layer + i))
        return run

    def backward(
        self, run: Pass, dz: np.ndarray, scale: float = 1.0, *, lowest: int = 0
    ) -> dict[str, np.ndarray]:
        """Compute the gradients of all parameters, times `scale`.

        Parameters
        ----------
        run : Pass
            Of the forward pass.
        dz : ndarray of shape (n, out)
            Gradient at the last layer's pre-activation.
        scale : float, default 1.0
            -1/n turns gradients of a summed loss into the direction of descent of its mean.
        lowest : int, default 0
            Layer below which there is no need of gradients.

        Returns
        -------
        dict of str to ndarray
            By the names of `parameters`.
        """
        gradients: dict[str, np.ndarray] = {}
        for i, delta in self._deltas(run, dz, lowest):
            x = run.inputs[i]
            gradients[f"w{i}"] = ops.dense_dw(delta, x, alpha=scale, workspace=self._workspace)
            gradients[f"b{i}"] = ops.dense_db(delta, alpha=scale)
        return gradients

    def update(
        self,
        run: Pass,
        dz: np.ndarray,
        scale: float,
        velocities: Mapping[str, np.ndarray],
        step: Mapping[str, float],
        *,
        lowest: int = 0,
    ) -> None:
        """Take the step of `SGD` along the gradients that `backward` gives, which are not kept.

        Parameters
        ----------
        run, dz, scale, lowest
            As for `backward`.
        velocities : mapping of str to ndarray
            By the names of `parameters`; overwritten.
        step : mapping of str to float
            rate, momentum and weight_decay.
        """
        rate, momentum = step["rate"], step["momentum"]
        for i, delta in self._deltas(run, dz, lowest):
            layer = self.layers[i]
            ops.dense_dw_update(
                delta,
                run.inputs[i],
                layer.w,
                velocities[f"w{i}"],
                alpha=scale,
                rate=rate,
                momentum=momentum,
                weight_decay=step["weight_decay"],
                workspace=self._workspace,
            )
            db = ops.dense_db(delta, alpha=scale)
            ops.sgd_momentum(layer.b, velocities[f"b{i}"], db, rate=rate, momentum=momentum)

    def _deltas(self, run: Pass, dz: np.ndarray, lowest: int) -> Iterator[tuple[int, np.ndarray]]:
        """Give each layer, from the top, and the gradient at its pre-activation.

        A layer is not read again after it was given, so that it may be changed at once.
        """
        for i in reversed(range(lowest, len(self.layers))):
            below = self._below(run, dz, i) if i > lowest else dz
            yield i, dz
            dz = below

    def _below(self, run: Pass, dz: np.ndarray, i: int) -> np.ndarray:
        """Compute the gradient at the pre-activation of layer i - 1."""
        w, below, y = self.layers[i].w, self.layers[i - 1], run.outputs[i - 1]
        if run.rng is None or below.dropout == 0:
            return ops.dense_dx(dz, w, x=y, activation=below.activation, workspace=self._workspace)
        dx = ops.dense_dx(dz, w, workspace=self._workspace)
        stream = run.rng.at(layer=run.rng.layer + i - 1)
        return ops.activation_dx(ops.dropout_dx(dx, below.dropout, rng=stream), y, below.activation)


class NetTrainer:
    """Steps of gradient descent with momentum on a net.

    Parameters
    ----------
    net : Net
        Updated in place.
    rate, momentum : float or function of the number of updates made
    weight_decay : float
        On weights only.
    loss : Loss, default SoftmaxCrossEntropy
    seed : int
        Key of the dropout's random stream.
    velocities : mapping, optional
        What `state_dict` gave, to go on from there; updated in place.

    Attributes
    ----------
    n_steps : int
        Updates made by this trainer.
    lowest : int
        Layer below which nothing is learnt, 0 for all.
    """

    def __init__(
        self,
        net: Net,
        *,
        rate: Rate,
        momentum: Rate = 0.0,
        weight_decay: float = 0.0,
        loss: Loss | None = None,
        seed: int = 0,
        velocities: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.net = net
        self.loss = SoftmaxCrossEntropy() if loss is None else loss
        self.optimiser = SGD(
            net.parameters,
            rate=rate,
            momentum=momentum,
            weight_decay=weight_decay,
            velocities=velocities,
        )
        self._rng = Philox(seed)
        self.n_steps = 0
        self.lowest = 0

    def step(self, batch: Batch, t: int) -> dict[str, float]:
        """Make one update from a batch, the t-th ever; the metric is the loss before it."""
        run = self.net.forward(batch.x, self._rng.at(step=t % 2**32, rows=batch.rows))
        losses, dz = self.loss(run.outputs[-1], np.asarray(batch.y))
        self.net.update(
            run,
            dz,
            -1.0 / len(batch),
            self.optimiser.velocities,
            self.optimiser.step(t),
            lowest=self.lowest,
        )
        self.n_steps += 1
        return {"loss": float(losses.mean(dtype=np.float64))}

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Parameters by name; not copies."""
        return self.net.parameters

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes from step to step; not copies."""
        return {
            "parameters": self.optimiser.parameters,
            "velocities": self.optimiser.state_dict(),
            "n_steps": self.n_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, in the same arrays."""
        restore_arrays(self.optimiser.parameters, state["parameters"])
        restore_arrays(self.optimiser.velocities, state["velocities"])
        self.n_steps = int(state["n_steps"])


class OutputFirst(Callback):
    """Lets the last layer alone learn for the first epochs.

    Parameters
    ----------
    epochs : int
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._stepper: Any = None

    def start(self, stepper: Any, n_iter: int) -> None:
        """Find the net."""
        self._stepper = stepper

    def begin(self, epoch: int) -> None:
        """Say which layers learn."""
        last = len(self._stepper.net.layers) - 1
        self._stepper.lowest = last if epoch < self.epochs else 0


class NetMonitor(Callback):
    """Adds the mean loss and the accuracy on other data to each epoch's metrics.

    They are called ``validation_loss`` and ``validation_score``; nothing is dropped.

    Parameters
    ----------
    rows : Rows
    y : ndarray of shape (n,), int
        Their labels.
    """

    def __init__(self, rows: Rows, y: np.ndarray) -> None:
        self.rows = rows
        self.y = y
        self._stepper: Any = None

    def start(self, stepper: Any, n_iter: int) -> None:
        """Find the net."""
        self._stepper = stepper

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Measure."""
        loss = hits = 0.0
        for part in self.rows.chunks():
            z = self._stepper.net.forward(self.rows[part]).outputs[-1]
            losses, _ = self._stepper.loss(z, self.y[part])
            loss += float(losses.sum(dtype=np.float64))
            hits += float((z.argmax(axis=1) == self.y[part]).sum())
        metrics["validation_loss"] = loss / len(self.y)
        metrics["validation_score"] = hits / len(self.y)
