"""Block Gibbs sampling in a Bernoulli-Bernoulli RBM; `gibbs_energy` has its likelihoods.

An RBM has weights w (F, D) as scikit-learn stores ``components_``, visible biases b (D,) and hidden
biases a (F,)::

    P(h_j=1|v) = sigm(a_j + sum_i w_ji v_i)      P(v_i=1|h) = sigm(b_i + sum_j w_ji h_j)
    F(v)       = - b' v - sum_j softplus(a_j + sum_i w_ji v_i)      log p(v) = - F(v) - log Z
"""

from __future__ import annotations

from typing import Any, NamedTuple

from layerwise.reference import gibbs as reference

from ._arrays import Array, Matrix
from ._backend import core, use_reference
from ._checks import check_choice, check_integer
from ._signature import Call, Signature
from .bits import BitMatrix
from .config import resolve_threads
from .gemm import RETURNS, from_reference, run_gemm
from .random import Philox, Purpose, check_rng
from .workspace import Workspace

__all__ = [
    "CDStatistics",
    "gibbs_cd",
    "gibbs_hidden",
    "gibbs_visible",
]

_HIDDEN = Signature("gibbs_hidden", v="N D *", w="F D", a="F")
_VISIBLE = Signature("gibbs_visible", h="N F *", w="F D", b="D")
_CD = Signature("gibbs_cd", v="N D *", w="F D", b="D", a="F", chains="C D bits ?")


class CDStatistics(NamedTuple):
    """Estimated gradient of the mean log-likelihood: data average minus model average.

    Attributes
    ----------
    dw : array of shape (F, D)
        Of the weights.
    db : array of shape (D,)
        Of the visible biases.
    da : array of shape (F,)
        Of the hidden biases.
    """

    dw: Array
    db: Array
    da: Array


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
            call, ("N", "F"), v, w.T, bias=a, activation="sigmoid", noise=noise, rng=rng,
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
            call, ("N", "D"), h, w, bias=b, activation="sigmoid", noise=noise, rng=rng,
            purpose=Purpose.gibbs_visible, returns=returns, packed=packed,
            num_threads=num_threads, workspace=workspace,
        )  # fmt: skip
    result = reference.gibbs_visible(*call.on_host(), returns=returns, rng=rng)
    return from_reference(call, result, returns=returns, packed=packed)


def gibbs_cd(
    v: Matrix,
    w: Array,
    b: Array,
    a: Array,
    *,
    k: int = 1,
    rng: Philox,
    visible: str = "sample",
    chains: BitMatrix | None = None,
    chain_rng: Philox | None = None,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> CDStatistics:
    """Estimate the log-likelihood's gradient by contrastive divergence (CD-k) or PCD.

    ``dw = E_data[h v'] - E_model[h v']``, and likewise for the biases. The data side uses P(h|v);
    the model side runs `k` sweeps of block Gibbs sampling from the data, or from persistent chains,
    and uses P(h|v) of the last visible states. Each side is averaged over its own rows.

    Parameters
    ----------
    v : array, BitMatrix or CSR matrix of shape (N, D), float32 or float64
        Data, N at least 1.
    w : array of shape (F, D)
        Weights.
    b : array of shape (D,)
        Visible biases.
    a : array of shape (F,)
        Hidden biases.
    k : int, default 1
        Sweeps, at least 1.
    rng : Philox
        Where in the random stream; its row ids are those of the data rows. Sweep s draws at step
        ``rng.step + s`` (purposes gibbs_hidden, gibbs_visible).
    visible : {"sample", "mean"}
        Whether a CD chain's visible states are samples or probabilities.
    chains : BitMatrix of shape (C, D), optional
        Persistent chains (PCD), C at least 1: sweeps start here, and the new states are written
        here.
    chain_rng : Philox, optional
        Stream of the persistent chains; by default `rng` with row ids 0 to C - 1.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    CDStatistics
        dw (F, D), db (D,) and da (F,), in the library of the first dense array.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`; ValueError also for `k` below 1, no rows, or persistent chains of means.

    References
    ----------
    G. Hinton (2002). Training products of experts by minimizing contrastive divergence. Neural
    Computation 14.

    G. Hinton (2010). A practical guide to training restricted Boltzmann machines. UTML TR 2010-003.

    T. Tieleman (2008). Training restricted Boltzmann machines using approximations to the
    likelihood gradient. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import Philox, gibbs_cd
    >>> v, w = np.eye(3), np.zeros((2, 3))
    >>> statistics = gibbs_cd(v, w, np.full(3, -50.0), np.zeros(2), rng=Philox(0))
    >>> statistics.db.round(3)
    array([0.333, 0.333, 0.333])
    """
    call = _CD(v, w, b, a, chains)
    k = _check_cd(call, k, visible, chains)
    rng = check_rng("gibbs_cd", rng, call.sizes["N"])
    if chains is None:
        stream = rng
        if chain_rng is not None:
            raise ValueError("gibbs_cd: chain_rng must come with chains; got chains=None")
    else:
        stream = rng.at(rows=0) if chain_rng is None else chain_rng
        check_rng("gibbs_cd", stream, call.sizes["C"], name="chain_rng")
    if stream.step + k > 2**32:
        raise ValueError(f"gibbs_cd: rng.step + k must be at most 2**32; got {stream.step} + {k}")
    if not use_reference():
        return _run_cd(call, k, visible, stream, num_threads, workspace)
    v, w, b, a, chains = call.on_host()
    result = reference.gibbs_cd(
        v, w, b, a, k=k, rng=rng, visible=visible, chains=chains, chain_rng=stream
    )
    return CDStatistics(*(call.result(part) for part in result))


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


def _check_cd(call: Call, k: int, visible: str, chains: BitMatrix | None) -> int:
    """Check everything but the streams; give the number of sweeps as an int."""
    sweeps = check_integer("gibbs_cd", "k", k, 1, 2**31 - 1)
    check_choice("gibbs_cd", "visible", visible, ("sample", "mean"))
    if chains is not None and visible != "sample":
        raise ValueError(
            "gibbs_cd: visible must be 'sample' with chains, which hold 0/1 states; "
            f"got visible={visible!r}"
        )
    for axis, name in (("N", "v"), ("C", "chains")):
        if call.sizes.get(axis) == 0:
            raise ValueError(
                f"gibbs_cd: {name} must have at least one row; got shape (0, {call.sizes['D']})"
            )
    return sweeps


def _run_cd(
    call: Call,
    k: int,
    visible: str,
    stream: Philox,
    num_threads: int | None,
    workspace: Workspace | None,
) -> CDStatistics:
    v, w, b, a, chains = call.operands
    sizes, compiled = call.sizes, core()
    threads = resolve_threads("gibbs_cd", num_threads)
    nbytes = compiled.gibbs_cd_workspace(
        sizes["N"], sizes.get("C", 0), sizes["D"], sizes["F"], call.dtype, threads
    )
    statistics = CDStatistics(call.empty("F", "D"), call.empty("D"), call.empty("F"))
    compiled.gibbs_cd(
        v, w, b, a, k=k, visible_means=visible == "mean", chains=chains, seed=stream.seed,
        step=stream.step, layer=stream.layer, rows=stream.rows, dw=statistics.dw,
        db=statistics.db, da=statistics.da, workspace=call.scratch(nbytes, workspace),
        num_threads=threads,
    )  # fmt: skip
    return statistics
