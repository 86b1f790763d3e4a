"""Training steps of a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layerwise import ops
from layerwise.nn.data.dense import dense
from layerwise.nn.data.minibatch import Batch
from layerwise.nn.data.shuffle import permutation
from layerwise.nn.training.callbacks import Callback
from layerwise.nn.training.checkpoint import restore_arrays
from layerwise.nn.training.weights import random_weights
from layerwise.ops import Philox, Workspace

from .atoms import add_statistics
from .codings import Coding, residual
from .dictionary_rules import KSVD, StatisticsRule

__all__ = ["DictionaryTrainer", "EpochEnd", "first_atoms"]

_POOL = 64  # signals kept to replace dead atoms with
_ATOMS_LAYER = (1 << 16) - 3  # layer word that no layer's training uses


def first_atoms(
    x: Any, n_atoms: int, dtype: Any, seed: int, *, positive: bool = False
) -> np.ndarray:
    """Draw atoms from signals: rows of x at random, scaled to norm 1.

    Rows of zeros are passed over. Where there are not enough, atoms of Gaussian noise fill up.

    Parameters
    ----------
    x : matrix of shape (n, D)
    n_atoms : int
    dtype : float32 or float64
    seed : int
    positive : bool
        Whether negative values are set to zero.

    Returns
    -------
    ndarray of shape (n_atoms, D)

    Raises
    ------
    MemoryError
        If there is not enough memory for them.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import first_atoms
    >>> first_atoms(np.array([[0.0, 0.0], [0.0, 2.0]]), 1, "float64", seed=0)
    array([[0., 1.]])
    """
    atoms = random_weights((n_atoms, x.shape[1]), 1.0, dtype, seed, layer=_ATOMS_LAYER)
    order = permutation(Philox(seed, layer=_ATOMS_LAYER), x.shape[0])
    filled = 0
    while filled < n_atoms and order.size:
        rows, order = order[: 2 * n_atoms], order[2 * n_atoms :]
        found = _unit_rows(dense(x[np.sort(rows)]), positive)[: n_atoms - filled]
        atoms[filled : filled + len(found)] = found
        filled += len(found)
    if filled < n_atoms:
        noise = np.abs(atoms[filled:]) if positive else atoms[filled:]
        atoms[filled:] = _unit_rows(noise, positive)
    return atoms


def _unit_rows(x: np.ndarray, positive: bool) -> np.ndarray:
    """Scale rows to norm 1; those of zeros go."""
    x = np.maximum(x, 0) if positive else x
    norms = np.linalg.norm(x, axis=1)
    return np.asarray(x[norms > 0] / norms[norms > 0, None])


class DictionaryTrainer:
    """Steps that learn a dictionary: code a batch, and move the atoms.

    Parameters
    ----------
    dictionary : ndarray of shape (K, D)
        Updated in place; C-contiguous, with rows of norm at most 1.
    coding : Coding
        How signals are coded.
    rule : StatisticsRule or KSVD
        How atoms move. One that moves them at the end of an epoch hears of it through `EpochEnd`.
    positive : bool, default False
        Keep atoms >= 0.
    state : mapping, optional
        What `state_dict` gave, to go on from there.

    Attributes
    ----------
    n_steps, n_rows : int
        Batches learnt from by this trainer, and their rows.

    Notes
    -----
    The metrics of a step are those of the dictionary before it: ``objective``, the mean over the
    signals of ``1/2 ||x - a Phi||^2 + alpha ||a||_1``, and ``non_zeros``, the mean number of them
    in a code. `EpochEnd` adds ``replaced_atoms``.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> x = np.array([[1.0, 1.0], [2.0, 2.0], [-1.0, 1.0]])
    >>> phi = nn.first_atoms(x, 2, "float64", seed=0)
    >>> trainer = nn.DictionaryTrainer(phi, nn.LassoCoding(0.1), nn.BlockCoordinate())
    >>> batches = nn.Minibatches(nn.Rows(x, "float64"), 3, seed=0)
    >>> nn.fit(trainer, batches, n_iter=20, callbacks=[nn.EpochEnd()])
    20
    >>> np.abs(phi).round(3)
    array([[0.707, 0.707],
           [0.707, 0.707]])
    """

    def __init__(
        self,
        dictionary: np.ndarray,
        coding: Coding,
        rule: StatisticsRule | KSVD,
        *,
        positive: bool = False,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        if positive and not rule.positive:
            raise ValueError(
                f"{type(rule).__name__}: positive must be False, for atoms of either sign; got True"
            )
        self.dictionary = dictionary
        self.coding = coding
        self.rule = rule
        self.positive = positive
        self.n_steps = 0
        self.n_rows = 0
        atoms, features = dictionary.shape
        # Sums over an epoch are long; those that forget are not.
        dtype = np.dtype(np.float64) if rule.by_epoch else dictionary.dtype
        size = atoms if isinstance(rule, StatisticsRule) else 0
        self._statistics = {
            "a": np.zeros((size, size), dtype),
            "b": np.zeros((size, features), dtype),
        }
        self._unused = np.zeros(atoms, np.int64)  # batches, or epochs, since an atom's last use
        self._used = np.zeros(atoms, bool)  # in this epoch
        self._replaced = 0  # in this epoch
        self._pool = _Pool(features, dictionary.dtype)
        self._workspace = Workspace()
        if state is not None:
            self._load(state)

    def step(self, batch: Batch, t: int) -> dict[str, float]:
        """Learn from a batch, the t-th ever."""
        x, phi = batch.x, self.dictionary
        codes = self.coding.codes(x, phi, format="csr", workspace=self._workspace)
        left = residual(x, phi, codes, workspace=self._workspace)
        squares = np.einsum("nd,nd->n", left, left)
        objective = self.coding.objective_of(squares, codes)
        counts = np.bincount(codes.indices, minlength=len(phi)) > 0
        if self.rule.by_epoch:
            self._gather(x, codes, squares, counts)
        else:
            self._learn(x, codes, squares, counts, t)
        self.n_steps += 1
        self.n_rows += len(batch)
        return {
            "objective": float(objective.mean(dtype=np.float64)),
            "non_zeros": codes.nnz / max(1, len(batch)),
        }

    def end_epoch(self) -> dict[str, float]:
        """Move the atoms, if the rule does so now; return what happened in the epoch."""
        rule = self.rule
        if isinstance(rule, StatisticsRule) and rule.by_epoch:
            self._move_atoms(rule, np.float64)
            self._unused = np.where(self._used, 0, self._unused + 1)
            self._used[:] = False
            self._replace_dead(self._pool)
            self._pool.clear()
            for array in self._statistics.values():
                array[...] = 0.0
        replaced, self._replaced = self._replaced, 0
        return {"replaced_atoms": float(replaced)}

    def _move_atoms(self, rule: StatisticsRule, dtype: Any) -> None:
        """Let the rule move the dictionary, in the precision of the statistics."""
        phi = self.dictionary.astype(dtype, copy=False)
        rule.update(phi, **self._statistics, positive=self.positive, workspace=self._workspace)
        if phi is not self.dictionary:
            self.dictionary[...] = phi

    def _gather(self, x: Any, codes: Any, squares: np.ndarray, used: np.ndarray) -> None:
        """Add a batch to the statistics of the epoch."""
        add_statistics(x, codes, **self._statistics)
        self._used |= used
        self._pool.add(x, squares)

    def _learn(self, x: Any, codes: Any, squares: np.ndarray, used: np.ndarray, t: int) -> None:
        """Move the atoms to a batch and what is remembered of those before."""
        rule = self.rule
        if isinstance(rule, KSVD):
            left = rule.fit_atoms(self.dictionary, x, codes)
            squares = np.einsum("nd,nd->n", left, left)
        else:
            a, b = self._statistics["a"], self._statistics["b"]
            try:
                ops.dictionary_statistics(codes, x, a, b, keep=rule.keep(t))
            except BaseException:  # Ctrl-C may leave sums that are part way: they are forgotten
                a[...], b[...] = 0.0, 0.0
                raise
            self._move_atoms(rule, self.dictionary.dtype)
        self._unused = np.where(used, 0, self._unused + 1)
        if self._unused.max(initial=0) >= self.rule.dead_after:
            pool = _Pool(self.dictionary.shape[1], self.dictionary.dtype)
            pool.add(x, squares)
            self._replace_dead(pool)

    def _replace_dead(self, pool: _Pool) -> None:
        """Put the signals that are coded worst in the place of atoms that no code uses."""
        dead = np.flatnonzero(self._unused >= self.rule.dead_after)
        atoms = _unit_rows(pool.x, self.positive)
        dead = dead[: len(atoms)]
        if not dead.size:
            return
        self.dictionary[dead] = atoms[: len(dead)]
        self._unused[dead] = 0
        self._replaced += len(dead)
        a, b = self._statistics["a"], self._statistics["b"]
        if a.size:
            a[dead], a[:, dead], b[dead] = 0.0, 0.0, 0.0

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Parameters by name; not copies."""
        return {"components": self.dictionary}

    @property
    def memory(self) -> dict[str, Any]:
        """What is remembered besides the dictionary; not copies."""
        return {
            **self._statistics,
            "unused": self._unused,
            "used": self._used,
            "replaced": self._replaced,
            "pool_x": self._pool.x,
            "pool_error": self._pool.error,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes from step to step; not copies."""
        counts = {"n_steps": self.n_steps, "n_rows": self.n_rows}
        return {"parameters": self.weights, "memory": self.memory, **counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, in the same arrays."""
        restore_arrays(self.weights, state["parameters"])
        self._load(state["memory"])
        self.n_steps, self.n_rows = int(state["n_steps"]), int(state["n_rows"])

    def _load(self, memory: Mapping[str, Any]) -> None:
        restore_arrays(
            self._statistics | {"unused": self._unused, "used": self._used},
            {name: memory[name] for name in (*self._statistics, "unused", "used")},
        )
        self._replaced = int(memory["replaced"])
        self._pool.x, self._pool.error = memory["pool_x"].copy(), memory["pool_error"].copy()


class _Pool:
    """The signals that were coded worst, the worst first."""

    def __init__(self, features: int, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self._features = features
        self.clear()

    def clear(self) -> None:
        """Forget them."""
        self.x = np.empty((0, self._features), self._dtype)
        self.error = np.empty(0, self._dtype)

    def add(self, x: Any, error: np.ndarray) -> None:
        """Take those of x whose errors are among the largest."""
        worst = np.sort(np.argsort(-error, kind="stable")[:_POOL])
        rows = np.concatenate([self.x, dense(x[worst]).astype(self._dtype, copy=False)])
        errors = np.concatenate([self.error, error[worst]])
        order = np.argsort(-errors, kind="stable")[:_POOL]
        self.x, self.error = rows[order], errors[order]


class EpochEnd(Callback):
    """Tells a trainer of the end of an epoch, and adds what it says to the epoch's metrics."""

    def __init__(self) -> None:
        self._trainer: Any = None

    def start(self, stepper: Any, n_iter: int) -> None:
        """Find the trainer."""
        self._trainer = stepper

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Tell it."""
        metrics.update(self._trainer.end_epoch())
