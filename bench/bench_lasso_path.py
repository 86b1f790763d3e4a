"""lasso_path: one target over many features; one penalty, or a path of a hundred.

Neighbouring columns of a dense design correlate by a half, a hundred features make the target,
float64, no intercept. Every package must reach the same duality gap for every penalty, (primal -
dual) over half the square norm of y, worked out in float64 from its coefficients: 1e-6. The loosest
tolerance of a rival that does counts. FLOPs are those of one pass over X for each penalty, 2 N P.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import scipy.sparse as sp
from common import Arrays, Case, Mismatch, Skip, Task, log_uniform

BOUND = 1e-6
PASSES = 500  # of the rivals' outer loops: more than they need


def _case(n: int, p: int, density: float, lowest: int, count: int, **rest: Any) -> Case:
    kind = f"{density:.0%} dense" if density < 1 else "dense"
    what = f"path of {count} down to" if count > 1 else "at"
    params = {"dtype": "float64", "samples": n, "features": p, "density": density}
    params |= {"lowest": lowest, "count": count}
    flops = 2.0 * n * p * density * count
    return Case("lasso_path", f"({n},{p}) {kind}, {what} max/{lowest}", flops, params, **rest)


def cases() -> list[Case]:
    return [
        _case(1000, 10_000, 1.0, 10, 1),
        _case(1000, 10_000, 1.0, 100, 1, quick=False),
        _case(1000, 10_000, 1.0, 100, 100, quick=False),
        _case(1000, 100_000, 0.01, 10, 1),
        _case(1000, 100_000, 0.01, 100, 1, quick=False),
        _case(1000, 100_000, 0.01, 100, 100, quick=False),
    ]


def random_cases(rng: np.random.Generator, count: int) -> list[Case]:
    found = []
    for _ in range(count):
        n, p = log_uniform(rng, 50, 1000), log_uniform(rng, 50, 5000)
        density = float(rng.choice([0.05, 1.0]))
        lowest, length = int(rng.integers(2, 50)), int(rng.choice([1, 30]))
        found.append(_case(n, p, density, lowest, length, random=True))
    return found


def prepare(case: Case) -> tuple[Arrays, str]:
    q, rng = case.params, np.random.default_rng(0)
    n, p = q["samples"], q["features"]
    if q["density"] < 1:
        x = sp.random_array((n, p), density=q["density"], format="csc", rng=rng,
                            data_sampler=lambda size: rng.standard_normal(size))  # fmt: skip
        x.sum_duplicates()
        stored = {"data": x.data, "indices": x.indices.astype(np.int32)}
        stored |= {"indptr": x.indptr.astype(np.int32)}
    else:
        columns = rng.standard_normal((p, n))
        for j in range(1, p):
            columns[j] = 0.5 * columns[j - 1] + np.sqrt(0.75) * columns[j]
        x = columns.T
        stored = {"columns": columns}
    w = np.zeros(p)
    w[rng.choice(p, min(100, p), replace=False)] = rng.standard_normal(min(100, p))
    signal = x @ w
    y = signal + rng.standard_normal(n) * np.linalg.norm(signal) / (3 * np.sqrt(n))
    largest = float(np.abs(x.T @ y).max()) / n
    first = 1.0 if q["count"] > 1 else 1.0 / q["lowest"]
    alphas = largest * np.geomspace(first, 1.0 / q["lowest"], q["count"])
    return stored | {"y": y, "alphas": alphas}, ""


def design(data: Arrays) -> Any:
    if "columns" in data:
        return data["columns"].T
    shape = (len(data["y"]), len(data["indptr"]) - 1)
    return sp.csc_matrix((data["data"], data["indices"], data["indptr"]), shape=shape)


def worst_gap(data: Arrays, coefs: np.ndarray) -> float:
    """The largest gap of a package's coefficients (A, P), in float64."""
    x, y, worst = design(data), data["y"], 0.0
    for w, alpha in zip(coefs, data["alphas"] * len(y), strict=True):
        residual = y - x @ w
        kappa = min(1.0, alpha / np.abs(x.T @ residual).max())
        primal = 0.5 * residual @ residual + alpha * np.abs(w).sum()
        dual = kappa * (y @ residual) - 0.5 * kappa**2 * (residual @ residual)
        worst = max(worst, float((primal - dual) / (0.5 * (y @ y))))
    return worst


class Solver(ABC):
    """One package at one tolerance; `coefs` gives (A, P)."""

    def __init__(self, data: Arrays, threads: int, tol: float) -> None:
        self.x, self.y, self.alphas = design(data), data["y"], data["alphas"]
        self.threads, self.tol, self.variant = threads, tol, f"{tol:.0e}"

    @abstractmethod
    def coefs(self) -> np.ndarray: ...

    def step(self) -> None:
        self.coefs()

    def check(self, data: Arrays) -> None:
        gap = worst_gap(data, self.coefs())
        if not gap <= BOUND:
            raise Mismatch(f"a relative gap of {gap:.2g}, more than {BOUND:.0e}")


class LayerwiseSolver(Solver):
    def coefs(self) -> np.ndarray:
        from layerwise import ops

        # Its gap is over ||y||^2; not quite the bound, which is checked with other roundings.
        return ops.lasso_path(
            self.x, self.y, self.alphas, fit_intercept=False, tol=0.49 * BOUND,
            num_threads=self.threads,
        ).coefs  # fmt: skip


class CelerSolver(Solver):
    def coefs(self) -> np.ndarray:
        import celer

        if len(self.alphas) > 1:
            found = celer.celer_path(
                self.x, self.y, "lasso", alphas=self.alphas, tol=self.tol, max_iter=PASSES
            )
            return np.asarray(found[1].T)
        model = celer.Lasso(self.alphas[0], fit_intercept=False, tol=self.tol, max_iter=PASSES)
        return np.asarray(model.fit(self.x, self.y).coef_[None])


class SkglmSolver(Solver):
    def coefs(self) -> np.ndarray:
        import skglm

        if len(self.alphas) > 1:
            model = skglm.Lasso(fit_intercept=False, tol=self.tol, warm_start=True, max_iter=PASSES)
            return np.asarray(model.path(self.x, self.y, self.alphas)[1].T)
        model = skglm.Lasso(self.alphas[0], fit_intercept=False, tol=self.tol, max_iter=PASSES)
        return np.asarray(model.fit(self.x, self.y).coef_[None])


class ScikitLearnSolver(Solver):
    def coefs(self) -> np.ndarray:
        from sklearn.linear_model import lasso_path

        found = lasso_path(self.x, self.y, alphas=self.alphas, tol=self.tol, max_iter=10_000)
        return np.asarray(found[1].T)


def _rival(kind: type[Solver], tolerances: tuple[float, ...]) -> Any:
    def tasks(case: Case, data: Arrays, threads: int) -> list[Task]:
        """The loosest setting that reaches the gap: tighter ones are slower."""
        for tol in tolerances:
            task = kind(data, threads, tol)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if worst_gap(data, task.coefs()) <= BOUND:
                    return [task]
        raise Skip("no tolerance reaches the gap")

    return tasks


PACKAGES = {
    "layerwise": lambda case, data, threads: [LayerwiseSolver(data, threads, 0.49 * BOUND)],
    "celer": _rival(CelerSolver, (1e-6, 1e-7, 1e-8, 1e-9, 1e-10)),
    "skglm": _rival(SkglmSolver, (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)),
    "scikit-learn": _rival(ScikitLearnSolver, (4e-7,)),
}
