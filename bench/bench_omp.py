"""omp: orthogonal matching pursuit of natural patches (mean removed, unit norm), by count.

Gram matrix and correlations are part of what is timed; codes come out sparse where a package can.
The greedy choice is the same in every package but for ties in rounding, so that codes may differ
in a few signals: a package counts if none has more non-zeros than asked for, and if the mean square
residual, worked out in float64 from its codes, is at most 0.1% above that of the float64 codes.
FLOPs are those of the correlations alone, 2 M D K.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from common import Arrays, Case, Mismatch, Skip, Task
from patches import random_params, signals_and_atoms


def _case(name: str, params: dict[str, Any], **rest: Any) -> Case:
    flops = 2.0 * params["signals"] * params["features"] * params["atoms"]
    what = f"{name}, {params['atoms']} atoms, {params['active']} of them, {params['dtype']}"
    return Case("omp", what, flops, params, **rest)


def cases() -> list[Case]:
    return [
        _case(
            f"{side}x{side} patches",
            {"dtype": dtype, "signals": 20_000, "features": side * side, "atoms": atoms,
             "side": side, "active": active},
            quick=(side, atoms) == (8, 256),
        )
        for side, atoms in ((8, 256), (8, 1024), (12, 512))
        for active in (5, 10)
        for dtype in ("float32", "float64")
    ]  # fmt: skip


def random_cases(rng: np.random.Generator, count: int) -> list[Case]:
    found = []
    for _ in range(count):
        params = random_params(rng)
        found.append(_case(f"random {params['features']} features", params, random=True))
    return found


def prepare(case: Case) -> tuple[Arrays, str]:
    from layerwise.ops import omp

    data = signals_and_atoms(case)
    exact = {name: values.astype(np.float64) for name, values in data.items()}
    codes = omp(exact["x"], exact["phi"], max_active=case.params["active"]).codes
    loss = mean_residual(data, codes)
    return data | {"loss": np.array(loss)}, f"mean square residual {loss:.4f}"


def mean_residual(data: Arrays, codes: Any) -> float:
    """The mean of ||x - a Phi||^2 for a package's codes (N, K), dense or sparse, in float64."""
    a = np.asarray(codes.toarray() if hasattr(codes, "toarray") else codes, np.float64)
    residual = data["x"].astype(np.float64) - a @ data["phi"].astype(np.float64)
    return float((residual**2).sum(axis=1).mean())


class Pursuit(ABC):
    """One package; `codes` gives (N, K)."""

    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        self.x, self.phi, self.threads = data["x"], data["phi"], threads
        self.active = int(case.params["active"])

    @abstractmethod
    def codes(self) -> Any: ...

    def step(self) -> None:
        self.codes()

    def check(self, data: Arrays) -> None:
        codes = self.codes()
        counts = np.bincount(codes.nonzero()[0], minlength=len(self.x))
        if counts.max() > self.active:
            raise Mismatch(f"{counts.max()} non-zeros, more than {self.active}")
        loss, limit = mean_residual(data, codes), 1.001 * float(data["loss"])
        if not loss <= limit:
            raise Mismatch(f"a mean square residual of {loss:.4g}, more than {limit:.4g}")


class LayerwisePursuit(Pursuit):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        from layerwise import ops

        self.omp, self.workspace = ops.omp, ops.Workspace()

    def codes(self) -> Any:
        return self.omp(
            self.x, self.phi, max_active=self.active, format="csr",
            num_threads=self.threads, workspace=self.workspace,
        ).codes  # fmt: skip


class SpamsPursuit(Pursuit):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.columns, self.atoms = np.asfortranarray(self.x.T), np.asfortranarray(self.phi.T)

    def codes(self) -> Any:
        import spams

        return spams.omp(self.columns, self.atoms, L=self.active, numThreads=self.threads).T


class ScikitLearnPursuit(Pursuit):
    def codes(self) -> Any:
        from sklearn.linear_model import orthogonal_mp_gram

        gram, correlations = self.phi @ self.phi.T, self.phi @ self.x.T
        return orthogonal_mp_gram(gram, correlations, n_nonzero_coefs=self.active).T


def _scikit_learn(case: Case, data: Arrays, threads: int) -> list[Task]:
    if not case.random:
        raise Skip("takes seconds; compared on the random shapes")
    return [ScikitLearnPursuit(case, data, threads)]


PACKAGES = {
    "layerwise": lambda case, data, threads: [LayerwisePursuit(case, data, threads)],
    "spams": lambda case, data, threads: [SpamsPursuit(case, data, threads)],
    "scikit-learn": _scikit_learn,
}
