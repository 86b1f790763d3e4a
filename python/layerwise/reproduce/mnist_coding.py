"""Unsupervised codes of MNIST digits and a linear support vector machine.

Whole digits, scaled to norm one, are coded over anchors learnt from all training digits without
their labels. The constant of the machine is chosen on training digits held out, the last ones; then
it is trained on all of them, and the test digits are looked at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.svm import LinearSVC

from layerwise.datasets import LabelledImages, load_mnist
from layerwise.models import LocalCoordinateCoder

from . import Recipe

__all__ = ["RECIPE"]

_HELD_OUT = 1 / 6
_CONSTANTS = (0.3, 1.0, 3.0, 10.0)
_CODERS: dict[str, tuple[float, Callable[..., Any], dict[str, Any]]] = {
    "local coordinate coding": (
        1.90, LocalCoordinateCoder, {"n_components": 4096, "alpha": 0.1, "n_iter": 5},
    ),
    "extended LCC": (
        1.64, LocalCoordinateCoder,
        {"n_components": 4096, "alpha": 0.1, "n_iter": 5, "n_tangents": 16},
    ),
}  # fmt: skip
_QUICK = {"n_components": 128, "n_iter": 2}


@dataclass(frozen=True)
class _Result:
    """What one coder came to; errors in percent."""

    coder: str
    seed: int
    error: float
    held_out_error: float
    published: float
    constant: float
    non_zeros: float
    seconds: float
    settings: dict[str, Any]

    def __str__(self) -> str:
        return (
            f"  {self.coder:<26}{self.error:6.2f}  ({self.published:.2f})  C {self.constant:g}, "
            f"{self.non_zeros:.0f} non-zeros, seed {self.seed}, {self.seconds / 60:.1f} min"
        )


def _signals(images: np.ndarray) -> np.ndarray:
    """Scale digits to norm one."""
    x = images.reshape(len(images), -1).astype(np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).eps)


def _machine(constant: float, seed: int) -> LinearSVC:
    return LinearSVC(C=constant, tol=1e-3, max_iter=2000, random_state=seed)


def _choose(codes: sp.csr_array, labels: np.ndarray, seed: int) -> tuple[float, float]:
    """Find the constant of least error on the last digits; that error, in percent."""
    n = round(len(labels) * (1 - _HELD_OUT))
    errors = {}
    for constant in _CONSTANTS:
        machine = _machine(constant, seed).fit(codes[:n], labels[:n])
        errors[constant] = 100 * (1 - machine.score(codes[n:], labels[n:]))
    best = min(errors, key=errors.__getitem__)
    return best, errors[best]


def _measure(name: str, digits: LabelledImages, seed: int, quick: bool) -> _Result:
    start = time.monotonic()
    published, coder, settings = _CODERS[name]
    settings = settings | (_QUICK if quick else {})
    train, test = _signals(digits.train_images), _signals(digits.test_images)
    fitted = coder(**settings, random_state=seed).fit(train)
    codes = fitted.transform(train)
    constant, held_out_error = _choose(codes, digits.train_labels, seed)
    machine = _machine(constant, seed).fit(codes, digits.train_labels)
    error = 100 * (1 - machine.score(fitted.transform(test), digits.test_labels))
    return _Result(
        name, seed, error, held_out_error, published, constant, codes.nnz / len(train),
        time.monotonic() - start, settings,
    )  # fmt: skip


def _run(
    output: Path, *, seeds: Sequence[int], quick: bool, report: Callable[[str], None]
) -> list[_Result]:
    digits = load_mnist("small" if quick else None)
    report(f"Test error in % with {len(digits.train_labels):,} training digits (published):")
    results = []
    for name in _CODERS:
        for seed in seeds:
            results.append(_measure(name, digits, seed, quick))
            report(str(results[-1]))
    text = json.dumps([asdict(result) for result in results], indent=1)
    (output / "results.json").write_text(text + "\n", encoding="utf-8")
    return results


RECIPE = Recipe(
    "mnist-coding",
    "Unsupervised codes of MNIST digits and a linear SVM (Yu, Zhang, Gong 2009): LCC 1.90%",
    _run,
)
