"""``layerwise demo``: a deep belief network learns handwritten digits."""

from __future__ import annotations

import argparse
from pathlib import Path

from ._arguments import add_seed, add_threads, report, thread_count

DESCRIPTION = (
    "Train a deep belief network on the bundled handwritten digits, compare its test error with "
    "that of the same net without pretraining, and write its filters, samples and reconstructions "
    "as PNG files."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where to write, and how much to do."""
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("layerwise-demo"),
        help="folder of the pictures, made where it is missing (default: %(default)s)",
    )  # fmt: skip
    add_seed(parser)
    add_threads(parser)
    parser.add_argument(
        "--quick", action="store_true",
        help="a smaller net on fewer digits in seconds: to see that everything works",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Run the demo."""
    from layerwise.demo import run_demo

    with thread_count(arguments):
        run_demo(arguments.output, seed=arguments.seed, quick=arguments.quick, report=report)
