"""Dictionaries of hierarchical sparse coding, learnt from groups of signals."""

from __future__ import annotations

import numpy as np

from layerwise.nn.data.blocks import coding_blocks
from layerwise.nn.data.dense import dense_block
from layerwise.nn.data.minibatch import Rows

from .atoms import AtomStatistics
from .hierarchical import HierarchicalCoding, best_variances, mean_squares

__all__ = ["HierarchyLearner", "first_hierarchy"]


def first_hierarchy(
    rows: Rows, n_atoms: int, n_components: int, d: int, generator: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw dictionaries to start from.

    Parameters
    ----------
    rows : Rows of shape (m, n d)
        Groups of signals, one a row.
    n_atoms, n_components, d : int
        p, q and the features of a signal.
    generator : RandomState

    Returns
    -------
    atoms : ndarray of shape (n_atoms, d)
        Signals drawn at random, scaled to norm 1; random directions where they are zeros.
    variances : ndarray of shape (n_components, n_atoms)
        Drawn from the simplex.
    """
    groups = generator.randint(0, len(rows), n_atoms)
    order = np.unique(groups)
    signals = dense_block(rows, order).reshape(len(order), -1, d)
    inside = generator.randint(0, signals.shape[1], n_atoms)
    atoms = signals[np.searchsorted(order, groups), inside].astype(np.float64)
    spare = generator.standard_normal((n_atoms, d))
    blank = ~atoms.any(axis=1)
    atoms[blank] = spare[blank]
    atoms /= np.sqrt((atoms**2).sum(axis=1, keepdims=True))
    variances = generator.exponential(size=(n_components, n_atoms))
    variances /= variances.sum(axis=1, keepdims=True)
    return atoms.astype(rows.dtype), variances


class HierarchyLearner:
    """Alternation between codes, scales and both dictionaries.

    Parameters
    ----------
    rows : Rows of shape (m, n d)
        Groups of n signals, one group a row.
    coding : HierarchicalCoding
        Dictionaries to start from; its arrays are replaced.

    Attributes
    ----------
    coding : HierarchicalCoding

    Notes
    -----
    Of every group its scales and the mean squares of its codes are kept, p + q numbers; codes are
    found anew in every pass.
    """

    def __init__(self, rows: Rows, coding: HierarchicalCoding) -> None:
        self.coding = coding
        self._rows = rows
        p, q = len(coding.atoms), len(coding.variances)
        self._scales = np.zeros((len(rows), q))
        self._squares = np.zeros((len(rows), p))
        self._seen = False

    def step(self, n_rounds: int) -> float:
        """Code all groups, then improve both dictionaries; the mean objective of the codes."""
        coding, rows = self.coding, self._rows
        p, d = coding.atoms.shape
        n = rows.shape[1] // d
        statistics, objectives = AtomStatistics(p, d), np.empty(len(rows))
        for part in coding_blocks(len(rows), n * max(p, d), np.float64):
            x = dense_block(rows, part).reshape(-1, n, d)
            found = coding.infer(x, self._scales[part] if self._seen else None, n_rounds=n_rounds)
            objectives[part] = coding.objectives(x, found)
            self._scales[part] = found.scales
            self._squares[part] = mean_squares(found.codes, n)
            statistics.add(x.reshape(-1, d), found.codes)
        self._seen = True
        variances = best_variances(coding, self._squares, self._scales)
        coding.atoms = self._revive(statistics.improve(coding.atoms), statistics.unused, objectives)
        coding.variances = variances
        return float(objectives.mean())

    def _revive(self, atoms: np.ndarray, unused: np.ndarray, objectives: np.ndarray) -> np.ndarray:
        """Move atoms without codes to the largest signals of the groups that are coded worst."""
        d = atoms.shape[1]
        worst = np.argsort(-objectives, kind="stable")[: len(unused)]
        for j, group in zip(unused, worst, strict=False):
            signals = dense_block(self._rows, np.array([group])).reshape(-1, d)
            norms = np.sqrt((signals**2).sum(axis=1))
            if norms.any():
                atoms[j] = signals[norms.argmax()] / norms.max()
        return atoms
