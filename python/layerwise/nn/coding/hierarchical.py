"""Hierarchical sparse coding: groups of signals whose codes share variances."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from layerwise.nn.data.blocks import row_blocks, run_blocks
from layerwise.ops import gemm, lasso

from .projected import Evaluation, minimise_projected, project_to_simplex

__all__ = ["GroupCodes", "HierarchicalCoding", "best_variances", "mean_squares", "scale_evaluation"]


class GroupCodes(NamedTuple):
    """Codes of m groups of n signals.

    Attributes
    ----------
    codes : csr_array of shape (m n, p)
        W, a row a signal.
    scales : ndarray of shape (m, q), float64
        alpha, a row a group.
    """

    codes: sp.csr_array
    scales: np.ndarray


class HierarchicalCoding:
    """Hierarchical sparse coding with given dictionaries.

    A group of n signals x_i has the codes w_i and the scales a >= 0 that minimise ::

        1/n sum_i (1/2 ||x_i - w_i B||^2 + lambda2 sum_j w_ij^2 / v_j + lambda1 ||w_i||_1)
            + gamma sum_k a_k,         v = eps + a Phi

    which is jointly convex in both.

    Parameters
    ----------
    atoms : ndarray of shape (p, d)
        B.
    variances : ndarray of shape (q, p)
        Phi, >= 0.
    lambda1, lambda2, gamma : float
        Penalties.
    eps : float
        Least variance, > 0.
    tol : float, default 1e-4
        Relative duality gap of codes and of scales.
    max_iter : int, default 1000
        Most iterations for either.

    Notes
    -----
    The codes given the scales are a LASSO with the ridges ``2 lambda2 / v``; the scales given the
    codes depend on their mean squares alone.

    References
    ----------
    K. Yu, Y. Lin, J. Lafferty (2011). Learning image representations from the pixel level via
    hierarchical sparse coding. CVPR.

    Examples
    --------
    >>> coding = HierarchicalCoding(np.eye(2), np.array([[0.5, 0.5]]), 0.1, 0.01, 0.1)
    >>> x = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> codes, scales = coding.infer(x)
    >>> codes.toarray().round(2)
    array([[0.81, 0.  ],
           [0.  , 0.81]])
    >>> scales.round(2)
    array([[0.36]])
    """

    def __init__(
        self,
        atoms: np.ndarray,
        variances: np.ndarray,
        lambda1: float,
        lambda2: float,
        gamma: float,
        *,
        eps: float = 1e-3,
        tol: float = 1e-4,
        max_iter: int = 1000,
    ) -> None:
        self.atoms = atoms
        self.variances = variances.astype(np.float64)
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.gamma = gamma
        self.eps = eps
        self.tol = tol
        self.max_iter = max_iter

    def infer(
        self, x: np.ndarray, scales: np.ndarray | None = None, *, n_rounds: int = 5
    ) -> GroupCodes:
        """Find codes and scales in turn, groups side by side on all threads.

        Parameters
        ----------
        x : ndarray of shape (m, n, d)
            Groups of signals.
        scales : ndarray of shape (m, q), optional
            To start from; otherwise the first codes are found without a ridge.
        n_rounds : int
            How often both are found, at least once.

        Returns
        -------
        GroupCodes
            The scales are the best for these codes.
        """
        blocks = row_blocks(len(x), x.shape[1] * max(self.atoms.shape)) or [slice(0, 0)]
        found: dict[int, GroupCodes] = {}

        def fill(block: slice) -> None:
            start = None if scales is None else scales[block]
            found[block.start] = self._alternate(x[block], start, n_rounds)

        run_blocks(fill, blocks)
        parts = [found[block.start] for block in blocks]
        codes = sp.csr_array(sp.vstack([part.codes for part in parts], format="csr"))
        return GroupCodes(codes, np.concatenate([part.scales for part in parts]))

    def _alternate(self, x: np.ndarray, scales: np.ndarray | None, n_rounds: int) -> GroupCodes:
        codes = self.code(x, scales)
        scales = self.scale(mean_squares(codes, x.shape[1]), scales)
        for _ in range(n_rounds - 1):
            codes = self.code(x, scales, start=codes)
            scales = self.scale(mean_squares(codes, x.shape[1]), scales)
        return GroupCodes(codes, scales)

    def code(
        self, x: np.ndarray, scales: np.ndarray | None, start: sp.csr_array | None = None
    ) -> sp.csr_array:
        """Find the best codes (m n, p) of groups (m, n, d) for given scales (m, q)."""
        m, n, d = x.shape
        ridge = None
        if scales is not None:
            precision = 2 * self.lambda2 / self.variances_of(scales)
            ridge = np.repeat(precision.astype(x.dtype), n, axis=0)
        return lasso(
            x.reshape(m * n, d), self.atoms, self.lambda1, ridge=ridge, start=start, tol=self.tol,
            max_iter=self.max_iter, format="csr",
        ).codes  # fmt: skip

    def scale(self, squares: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        """Find the best scales (m, q) for given mean squares (m, p) of the codes."""
        if start is None:
            size = np.sqrt(self.lambda2 * squares.sum(axis=1, keepdims=True) / self.gamma)
            start = np.repeat(size / len(self.variances), len(self.variances), axis=1)
        scales, done = minimise_projected(
            lambda scales, which: scale_evaluation(self, squares[which], scales),
            lambda scales: np.maximum(scales, 0),
            start, tol=self.tol, max_iter=self.max_iter,
        )  # fmt: skip
        if not done.all():
            warnings.warn(
                f"hierarchical coding: the scales of {np.sum(~done)} of {len(done)} groups did not "
                f"reach the tolerance {self.tol:g} in {self.max_iter} steps",
                ConvergenceWarning,
                stacklevel=3,
            )
        return scales

    def variances_of(self, scales: np.ndarray) -> np.ndarray:
        """Compute v = eps + a Phi, of shape (m, p)."""
        return gemm(scales, self.variances) + self.eps

    def objectives(self, x: np.ndarray, found: GroupCodes) -> np.ndarray:
        """Compute the objective of each group (m, n, d), of shape (m,), float64."""
        m, n, d = x.shape
        residual = (x.reshape(m * n, d) - gemm(found.codes, self.atoms)).reshape(m, n * d)
        error = 0.5 * np.einsum("md,md->m", residual, residual, dtype=np.float64)
        size = abs(found.codes).sum(axis=1, dtype=np.float64).reshape(m, n).sum(axis=1)
        shared = scale_evaluation(self, mean_squares(found.codes, n), found.scales).value
        return (error + self.lambda1 * size) / n + shared


def mean_squares(codes: sp.csr_array, n: int) -> np.ndarray:
    """Average the squares of codes (m n, p) over each group of n rows: (m, p), float64."""
    rows, p = codes.shape
    group = np.repeat(np.arange(rows) // n, np.diff(codes.indptr))
    squares = codes.data.astype(np.float64) ** 2
    total = np.bincount(group * p + codes.indices, squares, minlength=rows // n * p)
    return total.reshape(rows // n, p) / n


def scale_evaluation(
    coding: HierarchicalCoding, squares: np.ndarray, scales: np.ndarray
) -> Evaluation:
    """Evaluate ``lambda2 sum_j s_j / v_j + gamma sum_k a_k``, v = eps + a Phi, of every group.

    Parameters
    ----------
    coding : HierarchicalCoding
    squares : ndarray of shape (m, p)
        s, mean squares of codes.
    scales : ndarray of shape (m, q)
        a.

    Returns
    -------
    Evaluation
        With the gradients in a.

    Notes
    -----
    For any u >= 0 with ``lambda2 Phi u <= gamma``, ``lambda2 sum_j (2 sqrt(s_j u_j) - eps u_j)`` is
    a lower bound, since ``s / v + u v >= 2 sqrt(s u)``. The gap is that to the u proportional to
    ``s / v^2``.

    Examples
    --------
    >>> coding = HierarchicalCoding(np.eye(1), np.ones((1, 1)), 0.0, 1.0, 1.0, eps=1.0)
    >>> scale_evaluation(coding, np.array([[4.0]]), np.array([[1.0]]))
    Evaluation(value=array([3.]), gradient=array([[0.]]), gap=array([0.]))
    """
    variance = coding.variances_of(scales)
    ratio = squares / variance
    pull = coding.lambda2 * gemm(ratio / variance, coding.variances.T)
    value = coding.lambda2 * ratio.sum(axis=1) + coding.gamma * scales.sum(axis=1)
    shrink = 1 / np.maximum(pull.max(axis=1, initial=0.0) / coding.gamma, 1)[:, None]
    bound = 2 * np.sqrt(shrink) * ratio - coding.eps * shrink * ratio / variance
    return Evaluation(
        value, coding.gamma - pull, np.maximum(value - coding.lambda2 * bound.sum(axis=1), 0)
    )


def best_variances(
    coding: HierarchicalCoding, squares: np.ndarray, scales: np.ndarray, *, n_steps: int = 20
) -> np.ndarray:
    """Improve Phi, whose rows are >= 0 and sum to one, for given scales and mean squares.

    Parameters
    ----------
    coding : HierarchicalCoding
        Phi to start from, and the constants.
    squares : ndarray of shape (m, p)
    scales : ndarray of shape (m, q)
    n_steps : int
        Projected gradients.

    Returns
    -------
    ndarray of shape (q, p), float64

    Examples
    --------
    >>> coding = HierarchicalCoding(np.eye(2), np.array([[0.5, 0.5]]), 0.0, 1.0, 1.0)
    >>> best_variances(coding, np.array([[1.0, 9.0]]), np.array([[2.0]])).round(3)
    array([[0.25, 0.75]])
    """
    turned = np.ascontiguousarray(scales.T)

    def evaluate(phi: np.ndarray, which: np.ndarray) -> Evaluation:
        variance = gemm(scales, phi[0]) + coding.eps
        ratio = squares / variance
        gradient = gemm(turned, ratio / variance, alpha=-coding.lambda2)
        gap = (gradient * phi[0]).sum() - gradient.min(axis=1).sum()  # over the simplices
        value = coding.lambda2 * ratio.sum()
        return Evaluation(np.array([value]), gradient[None], np.array([gap]))

    return minimise_projected(
        evaluate, project_to_simplex, coding.variances[None], tol=1e-8, max_iter=n_steps
    )[0][0]
