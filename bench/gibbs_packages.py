"""How each package does one CD-k update of an RBM, and how all of them are checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from common import Arrays, Case, Mismatch, Skip, import_torch, require_close, sigmoid_in_place

MOMENTUM = 0.5
DECAY = 2e-4
# So small that thousands of timed updates leave the RBM in the state that the case names.
RATE = 1e-6
CHECK_MOMENTUM, CHECK_DECAY = 0.25, 5.0  # large enough to be missed
NAMES = ("w", "b", "a")  # weights (hidden, visible), visible and hidden biases


def sigmoid(z: np.ndarray) -> np.ndarray:
    sigmoid_in_place(z)
    return z


class Rbm(ABC):
    """Parameters and velocities in NumPy's memory; `order` is how the weights lie in it."""

    variant = ""
    velocities = True

    def __init__(self, case: Case, data: Arrays, order: str = "C") -> None:
        p = case.params
        self.batch, self.k, self.at = p["batch"], p["k"], 0
        self.w = np.array(data["w"], order=order)
        self.b, self.a = data["b"].copy(), data["a"].copy()
        self.vw, self.vb, self.va = (np.zeros_like(x) for x in (self.w, self.b, self.a))
        rows = range(0, len(data["x"]), self.batch)
        self.batches: list[Any] = [data["x"][i : i + self.batch] for i in rows]

    @abstractmethod
    def update(self, batch: int, rate: float, momentum: float, decay: float) -> None: ...

    def load(self, data: Arrays, prefix: str = "") -> None:
        for name in NAMES:
            getattr(self, name)[...] = data[prefix + name]
            getattr(self, f"v{name}")[...] = 0

    def statistics(self, data: Arrays, prefix: str, decay: float) -> dict[str, np.ndarray]:
        """dw, db, da of the first batch, worked out from what one update at rate 1 has changed."""
        self.load(data, prefix)
        momentum = CHECK_MOMENTUM if self.velocities else 0.0
        decay = decay if self.velocities else 0.0
        for name in NAMES:
            getattr(self, f"v{name}")[...] = 1
        self.update(0, 1.0, momentum, decay)
        found = {}
        for name in NAMES:
            start = data[prefix + name].astype(np.float64)
            moved = getattr(self, name) - start
            velocity = getattr(self, f"v{name}").astype(np.float64) if self.velocities else moved
            rounding = 2 * np.finfo(np.float32).eps * np.linalg.norm(start)
            size = max(float(np.linalg.norm(velocity)), 1e-30)
            require_close(name, moved, velocity, 1e-6 + rounding / size)
            found[name] = velocity - momentum + (decay * start if name == "w" else 0)
        return found

    def check(self, data: Arrays) -> None:
        exact = self.statistics(data, "saturated_", 0.0)
        for name, got in exact.items():
            # Where there are no velocities the statistics carry the rounding of the weights.
            start = 0.0 if self.velocities else np.linalg.norm(data[f"saturated_{name}"])
            want = data[f"saturated_d{name}"]
            tolerance = 1e-5 + 1e-7 * start / max(float(np.linalg.norm(want)), 1e-30)
            require_close(f"saturated d{name}", got, want, tolerance)
        draws = int(data["draws"])
        total = {name: 0.0 * value for name, value in exact.items()}
        for _ in range(draws):
            for name, value in self.statistics(data, "", CHECK_DECAY).items():
                total[name] += value
        for name, value in total.items():
            distance = np.linalg.norm(value / draws - data[f"mean_d{name}"])
            ratio = distance / np.sqrt(2 / draws * float(data[f"variance_d{name}"]))
            low, high = (0.75, 1.33) if name == "w" else (0.5, 2.0)  # few numbers, all correlated
            if not low < ratio < high:
                raise Mismatch(f"d{name}: {ratio:.3f} standard errors off, where 1 is expected")
        self.load(data)

    def step(self) -> None:
        self.at = (self.at + 1) % len(self.batches)
        self.update(self.at, RATE, MOMENTUM, DECAY)


class LayerwiseRbm(Rbm):
    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        from layerwise import ops

        super().__init__(case, data)
        self.ops = ops
        self.options = {"num_threads": threads, "workspace": ops.Workspace()}
        self.updates = 0
        if case.params["given"] == "bits":
            self.batches = [ops.BitMatrix.pack(batch) for batch in self.batches]

    def update(self, batch: int, rate: float, momentum: float, decay: float) -> None:
        self.updates += 1
        rng = self.ops.Philox(seed=1, step=self.updates * self.k, rows=batch * self.batch)
        step = {"rate": rate, "momentum": momentum, "weight_decay": decay}
        self.ops.gibbs_cd_update(
            self.batches[batch], self.w, self.b, self.a, self.vw, self.vb, self.va,
            k=self.k, rng=rng, **step, **self.options,
        )  # fmt: skip


class NumpyRbm(Rbm):
    """In place. `joined`: both sides' statistics as one product of twice the rows."""

    def __init__(self, case: Case, data: Arrays, order: str, joined: bool) -> None:
        super().__init__(case, data, order)
        self.variant = f"{order} order{', joined' if joined else ''}"
        self.rng = np.random.Generator(np.random.SFC64(0))
        rows, (hidden, visible) = self.batch, self.w.shape
        self.joined, self.transposed = joined, order == "F"
        self.h, self.v = _floats(2 * rows, hidden), _floats(2 * rows, visible)
        self.h_sample, self.h_uniform = _floats(rows, hidden), _floats(rows, hidden)
        self.v_uniform = _floats(rows, visible)
        self.dw = np.empty_like(self.w)

    def up(self, v: np.ndarray, h: np.ndarray) -> None:
        np.matmul(v, self.w.T, out=h)
        h += self.a
        sigmoid_in_place(h)

    def sample(self, mean: np.ndarray, uniform: np.ndarray, out: np.ndarray) -> None:
        self.rng.random(out=uniform, dtype=np.float32)
        np.less(uniform, mean, out=out)

    def product(self, h: np.ndarray, v: np.ndarray) -> None:
        """Add h'v to the velocity."""
        if self.transposed:
            np.matmul(v.T, h, out=self.dw.T)
        else:
            np.matmul(h.T, v, out=self.dw)
        self.vw += self.dw

    def update(self, batch: int, rate: float, momentum: float, decay: float) -> None:
        n, x = self.batch, self.batches[batch]
        h0, h1, v1 = self.h[:n], self.h[n:], self.v[n:]
        self.up(x, h0)
        mean = h0
        for _ in range(self.k):
            self.sample(mean, self.h_uniform, self.h_sample)
            np.matmul(self.h_sample, self.w, out=v1)
            np.add(v1, self.b, out=v1)
            sigmoid_in_place(v1)
            self.sample(v1, self.v_uniform, v1)
            self.up(v1, h1)
            mean = h1
        scale = np.float32(rate / n)
        h0 *= scale
        h1 *= -scale
        for velocity in (self.vw, self.vb, self.va):
            velocity *= np.float32(momentum)
        if self.joined:
            self.v[:n] = x
            self.product(self.h, self.v)
        else:
            self.product(h0, x)
            self.product(h1, v1)
        self.vb += scale * (x.sum(axis=0) - v1.sum(axis=0))
        self.va += self.h.sum(axis=0)
        np.multiply(self.w, np.float32(rate * decay), out=self.dw)
        self.vw -= self.dw
        self.w += self.vw
        self.b += self.vb
        self.a += self.va


def _floats(*shape: int) -> np.ndarray:
    return np.empty(shape, np.float32)


class TorchRbm(Rbm):
    """In place; a state is `uniform_ < p`, which is faster than bernoulli."""

    def __init__(self, case: Case, data: Arrays, threads: int, order: str, joined: bool) -> None:
        self.torch = torch = import_torch(threads)
        super().__init__(case, data, order)
        self.variant, self.joined = f"{order} order{', joined' if joined else ''}", joined
        wrap = torch.from_numpy
        self.batches = [wrap(batch) for batch in self.batches]
        self.parameters = [wrap(x) for x in (self.w, self.b, self.a)]
        self.moving = [wrap(x) for x in (self.vw, self.vb, self.va)]
        rows, (hidden, visible) = self.batch, self.w.shape
        self.h, self.v = torch.empty(2 * rows, hidden), torch.empty(2 * rows, visible)
        self.h_sample, self.h_uniform = torch.empty(rows, hidden), torch.empty(rows, hidden)
        self.v_uniform = torch.empty(rows, visible)

    def update(self, batch: int, rate: float, momentum: float, decay: float) -> None:
        with self.torch.inference_mode():
            self._update(self.batches[batch], rate, momentum, decay)

    def _update(self, x: Any, rate: float, momentum: float, decay: float) -> None:
        torch, n = self.torch, self.batch
        (w, b, a), (vw, vb, va) = self.parameters, self.moving
        h0, h1, v1 = self.h[:n], self.h[n:], self.v[n:]
        mean = torch.addmm(a, x, w.t(), out=h0).sigmoid_()
        for _ in range(self.k):
            torch.lt(self.h_uniform.uniform_(), mean, out=self.h_sample)
            torch.addmm(b, self.h_sample, w, out=v1).sigmoid_()
            torch.lt(self.v_uniform.uniform_(), v1, out=v1)
            mean = torch.addmm(a, v1, w.t(), out=h1).sigmoid_()
        scale = rate / n
        # Momentum is the beta of the statistics' product.
        if self.joined:
            h1.neg_()
            self.v[:n].copy_(x)
            vw.addmm_(self.h.t(), self.v, beta=momentum, alpha=scale)
            va.mul_(momentum).add_(self.h.sum(0), alpha=scale)
        else:
            vw.addmm_(h0.t(), x, beta=momentum, alpha=scale).addmm_(h1.t(), v1, alpha=-scale)
            va.mul_(momentum).add_(h0.sum(0), alpha=scale).add_(h1.sum(0), alpha=-scale)
        vb.mul_(momentum).add_(x.sum(0), alpha=scale).add_(v1.sum(0), alpha=-scale)
        vw.add_(w, alpha=-rate * decay)
        w.add_(vw)
        b.add_(vb)
        a.add_(va)


class ScikitLearnRbm(Rbm):
    """BernoulliRBM.partial_fit: PCD, and no momentum or decay, so a little less to do."""

    velocities = False

    def __init__(self, case: Case, data: Arrays) -> None:
        from sklearn.neural_network import BernoulliRBM

        if case.params["k"] != 1:
            raise Skip("one sweep only")
        super().__init__(case, data)
        self.rbm = BernoulliRBM(len(self.a), batch_size=self.batch, random_state=0)
        self.rbm.partial_fit(self.batches[0])
        self.rbm.components_, self.rbm.intercept_visible_ = self.w, self.b
        self.rbm.intercept_hidden_ = self.a

    def load(self, data: Arrays, prefix: str = "") -> None:
        super().load(data, prefix)
        # From hidden states drawn at the data its update is CD-1's.
        mean = sigmoid(self.batches[0] @ self.w.T + self.a)
        self.rbm.h_samples_ = (self.rbm.random_state_.uniform(size=mean.shape) < mean).astype(
            np.float32
        )

    def update(self, batch: int, rate: float, momentum: float, decay: float) -> None:
        self.rbm.learning_rate = rate
        self.rbm.partial_fit(self.batches[batch])
