"""The table of codes of digits, in its short form."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from sklearn.svm import LinearSVC

import layerwise
from layerwise.datasets import load_mnist
from layerwise.reproduce import _natural_groups, find_recipes
from layerwise.reproduce._digit_coders import CODERS


@pytest.fixture
def photographs(rng, tmp_path, monkeypatch):
    """A folder of data with photographs that stand and lie, stripes in all directions."""
    folder = tmp_path / "data" / "natural"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "bsds_train.zip", "w") as archive:
        for i in range(6):
            shape = (48, 40) if i % 2 else (40, 48)
            down, right = np.indices(shape)
            along = down * np.cos(i) + right * np.sin(i)
            pixels = 128 + 80 * np.sin(along) + rng.normal(size=shape)
            file = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG")
            archive.writestr(f"train/{i}.jpg", file.getvalue())
    monkeypatch.setenv("LAYERWISE_DATA", str(tmp_path / "data"))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_codes_of_a_short_run_separate_digits_better_than_pixels_do(photographs, tmp_path):
    lines = []
    find_recipes()["mnist-coding"].run(tmp_path, seeds=(3,), quick=True, report=lines.append)
    found = json.loads((tmp_path / "results.json").read_text())
    assert [each["coder"] for each in found] == [coder.name for coder in CODERS]
    assert len(lines) == 1 + len(found) + 1
    digits = load_mnist("small")
    x, test = (
        images.reshape(len(images), -1) / 255.0
        for images in (digits.train_images, digits.test_images)
    )
    machine = LinearSVC(C=0.1, random_state=0).fit(x, digits.train_labels)
    pixels = 100 * (1 - machine.score(test, digits.test_labels))
    for each, line in zip(found, lines[1:], strict=False):
        assert each["error"] < pixels - 2
        assert f"{each['error']:.2f}" in line and each["coder"] in line
    errors = [each["error"] for each in found]
    assert max(errors[3:]) < min(errors[:3])  # patches beat whole digits
    with Image.open(tmp_path / "natural-groups.png") as picture:
        assert picture.size == (2 * (10 * 9 + 1), 2 * (8 * 9 + 1))
    assert layerwise.load(tmp_path / "natural-groups.safetensors").group_size == 16


def test_photographs_are_cut_to_the_middle_of_one_size(photographs):
    found = _natural_groups.read_photographs()
    assert found.shape == (6, 40, 40) and found.dtype == np.uint8
    assert found.std() > 30


def test_without_photographs_there_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERWISE_DATA", str(tmp_path))
    monkeypatch.setenv("LAYERWISE_CACHE", str(tmp_path))
    assert _natural_groups.draw_natural_groups(tmp_path, quick=True, seed=0) is None
    assert not list(tmp_path.iterdir())
