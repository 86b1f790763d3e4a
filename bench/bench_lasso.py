"""lasso: sparse codes of natural patches (mean removed, unit norm) over a learned dictionary.

Gram matrix and correlations are part of what is timed; codes come out sparse where a package can.
Every signal of a package must reach the same relative duality gap, (primal - dual) over half the
signal's square norm, worked out in float64 from its codes: 1e-5 in float64, 5e-5 in float32. Of the
settings of a rival that do, its fastest counts. FLOPs are those of the correlations alone, 2 M D K.

The patches are cut from the photographs in $LAYERWISE_DATA/natural; random cases need no data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from common import Arrays, Case, Mismatch, Skip, Task
from patches import random_params, signals_and_atoms

BOUND = {"float32": 5e-5, "float64": 1e-5}


def _case(side: int, atoms: int, active: int, dtype: str, **rest: Any) -> Case:
    signals, features = 20_000, side * side
    params = {"dtype": dtype, "signals": signals, "features": features, "atoms": atoms}
    name = f"{side}x{side} patches, {atoms} atoms, ~{active} active, {dtype}"
    flops = 2.0 * signals * features * atoms
    return Case("lasso", name, flops, params | {"side": side, "active": active}, **rest)


def cases() -> list[Case]:
    return [
        _case(side, atoms, active, dtype, quick=(side, atoms) == (8, 256))
        for side, atoms in ((8, 256), (8, 1024), (12, 512))
        for active in (5, 10, 25)
        for dtype in ("float32", "float64")
    ]


def random_cases(rng: np.random.Generator, count: int) -> list[Case]:
    found = []
    for _ in range(count):
        p = random_params(rng)
        name = f"random ({p['features']},{p['atoms']}), ~{p['active']} active, {p['dtype']}"
        flops = 2.0 * p["signals"] * p["features"] * p["atoms"]
        found.append(Case("lasso", name, flops, p, random=True))
    return found


def prepare(case: Case) -> tuple[Arrays, str]:
    data = signals_and_atoms(case)
    alpha, active = _alpha_for(data["x"][:500], data["phi"], case.params["active"])
    return data | {"alpha": np.array(alpha)}, f"alpha {alpha:.4f}, {active:.1f} non-zeros a signal"


def _alpha_for(x: np.ndarray, phi: np.ndarray, active: int) -> tuple[float, float]:
    """The penalty that leaves about so many non-zeros."""
    from layerwise.ops import lasso

    low, high, count = 0.0, 1.0, 0.0
    for _ in range(12):
        alpha = (low + high) / 2
        count = np.count_nonzero(lasso(x, phi, alpha, max_iter=20_000).codes) / len(x)
        low, high = (alpha, high) if count > active else (low, alpha)
    return alpha, count


def worst_gap(data: Arrays, codes: Any) -> float:
    """The largest relative gap of a package's codes (N, K), dense or sparse, in float64."""
    x, phi = data["x"].astype(np.float64), data["phi"].astype(np.float64)
    alpha = float(data["alpha"])
    a = np.asarray(codes.toarray() if hasattr(codes, "toarray") else codes, np.float64)
    residual = x - a @ phi
    kappa = np.minimum(1.0, alpha / np.abs(residual @ phi.T).max(axis=1))
    primal = 0.5 * (residual**2).sum(axis=1) + alpha * np.abs(a).sum(axis=1)
    dual = kappa * (x * residual).sum(axis=1) - 0.5 * kappa**2 * (residual**2).sum(axis=1)
    return float(((primal - dual) / (0.5 * (x**2).sum(axis=1))).max())


class Coder(ABC):
    """One package with one setting; `codes` gives (N, K)."""

    def __init__(self, case: Case, data: Arrays, threads: int, variant: str = "") -> None:
        self.bound, self.alpha = BOUND[case.dtype], float(data["alpha"])
        self.x, self.phi, self.threads, self.variant = data["x"], data["phi"], threads, variant

    @abstractmethod
    def codes(self) -> Any: ...

    def step(self) -> None:
        self.codes()

    def check(self, data: Arrays) -> None:
        gap = worst_gap(data, self.codes())
        if not gap <= self.bound:
            raise Mismatch(f"a relative gap of {gap:.2g}, more than {self.bound:.0e}")


class LayerwiseCoder(Coder):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        from layerwise import ops

        self.lasso, self.workspace = ops.lasso, ops.Workspace()

    def codes(self) -> Any:
        # Not quite the bound: the outer check divides by another rounding of the same numbers.
        return self.lasso(
            self.x, self.phi, self.alpha, tol=0.98 * self.bound, format="csr",
            num_threads=self.threads, workspace=self.workspace,
        ).codes  # fmt: skip


class SpamsCoder(Coder):
    def __init__(self, case: Case, data: Arrays, threads: int, variant: str) -> None:
        super().__init__(case, data, threads, variant)
        self.columns, self.atoms = np.asfortranarray(self.x.T), np.asfortranarray(self.phi.T)

    def codes(self) -> Any:
        import spams

        if self.variant == "lasso":
            return spams.lasso(
                self.columns, D=self.atoms, lambda1=self.alpha, mode=2, numThreads=self.threads
            ).T
        tol = float(self.variant.removeprefix("cd "))
        start = self.start.copy() if hasattr(self, "start") else self._no_start()
        return spams.cd(
            self.columns, self.atoms, A0=start, lambda1=self.alpha, mode=2, itermax=10_000,
            tol=tol, numThreads=self.threads,
        ).T  # fmt: skip

    def _no_start(self) -> Any:
        from scipy.sparse import csc_matrix

        self.start = csc_matrix((len(self.phi), len(self.x)), dtype=self.x.dtype)
        return self.start.copy()


class ScikitLearnCoder(Coder):
    def codes(self) -> Any:
        from sklearn.decomposition import sparse_encode

        return sparse_encode(
            self.x, self.phi, algorithm="lasso_cd", alpha=self.alpha, max_iter=10_000,
            check_input=False, n_jobs=self.threads,
        )  # fmt: skip


def _able(tasks: list[Coder], data: Arrays) -> list[Task]:
    """The settings that reach the gap for every signal."""
    found: list[Task] = [task for task in tasks if worst_gap(data, task.codes()) <= task.bound]
    if not found:
        raise Skip("no setting reaches the gap for every signal")
    return found


def _spams(case: Case, data: Arrays, threads: int) -> list[Task]:
    variants = ("lasso", "cd 1e-3", "cd 1e-4", "cd 1e-5", "cd 1e-6")
    return _able([SpamsCoder(case, data, threads, variant) for variant in variants], data)


def _scikit_learn(case: Case, data: Arrays, threads: int) -> list[Task]:
    if not case.random:
        raise Skip("takes seconds; compared on the random shapes")
    return _able([ScikitLearnCoder(case, data, threads)], data)


PACKAGES = {
    "layerwise": lambda case, data, threads: [LayerwiseCoder(case, data, threads)],
    "spams": _spams,
    "scikit-learn": _scikit_learn,
}
