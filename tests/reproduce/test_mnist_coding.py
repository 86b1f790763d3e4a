"""The table of codes of digits, in its short form."""

import json

import numpy as np
from sklearn.svm import LinearSVC

from layerwise.datasets import load_mnist
from layerwise.reproduce import find_recipes


def test_codes_of_a_short_run_separate_digits_better_than_pixels_do(tmp_path):
    lines = []
    find_recipes()["mnist-coding"].run(tmp_path, seeds=(3,), quick=True, report=lines.append)
    found = json.loads((tmp_path / "results.json").read_text())
    assert [each["coder"] for each in found] == ["local coordinate coding", "extended LCC"]
    assert len(lines) == 1 + len(found)
    digits = load_mnist("small")
    x, test = (
        images.reshape(len(images), -1) / 255.0
        for images in (digits.train_images, digits.test_images)
    )
    machine = LinearSVC(C=0.1, random_state=0).fit(x, digits.train_labels)
    pixels = 100 * (1 - machine.score(test, digits.test_labels))
    for each, line in zip(found, lines[1:], strict=True):
        assert each["error"] < pixels - 2
        assert f"{each['error']:.2f}" in line and each["coder"] in line
        assert each["settings"]["n_components"] == 128
    assert np.diff([each["non_zeros"] for each in found])[0] > 0
