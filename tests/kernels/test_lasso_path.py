"""lasso_path against the oracle, the optimality conditions and the duality gap in float64."""

import signal
import subprocess
import time
import warnings

import numpy as np
import pytest
import scipy.sparse
from core_under_test import program
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso

from layerwise.reference import lasso_path as ref

from . import bounds, harness

SHAPES = [(1, 1), (2, 3), (5, 1), (7, 9), (9, 17), (16, 8), (33, 40), (64, 31), (15, 65)]
# Gaps that rounding leaves of codes of order 1: sums are in float64, results are rounded.
ROUNDING = {np.float32: 3e-6, np.float64: 1e-13}
EXACT = {np.float32: 1e-9, np.float64: 1e-13}


def _problem(rng, n, p, dtype, active=5):
    """Correlated columns with means, and a target made of a few of them."""
    x = rng.standard_normal((n, p)) + 0.5 * rng.standard_normal((n, 1)) + rng.uniform(-2, 2, p)
    w = rng.standard_normal(p) * (np.arange(p) < active)
    y = x @ w + 0.3 * rng.standard_normal(n) + 1.5
    return x.astype(dtype), y.astype(dtype)


def _largest(x, y, intercept=True):
    x, y = x.astype(np.float64), y.astype(np.float64)
    if intercept:
        x, y = x - x.mean(axis=0), y - y.mean()
    return float(np.abs(x.T @ y).max()) / len(y)


def _quiet(function, *args, **options):
    """The call, without the warning that a tolerance of 0 cannot be reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return function(*args, **options)


def _options(rng, kind, n, p, dtype):
    return {
        "plain": {},
        "no intercept": {"fit_intercept": False},
        "positive": {"positive": True},
        "ridge": {"l1_ratio": 0.7},
        "weights": {
            "weights": rng.uniform(0.5, 2.0, p).astype(dtype),
            "sample_weight": rng.integers(0, 4, n).astype(dtype),
        },
        "all": {
            "weights": rng.uniform(0.5, 2.0, p).astype(dtype),
            "sample_weight": rng.uniform(0.5, 2.0, n).astype(dtype),
            "l1_ratio": 0.8,
            "positive": True,
        },
    }[kind]


KINDS = ["plain", "no intercept", "positive", "ridge", "weights", "all"]


def test_coefs_equal_the_oracle_at_awkward_sizes(native, dtype, rng):
    for n, p in SHAPES * 5:
        x, y = _problem(rng, n, p, dtype)
        alphas = _largest(x, y) * np.array([1.1, 0.6, 0.3])
        found = _quiet(native.lasso_path, x, y, alphas, tol=1e-14, max_iter=200)
        expected = ref.lasso_path(x, y, alphas, tol=1e-15, max_iter=2000)
        assert expected.gap.max() <= 1e-13
        harness.check(
            "lasso_path",
            found.coefs,
            _polished(x, y, expected.coefs, alphas),
            bounds.lasso_path(x, y, expected.coefs),
            dtype=dtype,
            case=(n, p),
        )


def _polished(x, y, coefs, alphas):
    """The oracle's coefficients, with the signed system of the active ones solved once more."""
    x, y, coefs = x.astype(np.float64), y.astype(np.float64), coefs.copy()
    x, y = x - x.mean(axis=0), y - y.mean()
    for w, alpha in zip(coefs, alphas, strict=True):
        active = np.flatnonzero(w)
        own = x[:, active]
        w[active] = np.linalg.solve(own.T @ own, own.T @ y - len(y) * alpha * np.sign(w[active]))
    return coefs


@pytest.mark.parametrize("kind", KINDS)
def test_every_solution_reaches_its_gap(backend, dtype, kind, rng):
    for n, p in [(30, 12), (25, 60), (7, 9)]:
        x, y = _problem(rng, n, p, dtype)
        alphas = _largest(x, y) * np.array([0.5, 0.1, 0.02])
        options = _options(rng, kind, n, p, dtype)
        coefs, intercepts, gap, _ = backend.lasso_path(
            x, y, alphas, tol=1e-7, max_iter=20_000, **options
        )
        assert gap.max() <= 1e-7
        true = ref.lasso_path_gap(x, y, coefs, alphas, **options)
        assert true.max() <= 1e-7 + ROUNDING[dtype]
        if options.get("positive"):
            assert coefs.min() >= 0.0
        s = options.get("sample_weight", np.ones(n, dtype)).astype(np.float64)
        left = y.astype(np.float64) - coefs.astype(np.float64) @ x.T.astype(np.float64)
        if options.get("fit_intercept", True):
            np.testing.assert_allclose(intercepts, left @ s / s.sum(), rtol=1e-4, atol=1e-5)
        else:
            assert not intercepts.any()


def test_solutions_satisfy_the_optimality_conditions(backend, dtype, rng):
    x, y = _problem(rng, 40, 90, dtype)
    alpha = 0.05 * _largest(x, y)
    w = _quiet(backend.lasso_path, x, y, [alpha], tol=0.0, max_iter=3000).coefs[0]
    x, y, w = x - x.mean(axis=0, dtype=np.float64), y.astype(np.float64), w.astype(np.float64)
    left = x.T @ (y - y.mean() - x @ w) / len(y)
    slack = 100 * np.finfo(dtype).eps * np.abs(x).max() * np.abs(y).max()
    assert np.abs(left).max() <= alpha + slack
    assert np.abs(left - alpha * np.sign(w))[w != 0].max() <= slack
    assert np.count_nonzero(w) > 5


@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_coefs_agree_with_scikit_learn(backend, l1_ratio, positive, weighted, rng):
    x, y = _problem(rng, 50, 80, np.float64)
    alpha = 0.1 * _largest(x, y)
    weight = rng.uniform(0.2, 3.0, 50) if weighted else None
    options = {"positive": positive, "tol": 1e-14, "max_iter": 100_000}
    if l1_ratio == 1.0:
        peer = Lasso(alpha, **options)
    else:
        peer = ElasticNet(alpha, l1_ratio=l1_ratio, **options)
    peer.fit(x, y, sample_weight=weight)
    found = _quiet(
        backend.lasso_path, x, y, [alpha], l1_ratio=l1_ratio, sample_weight=weight,
        positive=positive, tol=1e-14, max_iter=10_000,
    )  # fmt: skip
    np.testing.assert_allclose(found.coefs[0], peer.coef_, atol=1e-6)
    np.testing.assert_allclose(found.intercepts[0], peer.intercept_, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_designs_give_the_solutions_of_dense_ones(backend, dtype, kind, rng):
    n, p = 60, 140
    x, y = _problem(rng, n, p, dtype)
    x = x * harness.binary(rng, (n, p), dtype, 0.15)
    x[:, 3] = 0.0
    alphas = _largest(x, y) * np.array([0.5, 0.1])
    options = _options(rng, kind, n, p, dtype) | {"tol": EXACT[dtype], "max_iter": 5000}
    dense = backend.lasso_path(x, y, alphas, **options)
    for convert in (scipy.sparse.csc_array, scipy.sparse.csc_matrix):
        sparse = backend.lasso_path(convert(x), y, alphas, **options)
        np.testing.assert_allclose(sparse.coefs, dense.coefs, rtol=2e-3, atol=2e-4)
        assert sparse.gap.max() <= EXACT[dtype]


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_arrays_may_have_any_strides(native, dtype, layout, rng):
    x, y = _problem(rng, 33, 70, dtype)
    alphas = [0.1 * _largest(x, y)]
    plain = native.lasso_path(np.asfortranarray(x), y, alphas, tol=1e-6)
    columns = harness.lay_out(np.stack([y, y]).T, layout)
    got = native.lasso_path(harness.lay_out(x, layout), columns[:, 1], alphas, tol=1e-6)
    assert all(harness.same_bits(a, b) for a, b in zip(got, plain, strict=True))


def test_sample_weights_are_repeated_rows(native, dtype, rng):
    x, y = _problem(rng, 30, 40, dtype)
    counts = rng.integers(0, 4, 30)
    alphas = [0.1 * _largest(x, y)]
    options = {"tol": EXACT[dtype]}
    weighted = native.lasso_path(x, y, alphas, sample_weight=counts.astype(dtype), **options)
    repeated = native.lasso_path(np.repeat(x, counts, 0), np.repeat(y, counts), alphas, **options)
    np.testing.assert_allclose(weighted.coefs, repeated.coefs, atol=1e-4)
    np.testing.assert_allclose(weighted.intercepts, repeated.intercepts, atol=1e-3)


def test_weights_are_scales_of_columns(native, rng):
    x, y = _problem(rng, 30, 50, np.float64)
    weights, alphas = rng.uniform(0.5, 2.0, 50), [0.1 * _largest(x, y)]
    weighted = native.lasso_path(x, y, alphas, weights=weights, tol=1e-14)
    scaled = native.lasso_path(x / weights, y, alphas, tol=1e-14)
    np.testing.assert_allclose(weighted.coefs * weights, scaled.coefs, atol=1e-7)


def test_infinite_weights_bar_features(backend, dtype, rng):
    x, y = _problem(rng, 30, 40, dtype)
    weights = np.ones(40, dtype)
    weights[::3] = np.inf
    kept, alphas = np.isfinite(weights), [0.05 * _largest(x, y)]
    got = backend.lasso_path(
        x, y, alphas, weights=weights, start=np.ones(40, dtype), tol=1e-7, max_iter=9000
    )
    assert not got.coefs[:, ~kept].any()
    true = ref.lasso_path_gap(x[:, kept], y, got.coefs[:, kept], alphas)
    assert true.max() <= 1e-7 + ROUNDING[dtype]


def test_starts_lead_to_one_solution(native, dtype, rng):
    x, y = _problem(rng, 40, 100, dtype)
    alphas = [0.05 * _largest(x, y)]
    whole = native.lasso_path(x, y, alphas, tol=EXACT[dtype])
    for start in (whole.coefs[0], -whole.coefs[0], harness.real(rng, (100,), dtype)):
        got = native.lasso_path(x, y, alphas, start=start, tol=EXACT[dtype], max_iter=5000)
        assert got.gap.max() <= EXACT[dtype]
        np.testing.assert_allclose(got.coefs, whole.coefs, atol=2e-3)
    again = native.lasso_path(x, y, alphas, start=whole.coefs[0], tol=1e-6)
    assert again.n_iter[0] <= 1


def test_a_path_is_its_solutions_one_by_one(native, dtype, rng):
    x, y = _problem(rng, 40, 120, dtype)
    alphas = _largest(x, y) * np.geomspace(1.0, 0.01, 12)
    path = native.lasso_path(x, y, alphas, tol=EXACT[dtype])
    for i, alpha in enumerate(alphas):
        alone = native.lasso_path(x, y, [alpha], tol=EXACT[dtype])
        np.testing.assert_allclose(path.coefs[i], alone.coefs[0], atol=2e-3)
    shuffled = rng.permutation(12)
    other = native.lasso_path(x, y, alphas[shuffled], tol=EXACT[dtype])
    np.testing.assert_allclose(other.coefs, path.coefs[shuffled], atol=2e-3)


def test_coefs_are_zero_from_the_largest_alpha_on(backend, dtype, rng):
    x, y = _problem(rng, 20, 30, dtype)
    largest = _largest(x, y)
    coefs, intercepts, gap, n_iter = backend.lasso_path(x, y, [2 * largest, largest * (1 + 1e-5)])
    assert not coefs.any()
    assert not n_iter.any()
    assert gap.max() <= 1e-15
    np.testing.assert_allclose(intercepts, y.mean(), rtol=1e-5)
    assert backend.lasso_path(x, y, [0.99 * largest], tol=1e-7).coefs.any()


@pytest.mark.parametrize("encode", [np.asarray, scipy.sparse.csc_array])
def test_zero_constant_and_repeated_columns_are_handled(backend, dtype, encode, rng):
    x, y = _problem(rng, 30, 40, dtype)
    x[:, 2], x[:, 5], x[:, 7] = 0.0, 3.25, x[:, 0]
    x[:, 9] = -x[:, 1]
    x[:, 11] = x[:, 0] + x[:, 1]
    alphas = [0.02 * _largest(x, y), 1e-4 * _largest(x, y)]
    start = np.ones(40, dtype)
    for options in ({}, {"start": start}, {"positive": True}):
        coefs, _, gap, _ = backend.lasso_path(
            encode(x), y, alphas, tol=1e-6, max_iter=50_000, **options
        )
        assert not coefs[:, [2, 5]].any()
        true = ref.lasso_path_gap(x, y, coefs, alphas, positive=options.get("positive", False))
        assert max(gap.max(), true.max()) <= 1e-6 + ROUNDING[dtype]


def test_a_constant_target_has_zero_coefs(backend, dtype, rng):
    x, _ = _problem(rng, 9, 5, dtype)
    coefs, intercepts, gap, _ = backend.lasso_path(x, np.full(9, 2.5, dtype), [0.1, 0.01])
    assert not coefs.any()
    assert not gap.any()
    np.testing.assert_array_equal(intercepts, 2.5)


@pytest.mark.parametrize("shape", [(60, 12), (12, 40)])
def test_alpha_zero_is_least_squares(backend, dtype, shape, rng):
    x, y = _problem(rng, *shape, dtype)
    with pytest.warns(UserWarning, match="lasso_path: alphas .*least squares"):
        coefs, _, gap, _ = backend.lasso_path(x, y, [0.0], tol=1e-6, max_iter=50_000)
    assert gap.max() <= 1e-6
    x, y = x - x.mean(axis=0, dtype=np.float64), y - y.mean(dtype=np.float64)
    best = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    left = y - x @ coefs[0]
    assert np.linalg.norm(left) ** 2 - np.linalg.norm(best) ** 2 <= 1e-3 * (y @ y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encode", [np.asfortranarray, scipy.sparse.csc_array])
def test_sets_beyond_the_capacity_are_solved_on_the_residual(native, dtype, kind, encode, rng):
    """More features at the start than a Gram matrix is kept for."""
    n, p = 40, 4200
    x, y = _problem(rng, n, p, dtype)
    alphas, options = [0.3 * _largest(x, y)], _options(rng, kind, n, p, dtype)
    start = np.full(p, 1e-3, dtype)
    few = _quiet(native.lasso_path, encode(x), y, alphas, start=start, max_iter=2, **options)
    assert few.n_iter[0] == 2
    true = ref.lasso_path_gap(x, y, few.coefs, alphas, **options)
    assert np.abs(true - few.gap).max() <= 1e-3 * true.max() + ROUNDING[dtype]
    coefs, _, gap, _ = native.lasso_path(
        encode(x), y, alphas, start=start, tol=1e-7, max_iter=5000, **options
    )
    true = ref.lasso_path_gap(x, y, coefs, alphas, **options)
    assert max(gap.max(), true.max()) <= 1e-7 + ROUNDING[dtype]


def test_ties_between_features_do_not_stop_the_search(native, dtype):
    """Three hundred features that violate the conditions by the same amount."""
    x = np.eye(300, dtype=dtype)
    found = native.lasso_path(x, np.ones(300, dtype), [0.5 / 300], fit_intercept=False, tol=1e-9)
    np.testing.assert_allclose(found.coefs, 0.5, rtol=1e-6)


def test_float32_columns_are_summed_in_float64(native, rng):
    """The gap of single precision data is as small as that of doubles."""
    x, y = _problem(rng, 50, 100, np.float32)
    alphas = [0.05 * _largest(x, y)]
    single = native.lasso_path(x, y, alphas, tol=1e-13)
    double = native.lasso_path(x.astype(np.float64), y.astype(np.float64), alphas, tol=1e-13)
    assert harness.same_bits(single.coefs, double.coefs.astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(backend, dtype, bad, rng):
    x, y = _problem(rng, 8, 6, dtype)
    start = np.zeros(6, dtype)
    for name, spoilt in {"x": x, "y": y, "start": start}.items():
        arrays = {"x": x, "y": y, "start": start} | {name: spoilt.copy()}
        arrays[name].flat[3] = bad
        with pytest.raises(ValueError, match=r"^lasso_path: x, y and start must be finite"):
            backend.lasso_path(arrays["x"], arrays["y"], [0.1], start=arrays["start"])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"alphas": [-0.1]}, ValueError, "alphas"),
        ({"alphas": [np.nan]}, ValueError, "alphas"),
        ({"alphas": 0.1}, ValueError, "alphas"),
        ({"alphas": "ab"}, TypeError, "alphas"),
        ({"l1_ratio": 1.5}, ValueError, "l1_ratio"),
        ({"l1_ratio": "1"}, TypeError, "l1_ratio"),
        ({"tol": -1e-9}, ValueError, "tol"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"max_iter": 1.5}, TypeError, "max_iter"),
        ({"weights": np.zeros(7)}, ValueError, "weights"),
        ({"weights": np.ones(6)}, ValueError, "shape"),
        ({"sample_weight": -np.ones(5)}, ValueError, "sample_weight"),
        ({"sample_weight": np.ones(7)}, ValueError, "shape"),
        ({"start": np.zeros((1, 7))}, ValueError, "shape"),
    ],
)
def test_bad_options_are_refused(backend, options, error, match, rng):
    x, y = _problem(rng, 5, 7, np.float64)
    with pytest.raises(error, match=rf"^lasso_path: .*{match}"):
        backend.lasso_path(x, y, **({"alphas": [0.1]} | options))


def test_sparse_formats_that_have_no_columns_are_refused(backend, rng):
    x, y = _problem(rng, 5, 7, np.float64)
    with pytest.raises(TypeError, match=r"^lasso_path: x must be in CSC format; got csr .*tocsc"):
        backend.lasso_path(scipy.sparse.csr_array(x), y, [0.1])
    with pytest.raises(TypeError, match=r"^lasso_path: x must be"):
        backend.lasso_path(harness.encode((x > 0).astype(float), "bits"), y, [0.1])


def test_solutions_that_are_not_done_are_counted(backend, dtype, rng):
    x, y = _problem(rng, 40, 30, dtype)
    alphas = _largest(x, y) * np.array([2.0, 0.01, 0.005])
    with pytest.warns(ConvergenceWarning, match="^lasso_path: 2 of 3 .* worst gap is") as seen:
        coefs, _, gap, n_iter = backend.lasso_path(x, y, alphas, max_iter=1, tol=1e-12)
    assert f"{gap.max():.3g}" in str(seen[0].message)
    assert n_iter.max() == 1
    true = ref.lasso_path_gap(x, y, coefs, alphas)
    assert np.abs(true - gap).max() <= 1e-4 * max(1.0, gap.max())


def test_an_interrupt_ends_a_call(native):
    if native.name != "native":
        pytest.skip("about the polling of the CPU kernels")
    code = """
        import signal, sys
        import numpy as np
        from layerwise.ops import lasso_path
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells may have it ignored
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((4000, 3000)), rng.standard_normal(4000)
        print("ready", flush=True)
        for _ in range(1000):
            lasso_path(x, y, np.geomspace(1e-2, 1e-6, 100), tol=1e-15, max_iter=10**6)
    """
    process = subprocess.Popen(
        program(code), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in error
