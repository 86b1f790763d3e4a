"""What ``layerwise demo`` does: a deep belief network learns handwritten digits, layer by layer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from layerwise import nn
from layerwise.datasets import LabelledImages, load_mnist
from layerwise.models import DBN, DBNClassifier
from layerwise.viz import grey_levels, signed_levels, tile, write_png

__all__ = ["DemoResult", "run_demo"]

_IMAGE = (28, 28)
_GRID = 10  # images along each side of a picture
_ZOOM = 2


@dataclass(frozen=True)
class DemoResult:
    """What a demo found.

    Attributes
    ----------
    pretrained_error, plain_error : float
        Share of the test digits misread, by the net that was pretrained and by the one that was
        not.
    files : list of Path
        The pictures: filters, samples, reconstructions.
    seconds : float
    """

    pretrained_error: float
    plain_error: float
    files: list[Path]
    seconds: float


@dataclass(frozen=True)
class _Recipe:
    """Sizes and lengths of training; the same fine-tuning with and without pretraining."""

    n_train: int
    sizes: tuple[int, ...]
    pretraining_epochs: int
    tuning_epochs: int
    n_gibbs: int


_FULL = _Recipe(5000, (500, 500), 30, 20, 100)
_QUICK = _Recipe(1000, (100, 100), 3, 3, 20)


def run_demo(
    output: Path,
    *,
    seed: int = 0,
    quick: bool = False,
    report: Callable[[str], None],
) -> DemoResult:
    """Train with and without pretraining, compare the test errors and draw what was learnt.

    Parameters
    ----------
    output : Path
        Folder of the pictures, made where it is missing.
    seed : int, default 0
        Seed of all random numbers.
    quick : bool, default False
        A smaller net on fewer digits.
    report : function
        Takes each line of text there is to show. Progress bars go to standard error.

    Returns
    -------
    DemoResult

    Raises
    ------
    OSError
        If nothing can be written to `output`; training does not start then.
    """
    start = time.monotonic()
    output = _writable_folder(output)
    recipe = _QUICK if quick else _FULL
    digits = _digits(recipe.n_train)
    widths = "-".join(map(str, (np.prod(_IMAGE), *recipe.sizes)))
    report(
        f"A deep belief network, {widths}, learns {len(digits.train_labels):,} handwritten digits:"
        f" {recipe.pretraining_epochs} epochs a layer without labels, then"
        f" {recipe.tuning_epochs} epochs of fine-tuning with them."
    )
    net = _classifier(recipe, seed, pretrain=_stack(recipe)).fit(
        digits.train_images, digits.train_labels
    )
    report(f"The same net from random weights, {recipe.tuning_epochs} epochs with labels:")
    plain = _classifier(recipe, seed, pretrain=False).fit(digits.train_images, digits.train_labels)
    pretrained_error, plain_error = _test_error(net, digits), _test_error(plain, digits)
    report(f"Test error on {len(digits.test_labels):,} other digits:")
    report(f"  with pretraining     {pretrained_error:6.1%}")
    report(f"  without pretraining  {plain_error:6.1%}")
    report("Drawing samples...")
    files = _draw(cast(DBN, net.dbn_), digits, output, recipe.n_gibbs, seed)
    seconds = time.monotonic() - start
    report(f"Pictures, after {seconds:.0f} s in all:")
    for file in files:
        report(f"  {file}")
    return DemoResult(pretrained_error, plain_error, files, seconds)


def _writable_folder(output: Path) -> Path:
    """Make the folder where it is missing; training is too long to fail only at its end."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise type(error)(
            f"demo: output must be a folder that can be written to; got {output}: {error.strerror}"
        ) from error
    return output.resolve()


def _digits(n_train: int) -> LabelledImages:
    digits = load_mnist("small")
    return digits._replace(
        train_images=digits.train_images[:n_train], train_labels=digits.train_labels[:n_train]
    )


def _stack(recipe: _Recipe) -> DBN:
    """Build the unfitted layers.

    Those below the top learn features (CD-1); the top one is sampled from, and persistent chains
    make it a better model of all of its space, not only of what lies near the data.
    """
    below: list[nn.LearningRule] = [nn.CD(1)] * (len(recipe.sizes) - 1)
    return DBN(
        learning_rate=0.05,
        batch_size=50,
        n_iter=recipe.pretraining_epochs,
        learning=[*below, nn.PCD(5, n_chains=100)],
        momentum=0.5,
        final_momentum=None,
        weight_decay=1e-3,
        visible_bias="log_odds",
    )


def _classifier(recipe: _Recipe, seed: int, pretrain: bool | DBN) -> DBNClassifier:
    # The learning rate is the one that suits the net without pretraining best.
    return DBNClassifier(
        recipe.sizes,
        pretrain=pretrain,
        learning_rate=0.2,
        batch_size=20,
        n_iter=recipe.tuning_epochs,
        random_state=seed,
        verbose=1,
    )


def _test_error(net: DBNClassifier, digits: LabelledImages) -> float:
    return float(np.mean(net.predict(digits.test_images) != digits.test_labels))


def _draw(dbn: DBN, digits: LabelledImages, output: Path, n_gibbs: int, seed: int) -> list[Path]:
    """Pictures of what the stack learnt without labels, before the fine-tuning."""
    n = _GRID * _GRID
    filters = signed_levels(dbn.rbms_[0].components_[:n], clipped=0.01)
    start = digits.test_images[:n]  # chains begin at digits the model has not seen
    samples = dbn.sample(start=start, n_gibbs=n_gibbs, returns="mean", random_state=seed)
    pictures = {
        "filters": filters,
        "samples": grey_levels(samples),
        "reconstructions": _pairs(digits.test_images, dbn),
    }
    return [
        write_png(output / f"{name}.png", tile(levels, _IMAGE, columns=_GRID), zoom=_ZOOM)
        for name, levels in pictures.items()
    ]


def _pairs(images: np.ndarray, dbn: DBN) -> np.ndarray:
    """Rows of test digits, each row followed by its reconstructions."""
    shown = images[: _GRID * _GRID // 2]
    rows = np.stack(
        [shown.reshape(-1, _GRID, shown.shape[1]),
         dbn.reconstruct(shown).reshape(-1, _GRID, shown.shape[1])],
        axis=1,
    )  # fmt: skip
    return grey_levels(rows.reshape(-1, shown.shape[1]))
