"""Free energy and pseudo-likelihood of a Bernoulli-Bernoulli RBM; notation as in `gibbs`."""

from __future__ import annotations

from layerwise.reference import gibbs as reference

from ._arrays import Array, Matrix
from ._backend import core
from ._signature import Call, Signature
from .config import use_reference
from .workspace import Workspace

__all__ = ["gibbs_free_energy", "gibbs_pseudo_likelihood"]

_FREE_ENERGY = Signature("gibbs_free_energy", v="N D *", w="F D", b="D", a="F")
_PSEUDO = Signature("gibbs_pseudo_likelihood", v="N D *", w="F D", b="D", a="F")


def gibbs_free_energy(
    v: Matrix,
    w: Array,
    b: Array,
    a: Array,
    *,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Compute the free energy F(v) = -b'v - sum_j softplus(a_j + sum_i w_ji v_i), in nats.

    Parameters
    ----------
    v : array, BitMatrix or CSR matrix of shape (N, D), float32 or float64
        Visible states.
    w : array of shape (F, D)
        Weights.
    b : array of shape (D,)
        Visible biases.
    a : array of shape (F,)
        Hidden biases.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N,)
        In the library of the first dense array.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    References
    ----------
    G. Hinton (2010). A practical guide to training restricted Boltzmann machines. UTML TR 2010-003.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import gibbs_free_energy
    >>> gibbs_free_energy(np.ones((1, 1)), np.zeros((1, 1)), np.full(1, 2.0), np.zeros(1)).round(4)
    array([-2.6931])
    """
    call = _FREE_ENERGY(v, w, b, a)
    if use_reference():
        return call.result(reference.gibbs_free_energy(*call.on_host()))
    return _run_per_row(call, num_threads, workspace)


def gibbs_pseudo_likelihood(
    v: Matrix,
    w: Array,
    b: Array,
    a: Array,
    *,
    num_threads: int | None = None,
    workspace: Workspace | None = None,
) -> Array:
    """Compute the log pseudo-likelihood sum_i log P(v_i | the other visibles), in nats.

    Exact and deterministic: every bit of every row is flipped in turn,
    ``P(v_i | v_-i) = sigm(F(v with bit i flipped) - F(v))``.

    Parameters
    ----------
    v : array, BitMatrix or CSR matrix of shape (N, D), float32 or float64
        Visible states. One that is not 0 or 1 is flipped from v to 1 - v, which takes some ten
        times as long.
    w : array of shape (F, D)
        Weights.
    b : array of shape (D,)
        Visible biases.
    a : array of shape (F,)
        Hidden biases.
    num_threads, workspace
        As for `gemm`.

    Returns
    -------
    array of shape (N,)
        In the library of the first dense array.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As for `gemm`.

    References
    ----------
    J. Besag (1977). Efficiency of pseudolikelihood estimation for simple Gaussian fields.
    Biometrika 64.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.ops import gibbs_pseudo_likelihood
    >>> gibbs_pseudo_likelihood(np.eye(2), np.zeros((1, 2)), np.zeros(2), np.zeros(1)).round(4)
    array([-1.3863, -1.3863])
    """
    call = _PSEUDO(v, w, b, a)
    if use_reference():
        return call.result(reference.gibbs_pseudo_likelihood(*call.on_host()))
    return _run_per_row(call, num_threads, workspace)


def _run_per_row(call: Call, num_threads: int | None, workspace: Workspace | None) -> Array:
    """Run the compiled kernel named as the op, which gives one number a row of v."""
    sizes, compiled = call.sizes, core()
    where = call.where(num_threads)
    needed = getattr(compiled, f"{call.op}_workspace")
    nbytes = needed(sizes["N"], sizes["D"], sizes["F"], call.dtype, where)
    out = call.empty("N")
    getattr(compiled, call.op)(
        *call.operands, out=out, workspace=call.scratch(nbytes, workspace), num_threads=where
    )
    return out
