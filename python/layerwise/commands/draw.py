"""``layerwise draw``: pictures of what a model learnt."""

from __future__ import annotations

import argparse
from pathlib import Path

import layerwise
from layerwise.viz import PICTURES, draw, write_png

from ._arguments import (
    add_seed,
    add_threads,
    check_output,
    image_shape,
    positive,
    report,
    thread_count,
)
from ._data import add_data, load_examples

DESCRIPTION = (
    "Draw what a saved model learnt, as a PNG file: the filters of its hidden units, groups of "
    "atoms whose codes vary together, samples from it, its reconstructions of data, the curves of "
    "its training, or histograms of its weights."
)

_CHARTS = ("curves", "histograms")
_ZOOM = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to draw."""
    parser.add_argument("picture", choices=list(PICTURES), help="what to draw")
    parser.add_argument("model", metavar="MODEL", type=Path, help="a saved model")
    add_data(parser, "--data")
    parser.add_argument(
        "--output", metavar="PNG", type=Path,
        help="file to write (default: the name of the picture and .png)",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output where it is there already"
    )
    parser.add_argument(
        "--shape", metavar="HEIGHTxWIDTH", type=image_shape,
        help="shape of the images (default: that of the data, else a square)",
    )  # fmt: skip
    parser.add_argument(
        "--count", metavar="N", type=positive, default=100, help="images (default: %(default)s)"
    )
    parser.add_argument(
        "--layer",
        metavar="N",
        type=positive,
        default=1,
        help="whose filters (default: 1, the lowest)",
    )
    parser.add_argument(
        "--gibbs", metavar="N", type=positive, default=1000,
        help="sweeps of Gibbs sampling before samples are drawn (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--zoom", metavar="N", type=positive,
        help=f"pixels a side for each one of the picture (default: {_ZOOM}, of charts 1)",
    )  # fmt: skip
    add_seed(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    """Draw."""
    output = arguments.output or Path(f"{arguments.picture}.png")
    check_output("draw", output, arguments.overwrite)
    model = layerwise.load(arguments.model)
    data, shape = None, arguments.shape
    if arguments.data is not None:
        examples = load_examples("draw", arguments.data, divide_by=arguments.divide_by)
        data = examples.x if examples.test is None else examples.test[0]
        data = next(data()) if callable(data) else data
        if shape is None and len(examples.shape) == 2:
            shape = (examples.shape[0], examples.shape[1])
    with thread_count(arguments):
        picture = draw(
            arguments.picture, model, data=data, image_shape=shape, count=arguments.count,
            layer=arguments.layer, n_gibbs=arguments.gibbs, random_state=arguments.seed % 2**32,
        )  # fmt: skip
    zoom = arguments.zoom or (1 if arguments.picture in _CHARTS else _ZOOM)
    report(str(write_png(output, picture, zoom=zoom)))
