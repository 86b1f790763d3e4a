"""Anchors of local coordinate coding, learnt from codes, and the data's directions around them."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from layerwise.nn.data.blocks import coding_blocks
from layerwise.nn.data.csr_rows import CsrRows
from layerwise.nn.data.dense import dense_block
from layerwise.nn.data.minibatch import Rows
from layerwise.ops import gemm

from .atoms import AtomStatistics
from .local_coding import LocalCoding

__all__ = ["AnchorStatistics", "improve_anchors", "local_directions", "tangent_codes"]


class AnchorStatistics(AtomStatistics):
    """What the best anchors for given codes depend on, summed over blocks of signals.

    Parameters
    ----------
    k, d : int
        Anchors and features.

    Notes
    -----
    Given codes g_i, the objective of `LocalCoding` summed over signals is quadratic in the anchors;
    its minimum solves ``(G'G + 2 alpha D) Phi = G'X + 2 alpha |G|'X``, D the diagonal matrix of the
    column sums of |G|.

    Examples
    --------
    >>> statistics = AnchorStatistics(1, 1)
    >>> statistics.add(np.array([[1.0], [3.0]]), sp.csr_array([[1.0], [1.0]]))
    >>> statistics.best(np.zeros((1, 1)), alpha=0.1)
    array([[2.]])
    """

    def __init__(self, k: int, d: int) -> None:
        super().__init__(k, d)
        self._size_cross = np.zeros((k, d))
        self._sizes = np.zeros(k)

    def add(self, x: np.ndarray, codes: sp.csr_array) -> None:
        """Take account of signals of shape (n, d) and their codes (n, k)."""
        super().add(x, codes)
        sizes = abs(sp.csr_array(codes.T))
        self._size_cross += gemm(sizes, x)
        self._sizes += sizes.sum(axis=1, dtype=np.float64)

    def best(self, anchors: np.ndarray, alpha: float) -> np.ndarray:
        """Return the best anchors; those without codes stay as they are in `anchors`."""
        used = self._sizes > 0
        system = self._gram[np.ix_(used, used)]
        system[np.diag_indices_from(system)] += 2 * alpha * self._sizes[used]
        right = self._cross[used] + 2 * alpha * self._size_cross[used]
        result = anchors.copy()
        if used.any():
            with threadpool_limits(1, user_api="blas"):  # the same bits however many there are
                result[used] = scipy.linalg.solve(system, right, assume_a="pos")
        return result


def improve_anchors(rows: Rows, coding: LocalCoding) -> tuple[np.ndarray, float]:
    """Code all signals, and find the best anchors for their codes.

    Parameters
    ----------
    rows : Rows of shape (n, d)
        Signals.
    coding : LocalCoding

    Returns
    -------
    anchors : ndarray of shape (k, d)
        Those that no signal has in its code are moved to the signals of the largest objectives,
        where the next codes can use them.
    objective : float
        Mean over the signals, before the anchors change.

    Examples
    --------
    >>> rows = Rows(np.array([[0.0], [1.0], [8.0], [9.0]]), np.float64)
    >>> anchors, objective = improve_anchors(rows, LocalCoding(np.array([[0.0], [9.0]]), 0.1))
    >>> anchors.round(2)
    array([[1.  ],
           [8.91]])
    """
    statistics = AnchorStatistics(*coding.anchors.shape)
    objectives = np.empty(len(rows))
    for part in coding_blocks(len(rows), max(coding.anchors.shape), rows.dtype):
        x = dense_block(rows, part)
        codes = coding.encode(x)
        objectives[part] = coding.objectives(x, codes)
        statistics.add(x, codes)
    anchors, unused = statistics.best(coding.anchors, coding.alpha), statistics.unused
    worst = np.argsort(-objectives, kind="stable")[: len(unused)]
    anchors[unused[: len(worst)]] = dense_block(rows, worst)
    return anchors, float(objectives.mean())


def local_directions(rows: Rows, coding: LocalCoding, n_directions: int) -> np.ndarray:
    """Find the leading directions of the data around each anchor.

    They are the leading eigenvectors of ``sum_i |g_ij| (x_i - phi_j) (x_i - phi_j)'``.

    Parameters
    ----------
    rows : Rows of shape (n, d)
        Signals x.
    coding : LocalCoding
        Of the codes g and the anchors phi.
    n_directions : int
        At most d.

    Returns
    -------
    ndarray of shape (k, n_directions, d)
        Rows of norm 1, the largest element positive; zeros where an anchor has too few signals.

    References
    ----------
    K. Yu, T. Zhang (2010). Improved local coordinate coding using local tangents. ICML.

    Examples
    --------
    >>> rows = Rows(np.array([[1.0, 1.0], [1.0, -1.0]]), np.float64)
    >>> local_directions(rows, LocalCoding(np.array([[1.0, 0.0]]), 0.1), 1)
    array([[[0., 1.]]])
    """
    anchors = coding.anchors
    k, d = anchors.shape
    found, by_row = np.zeros((k, n_directions, d), rows.dtype), CsrRows(k, rows.dtype)
    for part in coding_blocks(len(rows), max(k, d), rows.dtype):
        by_row.append(coding.encode(dense_block(rows, part)))
    codes = sp.csc_array(by_row.result())
    with threadpool_limits(1, user_api="blas"):
        for j in range(k):
            entries = slice(codes.indptr[j], codes.indptr[j + 1])
            weight = np.sqrt(np.abs(codes.data[entries]))[:, None]
            offsets = dense_block(rows, codes.indices[entries]) - anchors[j]
            leading = _leading_directions(weight * offsets.astype(np.float64), n_directions)
            found[j, : len(leading)] = leading
    return found


def _leading_directions(offsets: np.ndarray, most: int) -> np.ndarray:
    """Right singular vectors of (n, d), from the smaller of its two Gram matrices."""
    n, d = offsets.shape
    if n == 0:
        return np.empty((0, d))
    tall = n > d
    gram = offsets.T @ offsets if tall else offsets @ offsets.T
    first = max(0, len(gram) - most)
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=(first, len(gram) - 1))
    real = values > 1e-10 * max(values[-1], np.finfo(float).tiny)
    directions = (vectors if tall else offsets.T @ vectors).T[real][::-1]
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    largest = np.abs(directions).argmax(axis=1)
    return directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]


def tangent_codes(
    x: np.ndarray, codes: sp.csr_array, anchors: np.ndarray, directions: np.ndarray
) -> sp.csr_array:
    """Add to each code of an anchor the offsets of the signal along the anchor's directions.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    codes : csr_array of shape (n, k)
    anchors : ndarray of shape (k, d)
    directions : ndarray of shape (k, m, d)

    Returns
    -------
    csr_array of shape (n, k (1 + m))
        ``g_j [1, u_1 (x - phi_j)', ..., u_m (x - phi_j)']`` in block j.

    Examples
    --------
    >>> x, anchors = np.array([[3.0, 1.0]]), np.array([[1.0, 0.0]])
    >>> tangent_codes(x, sp.csr_array([[0.5]]), anchors, np.array([[[1.0, 0.0]]])).toarray()
    array([[0.5, 1. ]])
    """
    m, turned = directions.shape[1], sp.csc_array(codes)
    values = np.empty((codes.nnz, 1 + m), x.dtype)
    values[:, 0] = turned.data
    for j in np.flatnonzero(np.diff(turned.indptr)):
        entries = slice(turned.indptr[j], turned.indptr[j + 1])
        offsets = x[turned.indices[entries]] - anchors[j]
        values[entries, 1:] = gemm(offsets, directions[j].T) * turned.data[entries, None]
    order = np.argsort(turned.indices, kind="stable")  # back from columns to rows
    columns = np.repeat(np.arange(codes.shape[1]), np.diff(turned.indptr))[order]
    columns = columns[:, None] * (1 + m) + np.arange(1 + m)
    return sp.csr_array(
        (values[order].ravel(), columns.ravel(), codes.indptr.astype(np.int64) * (1 + m)),
        shape=(codes.shape[0], codes.shape[1] * (1 + m)),
    )
