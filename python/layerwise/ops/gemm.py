"""Matrix product with a fused epilogue: bias, activation and noise in one pass over the result."""

from __future__ import annotations

import functools
from typing import Any

from layerwise.reference import gemm as reference

from ._arrays import Array, Matrix
from ._backend import core
from ._checks import check_choice, check_integer, check_numbers
from ._signature import Call, Signature
from .bits import BitMatrix
from .config import use_reference
from .random import Philox, Purpose, check_rng
from .workspace import Workspace

__all__ = ["gemm"]

ACTIVATIONS = ("none", "sigmoid", "relu", "softplus", "tanh")
RETURNS = ("mean", "sample", "both")
_NOISES = ("bernoulli", "gaussian")

_GEMM = Signature("gemm", a="M K *", b="K N *", c="M N ?", bias="N ?", out="M N ?")


def gemm(
    a: Matrix,
    b: Matrix,
    *,
    c: Array | None = None,
    alpha: float = 1.0,
    beta: float = 0.0,
    bias: Array | None = None,
    activation: str = "none",
    noise: str | None = None,
    noise_scale: float = 1.0,
    rng: Philox | None = None,
    returns: str = "mean",
    packed: bool = False,
    out: Array | None = None,
    max_workspace: int | None = None,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Any:
    """Compute ``y = f(alpha a b + beta c + bias)`` and, where asked, a noisy sample of it.

    All float arrays of a call have one dtype, float32 or float64, in which the sums are kept too.
    Results come in the library and on the device of the first dense array (NumPy where there is
    none).

    Parameters
    ----------
    a : array, BitMatrix or CSR matrix of shape (M, K)
        NumPy, torch or CuPy array with any strides, or an encoded matrix.
    b : array, BitMatrix or CSR matrix of shape (K, N)
        Likewise.
    c : array of shape (M, N), optional
        Added with weight `beta`; not read where `beta` is 0.
    alpha, beta : float, default 1 and 0
        Scales of the product and of `c`.
    bias : array of shape (N,), optional
        One value a column.
    activation : {"none", "sigmoid", "relu", "softplus", "tanh"}
        f, applied to every element.
    noise : {"bernoulli", "gaussian"}, optional
        How the sample is drawn: 1 where a uniform number is below y and else 0, or
        ``y + noise_scale n`` with n standard normal.
    noise_scale : float, default 1
        Standard deviation of the Gaussian noise, in units of y.
    rng : Philox, optional
        Where in the random stream (purpose gemm); needed for a sample.
    returns : {"mean", "sample", "both"}
        y, its sample, or the pair. What is not returned is not stored.
    packed : bool, default False
        Give the Bernoulli sample as a `BitMatrix`.
    out : array of shape (M, N), optional
        Receives y. It may be `c` itself, and overlaps no other operand.
    max_workspace : int, optional
        Bound on the scratch memory, in bytes; the product is tiled to stay under it.
    num_threads : int, optional
        Threads; by default those of `layerwise.num_threads`, else the OpenMP runtime's.
    workspace : Workspace, optional
        Scratch memory to reuse.

    Returns
    -------
    array of shape (M, N), or a pair (y, sample)
        The sample is a `BitMatrix` where `packed`.

    Raises
    ------
    TypeError
        If an argument is no array, is neither float32 nor float64, or differs from the others in
        dtype or device.
    ValueError
        If shapes disagree, a name is unknown, or arguments contradict each other.
    MemoryError
        If the result does not fit into memory.

    Notes
    -----
    Every sum is one chain over ascending k, so that neither the thread count, nor the way rows
    are split into batches, nor the encoding of `a` and `b` changes a bit of the result.

    References
    ----------
    K. Goto, R. van de Geijn (2008). Anatomy of high-performance matrix multiplication. ACM
    Transactions on Mathematical Software 34.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import Philox, gemm
    >>> a = np.array([[1, 2], [3, 4]], np.float32)
    >>> gemm(a, a.T, bias=np.ones(2, np.float32))
    array([[ 6., 12.],
           [12., 26.]], dtype=float32)
    >>> p = np.full((1, 3), 0.5, np.float32)
    >>> gemm(np.ones((2, 1), np.float32), p, noise="bernoulli", rng=Philox(0), returns="sample",
    ...      packed=True).shape
    (2, 3)
    """
    call = _GEMM(a, b, c, bias, out)
    check_numbers("gemm", alpha=alpha, beta=beta, noise_scale=noise_scale)
    _check_options(activation, noise, returns, packed)
    if beta != 0 and c is None:
        raise ValueError(f"gemm: beta={beta} must come with c; got c=None")
    if out is not None and returns == "sample":
        raise ValueError("gemm: out receives the mean; got returns='sample', which makes none")
    if noise is not None:
        rng = check_rng("gemm", rng, call.sizes["M"])
    a, b, c, bias, out = call.operands
    if not use_reference():
        # By position: to pass so many names takes an eighth of a small call.
        return run_gemm(
            call, a, b, c, None, alpha, beta, bias, activation, noise, noise_scale, rng,
            Purpose.gemm, returns, packed, out, max_workspace, num_threads, workspace, None,
        )  # fmt: skip
    a, b, c, bias, _ = call.on_host()
    result = reference.gemm(
        a, b, c=c, alpha=alpha, beta=beta, bias=bias, activation=activation, noise=noise,
        noise_scale=noise_scale, rng=rng, returns=returns,
    )  # fmt: skip
    return from_reference(call, result, returns=returns, packed=packed, out=out)


def _check_options(activation: str, noise: str | None, returns: str, packed: bool) -> None:
    check_choice("gemm", "activation", activation, ACTIVATIONS)
    check_choice("gemm", "returns", returns, RETURNS)
    if returns != "mean":
        check_choice("gemm", f"noise, for returns={returns!r},", noise, _NOISES)
    elif noise is not None:
        raise ValueError(
            f"gemm: noise must come with returns='sample' or 'both'; got noise={noise!r} and "
            "returns='mean'"
        )
    if packed and noise != "bernoulli":
        raise ValueError(f"gemm: packed must come with noise='bernoulli'; got noise={noise!r}")


def run_gemm(
    call: Call,
    a: Matrix,
    b: Matrix,
    c: Array | None = None,
    gate: Array | None = None,
    alpha: float = 1.0,
    beta: float = 0.0,
    bias: Array | None = None,
    activation: str = "none",
    noise: str | None = None,
    noise_scale: float = 1.0,
    rng: Philox | None = None,
    purpose: Purpose = Purpose.gemm,
    returns: str = "mean",
    packed: bool = False,
    out: Array | None = None,
    max_workspace: int | None = None,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
    step: tuple[Array, Array, float, float, float] | None = None,
) -> Any:
    """Run the compiled gemm for an op that is one, its arguments already checked.

    With `gate` the result is ``z f'(gate)``, f' in terms of f's output. `step` (w, velocity, rate,
    momentum, weight_decay) makes the result a gradient, along which w moves; nothing is returned
    then.
    """
    where = call.where(num_threads)
    (m, k), n = a.shape, b.shape[1]
    mean = sample = bits = None
    if returns != "sample" and step is None:
        mean = call.allocate((m, n)) if out is None else out
    if returns != "mean":
        if packed:
            bits = call.allocate_bits((m, n))
        else:
            sample = call.allocate((m, n))
    if max_workspace is None:
        nbytes = _workspace_bytes(m, n, k, call.dtype, where)
    else:
        nbytes = _bounded_workspace(call, (m, n, k), where, max_workspace)
    seed, at, word, rows = (0, 0, 0, 0) if rng is None else call.stream(rng, purpose)
    w, velocity, rate, momentum, weight_decay = (None, None, 0, 0, 0) if step is None else step
    # By position: so many names would take the binding as long as all else that it does.
    core().gemm(
        a, b, alpha, beta, c if beta != 0 else None, bias, activation, gate, noise or "none",
        noise_scale, seed, at, word, rows, mean, sample, bits, call.scratch(nbytes, workspace),
        where, w, velocity, rate, momentum, weight_decay,
    )  # fmt: skip
    if returns == "mean":
        return mean
    drawn = bits if packed else sample
    return drawn if returns == "sample" else (mean, drawn)


@functools.lru_cache
def _workspace_bytes(m: int, n: int, k: int, dtype: str, where: Any) -> int:
    return int(core().gemm_workspace(m, n, k, dtype, where))


def _bounded_workspace(call: Call, sizes: tuple[int, int, int], where: Any, bound: int) -> int:
    check_integer(call.op, "max_workspace", bound, 0, 2**63 - 1)
    least = int(core().gemm_min_workspace(*sizes, call.dtype, where))
    if bound < least:
        m, n, k = sizes
        raise ValueError(
            f"{call.op}: max_workspace must be at least {least} bytes for a ({m},{k}), "
            f"b ({k},{n}); got {bound}"
        )
    return int(core().gemm_workspace(*sizes, call.dtype, where, bound))


def from_reference(
    call: Call, result: Any, *, returns: str, packed: bool, out: Array | None = None
) -> Any:
    """Return what the reference computed as `run_gemm` does."""
    mean, sample = result if returns == "both" else (result, result)
    if returns != "mean":
        sample = BitMatrix.pack(sample) if packed else call.result(sample)
    if returns == "sample":
        return sample
    out = call.give(mean, out)
    return out if returns == "mean" else (out, sample)
