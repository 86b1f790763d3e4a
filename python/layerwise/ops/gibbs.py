"""Half-steps of a Bernoulli-Bernoulli RBM; see also `gibbs_cd` and `gibbs_energy`.

An RBM has weights w (F, D) as scikit-learn stores ``components_``, visible biases b (D,) and hidden
biases a (F,)::

    P(h_j=1|v) = sigm(a_j + sum_i w_ji v_i)      P(v_i=1|h) = sigm(b_i + sum_j w_ji h_j)
    F(v)       = - b' v - sum_j softplus(a_j + sum_i w_ji v_i)      log p(v) = - F(v) - log Z
"""

from __future__ import annotations

from typing import Any

from layerwise.reference import gibbs as reference

from ._arrays import Array, Matrix
from ._checks import check_choice
from ._signature import Call, Signature
from .config import use_reference
from .gemm import RETURNS, from_reference, run_gemm
from .random import Philox, Purpose, check_rng
from .workspace import Workspace

__all__ = ["gibbs_hidden", "gibbs_visible"]

_HIDDEN = Signature("gibbs_hidden", v="N D *", w="F D", a="F")
_VISIBLE = Signature("gibbs_visible", h="N F *", w="F D", b="D")


def gibbs_hidden(
    v: Matrix,
    w: Array,
    a: Array,
    *,
    returns: str = "mean",
    packed: bool = False,
    rng: Philox | None = None,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Any:
    """Compute P(h|v) = sigm(v w' + a), samples of it, or both.

    Parameters
    ----------
    v : array, BitMatrix or CSR matrix of shape (N, D), float32 or float64
        Visible states or means.
    w : array of shape (F, D)
        Weights.
    a : array of shape (F,)
        Hidden biases.
    returns : {"mean", "sample", "both"}
        The probabilities, 0/1 samples, or the pair.
    packed : bool, default False
        Give the samples as a `BitMatrix`.
    rng : Philox, optional
        Where in the random stream (purpose gibbs_hidden); needed for samples.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N, F), or a pair (mean, sample)
        In the library of the first dense array; the samples are a `BitMatrix` where `packed`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    References
    ----------
    P. Smolensky (1986). Information processing in dynamical systems: foundations of harmony
    theory.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import Philox, gibbs_hidden
    >>> v, w, a = np.ones((1, 2)), np.array([[1.0, -1.0], [2.0, 2.0]]), np.zeros(2)
    >>> gibbs_hidden(v, w, a).round(3)
    array([[0.5  , 0.982]])
    >>> gibbs_hidden(v, w, a, returns="sample", packed=True, rng=Philox(0))
    BitMatrix(shape=(1, 2), nbytes=8)
    """
    call = _HIDDEN(v, w, a)
    noise, rng = _check_half_step(call, returns, packed, rng)
    v, w, a = call.operands
    if not use_reference():
        return run_gemm(
            call, v, w.T, bias=a, activation="sigmoid", noise=noise, rng=rng,
            purpose=Purpose.gibbs_hidden, returns=returns, packed=packed,
            num_threads=num_threads, workspace=workspace,
        )  # fmt: skip
    result = reference.gibbs_hidden(*call.on_host(), returns=returns, rng=rng)
    return from_reference(call, result, returns=returns, packed=packed)


def gibbs_visible(
    h: Matrix,
    w: Array,
    b: Array,
    *,
    returns: str = "mean",
    packed: bool = False,
    rng: Philox | None = None,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Any:
    """Compute P(v|h) = sigm(h w + b), samples of it, or both.

    Parameters
    ----------
    h : array, BitMatrix or CSR matrix of shape (N, F), float32 or float64
        Hidden states or means.
    w : array of shape (F, D)
        Weights.
    b : array of shape (D,)
        Visible biases.
    returns : {"mean", "sample", "both"}
        The probabilities, 0/1 samples, or the pair.
    packed : bool, default False
        Give the samples as a `BitMatrix`.
    rng : Philox, optional
        Where in the random stream (purpose gibbs_visible); needed for samples.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N, D), or a pair (mean, sample)
        In the library of the first dense array; the samples are a `BitMatrix` where `packed`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    References
    ----------
    P. Smolensky (1986). Information processing in dynamical systems: foundations of harmony
    theory.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import gibbs_visible
    >>> gibbs_visible(np.ones((1, 1)), np.array([[0.0, 2.0]]), np.zeros(2)).round(3)
    array([[0.5  , 0.881]])
    """
    call = _VISIBLE(h, w, b)
    noise, rng = _check_half_step(call, returns, packed, rng)
    h, w, b = call.operands
    if not use_reference():
        return run_gemm(
            call, h, w, bias=b, activation="sigmoid", noise=noise, rng=rng,
            purpose=Purpose.gibbs_visible, returns=returns, packed=packed,
            num_threads=num_threads, workspace=workspace,
        )  # fmt: skip
    result = reference.gibbs_visible(*call.on_host(), returns=returns, rng=rng)
    return from_reference(call, result, returns=returns, packed=packed)


def _check_half_step(
    call: Call, returns: str, packed: bool, rng: Philox | None
) -> tuple[str | None, Philox | None]:
    """Choose noise and stream of a half-step."""
    check_choice(call.op, "returns", returns, RETURNS)
    if returns != "mean":
        return "bernoulli", check_rng(call.op, rng, call.sizes["N"])
    if packed:
        raise ValueError(
            f"{call.op}: packed must come with returns='sample' or 'both'; got returns='mean'"
        )
    return None, None
