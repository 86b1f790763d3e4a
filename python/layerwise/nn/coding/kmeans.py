"""k-means: Lloyd's algorithm with the same bits on any number of threads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from layerwise.nn.data.blocks import row_blocks, run_blocks

from .encodings import Centroids

__all__ = ["Clusters", "kmeans", "nearest"]

_SEEDED = 10  # rows a cluster among which k-means++ chooses where to start
_SUMMED = 8192  # rows converted to float64 at a time


class Clusters(NamedTuple):
    """What k-means found.

    Attributes
    ----------
    centres : ndarray of shape (K, d)
    inertia : float
        Sum of squared distances of the rows to their centres.
    n_iter : int
        Iterations made.
    """

    centres: np.ndarray
    inertia: float
    n_iter: int


def nearest(x: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the centre nearest to each row, the first of several, and its squared distance.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    centres : ndarray of shape (K, d)

    Returns
    -------
    labels : ndarray of shape (n,), int
    squared_distances : ndarray of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import nearest
    >>> nearest(np.array([[1.0], [3.0]]), np.array([[0.0], [4.0]]))
    (array([0, 1]), array([1., 1.]))
    """
    labels = np.empty(len(x), np.intp)
    squared = np.empty(len(x), x.dtype)
    centroids = Centroids(centres)

    def assign(rows: slice) -> None:
        labels[rows] = found = centroids.nearest(x[rows])
        squared[rows] = np.square(x[rows] - centres[found]).sum(axis=1)

    run_blocks(assign, row_blocks(len(x), len(centres)))
    return labels, squared


def kmeans(
    x: np.ndarray,
    n_clusters: int,
    *,
    random_state: np.random.RandomState,
    init: str = "k-means++",
    max_iter: int = 100,
    tol: float = 1e-4,
) -> Clusters:
    """Look for the centres of which the rows have the least squared distances.

    Parameters
    ----------
    x : ndarray of shape (n, d), n >= n_clusters
    n_clusters : int
    random_state : RandomState
    init : {"k-means++", "random"}
        Centres to start from: scikit-learn's choice from rows drawn at random, ten a cluster, or
        such rows themselves.
    max_iter : int
    tol : float
        Learning ends when the squared steps of all centres sum up to less than this times the mean
        variance of the features, or no row changes its centre.

    Returns
    -------
    Clusters

    Notes
    -----
    Distances come from one product, whose bits do not depend on the threads; sums are taken in
    float64 in the order of the rows. A centre without rows moves to the row that is farthest from
    its own.

    References
    ----------
    D. Arthur, S. Vassilvitskii (2007). k-means++: the advantages of careful seeding. SODA.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import kmeans
    >>> x = np.array([[0.0], [1.0], [8.0], [9.0]])
    >>> found = kmeans(x, 2, random_state=np.random.RandomState(0))
    >>> sorted(found.centres.ravel().tolist()), found.inertia
    ([0.5, 8.5], 1.0)
    """
    centres = _first(x, n_clusters, init, random_state)
    enough = tol * float(x.var(axis=0, dtype=np.float64).mean())
    labels, squared = nearest(x, centres)
    n_iter = 0
    while n_iter < max_iter:
        moved = _means(x, labels, squared, centres)
        step = float(np.square(moved - centres, dtype=np.float64).sum())
        centres, before = moved, labels
        labels, squared = nearest(x, centres)
        n_iter += 1
        if step <= enough or np.array_equal(labels, before):
            break
    return Clusters(centres, float(squared.sum(dtype=np.float64)), n_iter)


def _first(
    x: np.ndarray, n_clusters: int, init: str, random_state: np.random.RandomState
) -> np.ndarray:
    """Choose the centres to start from."""
    size = n_clusters if init == "random" else _SEEDED * n_clusters
    rows = random_state.permutation(len(x))[:size]
    if init == "random":
        return x[rows]
    from sklearn.cluster import kmeans_plusplus  # not brought in by importing the layers

    with threadpool_limits(1, "blas"):  # whose bits depend on the number of threads
        centres, _ = kmeans_plusplus(x[rows], n_clusters, random_state=random_state)
    return np.ascontiguousarray(centres, x.dtype)


def _means(
    x: np.ndarray, labels: np.ndarray, squared: np.ndarray, centres: np.ndarray
) -> np.ndarray:
    """Move each centre to the mean of its rows."""
    sums = np.zeros(centres.shape)
    for start in range(0, len(x), _SUMMED):
        part = slice(start, start + _SUMMED)
        members = _members(labels[part], len(centres))
        sums += members @ x[part].astype(np.float64)  # in the order of the rows
    counts = np.bincount(labels, minlength=len(centres))
    empty = np.flatnonzero(counts == 0)
    moved = (sums / np.maximum(counts, 1)[:, None]).astype(x.dtype)
    if empty.size:
        moved[empty] = x[np.argsort(-squared, kind="stable")[: len(empty)]]
    return moved


def _members(labels: np.ndarray, n_clusters: int) -> sp.csr_array:
    """Build the 0/1 matrix (K, n) of which rows belong to each cluster."""
    rows = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=n_clusters))
    indptr = np.concatenate([[0], ends])
    return sp.csr_array((np.ones(len(labels)), rows, indptr), shape=(n_clusters, len(labels)))
