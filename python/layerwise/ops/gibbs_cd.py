"""Learning in a Bernoulli-Bernoulli RBM: the statistics of CD-k and PCD, and steps along them."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from layerwise.reference import gibbs as reference

from ._arrays import Array, Matrix
from ._backend import core
from ._checks import check_choice, check_integer, check_numbers
from ._signature import Call, Signature
from .bits import BitMatrix
from .config import use_reference
from .random import Philox, check_rng
from .workspace import Workspace

__all__ = ["CDStatistics", "gibbs_cd", "gibbs_cd_update"]

_MODEL = {"v": "N D *", "w": "F D", "b": "D", "a": "F"}
_CD = Signature("gibbs_cd", **_MODEL, chains="C D bits ?")
_CD_UPDATE = Signature(
    "gibbs_cd_update",
    **_MODEL,
    w_velocity="F D",
    b_velocity="D",
    a_velocity="F",
    chains="C D bits ?",
)


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
    precision: str = "full",
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
    precision : {"full", "bfloat16"}
        How the half-steps read float32 weights: as they are, or rounded to bfloat16, which moves
        each normal number by at most ``2**-8 * abs(w)`` (one above 3.39e38 becomes infinite) and
        halves the bytes of the copies that a CPU reads. 0/1 states are exact either way and sums
        are float32: the result is, bit for bit, that for rounded `w`. It pays where reading
        weights is what takes the time: few rows, many sweeps, a GPU.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    CDStatistics
        dw (F, D), db (D,) and da (F,), in the library of the first dense array.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`; ValueError also for `k` below 1, no rows, or persistent chains of means;
        TypeError also for bfloat16 beside float64 arrays.

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
    k, stream = _check_cd(call, k, visible, rng, chains, chain_rng, precision)
    if use_reference():
        v, w, b, a, chains = call.on_host()
        found = reference.gibbs_cd(
            v, w, b, a, k=k, rng=rng, visible=visible, chains=chains, chain_rng=stream,
            precision=precision,
        )  # fmt: skip
        return CDStatistics(*map(call.result, found))
    statistics = CDStatistics(call.empty("F", "D"), call.empty("D"), call.empty("F"))
    options = _cd_options(call, k, visible, stream, precision, num_threads, workspace)
    core().gibbs_cd(*call.operands[:4], *statistics, *options)
    return statistics


def gibbs_cd_update(
    v: Matrix,
    w: Array,
    b: Array,
    a: Array,
    w_velocity: Array,
    b_velocity: Array,
    a_velocity: Array,
    *,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    k: int = 1,
    rng: Philox,
    visible: str = "sample",
    chains: BitMatrix | None = None,
    chain_rng: Philox | None = None,
    precision: str = "full",
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> None:
    """Take one training step of CD-k or PCD, in place.

    The same bits as `gibbs_cd` and `sgd_momentum` one after the other, without the gradient going
    through memory. Biases do not decay. Whatever the precision of the half-steps, it is `w` itself
    that moves. Ctrl-C leaves the parameters as they were or as they should be.

    Parameters
    ----------
    v : array, BitMatrix or CSR matrix of shape (N, D), float32 or float64
        Data, N at least 1.
    w : array of shape (F, D)
        Weights; overwritten, like all that follow.
    b : array of shape (D,)
        Visible biases.
    a : array of shape (F,)
        Hidden biases.
    w_velocity, b_velocity, a_velocity : array of the shape of w, b and a
        Last steps; zeros to begin with.
    rate : float
        Learning rate.
    momentum : float, default 0
        Share of the last step that is kept.
    weight_decay : float, default 0
        ``w_velocity <- momentum w_velocity + rate (dw - weight_decay w)``.
    k, rng, visible, chains, chain_rng, precision
        As for `gibbs_cd`.
    num_threads, workspace
        As for `gemm`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gibbs_cd` and `sgd_momentum`.

    References
    ----------
    G. Hinton (2010). A practical guide to training restricted Boltzmann machines. UTML TR 2010-003,
    sections 2, 9 and 10.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import Philox, gibbs_cd_update
    >>> v, w, b, a = np.eye(3), np.zeros((2, 3)), np.full(3, -50.0), np.zeros(2)
    >>> velocities = [np.zeros_like(x) for x in (w, b, a)]
    >>> gibbs_cd_update(v, w, b, a, *velocities, rate=3.0, rng=Philox(0))
    >>> b
    array([-49., -49., -49.])
    """
    call = _CD_UPDATE(v, w, b, a, w_velocity, b_velocity, a_velocity, chains)
    k, stream = _check_cd(call, k, visible, rng, chains, chain_rng, precision)
    check_numbers("gibbs_cd_update", rate=rate, momentum=momentum, weight_decay=weight_decay)
    if use_reference():
        *host, chains = call.on_host()
        reference.gibbs_cd_update(
            *host, rate=rate, momentum=momentum, weight_decay=weight_decay, k=k, rng=rng,
            visible=visible, chains=chains, chain_rng=stream, precision=precision,
        )  # fmt: skip
        for operand, values in zip(call.operands[1:7], host[1:], strict=True):
            call.store(operand, values)
        return
    options = _cd_options(call, k, visible, stream, precision, num_threads, workspace)
    core().gibbs_cd_update(*call.operands[:7], rate, momentum, weight_decay, *options)


def _check_cd(
    call: Call,
    k: int,
    visible: str,
    rng: Philox,
    chains: BitMatrix | None,
    chain_rng: Philox | None,
    precision: str,
) -> tuple[int, Philox]:
    """Check all but the arrays; give the number of sweeps as an int, and the chains' stream."""
    op = call.op
    k = check_integer(op, "k", k, 1, 2**31 - 1)
    check_choice(op, "visible", visible, ("sample", "mean"))
    check_choice(op, "precision", precision, ("full", "bfloat16"))
    if precision != "full" and call.dtype != "float32":
        raise TypeError(
            f"{op}: precision must be 'full' where arrays are {call.dtype}; got {precision!r}"
        )
    if chains is not None and visible != "sample":
        raise ValueError(
            f"{op}: visible must be 'sample' with chains, which hold 0/1 states; "
            f"got visible={visible!r}"
        )
    if 0 in (call.sizes["N"], call.sizes.get("C")):
        name = "v" if call.sizes["N"] == 0 else "chains"
        raise ValueError(
            f"{op}: {name} must have at least one row; got shape (0, {call.sizes['D']})"
        )
    stream = check_rng(op, rng, call.sizes["N"])
    if chains is not None:
        stream = rng.at(rows=0) if chain_rng is None else chain_rng
        check_rng(op, stream, call.sizes["C"], name="chain_rng")
    elif chain_rng is not None:
        raise ValueError(f"{op}: chain_rng must come with chains; got chains=None")
    if stream.step + k > 2**32:
        raise ValueError(f"{op}: rng.step + k must be at most 2**32; got {stream.step} + {k}")
    return k, stream


def _cd_options(
    call: Call,
    k: int,
    visible: str,
    stream: Philox,
    precision: str,
    num_threads: int | None,
    workspace: Workspace | None,
) -> tuple[Any, ...]:
    """Give the last arguments of both compiled forms, by position as in `run_gemm`."""
    sizes = call.sizes
    where = call.where(num_threads)
    rounded = precision == "bfloat16"
    nbytes = _workspace_bytes(
        sizes["N"], sizes.get("C", 0), sizes["D"], sizes["F"], call.dtype, where, rounded
    )
    return (
        k, visible == "mean", rounded, call.operands[-1], *call.stream(stream),
        call.scratch(nbytes, workspace), where,
    )  # fmt: skip


@functools.lru_cache
def _workspace_bytes(*sizes: Any) -> int:
    return int(core().gibbs_cd_workspace(*sizes))
