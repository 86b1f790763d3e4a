"""gibbs: one CD-k update of a Bernoulli-Bernoulli RBM, from the batch to the new weights.

Sampled hidden and visible states, statistics from the data and from the chain, momentum and weight
decay included. FLOPs are those of the dense products: 10 B V H for CD-1, 46 B V H for CD-10.

The states are random, so a package is checked twice. With saturated weights every probability is 0
or 1: one update must give float64's statistics to rounding. With the weights that are timed, the
mean statistics of several updates must be as far from float64's as two such means are apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import Arrays, Case, Task, log_uniform
from gibbs_packages import (
    DECAY,
    MOMENTUM,
    NAMES,
    LayerwiseRbm,
    NumpyRbm,
    ScikitLearnRbm,
    TorchRbm,
    sigmoid,
)
from gibbs_rivals import RIVALS

TRAINING_RATE = 0.05
POOL = 10  # batches gone through in turn
SATURATED = 256.0  # a sum is an odd multiple of half of it: exp overflows or is 0
GRAIN = 16  # real data are multiples of 1 / GRAIN, so that the saturated sums are exact


def _case(visible: int, hidden: int, batch: int, state: str, **rest: Any) -> Case:
    k, given = rest.pop("k", 1), rest.pop("given", "bits")
    flops = (2 * (2 * k + 1) + 4.0) * batch * visible * hidden
    name = f"CD-{k} ({visible},{hidden},{batch}) {state}"
    if given == "floats":  # 0 and 1, but not packed
        name += f", given as {given}"
    params = {"visible": visible, "hidden": hidden, "batch": batch, "k": k, "state": state}
    return Case("gibbs", name, flops, params | {"given": given}, **rest)


def cases() -> list[Case]:
    return [
        _case(784, 500, 100, "MNIST, at the start"),
        _case(784, 500, 100, "MNIST, after an epoch"),
        _case(784, 500, 100, "MNIST, after an epoch", given="floats", quick=False),
        _case(784, 500, 100, "real MNIST, at the start", given="reals"),
        _case(784, 500, 100, "MNIST, after an epoch", k=10, quick=False),
        _case(784, 1000, 500, "MNIST, at the start", quick=False),
        _case(784, 1000, 500, "MNIST, after an epoch", quick=False),
        _case(784, 1000, 500, "real MNIST, after an epoch", given="reals", quick=False),
        _case(2000, 2000, 500, "random 20%", quick=False),
        _case(2000, 2000, 500, "random reals", given="reals", quick=False),
        _case(4096, 4096, 512, "random 20%", quick=False),
        _case(4096, 4096, 512, "random reals", given="reals", quick=False),
    ]


def random_cases(rng: np.random.Generator, count: int) -> list[Case]:
    found = []
    for _ in range(count):
        visible, hidden = log_uniform(rng, 32, 2048), log_uniform(rng, 32, 2048)
        batch, percent = log_uniform(rng, 10, 512), int(rng.integers(5, 51))
        found.append(_case(visible, hidden, batch, f"random {percent}%", random=True))
    return found


def prepare(case: Case) -> tuple[Arrays, str]:
    p, rng = case.params, np.random.default_rng(0)
    x, source = _rows(case, rng)
    shapes = {"w": (p["hidden"], p["visible"]), "b": (p["visible"],), "a": (p["hidden"],)}
    scale = SATURATED * (GRAIN if p["given"] == "reals" else 1)
    data: dict[str, np.ndarray] = {
        "x": x[: POOL * p["batch"]],
        "w": (0.01 * rng.standard_normal(shapes["w"])).astype(np.float32),
        "b": np.zeros(shapes["b"], np.float32),
        "a": np.zeros(shapes["a"], np.float32),
        "saturated_w": (scale * rng.integers(-1, 2, shapes["w"])).astype(np.float32),
        "saturated_b": np.full(shapes["b"], SATURATED / 2, np.float32),
        "saturated_a": np.full(shapes["a"], -SATURATED / 2, np.float32),
    }
    if p["state"].endswith("epoch"):
        rbm = NumpyRbm(case, data | {"x": x}, order="C", joined=False)
        for t in range(len(rbm.batches)):
            rbm.update(t, TRAINING_RATE, MOMENTUM, DECAY)
        data |= {name: getattr(rbm, name) for name in NAMES}
    return data, source + _expect(case, data, rng)


def _rows(case: Case, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """All the data there is, and a word on where it is from."""
    p = case.params
    if "MNIST" in p["state"]:
        from layerwise.datasets import load_mnist

        try:
            x, source = load_mnist(None).train_images, "60,000 digits"
        except FileNotFoundError:
            x, source = load_mnist("small").train_images, "5,000 digits"
        x = x[: len(x) // p["batch"] * p["batch"]]
    else:
        x, source = rng.random((POOL * p["batch"], p["visible"]), dtype=np.float32), "random"
    if p["given"] == "reals":
        return np.round(x * GRAIN) / np.float32(GRAIN), source
    if "MNIST" in p["state"]:
        return (x >= 0.5).astype(np.float32), source
    percent = int(p["state"].removeprefix("random ").removesuffix("%"))
    return (x < percent / 100).astype(np.float32), source


def _expect(case: Case, data: dict[str, np.ndarray], rng: np.random.Generator) -> str:
    """Add the statistics of the first batch; return the densities of its states."""
    v, k = data["x"][: case.params["batch"]].astype(np.float64), case.params["k"]
    found, _ = float64_statistics(v, *(data[f"saturated_{name}"] for name in NAMES), k, rng)
    for name, value in zip(NAMES, found, strict=True):
        data[f"saturated_d{name}"] = value
    parameters = [data[name] for name in NAMES]
    draws, densities = [], (0.0, 0.0)
    for _ in range(int(np.clip(8e9 / case.flops, 4, 32))):
        statistics, densities = float64_statistics(v, *parameters, k, rng)
        draws.append(statistics)
    data["draws"] = np.array(len(draws))
    for name, values in zip(NAMES, zip(*draws, strict=True), strict=True):
        mean = sum(values) / len(draws)
        data[f"mean_d{name}"] = mean
        spread = sum(float(((value - mean) ** 2).sum()) for value in values)
        data[f"variance_d{name}"] = np.array(spread / (len(draws) - 1))
    return f"; density {v.mean():.0%} data, {densities[0]:.0%} hidden, {densities[1]:.0%} visible"


def float64_statistics(
    v: np.ndarray, w: np.ndarray, b: np.ndarray, a: np.ndarray, k: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], tuple[float, float]]:
    """CD-k's dw, db, da of one batch, and the densities of the last hidden and visible states."""
    w, x = w.astype(np.float64), v
    data_mean = mean = sigmoid(v @ w.T + a)
    for _ in range(k):
        h = (rng.random(mean.shape) < mean).astype(np.float64)
        x = (rng.random(v.shape) < sigmoid(h @ w + b)).astype(np.float64)
        mean = sigmoid(x @ w.T + a)
    dw = (data_mean.T @ v - mean.T @ x) / len(v)
    return [dw, (v - x).mean(axis=0), (data_mean - mean).mean(axis=0)], (h.mean(), x.mean())


def _numpy(case: Case, data: Arrays, threads: int) -> list[Task]:
    return [NumpyRbm(case, data, order, joined) for order in "CF" for joined in (False, True)]


def _torch(case: Case, data: Arrays, threads: int) -> list[Task]:
    return [
        TorchRbm(case, data, threads, order, joined) for order in "CF" for joined in (False, True)
    ]


PACKAGES = {
    "layerwise": lambda case, data, threads: [LayerwiseRbm(case, data, threads)],
    "torch": _torch,
    "numpy": _numpy,
    "numpy-avx512": _numpy,
    "scikit-learn": lambda case, data, threads: [ScikitLearnRbm(case, data)],
    **RIVALS,
}
