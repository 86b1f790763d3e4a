"""Matrix product with a fused epilogue, as equations.

References
----------
K. Goto, R. van de Geijn (2008). Anatomy of high-performance matrix multiplication. ACM TOMS 34.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.reference import philox
from layerwise.reference.philox import Purpose

Float = NDArray[np.float64]


def gemm(
    a: Any,
    b: Any,
    *,
    c: ArrayLike | None = None,
    alpha: float = 1.0,
    beta: float = 0.0,
    bias: ArrayLike | None = None,
    activation: str = "none",
    noise: str | None = None,
    noise_scale: float = 1.0,
    rng: Any = None,
    returns: str = "mean",
) -> Any:
    """Compute ``y = f(alpha a b + beta c + bias)`` and, where asked, a noisy copy of it.

    Parameters
    ----------
    a : matrix of shape (M, K)
        Dense, bit-packed or sparse.
    b : matrix of shape (K, N)
        Dense, bit-packed or sparse.
    c : array_like of shape (M, N), optional
        Not read where beta is 0.
    alpha, beta : float
        Scales of the product and of c.
    bias : array_like of shape (N,), optional
        One value a column.
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}
        f.
    noise : {None, "bernoulli", "gaussian"}
        How the sample is drawn from y: 1 where a uniform number is below y, or
        ``y + noise_scale n`` with n standard normal.
    noise_scale : float
        Standard deviation of the Gaussian noise.
    rng : object with attributes ``seed``, ``step``, ``layer`` and ``rows``
        What the noise is a function of; see `layerwise.reference.philox`.
    returns : {"mean", "sample", "both"}
        y, the sample, or the two.

    Returns
    -------
    ndarray of shape (M, N), float64, or a pair (y, sample) of them

    Examples
    --------
    >>> gemm([[1.0, 2.0]], [[3.0], [4.0]], alpha=2.0, bias=[1.0])
    array([[23.]])
    """
    z = alpha * (densify(a) @ densify(b))
    if beta != 0:
        z = z + beta * densify(c)
    if bias is not None:
        z = z + densify(bias)
    y = activate(z, activation)
    if returns == "mean":
        return y
    sample = add_noise(y, noise, rng, Purpose.gemm, noise_scale)
    return sample if returns == "sample" else (y, sample)


def gemm_bound(
    a: Any,
    b: Any,
    *,
    c: ArrayLike | None = None,
    alpha: float = 1.0,
    beta: float = 0.0,
    bias: ArrayLike | None = None,
    activation: str = "none",
) -> Float:
    """Magnitude that the rounding errors of `gemm` are proportional to.

    With every operand replaced by its absolute value the product is
    ``m = |alpha| |a| |b| + |beta| |c| + |bias|``: to first order the error of z is below a small
    multiple of ``eps m``. An activation passes it on times its slope and adds its own rounding:
    ``|f'(z)| m + |f(z)|``.

    Parameters
    ----------
    a, b, c, alpha, beta, bias, activation
        As for `gemm`.

    Returns
    -------
    ndarray of shape (M, N), float64

    Notes
    -----
    N. Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.5: the computed
    product differs from the true one by at most ``K eps |a| |b|``, and by far less than K when
    the signs of the terms vary.

    Examples
    --------
    >>> gemm_bound([[1.0, -2.0]], [[3.0], [4.0]])
    array([[16.]])
    """
    magnitude = gemm(
        np.abs(densify(a)),
        np.abs(densify(b)),
        c=None if c is None else np.abs(densify(c)),
        alpha=abs(alpha),
        beta=abs(beta),
        bias=None if bias is None else np.abs(densify(bias)),
    )
    y = gemm(a, b, c=c, alpha=alpha, beta=beta, bias=bias, activation=activation)
    # ReLU's slope jumps at 0, where rounding may change the side: its bound keeps slope 1.
    slope = 1.0 if activation == "relu" else activation_slope(y, activation)
    return slope * magnitude + np.abs(y)


def activate(z: Float, activation: str) -> Float:
    """Apply an activation function, elementwise.

    Parameters
    ----------
    z : ndarray, float64
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}
        ``z``, ``1 / (1 + exp(-z))``, ``max(z, 0)``, ``log(1 + exp(z))``, ``tanh(z)``.

    Returns
    -------
    ndarray of z's shape, float64

    Raises
    ------
    ValueError
        If the name is not one of these.
    """
    if activation == "none":
        return z
    if activation == "sigmoid":
        return sigmoid(z)
    if activation == "relu":
        return np.maximum(z, 0.0)
    if activation == "softplus":
        return softplus(z)
    if activation == "tanh":
        return np.tanh(z)
    raise ValueError(
        f"activation: one of none, sigmoid, relu, softplus, tanh required; {activation!r} received"
    )


def activation_slope(y: Float, activation: str) -> Float:
    """Differentiate an activation, written in terms of its output y = f(z).

    Parameters
    ----------
    y : ndarray, float64
        Outputs of the activation.
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}
        f' is ``1``, ``y (1 - y)``, ``[y > 0]``, ``1 - exp(-y)``,
        ``1 - y**2``.

    Returns
    -------
    ndarray of y's shape, float64

    Raises
    ------
    ValueError
        If the name is not one of these.
    """
    if activation == "none":
        return np.ones_like(y)
    if activation == "sigmoid":
        return y * (1.0 - y)
    if activation == "relu":
        return (y > 0).astype(np.float64)
    if activation == "softplus":
        return -np.expm1(-y)
    if activation == "tanh":
        return (1.0 - y) * (1.0 + y)
    raise ValueError(
        f"activation: one of none, sigmoid, relu, softplus, tanh required; {activation!r} received"
    )


def sigmoid(z: Float) -> Float:
    """``1 / (1 + exp(-z))``, accurate to a few ulp on both tails and free of overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


def softplus(z: Float) -> Float:
    """``log(1 + exp(z))``, free of overflow."""
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))


def add_noise(
    mean: Float, noise: str | None, rng: Any, purpose: int, noise_scale: float = 1.0
) -> Float:
    """Draw a sample around a matrix of means.

    Parameters
    ----------
    mean : ndarray of shape (M, N), float64
        Probabilities where the noise is Bernoulli.
    noise : {"bernoulli", "gaussian"}
        ``1`` where ``u < mean`` and else 0, or ``mean + noise_scale n``.
    rng : object with attributes ``seed``, ``step``, ``layer`` and ``rows``
        Unit = column.
    purpose : int
        A `layerwise.reference.philox.Purpose`.
    noise_scale : float
        Standard deviation of the Gaussian noise.

    Returns
    -------
    ndarray of shape (M, N), float64

    Raises
    ------
    ValueError
        If the noise is neither of these.
    """
    if noise == "bernoulli":
        uniforms = philox.stream(philox.uniform, rng, purpose, mean.shape)
        return (uniforms < mean).astype(np.float64)
    if noise == "gaussian":
        return mean + noise_scale * philox.stream(philox.normal, rng, purpose, mean.shape)
    raise ValueError(f"noise: bernoulli or gaussian required for a sample; {noise!r} received")


def densify(x: Any) -> Float:
    """Turn a matrix in any encoding into a dense float64 array.

    Parameters
    ----------
    x : array_like, bit-packed matrix or scipy.sparse matrix
        A bit-packed matrix has ``words`` (uint64, bit j % 64 of word j // 64 is column j) and
        ``shape``.

    Returns
    -------
    ndarray, float64

    Examples
    --------
    >>> densify([[True, False]])
    array([[1., 0.]])
    """
    if hasattr(x, "words"):
        return unpack_bits(x.words, x.shape[1])
    if hasattr(x, "toarray"):
        x = x.toarray()
    return np.asarray(x, np.float64)


def unpack_bits(words: NDArray[np.uint64], columns: int) -> Float:
    """Unpack the 0/1 matrix of shape (N, columns) whose rows are packed into 64-bit words."""
    octets = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=columns, bitorder="little")
    return bits.astype(np.float64)


def pack_bits(x: Float) -> NDArray[np.uint64]:
    """Pack a 0/1 matrix into words of shape (N, ceil(columns / 64)); padding bits are zero."""
    rows, columns = x.shape
    padded = np.zeros((rows, -(-columns // 64) * 64), np.uint8)
    padded[:, :columns] = x != 0
    packed = np.packbits(padded, axis=1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def round_to_bfloat16(x: Any) -> NDArray[np.float32]:
    """Round to the nearest bfloat16, ties to even.

    A bfloat16 is the upper half of a float32: its range, with 8 significant bits. So a normal
    number moves by at most ``2**-8`` of itself; beyond the largest it becomes infinite.

    Parameters
    ----------
    x : array_like
        Taken as float32.

    Returns
    -------
    ndarray of the shape of `x`, float32

    Examples
    --------
    >>> round_to_bfloat16([1.0, 1.003, 1.004])
    array([1.       , 1.       , 1.0078125], dtype=float32)
    """
    x = np.asarray(x, np.float32)
    bits = x.view(np.uint32)
    nearest = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    rounded = np.where(np.isnan(x), bits | np.uint32(0x400000), nearest) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)
