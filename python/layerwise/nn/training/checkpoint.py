"""Checkpoints: a training run that is killed goes on later, and ends with the same bits."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

import layerwise
from layerwise.nn.data.dense import dense
from layerwise.ops.config import get_isa
from layerwise.storage import describe, read_document, remove_leftovers, write_document

from .callbacks import Callback
from .interrupts import HeldInterrupt
from .loop import Position, Run

__all__ = ["Checkpoint", "fingerprint", "restore_arrays"]

_ELEMENTS = 1 << 24  # of the data that go into a fingerprint
_CHUNK_ELEMENTS = 1 << 20
_KIND = "checkpoint"


class Checkpoint(Callback):
    """Writes what a training run needs to go on, from time to time, into one file.

    The file is replaced as a whole: whenever the process is killed, writing included, there is the
    state before or after. A run that goes on from it ends with the same bits as one that was never
    broken off. Ctrl-C lets the update under way end, and the file is written before training stops;
    a second Ctrl-C stops at once. If a later write fails, because the disk is full for instance,
    training goes on with a warning, and the file stays as it was.

    Parameters
    ----------
    path : path
        File to write.
    every_epochs, every_updates : int, optional
        Epochs, or updates, from one write to the next.
    every_seconds : float, optional
        Seconds from one write to the next. Of several intervals, the first that is over counts;
        without any, every epoch is written.
    any_isa : bool, default False
        Whether to go on from what another instruction-set level has computed. The rest of the run
        then has other roundings than the whole would have had at either level.

    Notes
    -----
    The file holds parameters, velocities, persistent chains and the state of callbacks. Random
    numbers and the order of the data need no state: they are functions of the seed and the number
    of the update. Parts of a run that are over (layers of a DBN) are kept with it.

    Before training, `open` is told what the run is; `fit` of the estimators does that. At the end
    of each part the file is written in any case, so that the whole run can be had again from it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from layerwise import RBM, nn
    >>> x = np.eye(6)
    >>> whole = RBM(3, random_state=0).fit(x)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = nn.Checkpoint(pathlib.Path(folder, "rbm.checkpoint"), every_seconds=60)
    ...     rbm = RBM(3, random_state=0).fit(x, checkpoint=checkpoint, resume=True)
    >>> np.array_equal(rbm.components_, whole.components_)
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every_epochs: int | None = None,
        every_updates: int | None = None,
        every_seconds: float | None = None,
        any_isa: bool = False,
    ) -> None:
        _check("every_epochs", every_epochs, "__index__", "an integer >= 1", 1)
        _check("every_updates", every_updates, "__index__", "an integer >= 1", 1)
        _check("every_seconds", every_seconds, "__float__", "a number >= 0", 0)
        if every_epochs is every_updates is every_seconds is None:
            every_epochs = 1
        self.path = os.fsdecode(path)
        self.every_epochs = every_epochs
        self.every_updates = every_updates
        self.every_seconds = every_seconds
        self.any_isa = any_isa
        self._op = "Checkpoint"
        self._identity: dict[str, str] | None = None
        self._parts: dict[str, Any] = {}
        self._saved: dict[str, Any] | None = None
        self._interrupt = HeldInterrupt()

    def open(
        self,
        op: str,
        identity: Mapping[str, str],
        *,
        resume: bool,
        free: Collection[str] = (),
    ) -> dict[str, str]:
        """Begin a run, or go on from the file.

        Parameters
        ----------
        op : str
            With which errors begin.
        identity : mapping of str to str
            Everything that the results depend on, in words: hyper-parameters, seed, data.
        resume : bool
            Whether to go on from the file, where there is one. Otherwise there must be none.
        free : collection of str
            Entries of `identity` in which the file's goes before this one.

        Returns
        -------
        dict of str to str
            `identity`, with the file's entries for `free`.

        Raises
        ------
        FileExistsError
            If there is a file, and not `resume`.
        OSError
            If the file cannot be read or written.
        ValueError
            If it is damaged or of another run, or was computed at another instruction-set level.
        """
        self._op, self._identity = op, dict(identity)
        self._parts, self._saved = {}, None
        if os.path.lexists(self.path):
            if not resume:
                raise FileExistsError(
                    f"{op}: checkpoint must be a file that is not there yet, or resume must be "
                    f"True to go on from it; {self.path} exists"
                )
            self._read(free)
        self._write()
        remove_leftovers(self.path)
        return self._identity

    def finished(self, part: str) -> Any | None:
        """Return what `finish` was given for a part of the run, None where it is not over."""
        return self._parts.get(part)

    def finish(self, part: str, value: Any) -> None:
        """Keep the result of a part of the run, and write."""
        self._parts[part] = value
        self._saved = None
        self._write_or_warn()

    def start(self, stepper: Any, n_iter: int) -> None:
        """Begin to count."""
        if self._identity is None:
            raise ValueError(
                "Checkpoint: open must be called before training: give an estimator's checkpoint "
                "to fit(..., checkpoint=...), not to callbacks"
            )
        self._epoch = self._t = 0
        self._time = time.monotonic()
        self._interrupt.begin()

    def close(self) -> None:
        """Let a Ctrl-C through that came after the last update."""
        self._interrupt.end()

    def restore(self, run: Run) -> None:
        """Go on where the file says, once."""
        if self._saved is not None:
            saved, self._saved = self._saved, None
            try:
                _load_run(run, saved)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ValueError(
                    f"{self._op}: checkpoint must have the state of this run; {self.path} has "
                    f"another: {error!r}"
                ) from error
        self._epoch, self._t = run.position.epoch, run.position.t

    def reached(self, run: Run) -> None:
        """Write if it is time, or if training is to stop."""
        at = run.position
        if (
            self._interrupt.pending
            or (self.every_updates is not None and at.t - self._t >= self.every_updates)
            or (self.every_epochs is not None and at.epoch - self._epoch >= self.every_epochs)
            or (
                self.every_seconds is not None
                and time.monotonic() - self._time >= self.every_seconds
            )
        ):
            self._write_or_warn(_state_of(run))
            self._epoch, self._t, self._time = at.epoch, at.t, time.monotonic()
        if self._interrupt.pending:
            self._interrupt.end()

    def _write(self, state: Mapping[str, Any] | None = None) -> None:
        content = {
            "identity": self._identity,
            "parts": self._parts,
            "run": self._saved if state is None else state,
        }
        write_document(self._op, self.path, _KIND, content)

    def _write_or_warn(self, state: Mapping[str, Any] | None = None) -> None:
        try:
            self._write(state)
        except OSError as error:
            warnings.warn(f"{error}; training goes on without", RuntimeWarning, stacklevel=2)

    def _read(self, free: Collection[str]) -> None:
        found = read_document(self._op, self.path, _KIND)
        content = found.content
        if not isinstance(content, dict) or not (
            isinstance(content.get("identity"), dict) and isinstance(content.get("parts"), dict)
        ):
            raise ValueError(
                f"{self._op}: checkpoint must have identity and parts; {self.path} has not"
            )
        self._compare(content["identity"], free)
        if found.isa != get_isa() and not self.any_isa:
            raise ValueError(
                f"{self._op}: checkpoint must be of the instruction-set level {get_isa()}, at "
                f"which kernels run here, for the same bits; {self.path} is of {found.isa} (set "
                f"LAYERWISE_ISA={found.isa}, or give Checkpoint(..., any_isa=True) to go on with "
                "other roundings)"
            )
        if found.writer != layerwise.__version__:
            warnings.warn(
                f"{self._op}: {self.path} was written by layerwise {found.writer}; this is "
                f"{layerwise.__version__}, whose results may differ in the last bits",
                UserWarning,
                stacklevel=4,
            )
        self._parts, self._saved = content["parts"], content.get("run")

    def _compare(self, theirs: Mapping[str, Any], free: Collection[str]) -> None:
        ours = self._identity or {}
        for name in [*ours, *theirs]:
            if name in free and name in theirs:
                ours[name] = theirs[name]
            if ours.get(name) != theirs.get(name):
                raise ValueError(
                    f"{self._op}: checkpoint must be of the same run; {self.path} has {name} "
                    f"{theirs.get(name)}, this run {ours.get(name)}"
                )


def _check(name: str, value: Any, method: str, required: str, least: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not hasattr(value, method):
        raise TypeError(f"Checkpoint: {name} must be {required}; got {value!r}")
    if not value >= least:
        raise ValueError(f"Checkpoint: {name} must be {required}; got {value!r}")


def _state_of(run: Run) -> dict[str, Any]:
    states = [(type(callback).__name__, callback.state_dict()) for callback in run.callbacks]
    return {
        "position": dataclasses.asdict(run.position),
        "stepper": run.stepper.state_dict(),
        "callbacks": [[name, state] for name, state in states if state],
    }


def _load_run(run: Run, saved: Mapping[str, Any]) -> None:
    carrying = _match_callbacks(run.callbacks, [name for name, _ in saved["callbacks"]])
    position = Position(**saved["position"])
    counts = (position.t, position.epoch, position.batch, position.rows)
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError(f"position must have counts; got {position}")
    run.stepper.load_state_dict(saved["stepper"])
    for callback, (_, state) in zip(carrying, saved["callbacks"], strict=True):
        callback.load_state_dict(state)
    run.position = position


def _match_callbacks(callbacks: Sequence[Callback], saved: Sequence[str]) -> list[Callback]:
    """Find the callbacks, in their order, whose states were saved; others must carry nothing."""
    found: list[Callback] = []
    for callback in callbacks:
        name = type(callback).__name__
        if len(found) < len(saved) and name == saved[len(found)]:
            found.append(callback)
        elif callback.state_dict():
            raise ValueError(f"callbacks must be {', '.join(saved) or 'none'}; got {name} too")
    if len(found) < len(saved):
        raise ValueError(f"callbacks must be {', '.join(saved)}; got no {saved[len(found)]}")
    return found


def restore_arrays(arrays: Mapping[str, np.ndarray], saved: Mapping[str, np.ndarray]) -> None:
    """Overwrite arrays with others of the same names, shapes and dtypes; ValueError if they differ.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import restore_arrays
    >>> w = np.zeros(2)
    >>> restore_arrays({"w": w}, {"w": np.ones(2)})
    >>> w
    array([1., 1.])
    """
    forms = [
        {name: (array.shape, array.dtype.name) for name, array in group.items()}
        for group in (arrays, saved)
    ]
    if forms[0] != forms[1]:
        raise ValueError(f"arrays must be {forms[0]}; got {forms[1]}")
    for name, array in arrays.items():
        array[...] = saved[name]


def fingerprint(rows: Any, y: Any = None, weight: Any = None) -> dict[str, str]:
    """Describe data: shape, dtype and a hash, the same for every encoding of the same values.

    Parameters
    ----------
    rows : Rows or StreamRows
        Of a stream, the first block is described.
    y, weight : array, optional
        Labels and weights of the rows.

    Returns
    -------
    dict of str to str

    Notes
    -----
    Of more than 2**24 values, the hash covers rows spread evenly over the data.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> found = nn.fingerprint(nn.Rows(np.eye(3), "float32"))
    >>> found["shape of X"], found["dtype of training"]
    ('(3, 3)', 'float32')
    """
    shape = str(rows.shape)
    rows = rows.sample
    n, d = rows.shape
    taken = min(n, max(1, _ELEMENTS // d))
    size = max(1, _CHUNK_ELEMENTS // d)
    digest = hashlib.sha256()
    for start in range(0, taken, size):
        index = np.arange(start, min(start + size, taken)) * n // taken
        digest.update(np.ascontiguousarray(dense(rows[index], rows.dtype)).data)
    found = {
        "shape of X": shape,
        "dtype of training": str(rows.dtype),
        "hash of X": digest.hexdigest(),
    }
    for name, values in (("y", y), ("sample_weight", weight)):
        if values is not None:
            found[f"hash of {name}"] = hashlib.sha256(describe(values).encode()).hexdigest()
    return found
