"""Magnitudes that the rounding errors of the ops are proportional to: the oracle on magnitudes.

Each follows its op's equation with absolute values in place of signed ones, so that the bound holds
for any order of the sums, and multiplies by the slope wherever an error passes a function.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerwise.reference.gemm import densify, gemm_bound, sigmoid, softplus


def hidden(v: Any, w: Any, a: Any) -> np.ndarray:
    return gemm_bound(v, densify(w).T, bias=a, activation="sigmoid")


def visible(h: Any, w: Any, b: Any) -> np.ndarray:
    return gemm_bound(h, w, bias=b, activation="sigmoid")


def cd(v: Any, model: Any, w: Any, a: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bounds of dw, db and da where the chain ended in the given visible states."""
    v, model = np.abs(densify(v)), np.abs(densify(model))
    h_data, h_model = hidden(v, w, a), hidden(model, w, a)
    # A sum of n terms of one sign, such as these, collects about sqrt(n) / 2 roundings.
    return (
        h_data.T @ v / len(v) + h_model.T @ model / len(model),
        v.mean(axis=0) + model.mean(axis=0),
        h_data.mean(axis=0) + h_model.mean(axis=0),
    )


def free_energy(v: Any, w: Any, b: Any, a: Any) -> np.ndarray:
    v = densify(v)
    terms = gemm_bound(v, densify(w).T, bias=a, activation="softplus")
    return np.abs(v) @ np.abs(densify(b)) + terms.sum(axis=1)


def pseudo_likelihood(v: Any, w: Any, b: Any, a: Any) -> np.ndarray:
    """Each flip changes F by a sum of differences of softplus, whose terms round on their own."""
    v, w, b, a = densify(v), densify(w), densify(b), densify(a)
    z, magnitude = v @ w.T + a, np.abs(v) @ np.abs(w).T + np.abs(a)
    out = np.zeros(len(v))
    for i in range(v.shape[1]):
        sign = 1.0 - 2.0 * v[:, i]
        flipped = z + sign[:, None] * w[:, i]
        change = -sign * b[i] - (softplus(flipped) - softplus(z)).sum(axis=1)
        terms = softplus(flipped) + softplus(z) + sigmoid(flipped) * (magnitude + np.abs(w[:, i]))
        out += sigmoid(-change) * (np.abs(b[i]) + terms.sum(axis=1)) + softplus(-change)
    return out


def softmax(z: np.ndarray) -> np.ndarray:
    """exp turns the error eps |z - max| of its argument into a relative one."""
    shifted = np.abs(densify(z) - densify(z).max(axis=1, keepdims=True, initial=-np.inf))
    p = np.exp(-shifted)
    p /= p.sum(axis=1, keepdims=True)
    spread = (p * shifted).sum(axis=1, keepdims=True)
    return p * (1.0 + shifted + spread)


def cross_entropy(z: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the loss and of dz, unweighted."""
    z = densify(z)
    shifted = z - z.max(axis=1, keepdims=True, initial=-np.inf)
    own = np.abs(np.take_along_axis(shifted, np.asarray(labels, np.int64)[:, None], axis=1))[:, 0]
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    dz = softmax(z)
    np.add.at(dz, (np.arange(len(z)), labels), 1.0)
    return own + log_sum + 1.0, dz


def lasso(x: Any, phi: Any, codes: Any, ridge: Any = 0.0) -> np.ndarray:
    """Roundings of the correlations and of the Gram matrix, through the inverse of its active part.

    An atom on the verge of joining may join in one precision and not in the other; its code is then
    of the size of such an error too, so that a signal has one bound for all its codes.
    """
    x, phi, codes = densify(x), densify(phi), densify(codes)
    gram, magnitude = phi @ phi.T + np.diag(np.zeros(len(phi)) + ridge), np.abs(phi) @ np.abs(phi).T
    sums = np.abs(x) @ np.abs(phi).T + np.abs(codes) @ magnitude
    out = np.zeros(codes.shape)
    for i, code in enumerate(codes):
        active = np.flatnonzero(code)
        if active.size:
            inverse = np.linalg.inv(gram[np.ix_(active, active)])
            out[i] = np.abs(inverse).sum(axis=1).max() * sums[i].max()
    return out


def lars_path(x: Any, phi: Any, alphas: Any, codes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the knots of one signal: where they are, and the codes there.

    A knot is where a correlation meets alpha, or a code zero: the slower they near each other along
    the stretch before, the less is certain where. A stretch is worked out from where it would meet
    alpha = 0.
    """
    x, phi, alphas, codes = densify(x)[None], densify(phi), densify(alphas), densify(codes)
    magnitude = np.abs(phi) @ np.abs(phi).T
    where, own = np.abs(alphas), np.abs(codes)
    where[0] += (np.abs(x) @ np.abs(phi).T).max(initial=0.0)
    r = (x - codes @ phi) @ phi.T
    for k in range(1, len(alphas)):
        fall = alphas[k] - alphas[k - 1]
        slope = (codes[k] - codes[k - 1]) / fall
        least_squares = (codes[k] - alphas[k] * slope)[None]
        of_codes = np.abs(least_squares) + lasso(x, phi, least_squares)
        sums = (np.abs(x) @ np.abs(phi).T + of_codes @ magnitude)[0]
        joins = (np.abs(r[k]) >= alphas[k] * (1 - 1e-7)) & (codes[k] == 0) & (codes[k - 1] == 0)
        closing = 1 - np.sign(r[k]) * (r[k] - r[k - 1]) / fall
        leaves = (codes[k] == 0) & (codes[k - 1] != 0)
        where[k] += max(
            (sums[joins] / closing[joins]).max(initial=0.0),
            (of_codes.max() / np.abs(slope[leaves])).max(initial=0.0),
        )
        own[k] += of_codes[0] + np.abs(slope) * where[k]
    return where, own


def lasso_path(x: Any, y: Any, coefs: Any, sample_weight: Any = None) -> np.ndarray:
    """Roundings of the inputs of the active system, and of the coefficients themselves.

    Sums are in float64 whatever the dtype is: in float32 what is left is the rounding of the
    result.
    """
    x, y, coefs = densify(x), densify(y), densify(coefs)
    s = np.ones(len(y)) if sample_weight is None else densify(sample_weight)
    x, y = x - s @ x / s.sum(), y - s @ y / s.sum()
    out = np.abs(coefs)
    for i, w in enumerate(coefs):
        active = np.flatnonzero(w)
        if active.size:
            gram = (s * x[:, active].T) @ x[:, active]
            sums = (s * np.abs(x[:, active]).T) @ (
                np.abs(y) + np.abs(x[:, active]) @ np.abs(w[active])
            )
            out[i, active] += np.abs(np.linalg.inv(gram)) @ sums
    return out


def dictionary_update(phi: Any, a: Any, b: Any, *, sweeps: int = 1) -> np.ndarray:
    """Roundings of b_j - a_j Phi, and what those of the atoms before bring, through 1 / a_jj.

    One bound for all elements of an atom, which share its norm.
    """
    phi, a, b = np.abs(densify(phi)), np.abs(densify(a)), np.abs(densify(b))
    error = np.zeros(phi.shape)
    largest = np.maximum(phi, 1.0)
    for _ in range(sweeps):
        for j in np.flatnonzero(np.diag(a) > 0):
            others = np.arange(len(phi)) != j
            sums = b[j] + a[j] @ largest + a[j, others] @ error[others]
            error[j] = (1.0 + sums / a[j, j]).max(initial=0.0)
    return error
