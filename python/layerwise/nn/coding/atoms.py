"""Atoms learnt from codes: least squares on the ball."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise import ops

__all__ = ["AtomStatistics", "add_statistics"]


def add_statistics(x: Any, codes: sp.csr_array, a: np.ndarray, b: np.ndarray) -> None:
    """Add C'C and C'X of signals X and their codes C to sums in float64, in place."""
    more_a, more_b = np.empty(a.shape, codes.dtype), np.empty(b.shape, codes.dtype)
    ops.dictionary_statistics(codes, x, more_a, more_b)
    a += more_a
    b += more_b


class AtomStatistics:
    """What the best atoms for given codes depend on, summed over blocks of signals.

    Parameters
    ----------
    k, d : int
        Atoms and features.

    Examples
    --------
    >>> statistics = AtomStatistics(1, 2)
    >>> statistics.add(np.array([[0.0, 0.5], [0.3, 0.9]]), sp.csr_array([[1.0], [2.0]]))
    >>> statistics.improve(np.array([[1.0, 0.0]]))
    array([[0.12, 0.46]])
    """

    def __init__(self, k: int, d: int) -> None:
        self._gram = np.zeros((k, k))
        self._cross = np.zeros((k, d))

    def add(self, x: np.ndarray, codes: sp.csr_array) -> None:
        """Take account of signals of shape (n, d) and their codes (n, k)."""
        add_statistics(x, codes, self._gram, self._cross)

    def improve(self, atoms: np.ndarray, n_sweeps: int = 3) -> np.ndarray:
        """Move each atom in turn to the best place in the unit ball for all the others.

        Parameters
        ----------
        atoms : ndarray of shape (k, d)
        n_sweeps : int
            Over all atoms.

        Returns
        -------
        ndarray of shape (k, d)
            Atoms that no signal uses are as they were. ``sum ||x - a Phi||^2`` is not larger.
        """
        result = atoms.astype(np.float64)
        ops.dictionary_update(result, self._gram, self._cross, sweeps=n_sweeps)
        return result.astype(atoms.dtype)

    @property
    def unused(self) -> np.ndarray:
        """Atoms that no signal has in its code."""
        return np.flatnonzero(self._gram.diagonal() == 0)
