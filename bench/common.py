"""What the benchmark modules share: cases, tasks, and the checks made before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

# Packages that tell no more than their version, and the names they are installed by.
DISTRIBUTIONS = {
    "celer": "celer",
    "learnergy": "learnergy",
    "rbms": "rbms",
    "skglm": "skglm",
    "spams": "spams-bin",
}

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One line of the table: what is computed, said in plain numbers that travel as JSON."""

    kernel: str
    name: str
    flops: float
    params: dict[str, Any] = field(default_factory=dict)
    quick: bool = True  # part of a --quick run
    random: bool = False

    @property
    def dtype(self) -> str:
        return str(self.params.get("dtype", "float32"))


class Task(Protocol):
    """One package doing one case, on arrays that it has already brought into its own form."""

    def check(self, data: Arrays) -> None:
        """Raise `Mismatch` unless the results are those of float64 NumPy in `data`."""

    def step(self) -> None:
        """Do once what is timed."""


class Mismatch(Exception):
    """A package computed something other than it should; its time does not count."""


class Skip(Exception):
    """A package cannot do a case, or is not there."""


def require_close(name: str, got: np.ndarray, want: np.ndarray, tolerance: float) -> None:
    """The distance of two arrays relative to the size of the second, in the 2-norm."""
    if got.shape != want.shape:
        raise Mismatch(f"{name}: shape {got.shape}, not {want.shape}")
    distance = np.linalg.norm(np.asarray(got, np.float64) - want)
    limit = tolerance * max(float(np.linalg.norm(want)), 1e-30)
    if not distance <= limit:  # also where it is NaN
        raise Mismatch(f"{name}: off by {distance:.3g}, more than {limit:.3g}")


def log_uniform(rng: np.random.Generator, low: int, high: int) -> int:
    """A size between `low` and `high`, as likely to be in any octave as in any other."""
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def sigmoid_in_place(z: np.ndarray) -> None:
    """The fastest way that NumPy has: exp is vectorised, and nothing is allocated."""
    np.negative(z, out=z)
    with np.errstate(over="ignore"):  # exp(-z) = inf gives 0, which is right
        np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)


def import_torch(threads: int) -> Any:
    import torch

    torch.set_num_threads(threads)
    return torch


def describe(package: str, threads: int) -> str:
    """The version of a package and what computes inside it."""
    if package == "torch":
        torch = import_torch(threads)
        return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    if package == "scikit-learn":
        import sklearn

        return f"scikit-learn {sklearn.__version__}, NumPy {np.__version__} {_blas()}"
    if package in DISTRIBUTIONS:
        return f"{package} {version(DISTRIBUTIONS[package])}"
    if package == "layerwise":
        import layerwise

        return f"layerwise {layerwise.__version__}"
    return f"NumPy {np.__version__}, {_blas()}"


def _blas() -> str:
    """The BLAS inside NumPy and the code path that it chose on this CPU."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    names = {
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}" for pool in pools
    }
    return ", ".join(sorted(names))
