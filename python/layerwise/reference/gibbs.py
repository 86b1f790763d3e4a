"""The Bernoulli-Bernoulli restricted Boltzmann machine, as equations.

With weights w (F, D), visible biases b (D,) and hidden biases a (F,)::

    E(v, h)    = - h' w v - b' v - a' h          p(v, h) = exp(-E(v, h)) / Z
    P(h_j=1|v) = sigm(a_j + sum_i w_ji v_i)
    P(v_i=1|h) = sigm(b_i + sum_j w_ji h_j)
    F(v)       = - b' v - sum_j softplus(a_j + sum_i w_ji v_i)      log p(v) = - F(v) - log Z

References
----------
P. Smolensky (1986). Information processing in dynamical systems: foundations of harmony theory.

G. Hinton (2002). Training products of experts by minimizing contrastive divergence. Neural
Computation 14.

G. Hinton (2010). A practical guide to training restricted Boltzmann machines. UTML TR 2010-003.

T. Tieleman (2008). Training restricted Boltzmann machines using approximations to the likelihood
gradient. ICML.

J. Besag (1977). Efficiency of pseudolikelihood estimation for simple Gaussian fields. Biometrika
64.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from layerwise.reference.dense import sgd_momentum
from layerwise.reference.gemm import (
    Float,
    add_noise,
    densify,
    pack_bits,
    round_to_bfloat16,
    sigmoid,
    softplus,
)
from layerwise.reference.philox import Purpose


class CDStatistics(NamedTuple):
    """Estimated gradient of the mean log-likelihood: data average minus model average."""

    dw: Float  # (F, D)
    db: Float  # (D,)
    da: Float  # (F,)


def gibbs_hidden(v: Any, w: Any, a: ArrayLike, *, returns: str = "mean", rng: Any = None) -> Any:
    """P(h|v) and samples of it: ``sigm(v w' + a)``.

    Parameters
    ----------
    v : matrix of shape (N, D)
        Visible states or means.
    w : matrix of shape (F, D)
        Weights.
    a : array_like of shape (F,)
        Hidden biases.
    returns : {"mean", "sample", "both"}
        The probabilities, 0/1 samples, or the two.
    rng : object with attributes ``seed``, ``step``, ``layer`` and ``rows``
        Needed for samples; purpose gibbs_hidden.

    Returns
    -------
    ndarray of shape (N, F), float64, or a pair (mean, sample) of them

    Examples
    --------
    >>> gibbs_hidden([[1.0, 0.0]], [[0.0, 2.0]], [0.0])
    array([[0.5]])
    """
    return _half_step(densify(v) @ densify(w).T + densify(a), returns, rng, Purpose.gibbs_hidden)


def gibbs_visible(h: Any, w: Any, b: ArrayLike, *, returns: str = "mean", rng: Any = None) -> Any:
    """P(v|h) and samples of it: ``sigm(h w + b)``.

    Parameters
    ----------
    h : matrix of shape (N, F)
        Hidden states or means.
    w : matrix of shape (F, D)
        Weights.
    b : array_like of shape (D,)
        Visible biases.
    returns : {"mean", "sample", "both"}
        The probabilities, 0/1 samples, or the two.
    rng : object with attributes ``seed``, ``step``, ``layer`` and ``rows``
        Needed for samples; purpose gibbs_visible.

    Returns
    -------
    ndarray of shape (N, D), float64, or a pair (mean, sample) of them

    Examples
    --------
    >>> gibbs_visible([[0.0]], [[1.0, 2.0]], [0.0, 0.0])
    array([[0.5, 0.5]])
    """
    return _half_step(densify(h) @ densify(w) + densify(b), returns, rng, Purpose.gibbs_visible)


def gibbs_cd_update(
    v: Any,
    w: Any,
    b: Any,
    a: Any,
    w_velocity: Any,
    b_velocity: Any,
    a_velocity: Any,
    *,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    **options: Any,
) -> None:
    """One training step of CD-k or PCD, in place: `gibbs_cd`, then `sgd_momentum`.

    Parameters
    ----------
    v : matrix of shape (B, D)
        Data.
    w, b, a : ndarray of shape (F, D), (D,) and (F,)
        Parameters; overwritten.
    w_velocity, b_velocity, a_velocity : ndarray of the same shapes
        Last steps; overwritten.
    rate, momentum, weight_decay : float
        As for `sgd_momentum`; biases do not decay.
    **options
        As for `gibbs_cd`.

    Examples
    --------
    >>> rng, x = SimpleNamespace(seed=0, step=0, layer=0, rows=0), np.zeros((6, 1))
    >>> gibbs_cd_update([[1.0]], x[:1], x[1], x[2], x[3:4], x[4], x[5], rate=0.1, rng=rng)
    >>> x[1] in (0.0, 0.1)
    True
    """
    dw, db, da = gibbs_cd(v, w, b, a, **options)
    sgd_momentum(w, w_velocity, dw, rate=rate, momentum=momentum, weight_decay=weight_decay)
    sgd_momentum(b, b_velocity, db, rate=rate, momentum=momentum)
    sgd_momentum(a, a_velocity, da, rate=rate, momentum=momentum)


def gibbs_cd(
    v: Any,
    w: Any,
    b: ArrayLike,
    a: ArrayLike,
    *,
    k: int = 1,
    rng: Any,
    visible: str = "sample",
    chains: Any = None,
    chain_rng: Any = None,
    precision: str = "full",
) -> CDStatistics:
    """Statistics of contrastive divergence: ``dw = E_data[h v'] - E_model[h v']``.

    The data side uses P(h|v). The model side starts k sweeps at the data (CD-k) or at persistent
    chains (PCD) and uses P(h|v) of the last visible states. Sweep s draws hidden states and then
    visible states with step ``rng.step + s``. Each side is averaged over its own rows.

    Parameters
    ----------
    v : matrix of shape (B, D)
        Data.
    w : matrix of shape (F, D)
        Weights.
    b, a : array_like of shape (D,) and (F,)
        Visible and hidden biases.
    k : int
        Sweeps.
    rng : object with attributes ``seed``, ``step``, ``layer`` and ``rows``
        Row ids are those of the data rows.
    visible : {"sample", "mean"}
        Whether the chain's visible states are samples or probabilities (CD only).
    chains : bit-packed matrix or ndarray of shape (C, D), optional
        States of the persistent chains: read, and overwritten with the new states.
    chain_rng : object like ``rng``, optional
        Stream of the persistent chains; by default ``rng`` with row ids 0 .. C-1.
    precision : {"full", "bfloat16"}
        Whether the half-steps read w as it is or rounded (`round_to_bfloat16`).

    Returns
    -------
    CDStatistics
        dw (F, D), db (D,), da (F,), float64.

    Raises
    ------
    ValueError
        If persistent chains are asked to hold means.

    Examples
    --------
    >>> rng = SimpleNamespace(seed=0, step=0, layer=0, rows=0)
    >>> gibbs_cd([[1.0]], [[0.0]], [50.0], [0.0], rng=rng)
    CDStatistics(dw=array([[0.]]), db=array([0.]), da=array([0.]))
    """
    if chains is not None and visible != "sample":
        raise ValueError(
            "gibbs_cd: visible='sample' required with chains, which hold 0/1 states; "
            f"visible={visible!r} received"
        )
    if precision == "bfloat16":
        w = round_to_bfloat16(w)
    data = densify(v)
    h_data = gibbs_hidden(data, w, a)
    start, stream = (data, rng) if chains is None else (densify(chains), chain_rng or at(rng, 0, 0))
    model = gibbs_sweeps(start, w, b, a, k=k, rng=stream, visible=visible)
    if chains is not None:
        _store(chains, model)
    h_model = gibbs_hidden(model, w, a)
    return CDStatistics(
        dw=h_data.T @ data / len(data) - h_model.T @ model / len(model),
        db=data.mean(axis=0) - model.mean(axis=0),
        da=h_data.mean(axis=0) - h_model.mean(axis=0),
    )


def gibbs_sweeps(
    v: Any, w: Any, b: ArrayLike, a: ArrayLike, *, k: int, rng: Any, visible: str = "sample"
) -> Float:
    """Visible states after k sweeps of block Gibbs sampling.

    Parameters
    ----------
    v : matrix of shape (N, D)
        Where the chains start.
    w, b, a, k, rng, visible
        As for `gibbs_cd`.

    Returns
    -------
    ndarray of shape (N, D), float64
    """
    state = densify(v)
    for sweep in range(k):
        stream = at(rng, sweep)
        h = gibbs_hidden(state, w, a, returns="sample", rng=stream)
        state = gibbs_visible(h, w, b, returns=visible, rng=stream)
    return state


def gibbs_free_energy(v: Any, w: Any, b: ArrayLike, a: ArrayLike) -> Float:
    """Free energy ``F(v) = - b' v - sum_j softplus(a_j + sum_i w_ji v_i)``, in nats.

    Parameters
    ----------
    v : matrix of shape (N, D)
        Visible states.
    w : matrix of shape (F, D)
        Weights.
    b, a : array_like of shape (D,) and (F,)
        Visible and hidden biases.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> gibbs_free_energy([[1.0]], [[0.0]], [2.0], [0.0]).round(4)
    array([-2.6931])
    """
    v, w = densify(v), densify(w)
    return -(v @ densify(b)) - softplus(v @ w.T + densify(a)).sum(axis=1)


def gibbs_pseudo_likelihood(v: Any, w: Any, b: ArrayLike, a: ArrayLike) -> Float:
    """Log pseudo-likelihood ``sum_i log P(v_i | the other visibles)``, in nats.

    ``P(v_i | v_-i) = sigm(F(v with bit i flipped) - F(v))``, with every bit flipped in turn.

    Parameters
    ----------
    v : matrix of shape (N, D)
        Visible states; one between 0 and 1 is flipped to 1 - v.
    w : matrix of shape (F, D)
        Weights.
    b, a : array_like of shape (D,) and (F,)
        Visible and hidden biases.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> gibbs_pseudo_likelihood([[1.0]], [[0.0]], [0.0], [0.0]).round(4)
    array([-0.6931])
    """
    v = densify(v)
    energy, out = gibbs_free_energy(v, w, b, a), np.zeros(len(v))
    for i in range(v.shape[1]):
        flipped = v.copy()
        flipped[:, i] = 1.0 - v[:, i]
        out -= softplus(energy - gibbs_free_energy(flipped, w, b, a))  # log sigm(x) = -softplus(-x)
    return out


def at(rng: Any, sweep: int, rows: Any = None) -> SimpleNamespace:
    """Move a stream to a later sweep, step ``rng.step + sweep`` modulo 2**32, or other row ids."""
    return SimpleNamespace(
        seed=rng.seed,
        step=(rng.step + sweep) % 2**32,
        layer=rng.layer,
        rows=rng.rows if rows is None else rows,
    )


def _half_step(z: Float, returns: str, rng: Any, purpose: Purpose) -> Any:
    mean = sigmoid(z)
    if returns == "mean":
        return mean
    sample = add_noise(mean, "bernoulli", rng, purpose)
    return sample if returns == "sample" else (mean, sample)


def _store(chains: Any, state: Float) -> None:
    if hasattr(chains, "words"):
        chains.words[...] = pack_bits(state)
    else:
        chains[...] = state
