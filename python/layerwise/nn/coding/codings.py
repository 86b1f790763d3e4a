"""How signals are coded over a dictionary: one object a way, with its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise import ops
from layerwise.nn.data.dense import dense
from layerwise.ops import BitMatrix, Workspace
from layerwise.storage import register

__all__ = [
    "Coding",
    "LarsCoding",
    "LassoCoding",
    "PursuitCoding",
    "ThresholdCoding",
    "residual",
    "soft_threshold",
    "soft_threshold_codes",
]


class Coding(ABC):
    """A way to code signals x over a dictionary Phi, one row each."""

    alpha: float = 0.0

    @abstractmethod
    def codes(self, x: Any, dictionary: np.ndarray, **options: Any) -> Any:
        """Code signals (N, D): an array (N, K), or a CSR array with ``format="csr"``.

        Options go to the op unchanged (``format=``, ``workspace=``).
        """

    def objective(self, x: Any, dictionary: np.ndarray, codes: Any) -> np.ndarray:
        """Compute ``1/2 ||x - a Phi||^2 + alpha ||a||_1`` of each signal, float64."""
        left = residual(x, dictionary, codes)
        return self.objective_of(np.einsum("nd,nd->n", left, left, dtype=np.float64), codes)

    def objective_of(self, squares: np.ndarray, codes: Any) -> np.ndarray:
        """Compute the objective of signals from the square norms of their residuals."""
        if not self.alpha:
            return 0.5 * squares
        return 0.5 * squares + self.alpha * np.asarray(abs(codes).sum(axis=1, dtype=np.float64))


@register
@dataclass(frozen=True)
class LassoCoding(Coding):
    """``argmin_a 1/2 ||x - a Phi||^2 + alpha ||a||_1``.

    Parameters
    ----------
    alpha : float, default 1.0
        Penalty.
    positive : bool, default False
        Keep codes >= 0.
    method : {"auto", "active_set", "coordinate_descent"}
    tol : float, default 1e-4
        Relative duality gap of a signal.
    max_iter : int, default 1000
        As for `layerwise.ops.lasso`.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> nn.LassoCoding(alpha=1.0).codes(np.array([[3.0, 0.5]]), np.eye(2))
    array([[2., 0.]])
    """

    alpha: float = 1.0
    positive: bool = False
    method: str = "auto"
    tol: float = 1e-4
    max_iter: int = 1000

    def codes(self, x: Any, dictionary: np.ndarray, **options: Any) -> Any:
        """Code signals (N, D): an array or CSR array (N, K)."""
        return ops.lasso(
            x, dictionary, self.alpha, positive=self.positive, method=self.method, tol=self.tol,
            max_iter=self.max_iter, **options,
        ).codes  # fmt: skip


@register
@dataclass(frozen=True)
class LarsCoding(Coding):
    """The LASSO solved exactly, by following its solutions as the penalty falls.

    Parameters
    ----------
    alpha : float, default 1.0
        Penalty.
    positive : bool, default False
        Keep codes >= 0.
    max_iter : int, default 1000
        Most steps of a signal's path.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> nn.LarsCoding(alpha=1.0).codes(np.array([[3.0, 0.5]]), np.eye(2))
    array([[2., 0.]])
    """

    alpha: float = 1.0
    positive: bool = False
    max_iter: int = 1000

    def codes(self, x: Any, dictionary: np.ndarray, **options: Any) -> Any:
        """Code signals (N, D): an array or CSR array (N, K)."""
        return ops.lars(
            x, dictionary, self.alpha, positive=self.positive, max_iter=self.max_iter, **options
        ).codes


@register
@dataclass(frozen=True)
class PursuitCoding(Coding):
    """Orthogonal matching pursuit: the atom of largest cosine joins, all codes are solved for.

    Parameters
    ----------
    n_nonzero : int, optional
        Most non-zeros of a code.
    tol : float, default 0.0
        Square error at which a signal is done.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> nn.PursuitCoding(n_nonzero=1).codes(np.array([[3.0, 0.5]]), np.eye(2))
    array([[3., 0.]])
    """

    n_nonzero: int | None = None
    tol: float = 0.0

    def codes(self, x: Any, dictionary: np.ndarray, **options: Any) -> Any:
        """Code signals (N, D): an array or CSR array (N, K)."""
        return ops.omp(x, dictionary, max_active=self.n_nonzero, tol=self.tol, **options).codes


@register
@dataclass(frozen=True)
class ThresholdCoding(Coding):
    """Soft threshold of the correlations: ``sign(c) max(|c| - alpha, 0)``, ``c = x Phi'``.

    The first step of an iterative LASSO solver from zero, and an encoder in its own right.

    Parameters
    ----------
    alpha : float, default 1.0
        Threshold.
    positive : bool, default False
        Codes ``max(c - alpha, 0)``.

    References
    ----------
    A. Coates, A. Ng (2011). The importance of encoding versus training with sparse coding and
    vector quantization. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> nn.ThresholdCoding(alpha=1.0).codes(np.array([[3.0, -0.5, -2.0]]), np.eye(3))
    array([[ 2.,  0., -1.]])
    """

    alpha: float = 1.0
    positive: bool = False

    def codes(
        self, x: Any, dictionary: np.ndarray, *, format: str = "dense", **options: Any
    ) -> Any:
        """Code signals (N, D): an array or CSR array (N, K)."""
        if self.positive:  # in the product's epilogue
            bias = np.full(len(dictionary), -self.alpha, dictionary.dtype)
            c = ops.gemm(x, dictionary.T, bias=bias, activation="relu", **options)
        else:
            c = ops.gemm(x, dictionary.T, **options)
            c = soft_threshold(c, c.dtype.type(self.alpha))
        return c if format == "dense" else sp.csr_array(c)


def soft_threshold(u: np.ndarray, threshold: Any, *, positive: bool = False) -> np.ndarray:
    """Compute ``sign(u) max(|u| - threshold, 0)``, or ``max(u - threshold, 0)`` if positive."""
    if positive:
        return np.maximum(u - threshold, 0)
    return u - np.clip(u, -threshold, threshold)


def soft_threshold_codes(x: np.ndarray, dictionary: np.ndarray, alpha: float) -> np.ndarray:
    """Compute ``[max(0, x D' - alpha), max(0, -x D' - alpha)]``, in one product.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    dictionary : ndarray of shape (K, d)
        Atoms D, one a row.
    alpha : float

    Returns
    -------
    ndarray of shape (n, 2 K)

    References
    ----------
    A. Coates, A. Ng (2011). The importance of encoding versus training with sparse coding and
    vector quantization. ICML, equation 5.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import soft_threshold_codes
    >>> soft_threshold_codes(np.array([[3.0, -2.0]]), np.eye(2), 0.5)
    array([[2.5, 0. , 0. , 1.5]])
    """
    both = np.concatenate([dictionary, -dictionary])
    return np.asarray(ThresholdCoding(alpha, positive=True).codes(x, both))


def residual(
    x: Any, dictionary: np.ndarray, codes: Any, *, workspace: Workspace | None = None
) -> np.ndarray:
    """Compute what codes leave of signals, ``x - a Phi``, dense."""
    signals = x.unpack(dictionary.dtype) if isinstance(x, BitMatrix) else dense(x)
    return ops.gemm(codes, dictionary, c=signals, alpha=-1.0, beta=1.0, workspace=workspace)
