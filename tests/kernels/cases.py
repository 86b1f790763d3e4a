"""One call of every op, for the tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from layerwise import ops

from . import harness

OPS = sorted(set(harness.K) - {"gemm_gaussian"})

IN_PLACE = {  # arguments overwritten
    "dense_dw_update": range(2, 4),
    "dictionary_statistics": range(2, 4),
    "dictionary_update": range(1),
    "gibbs_cd_update": range(1, 7),
    "sgd_momentum": range(2),
}

ENCODED = {  # arguments that may be bit-packed or CSR
    "dense": (0,),
    "dense_dw": (1,),
    "dense_dw_update": (1,),
    "dictionary_statistics": (0, 1),
    "gemm": (0, 1),
    "gibbs_cd": (0,),
    "gibbs_cd_update": (0,),
    "gibbs_free_energy": (0,),
    "gibbs_hidden": (0,),
    "gibbs_pseudo_likelihood": (0,),
    "gibbs_visible": (0,),
    "lars": (0,),
    "lars_path": (0,),
    "lasso": (0,),
    "omp": (0,),
}


def arguments(
    op: str, rng: np.random.Generator, dtype: Any, n: int, d: int, f: int
) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Arrays and options of one call: n rows, d inputs or visibles, f outputs or hiddens."""
    v = harness.binary(rng, (n, d), dtype)
    h = harness.binary(rng, (n, f), dtype)
    rbm = harness.tiny_rbm(rng, f, d, dtype)
    z, dz = harness.real(rng, (n, f), dtype), harness.real(rng, (n, f), dtype)
    x = harness.real(rng, (n, d), dtype)
    codes = z * harness.binary(rng, (n, f), dtype)
    a = (codes.T @ codes + np.eye(f)).astype(dtype)
    stream = harness.stream()
    sampled = {"returns": "both", "rng": stream}
    rounded = dtype == np.float32 and rng.random() < 0.5
    chain = {"k": 2, "rng": stream, "precision": "bfloat16" if rounded else "full"}
    return {
        "gemm": ([x, rbm.w.T], {"noise": "bernoulli", "activation": "sigmoid", **sampled}),
        "gibbs_hidden": ([v, rbm.w, rbm.a], sampled),
        "gibbs_visible": ([h, rbm.w, rbm.b], sampled),
        "gibbs_cd": ([v, rbm.w, rbm.b, rbm.a], chain),
        "gibbs_cd_update": (
            [v, rbm.w, rbm.b, rbm.a, rbm.w[::-1].copy(), rbm.b[::-1].copy(), rbm.a[::-1].copy()],
            {**chain, "rate": 0.1, "momentum": 0.9, "weight_decay": 0.01},
        ),
        "gibbs_free_energy": ([v, rbm.w, rbm.b, rbm.a], {}),
        "gibbs_pseudo_likelihood": ([v, rbm.w, rbm.b, rbm.a], {}),
        "dense": ([x, rbm.w, rbm.a], {"activation": "tanh"}),
        "dense_dx": ([dz, rbm.w], {"x": v, "activation": "relu"}),
        "dense_dw": ([dz, x], {"alpha": -0.5}),
        "dense_dw_update": (
            [dz, x, rbm.w, rbm.w[::-1].copy()],
            {"alpha": -0.5, "rate": 0.1, "momentum": 0.9, "weight_decay": 0.01},
        ),
        "dense_db": ([dz], {"alpha": -0.5}),
        "activation_dx": ([dz, h], {"activation": "tanh"}),
        "softmax": ([z], {}),
        "softmax_cross_entropy": ([z, rng.integers(0, f, n)], {}),
        "dictionary_statistics": ([codes, x, a, rbm.w], {"keep": 0.5}),
        "dictionary_update": ([rbm.w, a, codes.T @ x], {}),
        "dropout": ([x], {"rate": 0.3, "rng": stream}),
        "dropout_dx": ([x], {"rate": 0.3, "rng": stream}),
        "lars": ([x, rbm.w], {"alpha": 0.6}),
        "lars_path": ([x, rbm.w], {"alpha": 0.6, "max_iter": 400}),
        "lasso": ([x, rbm.w], {"alpha": 0.6}),
        "lasso_path": ([x, x[:, :1].sum(axis=1)], {"alphas": [0.3, 0.1]}),
        "omp": ([x, rbm.w], {"max_active": 4}),
        "sgd_momentum": (
            [rbm.w, rbm.w[::-1].copy(), rbm.w[:, ::-1].copy()],
            {"rate": 0.1, "momentum": 0.9, "weight_decay": 0.01},
        ),
    }[op]


def call(backend: Any, op: str, arrays: list[Any], options: dict[str, Any]) -> list[np.ndarray]:
    """The results of a call as a list of arrays; what is updated in place works on copies."""
    own = IN_PLACE.get(op, ())
    arrays = [x.copy() if i in own else x for i, x in enumerate(arrays)]
    return results(backend, op, arrays, options)


def results(backend: Any, op: str, arrays: list[Any], options: dict[str, Any]) -> list[np.ndarray]:
    """The same, but what is updated in place are the arrays themselves."""
    result = getattr(backend, op)(*arrays, **options)
    if op in IN_PLACE:
        return [arrays[i] for i in IN_PLACE[op]]
    return [_plain(part) for part in (result if isinstance(result, tuple) else (result,))]


def _plain(part: Any) -> np.ndarray:
    if isinstance(part, ops.BitMatrix):
        return part.words
    return part.toarray() if scipy.sparse.issparse(part) else part


def runner(op: str, rng: np.random.Generator, dtype: Any, n: int, d: int, f: int) -> Callable:
    """A function of backend and further options that makes the same call each time."""
    arrays, options = arguments(op, rng, dtype, n, d, f)
    return lambda backend, **more: call(backend, op, arrays, options | more)
