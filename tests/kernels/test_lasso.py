"""lasso against the oracle and against the law it obeys: the duality gap, in float64."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso

from layerwise.ops import _codes as codes_module
from layerwise.reference import lasso as ref

from . import bounds, harness
from .lasso_problems import ROUNDING, sparse_signals

# Signals, features, atoms.
SHAPES = harness.shapes(3, others=(5, 11, 19))
FEW_SHAPES = [(1, 1, 1), (3, 5, 4), (9, 16, 33), (67, 20, 70), (5, 64, 130), (4, 150, 120)]
METHODS = ["active_set", "coordinate_descent"]


def _largest_alpha(x, phi):
    return float(np.abs(x.astype(np.float64) @ phi.T.astype(np.float64)).max(initial=0.0))


def _quiet(function, *args, **options):
    """The call, without the warning that rounding stops it short of a tolerance of 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return function(*args, **options)


def _exact(x, phi, alpha, positive=False):
    """The oracle's codes, with the signed system of its active atoms solved once more."""
    codes = ref.lasso(x, phi, alpha, positive=positive, tol=1e-13, max_iter=3000).codes
    x, phi = x.astype(np.float64), phi.astype(np.float64)
    for signal, code in zip(x, codes, strict=True):
        active = np.flatnonzero(code)
        atoms = phi[active]
        code[active] = np.linalg.solve(
            atoms @ atoms.T, atoms @ signal - alpha * np.sign(code[active])
        )
    return codes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("positive", [False, True])
def test_codes_equal_the_oracle_at_awkward_sizes(native, dtype, method, positive, rng):
    for n, d, k in SHAPES:
        x, phi = sparse_signals(rng, (min(n, 33), d, k), dtype)
        alpha = 0.3 * _largest_alpha(x, phi)
        if alpha == 0.0:
            continue
        got = _quiet(
            native.lasso, x, phi, alpha, positive=positive, tol=0.0, method=method, max_iter=3000
        ).codes
        expected = _exact(x, phi, alpha, positive)
        limit = bounds.lasso(x, phi, expected)
        harness.check("lasso", got, expected, limit, dtype=dtype, case=(n, d, k))


@pytest.mark.parametrize("shape", [(0, 5, 4), (3, 0, 4), (3, 5, 0), (0, 0, 0)])
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_nothing_to_code_gives_zero_codes(backend, dtype, shape, form):
    n, d, k = shape
    codes, gap = backend.lasso(np.ones((n, d), dtype), np.ones((k, d), dtype), 0.5, format=form)
    assert codes.shape == (n, k)
    assert gap.shape == (n,)
    assert not np.asarray(codes.sum()).any()
    assert not gap.any()


def _options(rng, kind, n, k, dtype):
    """Weights, ridges and signs of one kind of problem."""
    weights = rng.uniform(0.3, 3.0, (n, k)).astype(dtype)
    ridge = (rng.uniform(0.0, 0.3, k) * (rng.random(k) < 0.7)).astype(dtype)
    return {
        "plain": {},
        "positive": {"positive": True},
        "weights": {"weights": weights},
        "shared weights": {"weights": weights[0]},
        "ridge": {"ridge": ridge},
        "all": {"weights": weights, "ridge": np.stack([ridge] * n), "positive": True},
    }[kind]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["plain", "positive", "weights", "shared weights", "ridge", "all"])
def test_every_gap_is_true_and_within_the_tolerance(backend, dtype, kind, method, rng):
    """The law: what the call reports is the gap of its codes, worked out in float64."""
    tol = 1e-4
    for shape in FEW_SHAPES:
        x, phi = sparse_signals(rng, shape, dtype)
        alpha = 0.05 * _largest_alpha(x, phi)
        options = _options(rng, kind, shape[0], shape[2], dtype)
        codes, gap = backend.lasso(x, phi, alpha, method=method, tol=tol, max_iter=5000, **options)
        true = ref.lasso_gap(x, phi, codes, float(dtype(alpha)), **options)
        assert true.max() <= tol + ROUNDING[dtype]
        assert np.abs(true - gap).max() <= ROUNDING[dtype]
        assert codes.any() or shape == (1, 1, 1)
        if options.get("positive"):
            assert codes.min() >= 0.0


@pytest.mark.parametrize("method", METHODS)
def test_solutions_satisfy_the_optimality_conditions(backend, dtype, method, rng):
    x, phi = sparse_signals(rng, (40, 30, 60), dtype)
    alpha = 0.1 * _largest_alpha(x, phi)
    codes = _quiet(backend.lasso, x, phi, alpha, method=method, tol=0.0, max_iter=3000).codes
    x, phi, codes = (values.astype(np.float64) for values in (x, phi, codes))
    left = (x - codes @ phi) @ phi.T
    slack = 100 * np.finfo(dtype).eps * np.abs(x).sum()
    assert np.abs(left).max() <= alpha + slack
    assert np.abs(left - alpha * np.sign(codes))[codes != 0].max() <= slack


@pytest.mark.parametrize("ridge", [0.0, 0.2])
@pytest.mark.parametrize("positive", [False, True])
def test_codes_agree_with_scikit_learn(backend, positive, ridge, rng):
    x, phi = sparse_signals(rng, (20, 25, 40), np.float64)
    d, alpha = 25, 0.1 * _largest_alpha(x, phi)
    penalty = {"fit_intercept": False, "positive": positive, "tol": 1e-12, "max_iter": 100_000}
    if ridge:
        mix = alpha / (alpha + ridge)
        peer = ElasticNet(alpha=(alpha + ridge) / d, l1_ratio=mix, **penalty)
    else:
        peer = Lasso(alpha=alpha / d, **penalty)
    expected = peer.fit(phi.T, x.T).coef_
    got = backend.lasso(
        x, phi, alpha, ridge=np.full(40, ridge), positive=positive, tol=1e-12, max_iter=5000
    ).codes
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_methods_and_starts_lead_to_one_solution(native, dtype, rng):
    x, phi = sparse_signals(rng, (40, 30, 90), dtype)
    alpha, tol = 0.1 * _largest_alpha(x, phi), 20 * ROUNDING[dtype]
    whole = native.lasso(x, phi, alpha, tol=tol, max_iter=20_000)
    starts = {
        "solution": whole.codes,
        "other": np.roll(whole.codes, 1, axis=0),
        "signs": -whole.codes,
        "dense": harness.real(rng, whole.codes.shape, dtype),
        "sparse": scipy.sparse.csr_array(np.roll(whole.codes, 1, axis=1)),
        "bits": harness.encode((whole.codes != 0).astype(dtype), "bits"),
    }
    scale = np.sqrt((x.astype(np.float64) ** 2).sum(axis=1))
    for method in ["auto", *METHODS]:
        for name, start in starts.items():
            codes, gap = native.lasso(
                x, phi, alpha, start=start, method=method, tol=tol, max_iter=20_000
            )
            assert gap.max() <= tol, (method, name)
            # The objective is strongly convex on the active atoms alone: a loose bound.
            distance = np.abs(codes - whole.codes).max(axis=1) / scale
            assert distance.max() <= 30 * np.sqrt(tol), (method, name)


def test_a_solution_is_kept_as_a_start(native, dtype, rng):
    """What is done already is given back, bit for bit, by either method."""
    x, phi = sparse_signals(rng, (30, 20, 40), dtype)
    alpha = 0.1 * _largest_alpha(x, phi)
    codes, gap = native.lasso(x, phi, alpha, tol=1e-4)
    for method in METHODS:
        again = native.lasso(x, phi, alpha, tol=2e-4, start=codes, method=method)
        assert harness.same_bits(again.codes, codes)
        assert np.abs(again.gap - gap).max() <= ROUNDING[dtype]


@pytest.mark.parametrize("positive", [False, True])
def test_csr_codes_are_the_dense_ones(native, dtype, positive, rng, monkeypatch):
    for slab in (2**28, 64 * 8 * 70):  # one slab for all, one for each 64 rows
        monkeypatch.setattr(codes_module, "SLAB_BYTES", slab)
        for shape in [*FEW_SHAPES, (200, 20, 70)]:
            x, phi = sparse_signals(rng, shape, dtype)
            n, _, k = shape
            options = {
                "weights": rng.uniform(0.5, 2.0, (n, k)).astype(dtype),
                "positive": positive,
                "start": np.roll(x, 1)[:, :1] * np.eye(1, k, dtype=dtype),
            }
            alpha = 0.1 * _largest_alpha(x, phi)
            dense = native.lasso(x, phi, alpha, **options)
            sparse = native.lasso(x, phi, alpha, format="csr", **options)
            assert isinstance(sparse.codes, scipy.sparse.csr_array)
            assert sparse.codes.has_canonical_format
            assert sparse.codes.nnz == np.count_nonzero(dense.codes)
            assert harness.same_bits(sparse.codes.toarray(), dense.codes)
            assert harness.same_bits(sparse.gap, dense.gap)


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_arrays_may_have_any_strides(native, dtype, layout, rng):
    x, phi = sparse_signals(rng, (21, 19, 35), dtype)
    alpha = 0.1 * _largest_alpha(x, phi)
    weights = rng.uniform(0.5, 2.0, (21, 35)).astype(dtype)
    start = harness.real(rng, (21, 35), dtype)
    plain = native.lasso(x, phi, alpha, weights=weights, ridge=weights, start=start)
    x, phi, weights, start = (harness.lay_out(v, layout) for v in (x, phi, weights, start))
    got = native.lasso(x, phi, alpha, weights=weights, ridge=weights, start=start)
    assert all(harness.same_bits(a, b) for a, b in zip(got, plain, strict=True))


@pytest.mark.parametrize("density", [0.03, 0.3, 1.0])
def test_every_encoding_of_the_signals_gives_the_same_bits(native, dtype, density, rng):
    for n, d, k in [(3, 7, 5), (70, 100, 40), (9, 65, 130)]:
        x = harness.binary(rng, (n, d), dtype, density)
        phi = sparse_signals(rng, (1, d, k), dtype)[1]
        dense = native.lasso(x, phi, 0.3)
        for encoding in ("bits", "csr"):
            got = native.lasso(harness.encode(x, encoding), phi, 0.3)
            assert all(harness.same_bits(a, b) for a, b in zip(got, dense, strict=True))


@pytest.mark.parametrize("kind", ["plain", "all"])
@pytest.mark.parametrize("method", METHODS)
def test_a_signal_does_not_depend_on_its_batch(native, dtype, kind, method, rng):
    shape = (150, 30, 50)
    x, phi = sparse_signals(rng, shape, dtype)
    alpha, options = 0.1 * _largest_alpha(x, phi), _options(rng, kind, 150, 50, dtype)
    whole = native.lasso(x, phi, alpha, method=method, num_threads=2, **options)
    for start, stop in [(0, 1), (1, 66), (66, 67), (67, 150)]:
        rows = {
            name: value[start:stop] if np.ndim(value) == 2 else value
            for name, value in options.items()
        }
        part = native.lasso(x[start:stop], phi, alpha, method=method, num_threads=1, **rows)
        assert harness.same_bits(part.codes, whole.codes[start:stop])
        assert harness.same_bits(part.gap, whole.gap[start:stop])


def test_codes_are_zero_from_the_largest_alpha_on(backend, dtype, rng):
    x, phi = sparse_signals(rng, (9, 12, 20), dtype)
    largest = np.abs(x @ phi.T).max(axis=1)
    for i, alpha in enumerate(largest):
        codes, gap = backend.lasso(x[i : i + 1], phi, float(alpha) * (1 + 1e-5))
        assert not codes.any()
        assert gap[0] == 0.0
        assert backend.lasso(x[i : i + 1], phi, float(alpha) * 0.99, tol=1e-6).codes.any()


def test_zero_signals_and_zero_atoms_have_zero_codes(backend, dtype, rng):
    x, phi = sparse_signals(rng, (12, 15, 20), dtype)
    x[3], phi[[0, 7]] = 0.0, 0.0
    start = harness.real(rng, (12, 20), dtype)
    for method in METHODS:
        for options in ({}, {"start": start}):
            codes, gap = backend.lasso(x, phi, 0.05, method=method, max_iter=5000, **options)
            assert not codes[3].any()
            assert not codes[:, [0, 7]].any()
            assert gap[3] == 0.0
            assert gap.max() <= 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("positive", [False, True])
def test_dependent_atoms_are_handled(native, dtype, method, positive, rng):
    """Every atom twice, once negated, some as sums of others: a Gram matrix of low rank."""
    x, half = sparse_signals(rng, (30, 10, 25), dtype)
    phi = np.concatenate([half, half, -half[:5], half[:10] + half[10:20]])
    alpha = 0.02 * _largest_alpha(x, phi)
    start = harness.real(rng, (30, len(phi)), dtype) * harness.binary(
        rng, (30, len(phi)), dtype, 0.2
    )
    for options in ({}, {"start": start}):
        codes, gap = native.lasso(
            x, phi, alpha, method=method, positive=positive, max_iter=100_000, **options
        )
        assert gap.max() <= 1e-4
        true = ref.lasso_gap(x, phi, codes, float(dtype(alpha)), positive=positive)
        assert true.max() <= 1e-4 + ROUNDING[dtype]


def test_active_sets_beyond_the_capacity_are_carried_on(native, dtype, rng):
    x = harness.real(rng, (3, 600), dtype)
    phi = np.eye(600, dtype=dtype) + harness.real(rng, (600, 600), dtype, 0.005)
    codes, gap = native.lasso(x, phi, 0.05)
    assert np.count_nonzero(codes, axis=1).min() > 500
    assert gap.max() <= 1e-4
    assert ref.lasso_gap(x, phi, codes, float(dtype(0.05))).max() <= 1e-4 + ROUNDING[dtype]


@pytest.mark.parametrize("method", METHODS)
def test_scales_of_signals_and_atoms_do_not_matter(native, dtype, method, rng):
    """Powers of two rescale every number of the computation exactly."""
    x, phi = sparse_signals(rng, (20, 15, 30), dtype)
    alpha = 0.1 * _largest_alpha(x, phi)
    codes, gap = native.lasso(x, phi, alpha, method=method)
    for a, b in [(2.0**20, 1.0), (2.0**-20, 1.0), (1.0, 2.0**12), (2.0**10, 2.0**-15)]:
        scaled = native.lasso(
            x * dtype(a), phi * dtype(b), float(dtype(alpha)) * a * b, method=method
        )
        assert harness.same_bits(scaled.codes * dtype(b / a), codes)
        assert harness.same_bits(scaled.gap, gap)


@pytest.mark.parametrize(("a", "b"), [(-200, 0), (-70, -70), (70, 70), (0, 200), (200, -200)])
def test_float64_is_not_held_to_the_range_of_float32(native, a, b, rng):
    x, phi = sparse_signals(rng, (20, 15, 30), np.float64)
    alpha = 0.1 * _largest_alpha(x, phi)
    scaled = native.lasso(x * 2.0**a, phi * 2.0**b, alpha * 2.0 ** (a + b), tol=1e-5)
    true = ref.lasso_gap(x, phi, scaled.codes * 2.0 ** (b - a), alpha)
    assert true.max() <= 1e-5 + ROUNDING[np.float64]
    assert np.abs(true - scaled.gap).max() <= ROUNDING[np.float64]


def test_a_float64_gap_is_as_small_as_is_asked(native, rng):
    """Small penalties, large ones and tolerances on either side of what float32 can reach."""
    x, phi = sparse_signals(rng, (70, 40, 90), np.float64)
    x[1::2] *= 1e-3  # of which float32 sees the violations no better than its rounding
    for share in (0.5, 0.05, 1e-3, 1e-6):
        alpha = share * _largest_alpha(x, phi)
        for tol in (1e-5, 1e-6, 1e-10):
            codes, gap = native.lasso(x, phi, alpha, tol=tol, max_iter=10_000)
            true = ref.lasso_gap(x, phi, codes, alpha)
            assert true.max() <= tol + ROUNDING[np.float64]
            assert np.abs(true - gap).max() <= ROUNDING[np.float64]


@pytest.mark.parametrize("method", METHODS)
def test_infinite_weights_bar_atoms(backend, dtype, method, rng):
    x, phi = sparse_signals(rng, (20, 15, 30), dtype)
    weights = np.ones(30, dtype)
    weights[::3] = np.inf
    left = np.isfinite(weights)
    start = harness.real(rng, (20, 30), dtype) * harness.binary(rng, (20, 30), dtype, 0.2)
    for options in ({}, {"start": start}):
        got = backend.lasso(x, phi, 0.05, weights=weights, method=method, max_iter=5000, **options)
        assert not got.codes[:, ~left].any()
        true = ref.lasso_gap(x, phi[left], got.codes[:, left], float(dtype(0.05)))
        assert true.max() <= 1e-4 + ROUNDING[dtype]


@pytest.mark.parametrize("method", METHODS)
def test_infinite_weights_bar_atoms_from_least_squares(backend, dtype, method, rng):
    x, phi = sparse_signals(rng, (9, 30, 12), dtype)
    weights = np.ones((9, 12), dtype)
    weights[::2, ::3] = np.inf
    barred = weights == np.inf
    start = np.ones((9, 12), dtype)
    for options in ({}, {"start": start}):
        with pytest.warns(UserWarning, match="lasso: alpha .*least squares"):
            got = backend.lasso(
                x, phi, 0.0, weights=weights, method=method, max_iter=50_000, **options
            )
        assert not got.codes[barred].any()
        assert got.gap.max() <= 1e-4
        np.testing.assert_allclose(
            got.gap, ref.lasso_gap(x, phi, got.codes, 0.0, weights=weights), atol=ROUNDING[dtype]
        )
        for one, signal, out in zip(got.codes, x, barred, strict=True):
            kept = phi[~out].astype(np.float64)
            best = np.linalg.lstsq(kept.T, signal.astype(np.float64), rcond=None)[0]
            near = np.linalg.norm((one[~out] - best) @ kept)
            assert near <= 1e-2 * np.linalg.norm(signal)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("d", "k"), [(30, 12), (12, 30)])
def test_alpha_zero_is_least_squares(backend, dtype, method, d, k, rng):
    x, phi = sparse_signals(rng, (9, d, k), dtype)
    with pytest.warns(UserWarning, match="lasso: alpha .*least squares"):
        codes, gap = backend.lasso(x, phi, 0.0, method=method, max_iter=50_000)
    assert gap.max() <= 1e-4
    x, phi = x.astype(np.float64), phi.astype(np.float64)
    best = x - x @ np.linalg.pinv(phi) @ phi
    scale = np.linalg.norm(x, axis=1)
    assert (np.linalg.norm(x - codes @ phi - best, axis=1) / scale).max() <= 1e-2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(backend, dtype, bad, rng):
    x, phi = sparse_signals(rng, (5, 6, 7), dtype)
    start = np.zeros((5, 7), dtype)
    spoilt = {"x": x.copy(), "dictionary": phi.copy(), "start": start.copy()}
    for values in spoilt.values():
        values[2, 3] = bad
    with pytest.raises(ValueError, match=r"^lasso: x .*finite.*1 rows.*row 2"):
        backend.lasso(spoilt["x"], phi, 0.1)
    with pytest.raises(ValueError, match=r"^lasso: dictionary .*finite"):
        backend.lasso(x, spoilt["dictionary"], 0.1)
    with pytest.raises(ValueError, match=r"^lasso: x and start .*finite.*row 2"):
        backend.lasso(x, phi, 0.1, start=spoilt["start"])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"alpha": -0.1}, ValueError, "alpha"),
        ({"alpha": np.nan}, ValueError, "alpha"),
        ({"alpha": np.inf}, ValueError, "alpha"),
        ({"alpha": "1"}, TypeError, "alpha"),
        ({"tol": -1e-9}, ValueError, "tol"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"max_iter": 1.5}, TypeError, "max_iter"),
        ({"method": "lars"}, ValueError, "method"),
        ({"format": "coo"}, ValueError, "format"),
        ({"weights": np.zeros(7)}, ValueError, "weights"),
        ({"weights": np.full(7, np.nan)}, ValueError, "weights"),
        ({"weights": np.ones((2, 7))}, ValueError, "weights"),
        ({"weights": np.ones(6)}, ValueError, "shape"),
        ({"ridge": -np.ones(7)}, ValueError, "ridge"),
        ({"ridge": np.full(7, np.inf)}, ValueError, "ridge"),
        ({"start": np.zeros((4, 7))}, ValueError, "shape"),
    ],
)
def test_bad_options_are_refused(backend, options, error, match, rng):
    x, phi = sparse_signals(rng, (5, 6, 7), np.float64)
    with pytest.raises(error, match=rf"^lasso: .*{match}"):
        backend.lasso(x, phi, **({"alpha": 0.1} | options))


@pytest.mark.parametrize("method", METHODS)
def test_signals_that_are_not_done_are_counted(backend, dtype, method, rng):
    x, phi = sparse_signals(rng, (30, 20, 40), dtype)
    x[:10] = 0.0
    with pytest.warns(ConvergenceWarning, match="^lasso: 20 of 30 signals .* worst gap is") as seen:
        codes, gap = backend.lasso(x, phi, 0.01, method=method, max_iter=1)
    assert f"{gap.max():.3g}" in str(seen[0].message)
    true = ref.lasso_gap(x, phi, codes, float(dtype(0.01)))
    assert np.abs(true - gap).max() <= 1e-4 * max(1.0, gap.max())


def test_every_method_is_the_one_asked_for(native, dtype, rng):
    """They stop at different codes within the tolerance: none stands in for the other."""
    x, phi = sparse_signals(rng, (50, 30, 60), dtype)
    alpha = 0.05 * _largest_alpha(x, phi)
    first, second = (native.lasso(x, phi, alpha, method=method).codes for method in METHODS)
    assert not harness.same_bits(first, second)
    assert harness.same_bits(native.lasso(x, phi, alpha).codes, first)
