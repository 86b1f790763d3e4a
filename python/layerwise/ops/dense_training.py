"""What training a net of fully connected layers needs beside them: loss, dropout, SGD."""

from __future__ import annotations

import numpy as np

from layerwise.reference import dense as reference

from ._arrays import Array, Matrix
from ._backend import core
from ._checks import check_numbers
from ._signature import Call, Signature
from .config import use_reference
from .gemm import run_gemm
from .random import Philox, check_rng
from .workspace import Workspace

__all__ = [
    "dense_dw_update",
    "dropout",
    "dropout_dx",
    "sgd_momentum",
    "softmax",
    "softmax_cross_entropy",
]

_SOFTMAX = Signature("softmax", z="N C")
_CROSS_ENTROPY = Signature("softmax_cross_entropy", z="N C", labels="N int", weight="N ?")
_DROPOUT = Signature("dropout", x="N C")
_DROPOUT_DX = Signature("dropout_dx", dy="N C")
_SGD = Signature("sgd_momentum", w="...", velocity="...", dw="...")
_DENSE_DW_UPDATE = Signature(
    "dense_dw_update", dz="N out", x="N in *", w="out in", velocity="out in"
)


def softmax(
    z: Array, *, num_threads: int | None = None, workspace: Workspace | None = None
) -> Array:
    """Compute class probabilities exp(z_c) / sum_c' exp(z_c') of every row.

    Parameters
    ----------
    z : array of shape (N, C), float32 or float64
        Scores.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N, C)

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    References
    ----------
    J. Bridle (1990). Probabilistic interpretation of feedforward classification network outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import softmax
    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    call = _SOFTMAX(z)
    if use_reference():
        return call.result(reference.softmax(*call.on_host()))
    out = call.empty("N", "C")
    core().softmax(call.operands[0], out, call.where(num_threads))
    return out


def softmax_cross_entropy(
    z: Array,
    labels: Array,
    weight: Array | None = None,
    *,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> tuple[Array, Array]:
    """Compute each row's cross-entropy and its gradient, softmax(z) - onehot(label).

    Parameters
    ----------
    z : array of shape (N, C), float32 or float64
        Scores before the softmax.
    labels : array of shape (N,), int32 or int64
        Classes, 0 to C - 1.
    weight : array of shape (N,), optional
        A factor on each row's loss and gradient, of z's dtype.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    loss : array of shape (N,)
        ``-weight log softmax(z)[label]``, in nats. Neither sum nor mean is taken.
    dz : array of shape (N, C)

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`; ValueError also if a label is not in 0 to C - 1.

    Notes
    -----
    On a GPU the labels are copied to the host to be checked, which waits for the stream; no other
    op does.

    References
    ----------
    J. Bridle (1990). Probabilistic interpretation of feedforward classification network outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import softmax_cross_entropy
    >>> loss, dz = softmax_cross_entropy(np.zeros((1, 2)), np.array([1]))
    >>> loss.round(4), dz
    (array([0.6931]), array([[ 0.5, -0.5]]))
    """
    call = _CROSS_ENTROPY(z, labels, weight)
    if use_reference():
        z, labels, weight = call.on_host()
        _check_labels(labels, call.sizes["C"])
        loss, dz = reference.softmax_cross_entropy(z, labels, weight)
        return call.result(loss), call.result(dz)
    z, labels, weight = call.operands
    loss, dz = call.empty("N"), call.empty("N", "C")
    if call.library.device != "cpu":
        labels = call.library.as_int64(labels)
    core().softmax_cross_entropy(z, labels, weight, loss, dz, call.where(num_threads))
    return loss, dz


def dropout(
    x: Array,
    rate: float,
    *,
    rng: Philox,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Set units to zero with probability `rate` and scale the others by 1 / (1 - rate).

    Parameters
    ----------
    x : array of shape (N, C), float32 or float64
        Activations.
    rate : float
        Probability of zero, at least 0 and below 1.
    rng : Philox
        Where in the random stream (purpose dropout): a unit is kept where its uniform number is at
        least `rate`.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N, C)

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`; ValueError also if `rate` is out of range.

    References
    ----------
    N. Srivastava et al. (2014). Dropout: a simple way to prevent neural networks from overfitting.
    JMLR 15.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import Philox, dropout
    >>> y = dropout(np.ones((1000, 1)), 0.25, rng=Philox(0))
    >>> np.unique(y).round(3), float((y > 0).mean().round(2))
    (array([0.   , 1.333]), 0.74)
    """
    return _dropout(_DROPOUT(x), rate, rng, num_threads)


def dropout_dx(
    dy: Array,
    rate: float,
    *,
    rng: Philox,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Compute the gradient of `dropout`: its mask and scale applied to dy.

    Parameters
    ----------
    dy : array of shape (N, C), float32 or float64
        Gradient at the output.
    rate, rng
        As in the forward pass; the mask is drawn again.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N, C)

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import Philox, dropout, dropout_dx
    >>> x = np.ones((4, 4))
    >>> np.array_equal(dropout(x, 0.5, rng=Philox(0)), dropout_dx(x, 0.5, rng=Philox(0)))
    True
    """
    return _dropout(_DROPOUT_DX(dy), rate, rng, num_threads)


def sgd_momentum(
    w: Array,
    velocity: Array,
    dw: Array,
    *,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> None:
    """Take one step of gradient ascent with momentum, in place.

    ``velocity <- momentum velocity + rate (dw - weight_decay w)``, then ``w <- w + velocity``.

    Parameters
    ----------
    w, velocity : array of any one shape, float32 or float64
        Overwritten.
    dw : array of the same shape
        Direction of ascent: the gradient of what is maximised, or minus that of a loss.
    rate : float
        Learning rate.
    momentum : float, default 0
        Share of the last step that is kept.
    weight_decay : float, default 0
        Decay of the weights, in the units of `dw`; leave it 0 for biases.
    num_threads, workspace
        As for `gemm`.

    Raises
    ------
    TypeError, ValueError
        As for `gemm`.

    References
    ----------
    B. Polyak (1964). Some methods of speeding up the convergence of iteration methods. USSR
    Computational Mathematics and Mathematical Physics 4.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import sgd_momentum
    >>> w, velocity = np.zeros(1), np.ones(1)
    >>> sgd_momentum(w, velocity, np.full(1, 2.0), rate=0.1, momentum=0.5)
    >>> w
    array([0.7])
    """
    call = _SGD(w, velocity, dw)
    check_numbers("sgd_momentum", rate=rate, momentum=momentum, weight_decay=weight_decay)
    if use_reference():
        host_w, host_velocity, host_dw = call.on_host()
        reference.sgd_momentum(
            host_w, host_velocity, host_dw, rate=rate, momentum=momentum, weight_decay=weight_decay
        )
        call.store(call.operands[0], host_w)
        call.store(call.operands[1], host_velocity)
        return
    where = call.where(num_threads)
    core().sgd_momentum(*call.operands, rate, momentum, weight_decay, where)


def dense_dw_update(
    dz: Array,
    x: Matrix,
    w: Array,
    velocity: Array,
    *,
    alpha: float = 1.0,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> None:
    """Take a step along alpha dz' x, the gradient of a layer's weights, in place.

    The same bits as `dense_dw` and `sgd_momentum` one after the other, without the gradient going
    through memory. Ctrl-C leaves the weights as they were or as they should be.

    Parameters
    ----------
    dz : array of shape (N, out), float32 or float64
        Gradient at the pre-activation.
    x : array, BitMatrix or CSR matrix of shape (N, in)
        The layer's input.
    w, velocity : array of shape (out, in)
        Overwritten.
    alpha : float, default 1
        Scale of the gradient; ``alpha=-1/N`` for the descent of a mean loss.
    rate, momentum, weight_decay
        As for `sgd_momentum`.
    num_threads, workspace
        As for `gemm`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import dense_dw_update
    >>> w, velocity = np.zeros((1, 2)), np.zeros((1, 2))
    >>> dense_dw_update(np.array([[1.0], [2.0]]), np.eye(2), w, velocity, alpha=-0.5, rate=0.1)
    >>> w
    array([[-0.05, -0.1 ]])
    """
    call = _DENSE_DW_UPDATE(dz, x, w, velocity)
    check_numbers(
        "dense_dw_update", alpha=alpha, rate=rate, momentum=momentum, weight_decay=weight_decay
    )
    if use_reference():
        dz, x, host_w, host_velocity = call.on_host()
        reference.dense_dw_update(
            dz, x, host_w, host_velocity, alpha=alpha, rate=rate, momentum=momentum,
            weight_decay=weight_decay,
        )  # fmt: skip
        call.store(call.operands[2], host_w)
        call.store(call.operands[3], host_velocity)
        return
    dz, x, w, velocity = call.operands
    run_gemm(
        call, dz.T, x, alpha=alpha, num_threads=num_threads, workspace=workspace,
        step=(w, velocity, rate, momentum, weight_decay),
    )  # fmt: skip


def _dropout(call: Call, rate: float, rng: Philox, num_threads: int | None) -> Array:
    check_numbers(call.op, rate=rate)
    if not 0 <= rate < 1:
        raise ValueError(f"{call.op}: rate must be at least 0 and below 1; got {rate}")
    rng = check_rng(call.op, rng, call.sizes["N"])
    if use_reference():
        return call.result(reference.dropout(call.on_host()[0], rate, rng=rng))
    out = call.empty("N", "C")
    core().dropout(call.operands[0], out, rate, *call.stream(rng), call.where(num_threads))
    return out


def _check_labels(labels: np.ndarray, classes: int) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        first = int(wrong[0])
        raise ValueError(
            f"softmax_cross_entropy: labels must be from 0 to {classes - 1}; "
            f"labels[{first}] is {labels[first]}"
        )
