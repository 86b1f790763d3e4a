"""Arguments that several commands take."""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path
from typing import Any

import layerwise

__all__ = [
    "add_seed",
    "add_threads",
    "check_output",
    "image_shape",
    "positive",
    "report",
    "seconds",
    "seed",
    "thread_count",
]


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``."""
    parser.add_argument(
        "--seed", type=seed, default=0, help="seed of all random numbers (default: 0)"
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads``."""
    parser.add_argument(
        "--threads", metavar="N", type=positive, help="threads (default: one a CPU)"
    )


def thread_count(arguments: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
    """Set the number of threads that ``--threads`` asks for."""
    threads = arguments.threads
    return layerwise.num_threads(threads) if threads else contextlib.nullcontext()


def positive(text: str) -> int:
    """Parse an integer >= 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"an integer >= 1 is required; got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """Parse a seed."""
    if not text.isdecimal() or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(
            f"an integer from 0 to 2**64 - 1 is required; got {text!r}"
        )
    return int(text)


def seconds(text: str) -> float:
    """Parse a time >= 0."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"a number >= 0 is required; got {text!r}")
    return found


def image_shape(text: str) -> tuple[int, int]:
    """Parse HEIGHTxWIDTH."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"HEIGHTxWIDTH is required, as in 28x28; got {text!r}")
    return int(sides[0]), int(sides[1])


def check_output(op: str, path: Path, overwrite: bool) -> None:
    """Refuse a file that cannot be written in the end: before work that may be long."""
    if path.is_dir():
        raise IsADirectoryError(f"{op}: output must be a file; {path} is a folder")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{op}: output must be a file that is not there yet, unless --overwrite is given; "
            f"{path} exists"
        )
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"{op}: output must lie in a folder that exists; {path.absolute().parent} does not"
        )


def report(line: str) -> None:
    """Show a line at once."""
    print(line, flush=True)
