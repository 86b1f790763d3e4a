"""The dictionary that serves given codes best, atom by atom, as equations.

For signals X (N, D) and their codes C (N, K), with ``A = C'C`` and ``B = C'X``, the dictionary Phi
(K, D) minimises ``1/2 ||X - C Phi||^2`` over atoms of norm at most 1. With all atoms but one held,
the minimum is::

    u = phi_j + (b_j - a_j Phi) / a_jj        (its negative parts cut off, for non-negative atoms)
    phi_j = u / max(1, ||u||)

References
----------
J. Mairal, F. Bach, J. Ponce, G. Sapiro (2010). Online learning for matrix factorization and sparse
coding. JMLR 11, algorithm 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerwise.reference.gemm import Float, densify


def dictionary_statistics(
    codes: Any, x: Any, a: Any, b: Any, *, keep: float = 0.0
) -> tuple[Float, Float]:
    """Add the statistics of signals and their codes: ``keep A + C'C`` and ``keep B + C'X``.

    Parameters
    ----------
    codes : matrix of shape (N, K)
        C.
    x : matrix of shape (N, D)
        X.
    a : matrix of shape (K, K)
        A before; not looked at where `keep` is 0.
    b : matrix of shape (K, D)
        B before.
    keep : float
        Share of A and B that is kept.

    Returns
    -------
    a : ndarray of shape (K, K), float64
    b : ndarray of shape (K, D), float64

    Examples
    --------
    >>> dictionary_statistics([[2.0]], [[3.0, 1.0]], [[1.0]], [[1.0, 1.0]], keep=0.5)
    (array([[4.5]]), array([[6.5, 2.5]]))
    """
    c, x = densify(codes), densify(x)
    if keep == 0.0:
        return c.T @ c, c.T @ x
    return keep * densify(a) + c.T @ c, keep * densify(b) + c.T @ x


def dictionary_update(
    dictionary: Any, a: Any, b: Any, *, positive: bool = False, sweeps: int = 1
) -> Float:
    """Take every atom in turn to its minimum given the others.

    Parameters
    ----------
    dictionary : matrix of shape (K, D)
        Where it starts.
    a : matrix of shape (K, K)
        C'C; an atom whose diagonal element is 0 stays as it is.
    b : matrix of shape (K, D)
        C'X.
    positive : bool
        Whether atoms are kept >= 0.
    sweeps : int
        Times that every atom is taken.

    Returns
    -------
    ndarray of shape (K, D), float64

    Examples
    --------
    >>> dictionary_update([[1.0, 0.0]], [[2.0]], [[1.0, 1.0]])
    array([[0.5, 0.5]])
    """
    phi, a, b = densify(dictionary).copy(), densify(a), densify(b)
    for _ in range(sweeps):
        for j in np.flatnonzero(np.diag(a) > 0):
            u = phi[j] + (b[j] - a[j] @ phi) / a[j, j]
            if positive:
                u = np.maximum(u, 0.0)
            phi[j] = u / max(1.0, float(np.sqrt(u @ u)))
    return phi
