"""gemm: C = A B, every transpose, squares and the shapes that RBMs and dense nets have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from common import Arrays, Case, Mismatch, Task, import_torch, log_uniform

LAYOUTS = ("nn", "nt", "tn", "tt")  # t: the operand lies transposed in memory


def _case(m: int, n: int, k: int, layout: str = "nn", dtype: str = "float32", **rest: Any) -> Case:
    name = f"({m},{n},{k}) {layout}" + (" float64" if dtype == "float64" else "")
    params = {"m": m, "n": n, "k": k, "layout": layout, "dtype": dtype}
    return Case("gemm", name, 2.0 * m * n * k, params, **rest)


def _products(batch: int, visible: int, hidden: int, quick: bool) -> list[Case]:
    """The three products of a layer: up, down, and the gradient of its weights."""
    return [
        _case(batch, hidden, visible, "nt", quick=quick),
        _case(batch, visible, hidden, "nn", quick=quick),
        _case(hidden, visible, batch, "tn", quick=quick),
    ]


def cases() -> list[Case]:
    return [
        _case(512, 512, 512),
        _case(1024, 1024, 1024),
        _case(2048, 2048, 2048, quick=False),
        _case(1024, 1024, 1024, "nt", quick=False),
        _case(1024, 1024, 1024, "tn", quick=False),
        _case(1024, 1024, 1024, dtype="float64"),
        *_products(100, 784, 500, quick=True),
        *_products(100, 500, 2000, quick=False),
        *_products(1000, 500, 2000, quick=False),
        *_products(500, 2000, 2000, quick=False),
    ]


def random_cases(rng: np.random.Generator, count: int) -> list[Case]:
    return [
        _case(*(log_uniform(rng, 16, 2048) for _ in "mnk"), str(rng.choice(LAYOUTS)), random=True)
        for _ in range(count)
    ]


def prepare(case: Case) -> tuple[Arrays, str]:
    p = case.params
    rng = np.random.default_rng(0)
    shapes = {"a": (p["m"], p["k"]), "b": (p["k"], p["n"])}
    data = {}
    for name, flag in zip(shapes, p["layout"], strict=True):
        shape = shapes[name] if flag == "n" else shapes[name][::-1]
        data[name] = rng.standard_normal(shape).astype(case.dtype)
    a, b = (x.astype(np.float64) for x in _operands(case, data["a"], data["b"]))
    data["product"] = a @ b
    data["magnitude"] = np.abs(a) @ np.abs(b)
    return data, ""


def _operands(case: Case, a: Any, b: Any) -> tuple[Any, Any]:
    first, second = case.params["layout"]
    return a.T if first == "t" else a, b.T if second == "t" else b


class _Product(ABC):
    """A, B as the case lays them out, and a C that is written over and over."""

    variant = ""

    def __init__(self, case: Case, data: Arrays) -> None:
        self.a, self.b = _operands(case, data["a"], data["b"])
        self.c: Any = np.empty(data["product"].shape, case.dtype)

    def check(self, data: Arrays) -> None:
        self.step()
        got = np.asarray(self.c)
        # Any order of a sum of k products stays within k eps |A||B|, and a good one far within.
        bound = np.finfo(got.dtype).eps * (4 + np.sqrt(self.a.shape[1])) * data["magnitude"]
        error = np.abs(got - data["product"])
        if not (error <= bound).all():
            raise Mismatch(f"product: {int((error > bound).sum())} elements out of bounds")

    @abstractmethod
    def step(self) -> None: ...


class NumpyProduct(_Product):
    def step(self) -> None:
        np.matmul(self.a, self.b, out=self.c)


class TorchProduct(_Product):
    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        torch = import_torch(threads)
        super().__init__(case, data)
        self.a, self.b = _operands(case, torch.from_numpy(data["a"]), torch.from_numpy(data["b"]))
        self.c = torch.from_numpy(self.c)
        self.mm = torch.inference_mode()(torch.mm)

    def step(self) -> None:
        self.mm(self.a, self.b, out=self.c)


class LayerwiseProduct(_Product):
    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        from layerwise import ops

        super().__init__(case, data)
        self.gemm = ops.gemm
        self.options = {"out": self.c, "num_threads": threads, "workspace": ops.Workspace()}

    def step(self) -> None:
        self.gemm(self.a, self.b, **self.options)


def _numpy(case: Case, data: Arrays, threads: int) -> list[Task]:
    return [NumpyProduct(case, data)]


PACKAGES = {
    "layerwise": lambda case, data, threads: [LayerwiseProduct(case, data, threads)],
    "torch": lambda case, data, threads: [TorchProduct(case, data, threads)],
    "numpy": _numpy,
    "numpy-avx512": _numpy,
}
