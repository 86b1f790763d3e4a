"""dense: whole training steps of nets of sigmoid layers, and their forward pass.

A step is forward, backward and SGD with momentum and weight decay (on the weights alone), the mean
loss over the batch: softmax cross-entropy ("softmax") or, for autoencoders, the cross-entropy of
each pixel ("bernoulli").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

import numpy as np
from common import (
    Arrays,
    Case,
    Task,
    import_torch,
    log_uniform,
    require_close,
    sigmoid_in_place,
)

POOL = 8  # batches gone through in turn
DECAY = 1e-4
MOMENTUM = 0.9
CHECK_RATE = 10.0  # steps large enough to be seen beside the rounding of the weights
# So small that thousands of timed steps leave the net where it was; the work is the same.
RATE = 1e-6


def _case(name: str, sizes: list[int], batch: int, loss: str, what: str, **rest: Any) -> Case:
    weights = [n * m for n, m in pairwise(sizes)]
    # Every layer but the first also sends its gradient down.
    products = sum(weights) if what == "forward" else 3 * sum(weights) - weights[0]
    params = {"sizes": sizes, "batch": batch, "loss": loss, "what": what}
    return Case("dense", f"{what} {name} b{batch}", 2.0 * batch * products, params, **rest)


def cases() -> list[Case]:
    classifier = [784, 500, 500, 2000, 10]
    coder = [784, 1000, 500, 250, 30, 250, 500, 1000, 784]
    label = "784-500-500-2000-10"
    return [
        _case(label, classifier, 100, "softmax", "step"),
        _case(label, classifier, 1000, "softmax", "step", quick=False),
        _case(label, classifier, 100, "softmax", "forward"),
        _case("784-1000-500-250-30-...", coder, 1000, "bernoulli", "step", quick=False),
    ]


def random_cases(rng: np.random.Generator, count: int) -> list[Case]:
    found = []
    for _ in range(count):
        depth = int(rng.integers(1, 4))
        sizes = [log_uniform(rng, 32, 1500) for _ in range(depth + 1)] + [10]
        batch = log_uniform(rng, 10, 500)
        name = "-".join(str(size) for size in sizes)
        found.append(_case(name, sizes, batch, "softmax", "step", random=True))
    return found


def prepare(case: Case) -> tuple[Arrays, str]:
    p, rng = case.params, np.random.default_rng(0)
    sizes, rows = p["sizes"], p["batch"] * POOL
    data = {
        "x": rng.random((rows, sizes[0]), dtype=np.float32),
        "labels": rng.integers(0, sizes[-1], rows),
    }
    for i, (n, m) in enumerate(pairwise(sizes)):
        data[f"w{i}"] = (rng.standard_normal((m, n)) / np.sqrt(n)).astype(np.float32)
        data[f"b{i}"] = (0.1 * rng.standard_normal(m)).astype(np.float32)
    _expect(case, data)
    return data, ""


def _expect(case: Case, data: dict[str, np.ndarray]) -> None:
    """What float64 makes of the first batch, and of two steps on the first two."""
    batch, loss = case.params["batch"], case.params["loss"]
    now = [
        (data[f"w{i}"].astype(np.float64), data[f"b{i}"].astype(np.float64))
        for i in range(len(case.params["sizes"]) - 1)
    ]
    velocity = [(np.zeros_like(w), np.zeros_like(b)) for w, b in now]
    for t in range(2):
        rows = slice(t * batch, (t + 1) * batch)
        output, gradients = float64_gradients(now, data["x"][rows], data["labels"][rows], loss)
        if t == 0:
            data["output"] = output
        for (w, b), (vw, vb), (dw, db) in zip(now, velocity, gradients, strict=True):
            vw[...] = MOMENTUM * vw - CHECK_RATE * (dw + DECAY * w)
            vb[...] = MOMENTUM * vb - CHECK_RATE * db
            w += vw
            b += vb
    for i, (w, b) in enumerate(now):
        data[f"w{i}_after"], data[f"b{i}_after"] = w, b


def float64_gradients(
    parameters: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray, labels: np.ndarray, loss: str
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """The net's last sums, and each layer's gradients of the mean loss: weights, biases."""
    states = [x]
    for w, b in parameters:
        z = states[-1] @ w.T + b
        states.append(1 / (1 + np.exp(-z)))
    if loss == "softmax":
        soft = np.exp(z - z.max(axis=1, keepdims=True))
        dz = soft / soft.sum(axis=1, keepdims=True)
        dz[np.arange(len(x)), labels] -= 1
    else:
        dz = states[-1] - x
    dz /= len(x)
    gradients = []
    for layer in reversed(range(len(parameters))):
        gradients.append((dz.T @ states[layer], dz.sum(axis=0)))
        if layer:
            dz = (dz @ parameters[layer][0]) * states[layer] * (1 - states[layer])
    return z, gradients[::-1]


class _Net(ABC):
    """What every package's net is asked: forward, or a step from the state that it is in.

    `w`, `b` and the velocities `vw`, `vb` are lists of float32 arrays, one a layer.
    """

    variant = ""

    def __init__(self, case: Case, data: Arrays, wrap: Any = lambda array: array) -> None:
        self.batch = case.params["batch"]
        self.layers = len(case.params["sizes"]) - 1
        self.softmax = case.params["loss"] == "softmax"
        self.training = case.params["what"] == "step"
        self.at = 0
        self.x, self.labels = wrap(data["x"]), wrap(data["labels"])
        # Memory is NumPy's; wrap() makes the package's arrays of it without a copy.
        self._w = [data[f"w{i}"].copy() for i in range(self.layers)]
        self._b = [data[f"b{i}"].copy() for i in range(self.layers)]
        self.w, self.b = [wrap(w) for w in self._w], [wrap(b) for b in self._b]
        self.vw = [wrap(np.zeros_like(w)) for w in self._w]
        self.vb = [wrap(np.zeros_like(b)) for b in self._b]

    @abstractmethod
    def forward(self, rows: slice) -> Any:
        """The last layer's sums."""

    @abstractmethod
    def update(self, rows: slice, rate: float) -> None: ...

    def check(self, data: Arrays) -> None:
        first = slice(0, self.batch)
        require_close("forward", np.asarray(self.forward(first)), data["output"], 1e-5)
        if not self.training:
            return
        self.update(first, CHECK_RATE)
        self.update(slice(self.batch, 2 * self.batch), CHECK_RATE)
        for i, (w, b) in enumerate(zip(self._w, self._b, strict=True)):
            for name, now in ((f"w{i}", w), (f"b{i}", b)):
                start = data[name].astype(np.float64)
                moved = data[f"{name}_after"] - start
                rounding = 4 * np.finfo(np.float32).eps * np.linalg.norm(start)
                tolerance = 1e-4 + rounding / np.linalg.norm(moved)
                require_close(name, now - start, moved, tolerance)
                now[...] = data[name]
        for velocity in (*self.vw, *self.vb):
            velocity *= 0

    def step(self) -> None:
        rows = slice(self.at, self.at + self.batch)
        self.at = (self.at + self.batch) % (self.batch * POOL)
        if self.training:
            self.update(rows, RATE)
        else:
            self.forward(rows)


class LayerwiseNet(_Net):
    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        from layerwise import ops

        super().__init__(case, data)
        self.ops = ops
        self.options = {"num_threads": threads, "workspace": ops.Workspace()}
        self.state = [np.empty((self.batch, len(b)), np.float32) for b in self.b]
        self.dz = [np.empty_like(state) for state in self.state[:-1]]

    def states(self, rows: slice, last: str) -> list[np.ndarray]:
        """The batch and every layer's output."""
        found = [self.x[rows]]
        for i in range(self.layers):
            activation = "sigmoid" if i < self.layers - 1 else last
            self.ops.dense(
                found[-1], self.w[i], self.b[i], activation, out=self.state[i], **self.options
            )
            found.append(self.state[i])
        return found

    def forward(self, rows: slice) -> np.ndarray:
        return self.states(rows, "none")[-1]

    def update(self, rows: slice, rate: float) -> None:
        ops, options = self.ops, self.options
        states = self.states(rows, "none" if self.softmax else "sigmoid")
        if self.softmax:
            _, dz = ops.softmax_cross_entropy(states[-1], self.labels[rows], **options)
        else:
            dz = states[-1]
            np.subtract(dz, states[0], out=dz)
        for i in reversed(range(self.layers)):
            above = dz
            if i:
                dz = ops.dense_dx(
                    dz, self.w[i], x=states[i], activation="sigmoid", out=self.dz[i - 1], **options
                )
            step = {"rate": rate, "momentum": MOMENTUM, **options}
            ops.dense_dw_update(
                above, states[i], self.w[i], self.vw[i],
                alpha=-1 / self.batch, weight_decay=DECAY, **step,
            )  # fmt: skip
            db = ops.dense_db(above, alpha=-1 / self.batch, **options)
            ops.sgd_momentum(self.b[i], self.vb[i], db, **step)


class NumpyNet(_Net):
    """Everything into arrays allocated once."""

    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        super().__init__(case, data)
        self.state = [np.empty((self.batch, len(b)), np.float32) for b in self.b]
        self.dz = [np.empty_like(state) for state in self.state]
        self.dw = [np.empty_like(w) for w in self.w]

    def forward(self, rows: slice) -> np.ndarray:
        x = self.x[rows]
        for i, z in enumerate(self.state):
            np.matmul(x, self.w[i].T, out=z)
            z += self.b[i]
            if i < self.layers - 1:
                sigmoid_in_place(z)
            x = z
        return x

    def update(self, rows: slice, rate: float) -> None:
        z, dz = self.forward(rows), self.dz[-1]
        if self.softmax:
            np.subtract(z, z.max(axis=1, keepdims=True), out=dz)
            np.exp(dz, out=dz)
            dz /= dz.sum(axis=1, keepdims=True)
            dz[np.arange(self.batch), self.labels[rows]] -= 1
        else:
            sigmoid_in_place(z)
            np.subtract(z, self.x[rows], out=dz)
        dz *= np.float32(-rate / self.batch)
        for i in reversed(range(self.layers)):
            dz, below = self.dz[i], self.state[i - 1] if i else self.x[rows]
            np.matmul(dz.T, below, out=self.dw[i])
            self.vw[i] *= np.float32(MOMENTUM)
            self.vw[i] += self.dw[i]
            self.vb[i] *= np.float32(MOMENTUM)
            self.vb[i] += dz.sum(axis=0)
            if i:
                down = self.dz[i - 1]
                np.matmul(dz, self.w[i], out=down)
                down *= below
                np.subtract(1, below, out=below)
                down *= below
            np.multiply(self.w[i], np.float32(rate * DECAY), out=self.dw[i])
            self.vw[i] -= self.dw[i]
            self.w[i] += self.vw[i]
            self.b[i] += self.vb[i]


class TorchNet(_Net):
    """By hand and in place: momentum is the beta of the gradient's product."""

    variant = "in place"

    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        self.torch = torch = import_torch(threads)
        super().__init__(case, data, torch.from_numpy)
        self.state = [torch.empty(self.batch, len(b)) for b in self.b]
        self.dz = [torch.empty_like(state) for state in self.state]
        # The last layer's target: the digit as one of ten, or the batch itself.
        self.target = self.x
        if self.softmax:
            self.target = torch.nn.functional.one_hot(self.labels, len(self.b[-1])).float()

    def forward(self, rows: slice) -> Any:
        torch = self.torch
        x = self.x[rows]
        with torch.inference_mode():
            for i, z in enumerate(self.state):
                torch.addmm(self.b[i], x, self.w[i].t(), out=z)
                x = z.sigmoid_() if i < self.layers - 1 else z
        return x

    def update(self, rows: slice, rate: float) -> None:
        torch, scale = self.torch, -rate / self.batch
        z, dz = self.forward(rows), self.dz[-1]
        with torch.inference_mode():
            if self.softmax:
                torch.softmax(z, 1, out=dz)
            else:
                torch.sigmoid(z, out=dz)
            dz.sub_(self.target[rows])
            for i in reversed(range(self.layers)):
                dz, below = self.dz[i], self.state[i - 1] if i else self.x[rows]
                self.vw[i].addmm_(dz.t(), below, beta=MOMENTUM, alpha=scale)
                self.vb[i].mul_(MOMENTUM).add_(dz.sum(0), alpha=scale)
                if i:
                    down = torch.mm(dz, self.w[i], out=self.dz[i - 1])
                    torch.ops.aten.sigmoid_backward(down, below, grad_input=down)
                self.vw[i].add_(self.w[i], alpha=-rate * DECAY)
                self.w[i].add_(self.vw[i])
                self.b[i].add_(self.vb[i])


class TorchAutogradNet(_Net):
    """As most people write it: autograd and the optimiser, fused or over lists of tensors."""

    def __init__(self, case: Case, data: Arrays, threads: int, optimiser: str) -> None:
        self.torch = torch = import_torch(threads)
        super().__init__(case, data, torch.from_numpy)
        self.variant = f"autograd, {optimiser} optimiser"
        groups = [{"params": self.w, "weight_decay": DECAY}, {"params": self.b}]
        for parameter in (*self.w, *self.b):
            parameter.requires_grad_()
        self.sgd = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM, **{optimiser: True})

    def sums(self, rows: slice) -> Any:
        functional, x = self.torch.nn.functional, self.x[rows]
        for i in range(self.layers):
            x = functional.linear(x, self.w[i], self.b[i])
            if i < self.layers - 1:
                x = self.torch.sigmoid(x)
        return x

    def forward(self, rows: slice) -> Any:
        with self.torch.inference_mode():
            return self.sums(rows)

    def check(self, data: Arrays) -> None:
        super().check(data)
        self.sgd.state.clear()

    def update(self, rows: slice, rate: float) -> None:
        functional, z = self.torch.nn.functional, self.sums(rows)
        for group in self.sgd.param_groups:
            group["lr"] = rate
        if self.softmax:
            loss = functional.cross_entropy(z, self.labels[rows])
        else:
            loss = functional.binary_cross_entropy_with_logits(z, self.x[rows], reduction="sum")
            loss = loss / self.batch
        self.sgd.zero_grad()
        loss.backward()
        self.sgd.step()


def _torch(case: Case, data: Arrays, threads: int) -> list[Task]:
    autograd = [TorchAutogradNet(case, data, threads, name) for name in ("fused", "foreach")]
    return [TorchNet(case, data, threads), *autograd]


def _numpy(case: Case, data: Arrays, threads: int) -> list[Task]:
    return [NumpyNet(case, data, threads)]


PACKAGES = {
    "layerwise": lambda case, data, threads: [LayerwiseNet(case, data, threads)],
    "torch": _torch,
    "numpy": _numpy,
    "numpy-avx512": _numpy,
}
