"""How a dictionary moves to serve codes better: one object a way, with its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from layerwise import ops
from layerwise.storage import register

from .codings import residual
from .lagrange import lagrange_dual

__all__ = ["KSVD", "BlockCoordinate", "DictionaryRule", "LagrangeDual", "Online", "StatisticsRule"]


class DictionaryRule:
    """A way to learn a dictionary from signals and their codes.

    A rule moves the dictionary after every batch, by the statistics kept so far or by the batch
    itself, or at the end of an epoch, by the statistics of all of it.
    """

    by_epoch: ClassVar[bool] = False
    positive: ClassVar[bool] = True  # whether it can keep atoms >= 0
    dead_after: int = 1  # batches, or epochs, without use after which an atom is replaced


class StatisticsRule(DictionaryRule, ABC):
    """A rule that has only to know the statistics C'C and C'X of signals X and their codes C."""

    def keep(self, t: int) -> float:
        """Give the share of the statistics that update t keeps; the first is 0."""
        return 0.0

    @abstractmethod
    def update(self, dictionary: np.ndarray, a: np.ndarray, b: np.ndarray, **options: Any) -> None:
        """Move the dictionary to the statistics C'C and C'X, in place.

        Options (``positive=``, ``workspace=``) are those of `layerwise.ops.dictionary_update`.
        """


@register
@dataclass(frozen=True)
class Online(StatisticsRule):
    """Online dictionary learning: a sweep over the atoms after every batch.

    Parameters
    ----------
    rho : float, default 2.0
        How fast the past is forgotten: batch s of t has the weight ``(s / t)**rho`` in the
        statistics, so that codes over the poor dictionaries of the beginning soon do not count. 0
        never forgets.
    window : int, optional
        Batches after which forgetting goes on at its present rate, ``(1 - 1 / window)**rho`` a
        batch, for streams that change.
    sweeps : int, default 1
        Sweeps over the atoms after a batch.
    dead_after : int, default 50
        Batches without use after which an atom is replaced by the signal that is coded worst.

    References
    ----------
    J. Mairal, F. Bach, J. Ponce, G. Sapiro (2010). Online learning for matrix factorization and
    sparse coding. JMLR 11.

    Examples
    --------
    >>> from layerwise import nn
    >>> [nn.Online(rho=1.0, window=4).keep(t) for t in (0, 1, 3, 100)]
    [0.0, 0.5, 0.75, 0.75]
    """

    rho: float = 2.0
    window: int | None = None
    sweeps: int = 1
    dead_after: int = 50

    def __post_init__(self) -> None:
        _check_number("Online", "rho", self.rho)
        _check_count("Online", "sweeps", self.sweeps)
        _check_count("Online", "dead_after", self.dead_after)
        if self.window is not None:
            _check_count("Online", "window", self.window)

    def keep(self, t: int) -> float:
        """Give the share of the statistics that update t keeps; the first is 0."""
        seen = t + 1 if self.window is None else min(t + 1, self.window)
        return float((1.0 - 1.0 / seen) ** self.rho) if t > 0 else 0.0

    def update(self, dictionary: np.ndarray, a: np.ndarray, b: np.ndarray, **options: Any) -> None:
        """Move the dictionary to the statistics C'C and C'X, in place."""
        ops.dictionary_update(dictionary, a, b, sweeps=self.sweeps, **options)


@register
@dataclass(frozen=True)
class BlockCoordinate(StatisticsRule):
    """The best dictionary for the codes of an epoch, by sweeps over the atoms.

    Parameters
    ----------
    max_sweeps : int, default 100
        Most sweeps.
    tol : float, default 1e-5
        Sweeps end when none of the last ten together moved an element by more than this.

    Examples
    --------
    >>> from layerwise import nn
    >>> nn.BlockCoordinate(max_sweeps=20)
    BlockCoordinate(max_sweeps=20, tol=1e-05)
    """

    by_epoch: ClassVar[bool] = True
    max_sweeps: int = 100
    tol: float = 1e-5

    def __post_init__(self) -> None:
        _check_count("BlockCoordinate", "max_sweeps", self.max_sweeps)
        _check_number("BlockCoordinate", "tol", self.tol)

    def update(self, dictionary: np.ndarray, a: np.ndarray, b: np.ndarray, **options: Any) -> None:
        """Move the dictionary to the statistics C'C and C'X, in place."""
        for done in range(0, self.max_sweeps, 10):
            before = dictionary.copy()
            sweeps = min(10, self.max_sweeps - done)
            ops.dictionary_update(dictionary, a, b, sweeps=sweeps, **options)
            if np.abs(dictionary - before).max(initial=0.0) <= self.tol:
                break


@register
@dataclass(frozen=True)
class LagrangeDual(StatisticsRule):
    """The best dictionary for the codes of an epoch, by Newton's method on the Lagrange dual.

    Parameters
    ----------
    tol : float, default 1e-8
        Largest violation of the optimality conditions.
    max_iter : int, default 100
        Most Newton steps.

    References
    ----------
    H. Lee, A. Battle, R. Raina, A. Ng (2007). Efficient sparse coding algorithms. NIPS 19.

    Examples
    --------
    >>> from layerwise import nn
    >>> nn.LagrangeDual()
    LagrangeDual(tol=1e-08, max_iter=100)
    """

    by_epoch: ClassVar[bool] = True
    positive: ClassVar[bool] = False
    tol: float = 1e-8
    max_iter: int = 100

    def __post_init__(self) -> None:
        _check_number("LagrangeDual", "tol", self.tol)
        _check_count("LagrangeDual", "max_iter", self.max_iter)

    def update(self, dictionary: np.ndarray, a: np.ndarray, b: np.ndarray, **options: Any) -> None:
        """Move the dictionary to the statistics C'C and C'X, in place."""
        used = np.flatnonzero(np.diag(a) > 0.0)
        if not used.size:
            return
        own = np.asarray(a[np.ix_(used, used)], np.float64)
        phi, _ = lagrange_dual(
            own, np.asarray(b[used], np.float64), tol=self.tol, max_iter=self.max_iter
        )
        phi /= np.maximum(np.linalg.norm(phi, axis=1, keepdims=True), 1.0)  # rounding
        dictionary[used] = phi


@register
@dataclass(frozen=True)
class KSVD(DictionaryRule):
    """K-SVD: each atom and its codes together, to the best rank-one fit of what the others leave.

    Codes keep their zeros, atoms have norm 1, and the squared error of the batch never grows. The
    batch must be all of the data for it to be K-SVD.

    Parameters
    ----------
    exact : bool, default False
        Whether the fit is the leading singular pair, as first published; otherwise it is one step
        of alternating least squares towards it, which is faster [2]_.

    References
    ----------
    .. [1] M. Aharon, M. Elad, A. Bruckstein (2006). K-SVD: an algorithm for designing overcomplete
       dictionaries for sparse representation. IEEE Transactions on Signal Processing 54.
    .. [2] R. Rubinstein, M. Zibulevsky, M. Elad (2008). Efficient implementation of the K-SVD
       algorithm using batch orthogonal matching pursuit. Technical report, Technion.

    Examples
    --------
    >>> from layerwise import nn
    >>> nn.KSVD(exact=True)
    KSVD(exact=True)
    """

    positive: ClassVar[bool] = False
    exact: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.exact, bool):
            raise TypeError(f"KSVD: exact must be True or False; got {self.exact!r}")

    def fit_atoms(self, dictionary: np.ndarray, x: Any, codes: Any) -> np.ndarray:
        """Fit every atom in turn, in place.

        Parameters
        ----------
        dictionary : ndarray of shape (K, D)
            Overwritten.
        x : matrix of shape (N, D)
            Signals.
        codes : CSR of shape (N, K)
            Their codes.

        Returns
        -------
        ndarray of shape (N, D)
            What the new dictionary and codes leave of the signals.
        """
        left = residual(x, dictionary, codes)
        columns = codes.tocsc()
        for j in range(len(dictionary)):
            part = slice(columns.indptr[j], columns.indptr[j + 1])
            rows, code = columns.indices[part], columns.data[part]
            if not rows.size:
                continue
            error = left[rows] + np.outer(code, dictionary[j])
            atom = self._atom(error, code)
            if atom is None:
                continue
            dictionary[j] = atom
            left[rows] = error - np.outer(error @ atom, atom)
        return left

    def _atom(self, error: np.ndarray, code: np.ndarray) -> np.ndarray | None:
        """Fit the direction of the rows of an error matrix, of norm 1; None where it is 0."""
        if not self.exact:
            atom = code @ error
            norm = float(np.linalg.norm(atom))
            return atom / error.dtype.type(norm) if norm > 0.0 else None
        if not error.any():
            return None
        wide = error.astype(np.float64)
        _, vectors = np.linalg.eigh(wide.T @ wide)
        return np.asarray(vectors[:, -1], error.dtype)


def _check_number(op: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"{op}: {name} must be a number >= 0; got {value!r}")
    if not 0.0 <= value < np.inf:
        raise ValueError(f"{op}: {name} must be a finite number >= 0; got {value}")


def _check_count(op: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{op}: {name} must be an integer >= 1; got {value!r}")
    if value < 1:
        raise ValueError(f"{op}: {name} must be an integer >= 1; got {value}")
