"""``layerwise train``: data in, a model file out."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from layerwise import nn
from layerwise.models import DBN, RBM, DBNClassifier
from layerwise.storage import remove_leftovers

from ._arguments import add_seed, add_threads, check_output, report, seconds, thread_count
from ._data import Examples, add_data, load_examples
from ._options import add_options, given_options

DESCRIPTION = (
    "Train a model on a data set or a file, and write it into a file that layerwise.load, "
    "layerwise info and layerwise draw read. While it trains, a checkpoint lies beside the output: "
    "whatever ends the training, the same command with --resume goes on from it, to the same bits."
)

_KINDS: dict[str, Any] = {"rbm": RBM, "dbn": DBN, "dbn-classifier": DBNClassifier}
_PRETRAINING = "pretraining_"
# Not options: what the command says itself, and what the classifier says to its DBN.
_OURS = ("random_state", "verbose")
_OF_CLASSIFIER = (*_OURS, "n_components")
_SECONDS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a parser for each kind of model, with the options of its estimator."""
    kinds = parser.add_subparsers(required=True, metavar="MODEL_KIND", dest="kind")
    for kind, estimator in _KINDS.items():
        about = (estimator.__doc__ or "").partition("\n")[0]
        one = kinds.add_parser(kind, help=about, description=about)
        _add_common(one, kind)
        add_options(one.add_argument_group("the model"), estimator, without=_OURS)
        if estimator is DBNClassifier:
            group = one.add_argument_group("its pretraining, layer by layer")
            add_options(group, DBN, prefix=_PRETRAINING, without=_OF_CLASSIFIER)


def run(arguments: argparse.Namespace) -> None:
    """Train."""
    start = time.monotonic()
    output = arguments.output
    check_output("train", output, arguments.overwrite)
    checkpoint = _checkpoint(arguments)
    model = _model(arguments)
    examples = load_examples(
        "train",
        arguments.data,
        divide_by=arguments.divide_by,
        labels=arguments.labels,
        label_column=arguments.label_column,
    )
    _check_examples(arguments, examples)
    if not arguments.resume:  # with --overwrite there may be one
        Path(checkpoint.path).unlink(missing_ok=True)
    divided = "" if examples.divisor == 1 else f", divided by {examples.divisor:g}"
    report(f"{examples.n:,} examples of {np.prod(examples.shape)} values{divided}")
    y = [examples.y] if isinstance(model, DBNClassifier) else []
    try:
        with thread_count(arguments):
            model.fit(examples.x, *y, checkpoint=checkpoint, resume=arguments.resume)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"the same command with --resume goes on from {checkpoint.path}"
        ) from None
    model.save(output)
    remove_leftovers(output)
    os.unlink(checkpoint.path)
    report(f"{output} after {time.monotonic() - start:.1f} s; layerwise info {output} describes it")
    if arguments.test:
        _report_test(model, examples)


def _add_common(parser: argparse.ArgumentParser, kind: str) -> None:
    add_data(parser)
    parser.add_argument(
        "--output", metavar="MODEL", type=Path, default=Path(f"{kind}.safetensors"),
        help="file to write (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true",
        help="replace output and checkpoint where they are there already",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action="store_true",
        help="go on from the checkpoint of a run that was broken off, where there is one",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", metavar="FILE", type=Path,
        help="file of the checkpoint, removed in the end (default: the output and .checkpoint)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint-every", metavar="SECONDS", type=seconds, default=_SECONDS,
        help="time from one checkpoint to the next (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--labels", metavar="FILE", type=Path, help="labels, where they are in a file of their own"
    )
    parser.add_argument(
        "--label-column", metavar="COLUMN",
        help="of a .csv: name of the column of labels, or its number from 0 (from -1: the end)",
    )  # fmt: skip
    parser.add_argument(
        "--test", action="store_true",
        help="say in the end how the model does on the test part of the data set",
    )  # fmt: skip
    add_seed(parser)
    add_threads(parser)
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _checkpoint(arguments: argparse.Namespace) -> nn.Checkpoint:
    path = arguments.checkpoint or arguments.output.with_name(f"{arguments.output.name}.checkpoint")
    if path.resolve() == arguments.output.resolve():
        raise ValueError(f"train: --checkpoint must be another file than --output; got {path}")
    if path.exists() and not (arguments.resume or arguments.overwrite):
        raise FileExistsError(
            f"train: the checkpoint {path} must not be there, unless --resume goes on from it or "
            "--overwrite starts anew"
        )
    return nn.Checkpoint(path, every_seconds=arguments.checkpoint_every)


def _model(arguments: argparse.Namespace) -> Any:
    estimator = _KINDS[arguments.kind]
    given = given_options(arguments, estimator, without=_OURS)
    if estimator is DBNClassifier:
        stack = given_options(arguments, DBN, prefix=_PRETRAINING, without=_OF_CLASSIFIER)
        if stack and given.get("pretrain") is False:
            raise ValueError(
                "train: options of the pretraining must not be given with --no-pretrain; got "
                + ", ".join(f"--pretraining-{name}".replace("_", "-") for name in stack)
            )
        if stack:
            given["pretrain"] = DBN(**stack)
    return estimator(**given, random_state=arguments.seed, verbose=int(not arguments.quiet))


def _check_examples(arguments: argparse.Namespace, examples: Examples) -> None:
    if _KINDS[arguments.kind] is DBNClassifier and examples.y is None:
        raise ValueError(
            f"train: data must have labels to train a classifier; {arguments.data} has none (give "
            "--labels FILE, --label-column COLUMN of a .csv, or images in a folder for each class)"
        )
    if arguments.test and examples.test is None:
        raise ValueError(f"train: --test needs data with a test part; {arguments.data} has none")


def _report_test(model: Any, examples: Examples) -> None:
    assert examples.test is not None
    x, y = examples.test
    if isinstance(model, DBNClassifier):
        report(f"test error: {np.mean(model.predict(x) != y):.2%} of {len(y):,}")
        return
    error = float(np.square(model.reconstruct(x) - x).mean())
    report(f"mean squared error of reconstructions of {len(y):,} test examples: {error:.4g}")
