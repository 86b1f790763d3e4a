"""CIFAR-10 by one layer of k-means features: hard against triangle assignment.

The images at hand have been through JPEG, with colour at half resolution. What such a pass costs,
as the best accuracy over weight decays on 8,000 training images held out of 24,000, with 400
centroids, whitening constant 0.1 and seed 0:

============================================  ======  ==========
images                                        hard    triangle
============================================  ======  ==========
as they are                                   60.1%   67.5%
JPEG once more, on the same 8x8 blocks        59.6%   67.2%
JPEG once more, on blocks shifted by (4, 4)   58.2%   65.7%
============================================  ======  ==========
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline

from layerwise.datasets import LabelledImages, load_cifar10
from layerwise.models import ZCA, ContrastNormalizer, ImageFeatures, VectorQuantizer
from layerwise.viz import signed_levels, tile, write_png

from . import Recipe
from ._linear_svm import LinearSVM, fit_linear_svm, standardise

__all__ = ["RECIPE"]

PUBLISHED = {"hard": 68.6, "triangle": 77.9}  # accuracy in %, 1600 centroids
_PATCH, _CHANNELS = 6, 3
_WEIGHT_DECAYS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)


@dataclass(frozen=True)
class _Size:
    n_train: int
    n_test: int
    n_held_out: int
    n_patches: int
    n_centroids: int
    max_iter: int


_FULL = _Size(50_000, 10_000, 10_000, 400_000, 1600, 30)
_QUICK = _Size(4000, 2000, 1000, 20_000, 200, 10)


def run(
    output: Path, *, seeds: Sequence[int], quick: bool, report: Callable[[str], None]
) -> dict[str, list[float]]:
    """Learn centroids, code all images in both ways, and train a linear machine on each.

    Returns
    -------
    dict of str to list of float
        Test accuracy in % of each encoding, one value a seed.
    """
    size = _QUICK if quick else _FULL
    images = load_cifar10(flatten=False, dtype=np.uint8)
    train, train_labels = images.train_images[: size.n_train], images.train_labels[: size.n_train]
    test, test_labels = images.test_images[: size.n_test], images.test_labels[: size.n_test]
    data = LabelledImages(train, train_labels, test, test_labels)
    accuracies: dict[str, list[float]] = {encoding: [] for encoding in PUBLISHED}
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        features = _learn(data, size, seed)
        report(f"seed {seed}: {size.n_centroids} centroids of {size.n_patches} patches")
        centroids = features.coder_[-1].cluster_centers_
        write_png(output / f"centroids-{seed}.png", _picture(centroids), zoom=3)
        for encoding in PUBLISHED:
            accuracy, svm = _accuracy(features, encoding, data, size)
            accuracies[encoding].append(accuracy)
            rows.append({
                "seed": seed, "encoding": encoding, "accuracy": accuracy,
                "weight_decay": svm.weight_decay, "held_out_errors": svm.held_out,
            })  # fmt: skip
            report(f"seed {seed}: {encoding:<8} {accuracy:.1f}% of test images right")
            (output / "results.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    for encoding, values in accuracies.items():
        compared = "" if quick else f" (published: {PUBLISHED[encoding]}%)"
        report(f"{encoding:<8} {np.mean(values):.1f}%{compared}")
    return accuracies


def _learn(data: LabelledImages, size: _Size, seed: int) -> ImageFeatures:
    """Learn whitening and centroids from patches of training images.

    Centroids start at patches drawn at random: k-means++ would start many at rare patches far from
    all others, where they stay and raise the mean distance, above which triangle codes are zero.

    The paper whitens with 0.1. Of 0.1, 0.3, 1 and 3 the one here did best for triangle codes of
    training images held out (hard ones: 1). Those at hand have been through JPEG.
    """
    coder = make_pipeline(
        ContrastNormalizer(eps=10.0),
        ZCA(eps=0.3),
        VectorQuantizer(size.n_centroids, init="random", max_iter=size.max_iter, random_state=seed),
    )
    features = ImageFeatures(
        coder, patch_size=_PATCH, n_patches=size.n_patches, random_state=seed
    )  # pools sums over quadrants
    return features.fit(data.train_images)


def _accuracy(
    features: ImageFeatures, encoding: str, data: LabelledImages, size: _Size
) -> tuple[float, LinearSVM]:
    """Measure the share of test images, in %, that a linear machine on the features gets right."""
    features.coder_[-1].set_params(encoding=encoding)
    train, test = features.transform(data.train_images), features.transform(data.test_images)
    standardise(train, test)
    svm = fit_linear_svm(train, data.train_labels, _WEIGHT_DECAYS, size.n_held_out)
    return 100 * (1 - svm.error(test, data.test_labels)), svm


def _picture(centroids: np.ndarray) -> np.ndarray:
    """Arrange centroids in colour; zero is grey."""
    levels = signed_levels(centroids).reshape(len(centroids), -1, _CHANNELS)
    channels = [tile(levels[:, :, i], (_PATCH, _PATCH)) for i in range(_CHANNELS)]
    return np.stack(channels, axis=-1)


RECIPE = Recipe(
    "coates-cifar10",
    "k-means features of CIFAR-10, hard and triangle (Coates, Lee, Ng 2011): 68.6% and 77.9%",
    run,
)
