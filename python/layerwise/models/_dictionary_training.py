"""How DictionaryLearning trains: between its hyper-parameters and the training loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerwise import nn

from ._coding import as_dictionary
from ._loop import check_finite, hold_out, reset_counts, run_epochs, run_update, writable
from ._run import finish_part, restore_part

__all__ = ["fit_dictionary", "start_dictionary", "update_dictionary"]

_VALIDATION_ROWS = 10_000  # at most, coded after every epoch
_PART = "dictionary"


def start_dictionary(learner: Any, rows: Any, seed: int) -> None:
    """Give an estimator its first atoms."""
    op, atoms = type(learner).__name__, int(learner.n_components)
    if learner.dict_init is None:
        try:
            phi = nn.first_atoms(
                rows.sample, atoms, rows.dtype, seed, positive=bool(learner.positive_dict)
            )
        except MemoryError as error:
            raise MemoryError(
                f"{op}: n_components must fit into memory; got {atoms}: {error}"
            ) from error
    else:
        phi = as_dictionary(op, "dict_init", learner.dict_init, rows.dtype).copy()
        if phi.shape[1] != rows.shape[1]:
            raise ValueError(
                f"{op}: dict_init must have a column for each of {rows.shape[1]} features; "
                f"got shape {phi.shape}"
            )
        if learner.positive_dict and phi.min() < 0.0:
            raise ValueError(f"{op}: dict_init must be >= 0 with positive_dict; got {phi.min():g}")
        phi /= np.maximum(np.linalg.norm(phi, axis=1, keepdims=True), 1).astype(phi.dtype)
    learner.components_ = phi
    learner._state = None
    reset_counts(learner, seed)


def fit_dictionary(learner: Any, rows: Any, seed: int, checkpoint: nn.Checkpoint | None) -> None:
    """Train from the start, or from where the checkpoint is."""
    if restore_part(checkpoint, _PART, learner):
        return
    rows, held, _ = hold_out(learner, rows, seed)
    start_dictionary(learner, rows, seed)
    trainer = _trainer(learner)
    try:
        run_epochs(
            learner,
            trainer,
            rows.minibatches(_batch_size(learner, rows), seed=seed, shuffle=bool(learner.shuffle)),
            f"{type(learner).__name__} {rows.shape[1]}-{learner.n_components}",
            before=[nn.EpochEnd()],
            measure=None if held is None else _measure(learner, held),
            checkpoint=checkpoint,
        )
    finally:
        learner._state = trainer.memory
    check_finite(type(learner).__name__, "components_", learner.components_)
    finish_part(checkpoint, _PART, learner)


def update_dictionary(learner: Any, rows: nn.Rows) -> None:
    """Learn from all rows as one minibatch, and one epoch."""
    batches = rows.minibatches(len(rows), seed=learner._seed, shuffle=False)
    trainer = _trainer(learner)
    try:
        run_update(learner, trainer, batches, [nn.EpochEnd()])
    finally:
        learner._state = trainer.memory
    check_finite(type(learner).__name__, "components_", learner.components_)


def _batch_size(learner: Any, rows: Any) -> int:
    if not isinstance(learner._rule, nn.KSVD):
        return int(learner.batch_size)
    if rows.shape[0] is None:
        raise ValueError(
            f"{type(learner).__name__}: fit_algorithm must not be ksvd where X comes in blocks: "
            "it needs all signals at once"
        )
    return int(rows.shape[0])


def _measure(learner: Any, held: nn.Rows) -> Callable[[], dict[str, float]]:
    """Measure the objective of rows that training does not see."""
    x = held.some(_VALIDATION_ROWS)

    def measure() -> dict[str, float]:
        coding, phi = learner._fit_coding(), learner.components_
        codes = coding.codes(x, phi, format="csr")
        return {"validation_objective": float(coding.objective(x, phi, codes).mean())}

    return measure


def _trainer(learner: Any) -> nn.DictionaryTrainer:
    # Loaded from a memory map the array is read-only, and users may set their own.
    learner.components_ = np.require(learner.components_, requirements=["C", "W"])
    return nn.DictionaryTrainer(
        learner.components_,
        learner._fit_coding(),
        learner._rule,
        positive=bool(learner.positive_dict),
        state=writable(learner._state),
    )
