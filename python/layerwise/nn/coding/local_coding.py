"""Codes on anchors near the signal: local coordinate coding, LLC, super-vectors."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from layerwise.nn.data.blocks import row_blocks, run_blocks
from layerwise.ops import gemm, lasso

from .encodings import Centroids
from .kmeans import nearest

__all__ = [
    "LocalCoding",
    "llc_codes",
    "local_weights",
    "nearest_anchors",
    "super_vectors",
]

_SUM_SCALE = 3.0  # of the feature that holds the sum of the codes, in lengths of an anchor
_SUM_ROUNDS = 100
_FEW = 32


def local_weights(x: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Compute the square distances between signals and anchors.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Signals.
    anchors : ndarray of shape (k, d)

    Returns
    -------
    ndarray of shape (n, k)
        At least ``eps ||x||^2`` and ``eps ||phi||^2``, below which they are rounding: no weight is
        zero.

    Examples
    --------
    >>> local_weights(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0], [3.0, 3.0]]))
    array([[25.,  1.]])
    """
    distances = Centroids(anchors).squared_distances(x)
    eps = np.finfo(x.dtype).eps
    for squares in ((x**2).sum(axis=1)[:, None], (anchors**2).sum(axis=1)):
        np.maximum(distances, eps * squares, out=distances)
    return np.maximum(distances, np.finfo(x.dtype).tiny, out=distances)


class LocalCoding:
    """Local coordinate coding over given anchors.

    The code of a signal is
    ``argmin_g 1/2 ||x - sum_j g_j phi_j||^2 + alpha sum_j |g_j| ||phi_j - x||^2``.

    Parameters
    ----------
    anchors : ndarray of shape (k, d)
        phi.
    alpha : float
        Penalty, > 0.
    sum_to_one : bool, default False
        Whether codes have to sum to one, so that they do not depend on where the origin is.
    tol : float, default 1e-4
        Relative duality gap of a code.
    max_iter : int, default 1000
        Of the LASSO.

    Notes
    -----
    It is a LASSO with weights of its own for each signal. The sum is held to one by the method of
    multipliers: a further feature is the sum of the codes, the multiplier is added to what it
    should be, and the LASSO starts from where it was.

    References
    ----------
    K. Yu, T. Zhang, Y. Gong (2009). Nonlinear learning using local coordinate coding. NIPS 22.

    Examples
    --------
    >>> coding = LocalCoding(np.array([[0.0], [1.0], [5.0]]), 1e-3, sum_to_one=True)
    >>> coding.encode(np.array([[0.75]])).toarray().round(2)
    array([[0.25, 0.75, 0.  ]])
    """

    def __init__(
        self,
        anchors: np.ndarray,
        alpha: float,
        *,
        sum_to_one: bool = False,
        tol: float = 1e-4,
        max_iter: int = 1000,
    ) -> None:
        self.anchors = anchors
        self.alpha = alpha
        self.sum_to_one = sum_to_one
        self.tol = tol
        self.max_iter = max_iter

    def encode(self, x: np.ndarray) -> sp.csr_array:
        """Code signals of shape (n, d); the codes, of shape (n, k), are CSR."""
        weights = local_weights(x, self.anchors)
        if self.sum_to_one:
            return self._encode_with_sum(x, weights)
        return lasso(
            x, self.anchors, self.alpha, weights=weights, tol=self.tol, max_iter=self.max_iter,
            format="csr",
        ).codes  # fmt: skip

    def _encode_with_sum(self, x: np.ndarray, weights: np.ndarray) -> sp.csr_array:
        # With the sum fixed nothing depends on the origin: from the middle, numbers are smaller.
        centre = self.anchors.mean(axis=0)
        anchors = self.anchors - centre
        length = np.sqrt((anchors**2).sum(axis=1).mean()) or 1.0
        one = x.dtype.type(_SUM_SCALE * length)
        anchors = np.column_stack([anchors, np.full(len(anchors), one)])
        signals = np.column_stack([x - centre, np.full(len(x), one)])
        enough = max(0.1 * np.sqrt(self.tol), 8 * np.finfo(x.dtype).eps)
        tol = self.tol / (1 + _SUM_SCALE**2)  # of signals that the further feature makes longer
        codes, gap = np.zeros((len(x), len(anchors)), x.dtype), np.zeros(len(x))
        left = np.arange(len(x))
        for _ in range(_SUM_ROUNDS):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                found = lasso(
                    signals[left], anchors, self.alpha, weights=weights[left], start=codes[left],
                    tol=tol, max_iter=self.max_iter,
                )  # fmt: skip
            codes[left], gap[left] = found
            missing = 1 - codes[left].sum(axis=1)
            signals[left, -1] += one * missing
            left = left[np.abs(missing) > enough]
            if not len(left):
                break
        _warn_of(np.union1d(left, np.flatnonzero(gap > x.dtype.type(tol))), len(x))
        total = codes.sum(axis=1, keepdims=True)
        np.divide(codes, total, out=codes, where=total != 0)
        return sp.csr_array(codes)

    def objectives(self, x: np.ndarray, codes: sp.csr_array) -> np.ndarray:
        """Compute the objective of each signal, of shape (n,), float64."""
        residual = x - gemm(codes, self.anchors)
        weights = local_weights(x, self.anchors)
        rows = np.repeat(np.arange(len(x)), np.diff(codes.indptr))
        penalties = np.abs(codes.data) * weights[rows, codes.indices]
        penalty = np.bincount(rows, penalties.astype(np.float64), minlength=len(x))
        energy = np.einsum("nd,nd->n", residual, residual, dtype=np.float64)
        return 0.5 * energy + self.alpha * penalty


def _warn_of(unfinished: np.ndarray, n: int) -> None:
    if len(unfinished):
        warnings.warn(
            f"local coding: {len(unfinished)} of {n} signals did not reach the tolerance",
            ConvergenceWarning,
            stacklevel=4,
        )


def nearest_anchors(x: np.ndarray, anchors: np.ndarray, k: int) -> np.ndarray:
    """Find the k nearest anchors of each signal, the nearest first.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    anchors : ndarray of shape (m, d)
    k : int
        At most m.

    Returns
    -------
    ndarray of shape (n, k), int64

    Notes
    -----
    Where only a few are wanted, each is the minimum of a pass over all distances: 40 times as fast
    as `numpy.argpartition` for 5 of 1024.

    Examples
    --------
    >>> nearest_anchors(np.array([[0.9]]), np.array([[0.0], [1.0], [3.0]]), 2)
    array([[1, 0]])
    """
    distances = Centroids(anchors).squared_distances(x)
    if k > _FEW:
        return np.argsort(distances, axis=1, kind="stable")[:, :k]
    rows, found = np.arange(len(x)), np.empty((len(x), k), np.int64)
    for i in range(k):
        found[:, i] = distances.argmin(axis=1)
        distances[rows, found[:, i]] = np.inf
    return found


def llc_codes(x: np.ndarray, anchors: np.ndarray, k: int, beta: float) -> sp.csr_array:
    """Code signals on their k nearest anchors, by locality-constrained linear coding.

    The code c sums to one and minimises ``||x - sum_j c_j phi_j||^2 + beta tr(C) ||c||^2``, with C
    the Gram matrix of the nearest anchors seen from x: ``(C + beta tr(C) I) c`` is constant.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    anchors : ndarray of shape (m, d)
    k : int
        At most m.
    beta : float
        > 0.

    Returns
    -------
    csr_array of shape (n, m)
        k entries a row.

    References
    ----------
    J. Wang et al. (2010). Locality-constrained linear coding for image classification. CVPR.

    Examples
    --------
    >>> llc_codes(np.array([[0.75]]), np.array([[0.0], [1.0], [3.0]]), 2, 1e-6).toarray().round(3)
    array([[0.25, 0.75, 0.  ]])
    """
    (n, d), m = x.shape, len(anchors)
    codes, found = np.empty((n, k), x.dtype), np.empty((n, k), np.int64)

    def fill(rows: slice) -> None:
        found[rows] = np.sort(nearest_anchors(x[rows], anchors, k), axis=1)
        codes[rows] = _shared_out(anchors[found[rows]] - x[rows, None], beta)

    run_blocks(fill, row_blocks(n, max(m, k * d)))
    ends = np.arange(0, k * n + 1, k)
    return sp.csr_array((codes.ravel(), found.ravel(), ends), shape=(n, m))


def _shared_out(shifted: np.ndarray, beta: float) -> np.ndarray:
    """Codes (n, k) that sum to one, of the anchors (n, k, d) as seen from each signal."""
    n, k, _ = shifted.shape
    gram = np.einsum("nid,njd->nij", shifted, shifted, dtype=np.float64)
    trace = np.trace(gram, axis1=1, axis2=2)[:, None, None]
    np.divide(gram, trace, out=gram, where=trace > 0)
    gram[:, range(k), range(k)] += beta
    codes = np.linalg.solve(gram, np.ones((n, k, 1)))[:, :, 0]
    return codes / codes.sum(axis=1, keepdims=True)


def super_vectors(
    x: np.ndarray, anchors: np.ndarray, share: np.ndarray, constant: float
) -> sp.csr_array:
    """Code signals by their nearest anchor and the offset from it.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    anchors : ndarray of shape (k, d)
    share : ndarray of shape (k,)
        p, the share of the data that is nearest to each anchor, > 0.
    constant : float
        s.

    Returns
    -------
    csr_array of shape (n, k (d + 1))
        ``[s, x - phi_j] / sqrt(p_j)`` in block j, that of the nearest anchor.

    References
    ----------
    X. Zhou, K. Yu, T. Zhang, T. Huang (2010). Image classification using super-vector coding of
    local image descriptors. ECCV.

    Examples
    --------
    >>> anchors, share = np.array([[0.0], [1.0]]), np.array([0.75, 0.25])
    >>> super_vectors(np.array([[0.9]]), anchors, share, 2.0).toarray().round(1)
    array([[ 0. ,  0. ,  4. , -0.2]])
    """
    (n, d), (found, _) = x.shape, nearest(x, anchors)
    values = np.column_stack([np.full(n, constant, x.dtype), x - anchors[found]])
    values /= np.sqrt(share[found])[:, None].astype(x.dtype)
    columns = found[:, None] * (d + 1) + np.arange(d + 1)
    ends = np.arange(0, (d + 1) * n + 1, d + 1)
    return sp.csr_array((values.ravel(), columns.ravel(), ends), shape=(n, len(anchors) * (d + 1)))
