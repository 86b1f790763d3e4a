"""The recipe of k-means features: it runs, and its features beat pixels where there is texture."""

import json

import numpy as np
from PIL import Image

from layerwise.datasets import LabelledImages
from layerwise.reproduce import coates_cifar10, find_recipes


def textures(rng, n):
    """Photographs that differ by the direction of their stripes, at any phase and brightness."""
    labels = np.arange(n) % 2
    i, j = np.indices((32, 32))
    phase, light = rng.uniform(0, 7, (n, 1, 1)), rng.uniform(60, 190, (n, 1, 1))
    along = np.where(labels[:, None, None] == 1, i + 0.3 * j, i - 0.3 * j)
    grey = light + 25 * np.sin(1.3 * along + phase)
    noise = rng.normal(size=(n, 32, 32, 3))
    return np.clip(grey[..., None] + 15 * noise, 0, 255).astype(np.uint8), labels.astype(np.int64)


def test_a_small_run_tells_textures_apart_and_writes_its_results(rng, tmp_path, monkeypatch):
    data = LabelledImages(*textures(rng, 160), *textures(rng, 100))
    monkeypatch.setattr(coates_cifar10, "load_cifar10", lambda **given: data)
    monkeypatch.setattr(coates_cifar10, "_QUICK", coates_cifar10._Size(160, 100, 60, 2000, 20, 5))
    lines = []
    recipe = find_recipes()["coates-cifar10"]
    found = recipe.run(tmp_path, seeds=(0, 1), quick=True, report=lines.append)
    assert len(lines) == 2 * 3 + 2
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(row["seed"], row["encoding"]) for row in results] == [
        (seed, encoding) for seed in (0, 1) for encoding in ("hard", "triangle")
    ]
    assert [row["accuracy"] for row in results if row["encoding"] == "hard"] == found["hard"]
    assert min(found["triangle"]) > 85
    with Image.open(tmp_path / "centroids-1.png") as picture:
        assert picture.size == (3 * 36, 3 * 29)
