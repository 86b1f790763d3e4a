"""Fully connected layers, their gradients, softmax cross-entropy, dropout and SGD, as equations.

A layer computes ``y = f(x w' + b)`` with w (out, in). Derivatives of activations are written in
terms of the activation's output, which is what the forward pass keeps.

References
----------
D. Rumelhart, G. Hinton, R. Williams (1986). Learning representations by back-propagating errors.
Nature 323.

J. Bridle (1990). Probabilistic interpretation of feedforward classification network outputs.

N. Srivastava et al. (2014). Dropout: a simple way to prevent neural networks from overfitting.
JMLR 15.

B. Polyak (1964). Some methods of speeding up the convergence of iteration methods.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.reference import philox
from layerwise.reference.gemm import Float, activate, activation_slope, densify
from layerwise.reference.philox import Purpose


def dense(x: Any, w: Any, b: ArrayLike | None = None, activation: str = "none") -> Float:
    """Forward pass ``y = f(x w' + b)``.

    Parameters
    ----------
    x : matrix of shape (N, in)
    w : matrix of shape (out, in)
    b : array_like of shape (out,), optional
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}

    Returns
    -------
    ndarray of shape (N, out), float64

    Examples
    --------
    >>> dense([[1.0, 2.0]], [[3.0, -4.0]], [1.0], "relu")
    array([[0.]])
    """
    z = densify(x) @ densify(w).T
    return activate(z if b is None else z + densify(b), activation)


def dense_dx(dz: Any, w: Any, *, x: Any = None, activation: str = "none") -> Float:
    """Gradient at the layer's input, carried through the activation below: ``(dz w) * f'(x)``.

    Parameters
    ----------
    dz : matrix of shape (N, out)
        Gradient at this layer's pre-activation.
    w : matrix of shape (out, in)
    x : matrix of shape (N, in), optional
        This layer's input, which is the output ``f(z)`` of the layer below; not needed where the
        activation is "none".
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}
        f, the activation of the layer below.

    Returns
    -------
    ndarray of shape (N, in), float64

    Examples
    --------
    >>> dense_dx([[2.0]], [[1.0, 3.0]], x=[[0.5, 0.0]], activation="relu")
    array([[2., 0.]])
    """
    dx = densify(dz) @ densify(w)
    return dx if activation == "none" else dx * activation_slope(densify(x), activation)


def dense_dw(dz: Any, x: Any, *, alpha: float = 1.0, beta: float = 0.0, out: Any = None) -> Float:
    """Gradient of the weights ``alpha dz' x + beta out``.

    Parameters
    ----------
    dz : matrix of shape (N, out)
        Gradient at the pre-activation.
    x : matrix of shape (N, in)
        The layer's input.
    alpha, beta : float
    out : array_like of shape (out, in), optional
        What the gradient is added to; not read where beta is 0.

    Returns
    -------
    ndarray of shape (out, in), float64
        A new array.

    Examples
    --------
    >>> dense_dw([[1.0], [2.0]], [[1.0, 0.0], [0.0, 1.0]], alpha=0.5)
    array([[0.5, 1. ]])
    """
    dw = alpha * (densify(dz).T @ densify(x))
    return dw if beta == 0 else dw + beta * densify(out)


def dense_db(dz: Any, alpha: float = 1.0) -> Float:
    """Gradient of the biases: ``alpha`` times the column sums of dz.

    Parameters
    ----------
    dz : matrix of shape (N, out)
    alpha : float

    Returns
    -------
    ndarray of shape (out,), float64

    Examples
    --------
    >>> dense_db([[1.0, 2.0], [3.0, 4.0]])
    array([4., 6.])
    """
    return alpha * densify(dz).sum(axis=0)


def activation_dx(dy: Any, y: Any, activation: str) -> Float:
    """Gradient through an activation: ``dy * f'``, with f' written in terms of the output y.

    Parameters
    ----------
    dy, y : matrix of shape (N, C)
        Gradient at the output, and the output ``y = f(z)``.
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}

    Returns
    -------
    ndarray of shape (N, C), float64

    Examples
    --------
    >>> activation_dx([[1.0]], [[0.5]], "sigmoid")
    array([[0.25]])
    """
    return densify(dy) * activation_slope(densify(y), activation)


def softmax(z: Any) -> Float:
    """Class probabilities ``exp(z_c) / sum_c' exp(z_c')`` of every row.

    Parameters
    ----------
    z : matrix of shape (N, C)

    Returns
    -------
    ndarray of shape (N, C), float64

    Examples
    --------
    >>> softmax([[0.0, 0.0]])
    array([[0.5, 0.5]])
    """
    return np.exp(_log_softmax(densify(z)))


def softmax_cross_entropy(
    z: Any, labels: ArrayLike, weight: ArrayLike | None = None
) -> tuple[Float, Float]:
    """Cross-entropy of every row and its gradient ``softmax(z) - onehot(label)``.

    Parameters
    ----------
    z : matrix of shape (N, C)
        Scores before the softmax.
    labels : array_like of int of shape (N,)
        Classes in [0, C).
    weight : array_like of shape (N,), optional
        A factor on each row's loss and gradient.

    Returns
    -------
    loss : ndarray of shape (N,), float64
        ``- weight log softmax(z)[label]``, in nats; not divided by N.
    dz : ndarray of shape (N, C), float64

    Examples
    --------
    >>> loss, dz = softmax_cross_entropy([[0.0, 0.0]], [1])
    >>> loss.round(4), dz
    (array([0.6931]), array([[ 0.5, -0.5]]))
    """
    log_p = _log_softmax(densify(z))
    rows, labels = np.arange(len(log_p)), np.asarray(labels)
    loss, dz = -log_p[rows, labels], np.exp(log_p)
    dz[rows, labels] -= 1.0
    if weight is not None:
        weight = densify(weight)
        loss, dz = weight * loss, weight[:, None] * dz
    return loss, dz


def dropout(x: Any, rate: float, *, rng: Any) -> Float:
    """Set units to zero with probability ``rate`` and scale the rest by ``1 / (1 - rate)``.

    Parameters
    ----------
    x : matrix of shape (N, C)
    rate : float
        In [0, 1).
    rng : object with attributes ``seed``, ``step``, ``layer`` and ``rows``
        A unit is kept where its uniform number (purpose dropout) is at least the rate.

    Returns
    -------
    ndarray of shape (N, C), float64

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> dropout([[1.0, 2.0]], 0.0, rng=SimpleNamespace(seed=0, step=0, layer=0, rows=0))
    array([[1., 2.]])
    """
    x = densify(x)
    kept = philox.stream(philox.uniform, rng, Purpose.dropout, x.shape) >= rate
    return np.where(kept, x / (1.0 - rate), 0.0)  # 0 for a dropped NaN too


def dropout_dx(dy: Any, rate: float, *, rng: Any) -> Float:
    """Gradient of `dropout`: the same mask and scale applied to dy.

    Parameters
    ----------
    dy : matrix of shape (N, C)
    rate, rng
        As in the forward pass.

    Returns
    -------
    ndarray of shape (N, C), float64

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> dropout_dx([[1.0]], 0.0, rng=SimpleNamespace(seed=0, step=0, layer=0, rows=0))
    array([[1.]])
    """
    return dropout(dy, rate, rng=rng)


def sgd_momentum(
    w: NDArray[Any],
    velocity: NDArray[Any],
    dw: ArrayLike,
    *,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> None:
    """One step of gradient ascent with momentum, in place.

    ``velocity <- momentum velocity + rate (dw - weight_decay w)`` and ``w <- w + velocity``.

    Parameters
    ----------
    w, velocity : ndarray of one shape
        Overwritten; computed in float64 and rounded once to their dtype.
    dw : array_like of w's shape
        Direction of ascent: the gradient of what is maximised, or minus that of a loss.
    rate, momentum, weight_decay : float

    Examples
    --------
    >>> w, velocity = np.zeros(1), np.ones(1)
    >>> sgd_momentum(w, velocity, [2.0], rate=0.1, momentum=0.5)
    >>> w
    array([0.7])
    """
    w64 = densify(w)
    step = momentum * densify(velocity) + rate * (densify(dw) - weight_decay * w64)
    velocity[...] = step
    w[...] = w64 + step


def dense_dw_update(
    dz: Any,
    x: Any,
    w: NDArray[Any],
    velocity: NDArray[Any],
    *,
    alpha: float = 1.0,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> None:
    """One step along the gradient of the weights, in place: `dense_dw`, then `sgd_momentum`.

    Parameters
    ----------
    dz : matrix of shape (N, out)
        Gradient at the pre-activation.
    x : matrix of shape (N, in)
        The layer's input.
    w, velocity : ndarray of shape (out, in)
        Overwritten.
    alpha, rate, momentum, weight_decay : float

    Examples
    --------
    >>> w, velocity = np.zeros((1, 2)), np.zeros((1, 2))
    >>> dense_dw_update([[1.0], [2.0]], [[1.0, 0.0], [0.0, 1.0]], w, velocity, rate=0.1)
    >>> w
    array([[0.1, 0.2]])
    """
    dw = dense_dw(dz, x, alpha=alpha)
    sgd_momentum(w, velocity, dw, rate=rate, momentum=momentum, weight_decay=weight_decay)


def _log_softmax(z: Float) -> Float:
    shifted = z - z.max(axis=1, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
