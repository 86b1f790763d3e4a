"""What models learn from and are shown: a data set by its name, or the user's files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from layerwise.datasets import (
    LabelledImages,
    load_fashion_mnist,
    load_mnist,
    read_data,
    read_labels,
)

__all__ = ["Examples", "add_data", "load_examples"]

_NAMED: dict[str, Callable[[], LabelledImages]] = {
    "mnist": lambda: load_mnist(None),
    "mnist-small": lambda: load_mnist("small"),
    "fashion-mnist": load_fashion_mnist,
}
_BYTE = 255
_WHOLE_BYTES = 1 << 30  # of values that are converted at once; more come in blocks
_BLOCK_ELEMENTS = 1 << 22


class Examples(NamedTuple):
    """Rows, labels where there are any, and where a data set has a test part also that.

    ``x`` of files too large to convert is a function that returns an iterator of blocks of rows.
    """

    x: Any
    y: np.ndarray | None
    test: tuple[np.ndarray, np.ndarray] | None
    shape: tuple[int, ...]
    n: int
    divisor: float


def add_data(parser: argparse.ArgumentParser, option: str = "data") -> None:
    """Add the arguments that say what data to take, under the name of an argument or option."""
    parser.add_argument(
        option, metavar="DATA",
        help=f"{', '.join(_NAMED)}, or a file: .npy, .npz (one array, or x and y), IDX, .csv, or a "
        "folder of images (in a folder for each class, to have labels)",
    )  # fmt: skip
    parser.add_argument(
        "--divide-by", metavar="X", type=float,
        help="what values are divided by, to lie between 0 and 1 (default: 255 for bytes that are "
        "not just 0 and 1, else 1)",
    )  # fmt: skip


def load_examples(
    op: str,
    name: str,
    *,
    divide_by: float | None = None,
    labels: Path | None = None,
    label_column: str | None = None,
) -> Examples:
    """Load a data set or a file."""
    if name in _NAMED:
        if divide_by is not None or labels is not None or label_column is not None:
            raise ValueError(
                f"{op}: --divide-by, --labels and --label-column are for files; {name} is a data "
                f"set that has its own (for a file of that name write ./{name})"
            )
        parts = _NAMED[name]()
        test = (parts.test_images, parts.test_labels)
        n = len(parts.train_images)
        return Examples(parts.train_images, parts.train_labels, test, (28, 28), n, 1.0)
    try:
        data = read_data(name, label_column=label_column)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{op}: data must be {', '.join(_NAMED)} or a file; there is no {name}"
        ) from error
    y = data.y if labels is None else read_labels(labels, len(data.x))
    divisor = _divisor(op, data.x, divide_by)
    return Examples(_divided(data.x, divisor), y, None, data.shape, len(data.x), divisor)


def _divisor(op: str, x: np.ndarray, divide_by: float | None) -> float:
    if divide_by is None:
        return _BYTE if x.dtype == np.uint8 and any(part.max() > 1 for part in _blocks(x)) else 1
    if not 0 < divide_by < np.inf:
        raise ValueError(f"{op}: --divide-by must be a finite number > 0; got {divide_by:g}")
    return divide_by


def _divided(x: np.ndarray, divisor: float) -> Any:
    """Divide all values: at once, or block by block as they are taken where they are many."""
    if divisor == 1:
        return x
    dtype = np.dtype(x.dtype if x.dtype.kind == "f" else np.float32)
    if x.size * dtype.itemsize <= _WHOLE_BYTES:
        return np.divide(x, divisor, dtype=dtype)
    return lambda: (np.divide(part, divisor, dtype=dtype) for part in _blocks(x))


def _blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    size = max(1, _BLOCK_ELEMENTS // x.shape[1])
    return (x[start : start + size] for start in range(0, len(x), size))
