"""Fully connected layers, forward and backward; `dense_training` has loss, dropout and SGD.

A layer computes ``y = f(x w' + b)`` with w (out, in), as in torch. ``dz`` is a gradient at the
pre-activation ``z = x w' + b``; derivatives of activations are written in terms of the output y.
"""

from __future__ import annotations

from layerwise.reference import dense as reference

from ._arrays import Array, Matrix
from ._backend import core
from ._checks import check_choice, check_numbers
from ._signature import Signature
from .config import use_reference
from .gemm import ACTIVATIONS, run_gemm
from .workspace import Workspace

__all__ = ["activation_dx", "dense", "dense_db", "dense_dw", "dense_dx"]

_DENSE = Signature("dense", x="N in *", w="out in", b="out ?", out="N out ?")
_DENSE_DX = Signature("dense_dx", dz="N out", w="out in", x="N in ?", out="N in ?")
_DENSE_DW = Signature("dense_dw", dz="N out", x="N in *", out="out in ?")
_DENSE_DB = Signature("dense_db", dz="N out")
_ACTIVATION_DX = Signature("activation_dx", dy="N C", y="N C")


def dense(
    x: Matrix,
    w: Array,
    b: Array | None = None,
    activation: str = "none",
    *,
    out: Array | None = None,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Compute the layer's output y = f(x w' + b).

    Parameters
    ----------
    x : array, BitMatrix or CSR matrix of shape (N, in), float32 or float64
        Inputs.
    w : array of shape (out, in)
        Weights.
    b : array of shape (out,), optional
        Biases.
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}
        f.
    out : array of shape (N, out), optional
        Receives y.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N, out)
        `out` where given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import dense
    >>> dense(np.array([[1.0, 2.0]]), np.array([[3.0, -4.0], [1.0, 1.0]]), activation="relu")
    array([[0., 3.]])
    """
    call = _DENSE(x, w, b, out)
    check_choice("dense", "activation", activation, ACTIVATIONS)
    if use_reference():
        x, w, b, _ = call.on_host()
        return call.give(reference.dense(x, w, b, activation), call.operands[-1])
    x, w, b, out = call.operands
    return run_gemm(
        call, x, w.T, bias=b, activation=activation, out=out,
        num_threads=num_threads, workspace=workspace,
    )  # fmt: skip


def dense_dx(
    dz: Array,
    w: Array,
    *,
    x: Array | None = None,
    activation: str = "none",
    out: Array | None = None,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Compute the gradient at the layer's input, carried through the activation below.

    ``(dz w) * f'``: with f the activation of the layer below, whose output this layer's input x
    is, the result is the ``dz`` of the layer below.

    Parameters
    ----------
    dz : array of shape (N, out), float32 or float64
        Gradient at this layer's pre-activation.
    w : array of shape (out, in)
        Weights.
    x : array of shape (N, in), optional
        This layer's input; needed unless `activation` is "none".
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}
        Activation of the layer below.
    out : array of shape (N, in), optional
        Receives the result. It may be `x` itself, and overlaps no other operand.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N, in)
        `out` where given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`; ValueError also if `x` is missing.

    References
    ----------
    D. Rumelhart, G. Hinton, R. Williams (1986). Learning representations by back-propagating
    errors. Nature 323.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import dense_dx
    >>> dense_dx(np.array([[2.0]]), np.array([[1.0, 3.0]]), x=np.array([[0.5, 0.0]]),
    ...          activation="relu")
    array([[2., 0.]])
    """
    call = _DENSE_DX(dz, w, x, out)
    check_choice("dense_dx", "activation", activation, ACTIVATIONS)
    if activation != "none" and x is None:
        raise ValueError(f"dense_dx: activation={activation!r} must come with x; got x=None")
    if use_reference():
        dz, w, x, _ = call.on_host()
        dx = reference.dense_dx(dz, w, x=x, activation=activation)
        return call.give(dx, call.operands[-1])
    dz, w, x, out = call.operands
    gate = None if activation == "none" else x
    return run_gemm(
        call, dz, w, gate=gate, activation=activation, out=out,
        num_threads=num_threads, workspace=workspace,
    )  # fmt: skip


def dense_dw(
    dz: Array,
    x: Matrix,
    *,
    alpha: float = 1.0,
    beta: float = 0.0,
    out: Array | None = None,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Compute the gradient of the weights, alpha dz' x + beta out.

    Parameters
    ----------
    dz : array of shape (N, out), float32 or float64
        Gradient at the pre-activation.
    x : array, BitMatrix or CSR matrix of shape (N, in)
        The layer's input.
    alpha, beta : float, default 1 and 0
        Scales; ``alpha=-1/N`` gives the direction of descent of a mean loss.
    out : array of shape (out, in), optional
        Receives the result; read where `beta` is not 0.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (out, in)
        `out` where given.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`; ValueError also if `beta` comes without `out`.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import dense_dw
    >>> dense_dw(np.array([[1.0], [2.0]]), np.eye(2), alpha=0.5)
    array([[0.5, 1. ]])
    """
    call = _DENSE_DW(dz, x, out)
    check_numbers("dense_dw", alpha=alpha, beta=beta)
    if beta != 0 and out is None:
        raise ValueError(f"dense_dw: beta={beta} must come with out; got out=None")
    if use_reference():
        dz, x, old = call.on_host()
        dw = reference.dense_dw(dz, x, alpha=alpha, beta=beta, out=old)
        return call.give(dw, call.operands[-1])
    dz, x, out = call.operands
    return run_gemm(
        call, dz.T, x, c=None if beta == 0 else out, alpha=alpha, beta=beta,
        out=out, num_threads=num_threads, workspace=workspace,
    )  # fmt: skip


def dense_db(
    dz: Array,
    alpha: float = 1.0,
    *,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Compute the gradient of the biases: `alpha` times the column sums of dz.

    Parameters
    ----------
    dz : array of shape (N, out), float32 or float64
        Gradient at the pre-activation.
    alpha : float, default 1
        Scale.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (out,)

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import dense_db
    >>> dense_db(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    call = _DENSE_DB(dz)
    check_numbers("dense_db", alpha=alpha)
    if use_reference():
        return call.result(reference.dense_db(call.on_host()[0], alpha))
    out = call.empty("out")
    core().dense_db(call.operands[0], out, alpha, call.where(num_threads))
    return out


def activation_dx(
    dy: Array,
    y: Array,
    activation: str,
    *,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Compute the gradient through an activation: dy * f', f' in terms of the output y.

    Parameters
    ----------
    dy : array of shape (N, C), float32 or float64
        Gradient at the output.
    y : array of shape (N, C)
        The output y = f(z).
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}
        f; its derivative is ``1``, ``y (1 - y)``, ``[y > 0]``, ``1 - exp(-y)``, ``1 - y**2``.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N, C)

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import activation_dx
    >>> activation_dx(np.array([[1.0]]), np.array([[0.5]]), "sigmoid")
    array([[0.25]])
    """
    call = _ACTIVATION_DX(dy, y)
    check_choice("activation_dx", "activation", activation, ACTIVATIONS)
    if use_reference():
        dy, y = call.on_host()
        return call.result(reference.activation_dx(dy, y, activation))
    dy, y = call.operands
    out = call.empty("N", "C")
    core().activation_dx(dy, y, out, activation, call.where(num_threads))
    return out
