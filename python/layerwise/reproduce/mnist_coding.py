"""Unsupervised features of MNIST digits and a linear support vector machine.

Whole digits, or their patches, are coded over what was learnt from all training digits without
their labels; codes of patches are pooled over a spatial pyramid. The constant of the machine is
chosen on training digits held out, the last ones; then it is trained on all of them, and the test
digits are looked at once.

What was tried, with seed 0; the error is the least over constants on the last 10,000 training
digits, or on 5,000 of them where 10,000 others are learnt from:

=============================================  ======  ==================
features                                       digits  error %
=============================================  ======  ==================
whole, 512 atoms, alpha 0.3 / 0.2 / 0.1        10,000  5.28 / 4.78 / 4.58
whole, 512 atoms, alpha 0.05 / 0.02            10,000  4.56 / 6.02
whole, 512 atoms, alpha 0.05                   50,000  2.67
whole, 1,024 atoms, alpha 0.05                 50,000  2.28
patches of norm 1, 256 atoms, alpha 0.15       10,000  1.42
patches without contrast, 256 atoms, alpha 1   10,000  1.42
=============================================  ======  ==================

Codes of patches separate digits better after 10,000 of them than those of whole digits do after
50,000.

Four of the five rows stay above the published errors, in both runs of seed 0 with all digits:
sparse coding 2.18 and 2.18 (2.10), local coordinate coding 2.01 and 2.04 (1.90), with tangents 1.83
and 1.91 (1.64), hierarchical 0.93 and 0.93 (0.77); that of patches is below, 0.77 and 0.76 (0.98).
Between the runs the grids of the machine's constant were widened; with 300, the best held out of
those up to 1,000, local coordinate coding stays at 2.04. The numbers of anchors, tangents, atoms
and groups in `_digit_coders` are the only ones these three were run with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.svm import LinearSVC

from layerwise.datasets import LabelledImages, load_mnist

from . import Recipe
from ._digit_coders import CODERS, Coder
from ._natural_groups import draw_natural_groups
from .jobs import run_jobs

__all__ = ["RECIPE"]

_HELD_OUT = 1 / 6
_TOLERANCE = 1e-2


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


def _fit(codes: sp.csr_array, labels: np.ndarray, constant: float, seed: int) -> LinearSVC:
    machine = LinearSVC(C=constant, tol=_TOLERANCE, max_iter=2000, random_state=seed)
    return machine.fit(codes, labels)


def _held_out_error(
    codes: sp.csr_array, labels: np.ndarray, constant: float, seed: int
) -> tuple[float, float]:
    """Measure a constant's error, in percent, on the last digits; the constant comes second."""
    n = round(len(labels) * (1 - _HELD_OUT))
    machine = _fit(codes[:n], labels[:n], constant, seed)
    return 100 * (1 - machine.score(codes[n:], labels[n:])), constant


def _measure(coder: Coder, digits: LabelledImages, seed: int, quick: bool) -> _Result:
    start = time.monotonic()
    settings = coder.settings | (coder.quick if quick else {})
    learnt = coder.make(settings, seed).fit(digits.train_images)
    codes, labels = learnt.transform(digits.train_images), digits.train_labels
    held_out_error, constant = min(
        run_jobs([partial(_held_out_error, codes, labels, each, seed) for each in coder.constants])
    )
    machine = _fit(codes, labels, constant, seed)
    error = 100 * (1 - machine.score(learnt.transform(digits.test_images), digits.test_labels))
    return _Result(
        coder.name, seed, error, held_out_error, coder.published, constant,
        codes.nnz / codes.shape[0], time.monotonic() - start, settings,
    )  # fmt: skip


def _run(
    output: Path, *, seeds: Sequence[int], quick: bool, report: Callable[[str], None]
) -> list[_Result]:
    digits = load_mnist("small" if quick else None)
    report(f"Test error in % with {len(digits.train_labels):,} training digits (published):")
    results = []
    for coder in CODERS:
        for seed in seeds:
            results.append(_measure(coder, digits, seed, quick))
            report(str(results[-1]))
            text = json.dumps([asdict(result) for result in results], indent=1)
            (output / "results.json").write_text(text + "\n", encoding="utf-8")
    picture = draw_natural_groups(output, quick=quick, seed=seeds[0])
    if picture is None:
        report("No picture of groups in photographs: there is no natural/bsds_train.zip")
    else:
        report(f"Groups of atoms in photographs: {picture}")
    return results


RECIPE = Recipe(
    "mnist-coding",
    "Unsupervised features of MNIST digits and a linear SVM (Yu, Lin, Lafferty 2011): HSC 0.77%",
    _run,
)
