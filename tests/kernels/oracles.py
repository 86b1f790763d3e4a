"""For each op, its results against the oracle: what a drawn call must hold, whatever its shape.

A function takes the call (an op's name, arrays without encoding, options, results, the backend) and
applies the tolerance rule. Choices that rounding may decide, such as which atom joins, are taken
from the results; what follows from them is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from layerwise.reference import dense as ref_dense
from layerwise.reference import dictionary as ref_dictionary
from layerwise.reference import gemm as ref_gemm
from layerwise.reference import gibbs as ref_gibbs
from layerwise.reference import lasso as ref_lasso
from layerwise.reference.philox import Purpose

from . import bounds, harness


class Drawn(NamedTuple):
    """One call: dense arrays, options, results as matrices."""

    op: str
    dtype: Any
    arrays: list[np.ndarray]
    options: dict[str, Any]
    results: list[np.ndarray]
    backend: Any

    def check(self, got: np.ndarray, expected: Any, bound: Any) -> None:
        case = [array.shape for array in self.arrays]
        harness.check(self.op, got, expected, bound, dtype=self.dtype, case=case)

    def check_pair(self, mean: Any, bound: Any, purpose: Purpose) -> None:
        """Results are mean and sample."""
        self.check(self.results[0], mean, bound)
        uniforms = harness.uniforms(self.options["rng"], purpose, mean.shape)
        harness.check_samples(
            self.op, self.results[1], mean, bound, uniforms, dtype=self.dtype, case=mean.shape
        )


def _gemm(call: Drawn) -> None:
    a, b = call.arrays
    epilogue = {"activation": call.options["activation"]}
    bound = ref_gemm.gemm_bound(a, b, **epilogue)
    call.check_pair(ref_gemm.gemm(a, b, **epilogue), bound, Purpose.gemm)


def _hidden(call: Drawn) -> None:
    mean = ref_gibbs.gibbs_hidden(*call.arrays)
    call.check_pair(mean, bounds.hidden(*call.arrays), Purpose.gibbs_hidden)


def _visible(call: Drawn) -> None:
    mean = ref_gibbs.gibbs_visible(*call.arrays)
    call.check_pair(mean, bounds.visible(*call.arrays), Purpose.gibbs_visible)


def _cd_statistics(call: Drawn) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """dw, db, da and their bounds, at the end of the chain that the half-steps make."""
    v, w, b, a = call.arrays[:4]
    if call.options["precision"] == "bfloat16":
        w = ref_gemm.round_to_bfloat16(w)
    stream, model = call.options["rng"], v
    for sweep in range(call.options["k"]):
        step = {"returns": "sample", "rng": stream.at(step=stream.step + sweep)}
        h = call.backend.gibbs_hidden(model, w, a, **step)
        model = call.backend.gibbs_visible(h, w, b, **step)
    v, model = v.astype(np.float64), model.astype(np.float64)
    h_data, h_model = ref_gibbs.gibbs_hidden(v, w, a), ref_gibbs.gibbs_hidden(model, w, a)
    expected = (
        h_data.T @ v / len(v) - h_model.T @ model / len(model),
        v.mean(axis=0) - model.mean(axis=0),
        h_data.mean(axis=0) - h_model.mean(axis=0),
    )
    return expected, bounds.cd(v, model, w, a)


def _cd(call: Drawn) -> None:
    for got, expected, bound in zip(call.results, *_cd_statistics(call), strict=True):
        call.check(got, expected, bound)


def _check_steps(call: Drawn, old: Any, velocity: Any, direction: Any, bound: Any, at: int) -> None:
    """A velocity and what it moves, which are results `at` and half of all further on."""
    names = ("rate", "momentum", "weight_decay")
    rate, momentum, decay = (float(call.dtype(call.options[name])) for name in names)
    decay = decay if old.ndim == 2 else 0.0
    old, velocity = old.astype(np.float64), velocity.astype(np.float64)
    step = momentum * velocity + rate * (direction - decay * old)
    limit = momentum * np.abs(velocity) + rate * (bound + decay * np.abs(old))
    call.check(call.results[at + len(call.results) // 2], step, limit)
    call.check(call.results[at], old + step, limit + np.abs(old))


def _cd_update(call: Drawn) -> None:
    for i, (direction, bound) in enumerate(zip(*_cd_statistics(call), strict=True)):
        _check_steps(call, call.arrays[1 + i], call.arrays[4 + i], direction, bound, i)


def _free_energy(call: Drawn) -> None:
    expected = ref_gibbs.gibbs_free_energy(*call.arrays)
    call.check(call.results[0], expected, bounds.free_energy(*call.arrays))


def _pseudo_likelihood(call: Drawn) -> None:
    expected = ref_gibbs.gibbs_pseudo_likelihood(*call.arrays)
    call.check(call.results[0], expected, bounds.pseudo_likelihood(*call.arrays))


def _dense(call: Drawn) -> None:
    x, w, b = call.arrays
    activation = call.options["activation"]
    bound = ref_gemm.gemm_bound(x, w.T, bias=b, activation=activation)
    call.check(call.results[0], ref_dense.dense(x, w, b, activation), bound)


def _dense_dx(call: Drawn) -> None:
    dz, w = call.arrays
    x, activation = call.options["x"], call.options["activation"]
    slope = ref_gemm.activation_slope(x.astype(np.float64), activation)
    expected = ref_dense.dense_dx(dz, w, x=x, activation=activation)
    call.check(call.results[0], expected, ref_gemm.gemm_bound(dz, w) * slope)


def _dense_dw(call: Drawn) -> None:
    dz, x = call.arrays
    alpha = call.options["alpha"]
    bound = ref_gemm.gemm_bound(dz.T, x, alpha=alpha)
    call.check(call.results[0], ref_dense.dense_dw(dz, x, alpha=alpha), bound)


def _dense_dw_update(call: Drawn) -> None:
    dz, x, w, velocity = call.arrays
    alpha = call.options["alpha"]
    bound = ref_gemm.gemm_bound(dz.T, x, alpha=alpha)
    direction = ref_dense.dense_dw(dz, x, alpha=alpha)
    _check_steps(call, w, velocity, direction, bound, 0)


def _dense_db(call: Drawn) -> None:
    dz, alpha = call.arrays[0].astype(np.float64), call.options["alpha"]
    bound = abs(alpha) * np.abs(dz).sum(axis=0)
    call.check(call.results[0], ref_dense.dense_db(dz, alpha), bound)


def _activation_dx(call: Drawn) -> None:
    expected = ref_dense.activation_dx(*call.arrays, call.options["activation"])
    call.check(call.results[0], expected, np.abs(expected))


def _softmax(call: Drawn) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):  # no classes
        expected, bound = ref_dense.softmax(*call.arrays), bounds.softmax(*call.arrays)
    call.check(call.results[0], expected, bound)


def _cross_entropy(call: Drawn) -> None:
    limits = bounds.cross_entropy(*call.arrays)
    expected = ref_dense.softmax_cross_entropy(*call.arrays)
    for got, value, bound in zip(call.results, expected, limits, strict=True):
        call.check(got, value, bound)


def _dropout(call: Drawn) -> None:
    expected = getattr(ref_dense, call.op)(*call.arrays, **call.options)
    call.check(call.results[0], expected, np.abs(expected))


def _dictionary_statistics(call: Drawn) -> None:
    keep = call.options["keep"]
    expected = ref_dictionary.dictionary_statistics(*call.arrays, keep=keep)
    limits = ref_dictionary.dictionary_statistics(*map(np.abs, call.arrays), keep=keep)
    for got, value, bound in zip(call.results, expected, limits, strict=True):
        call.check(got, value, bound)


def _dictionary_update(call: Drawn) -> None:
    expected = ref_dictionary.dictionary_update(*call.arrays)
    call.check(call.results[0], expected, bounds.dictionary_update(*call.arrays))


def _lasso(call: Drawn) -> None:
    """Each gap is that of its codes, and within the tolerance: codes so near are not unique."""
    x, phi = call.arrays
    codes, gap = call.results
    true = ref_lasso.lasso_gap(x, phi, codes, float(call.dtype(call.options["alpha"])))
    rounding = 200 * float(np.finfo(call.dtype).eps) * (1.0 + np.abs(codes).sum(axis=1))
    assert (np.abs(true - gap) <= rounding).all(), (x.shape, phi.shape)
    assert (gap <= 1e-4).all(), (x.shape, phi.shape)


def _check_knots(call: Drawn, x: Any, codes: Any, gap: Any, alphas: Any) -> None:
    """Each gap is that of the codes at its alpha, and rounding is all there is of it."""
    eps = float(np.finfo(call.dtype).eps)
    for row, code, own, alpha in zip(x, codes, gap, alphas, strict=True):
        true = ref_lasso.lasso_gap(row[None], call.arrays[1], code[None], float(alpha))[0]
        rounding = 200 * eps * (1.0 + np.abs(code).sum())
        assert abs(true - own) <= rounding, call.arrays[0].shape
        assert own <= rounding, call.arrays[0].shape


def _lars(call: Drawn) -> None:
    codes, gap, alphas = call.results
    _check_knots(call, call.arrays[0], codes, gap, alphas)
    assert (alphas == call.dtype(call.options["alpha"])).all()


def _lars_path(call: Drawn) -> None:
    alphas, codes, gap, indptr = call.results
    of_knot = np.repeat(np.arange(len(call.arrays[0])), np.diff(indptr))
    _check_knots(call, call.arrays[0][of_knot], codes, gap, alphas)
    assert (alphas[indptr[1:] - 1] == call.dtype(call.options["alpha"])).all()
    assert ((np.diff(alphas) <= 0) | (np.diff(of_knot) == 1)).all()


def _omp(call: Drawn) -> None:
    """Codes are least squares on atoms that a greedy choice takes; which, rounding may decide."""
    x, phi = call.arrays
    codes, residual = call.results
    left = ((x.astype(np.float64) - codes.astype(np.float64) @ phi) ** 2).sum(axis=1)
    magnitude = np.abs(x) + np.abs(codes).astype(np.float64) @ np.abs(phi)
    bound = 50 * float(np.finfo(call.dtype).eps) * (magnitude**2).sum(axis=1)
    assert (np.abs(left - residual) <= bound).all(), (x.shape, phi.shape)
    assert (np.count_nonzero(codes, axis=1) <= call.options["max_active"]).all()


def _sgd_momentum(call: Drawn) -> None:
    w, velocity, dw = (array.astype(np.float64) for array in call.arrays)
    _check_steps(call, w, velocity, dw, np.abs(dw), 0)


ORACLES: dict[str, Callable[[Drawn], None]] = {
    "activation_dx": _activation_dx,
    "dense": _dense,
    "dense_db": _dense_db,
    "dense_dw": _dense_dw,
    "dense_dw_update": _dense_dw_update,
    "dense_dx": _dense_dx,
    "dictionary_statistics": _dictionary_statistics,
    "dictionary_update": _dictionary_update,
    "dropout": _dropout,
    "dropout_dx": _dropout,
    "gemm": _gemm,
    "gibbs_cd": _cd,
    "gibbs_cd_update": _cd_update,
    "gibbs_free_energy": _free_energy,
    "gibbs_hidden": _hidden,
    "gibbs_pseudo_likelihood": _pseudo_likelihood,
    "gibbs_visible": _visible,
    "lars": _lars,
    "lars_path": _lars_path,
    "lasso": _lasso,
    "omp": _omp,
    "sgd_momentum": _sgd_momentum,
    "softmax": _softmax,
    "softmax_cross_entropy": _cross_entropy,
}
