"""Runs of `fit` that are written to checkpoints: what a run is, and which parts of it are over."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from layerwise import nn
from layerwise.storage import describe

from ._checks import seed_of

__all__ = ["finish_part", "open_run", "restore_part"]

_FREE = ("random_state", "verbose")  # the seed stands for the first, results for no verbosity


def open_run(
    estimator: Any,
    rows: Any,
    checkpoint: str | os.PathLike[str] | nn.Checkpoint | None,
    resume: bool,
    y: Any = None,
    weight: Any = None,
) -> tuple[int, nn.Checkpoint | None]:
    """Begin a call of `fit`, or go on with one that was broken off.

    Returns
    -------
    seed : int
        Of the run: that of the checkpoint, where ``random_state`` is None.
    checkpoint : Checkpoint or None
    """
    op = type(estimator).__name__
    seed = seed_of(op, estimator.random_state)
    if checkpoint is None:
        if resume:
            raise ValueError(f"{op}: checkpoint must be given to resume from; got None")
        return seed, None
    if not isinstance(checkpoint, nn.Checkpoint):
        checkpoint = nn.Checkpoint(checkpoint)
    parameters = estimator.get_params(deep=False)
    identity = {"estimator": op}
    for name in sorted(parameters.keys() - set(_FREE)):
        identity[name] = describe(parameters[name])
    identity |= nn.fingerprint(rows, y, weight) | {"seed": str(seed)}
    free = ("seed",) if estimator.random_state is None else ()
    found = checkpoint.open(op, identity, resume=resume, free=free)
    return int(found["seed"]), checkpoint


def restore_part(checkpoint: nn.Checkpoint | None, part: str, estimator: Any) -> bool:
    """Give an estimator what an earlier run learnt in a part; False where it is not over."""
    found = None if checkpoint is None else checkpoint.finished(part)
    if found is None:
        return False
    if not isinstance(found, Mapping) or not found.keys() <= estimator._fitted.keys():
        raise ValueError(f"{type(estimator).__name__}: checkpoint must have attributes of {part}")
    vars(estimator).update(found)
    return True


def finish_part(
    checkpoint: nn.Checkpoint | None, part: str, estimator: Any, but: Collection[str] = ()
) -> None:
    """Keep what an estimator has learnt in a part, but for some of its attributes."""
    if checkpoint is not None:
        names = [name for name in estimator._fitted if name in vars(estimator) and name not in but]
        checkpoint.finish(part, {name: vars(estimator)[name] for name in names})
