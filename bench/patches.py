"""Signals and dictionaries of the benchmarks of sparse codes: patches of photographs, or noise."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from common import Case, Skip, log_uniform

__all__ = ["learned", "patches", "random_params", "signals_and_atoms", "unit"]


def random_params(rng: np.random.Generator) -> dict[str, Any]:
    """What `signals_and_atoms` reads, of 1,000 signals of noise, and how many atoms code one."""
    d, k = log_uniform(rng, 16, 256), log_uniform(rng, 32, 1024)
    active, dtype = (
        int(rng.integers(2, 2 + min(d, k) // 4)),
        str(rng.choice(["float32", "float64"])),
    )
    sizes = {"signals": 1000, "features": d, "atoms": k}
    return {"dtype": dtype, **sizes, "side": 0, "active": active}


def signals_and_atoms(case: Case) -> dict[str, np.ndarray]:
    """The case's signals x (N, D) and dictionary phi (K, D), in its dtype."""
    p, rng = case.params, np.random.default_rng(0)
    if p["side"]:
        x = patches(p["side"], p["signals"] + 20_000, rng)
        phi = learned(x[p["signals"] :], p["atoms"], rng)
        x = x[: p["signals"]]
    else:
        phi = unit(rng.standard_normal((p["atoms"], p["features"])))
        x = unit(rng.standard_normal((p["signals"], p["features"])))
    dtype = np.dtype(p["dtype"])
    return {"x": x.astype(dtype), "phi": phi.astype(dtype)}


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of norm one."""
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def patches(side: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Patches of photographs, mean removed, of norm one; flat ones are left out."""
    from PIL import Image

    path = Path(os.environ.get("LAYERWISE_DATA", "")) / "natural" / "bsds_train.zip"
    if not path.exists():
        raise Skip("LAYERWISE_DATA names no folder with natural/bsds_train.zip")
    found: list[np.ndarray] = []
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        for name in names:
            image = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("L"), float)
            windows = np.lib.stride_tricks.sliding_window_view(image, (side, side))
            rows, cols = (rng.integers(0, n, 2 * count // len(names)) for n in windows.shape[:2])
            x = windows[rows, cols].reshape(len(rows), -1)
            x = x - x.mean(axis=1, keepdims=True)
            found.append(x[np.linalg.norm(x, axis=1) > 1.0])
    return unit(rng.permutation(np.concatenate(found))[:count])


def learned(x: np.ndarray, atoms: int, rng: np.random.Generator) -> np.ndarray:
    """A dictionary of these patches: online, block coordinates in turn (Mairal et al. 2010)."""
    from layerwise.ops import lasso

    phi = x[rng.choice(len(x), atoms, replace=False)].copy()
    a, b = 1e-3 * np.eye(atoms), 1e-3 * phi
    for t in range(60):
        batch = x[rng.choice(len(x), 1024)]
        codes = lasso(batch, phi, 0.15).codes
        keep = 1 - 1 / (1 + 0.2 * t)
        a, b = keep * a + codes.T @ codes, keep * b + codes.T @ batch
        for j in np.flatnonzero(np.diag(a) > 1e-8):
            atom = phi[j] + (b[j] - a[j] @ phi) / a[j, j]
            phi[j] = atom / max(float(np.linalg.norm(atom)), 1.0)
    return phi
