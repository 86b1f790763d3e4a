"""lars and lars_path against the oracle, scikit-learn and the conditions that solutions obey."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from layerwise.ops import _codes as codes_module
from layerwise.reference import lars as ref
from layerwise.reference.lasso import lasso_gap

from . import bounds, harness

SHAPES = [(1, 1, 1), (4, 10, 6), (4, 8, 20), (3, 12, 33), (2, 30, 60)]


def _problem(rng, shape, dtype=np.float64):
    n, d, k = shape
    phi = rng.standard_normal((k, d)) * rng.uniform(0.5, 2.0, (k, 1)) / np.sqrt(max(d, 1))
    return harness.real(rng, (n, d), dtype), phi.astype(dtype)


def _knots(path, i):
    own = slice(path.indptr[i], path.indptr[i + 1])
    return path.alphas[own].astype(np.float64), path.codes[own].toarray().astype(np.float64)


def _check_solutions(path, x, phi, eps, positive=False):
    """Every knot's gap is rounding, and alphas fall."""
    for i in range(len(x)):
        alphas, codes = _knots(path, i)
        assert (np.diff(alphas) < 0).all()
        assert not positive or codes.min(initial=0.0) >= 0
        own = path.gap[path.indptr[i] : path.indptr[i + 1]]
        for alpha, code, gap in zip(alphas, codes, own, strict=True):
            true = lasso_gap(x[i : i + 1], phi, code[None], alpha, positive=positive)[0]
            rounding = 100 * eps * (1 + np.abs(code).sum() / np.linalg.norm(x[i]))
            assert abs(gap - true) <= rounding
            assert true <= rounding


# The paths


def test_knots_equal_the_oracle(backend, dtype, rng):
    for n, d, k in SHAPES * 2:
        x, phi = _problem(rng, (min(n, 33), d, k), dtype)
        for positive in (False, True):
            got = backend.lars_path(x, phi, 0.05, positive=positive)
            expected = ref.lars_path(x, phi, float(dtype(0.05)), positive=positive)
            assert np.array_equal(got.indptr, expected.indptr)
            for i in range(len(x)):
                own = slice(got.indptr[i], got.indptr[i + 1])
                alphas, codes = expected.alphas[own], expected.codes[own]
                limits = bounds.lars_path(x[i], phi, alphas, codes)
                found = got.alphas[own], got.codes[own].toarray()
                for values, true, bound in zip(found, (alphas, codes), limits, strict=True):
                    harness.check("lars_path", values, true, bound, dtype=dtype, case=(n, d, k))


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_paths_are_those_of_scikit_learn(backend, alpha, rng):
    for shape in SHAPES:
        x, phi = _problem(rng, shape)
        d = shape[1]
        path = backend.lars_path(x, phi, alpha)
        for i, signal in enumerate(x):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                alphas, _, codes = linear_model.lars_path(
                    phi.T, signal, method="lasso", alpha_min=alpha / d
                )
            own_alphas, own_codes = _knots(path, i)
            if alpha == 0.0 and len(phi) >= d:  # the peer stops short of the end
                assert len(own_alphas) >= len(alphas) > 1
                count = len(alphas) - 1
                own_alphas, own_codes = own_alphas[:count], own_codes[:count]
                alphas, codes = alphas[:count], codes[:, :count]
            np.testing.assert_allclose(own_alphas, alphas * d, atol=1e-9)
            np.testing.assert_allclose(own_codes, codes.T, atol=1e-8)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.02])
def test_every_knot_is_a_solution(backend, dtype, alpha, positive, rng):
    for shape in SHAPES:
        x, phi = _problem(rng, shape, dtype)
        path = backend.lars_path(x, phi, alpha, positive=positive)
        assert (path.alphas[path.indptr[1:] - 1] == dtype(alpha)).all()
        _check_solutions(path, x, phi, np.finfo(dtype).eps, positive)


def test_between_knots_solutions_are_linear_in_alpha(backend, dtype, rng):
    """Codes half way between two knots are the solution at half way."""
    x, phi = _problem(rng, (3, 12, 30), dtype)
    path = backend.lars_path(x, phi, 0.05)
    for i in range(len(x)):
        alphas, codes = _knots(path, i)
        for a, b, p, q in zip(alphas, alphas[1:], codes, codes[1:], strict=False):
            middle = ((p + q) / 2)[None]
            gap = lasso_gap(x[i : i + 1], phi, middle, (a + b) / 2)[0]
            assert gap <= 100 * np.finfo(dtype).eps * (1 + np.abs(middle).sum())


def test_atoms_join_and_leave_one_at_a_time(backend, rng):
    x, phi = _problem(rng, (4, 15, 40))
    path = backend.lars_path(x, phi)
    left = 0
    for i in range(len(x)):
        _, codes = _knots(path, i)
        active = codes[1:-1] != 0
        changed = (active[1:] != active[:-1]).sum(axis=1)
        assert (changed <= 2).all()  # one leaves at a knot, and one that joined there is there now
        left += int((active[:-1] & ~active[1:]).sum())
    assert left > 0


# The ends of paths


@pytest.mark.parametrize("positive", [False, True])
def test_codes_are_the_last_knots_of_paths(native, dtype, positive, rng):
    x, phi = _problem(rng, (70, 12, 30), dtype)
    for alpha in (0.0, 0.3):
        path = native.lars_path(x, phi, alpha, positive=positive)
        ends = native.lars(x, phi, alpha, positive=positive)
        last = path.indptr[1:] - 1
        assert harness.same_bits(path.codes[last].toarray(), ends.codes)
        assert harness.same_bits(path.gap[last], ends.gap)
        assert harness.same_bits(path.alphas[last], ends.alphas)


@pytest.mark.parametrize("positive", [False, True])
def test_codes_are_those_of_lasso(backend, dtype, positive, rng):
    eps = np.finfo(dtype).eps
    for shape in [(20, 10, 6), (20, 16, 40), (5, 64, 129)]:
        x, phi = _problem(rng, shape, dtype)
        for alpha in (0.5, 0.1):
            codes, gap, alphas = backend.lars(x, phi, alpha, positive=positive)
            other = backend.lasso(x, phi, alpha, positive=positive, tol=50 * eps, max_iter=10_000)
            bound = bounds.lasso(x, phi, other.codes) + np.abs(codes)
            tol = 1e3 * eps * bound.max()
            np.testing.assert_allclose(codes, other.codes, atol=tol)
            assert (alphas == dtype(alpha)).all()
            assert gap.max() <= 100 * eps


def test_codes_equal_the_oracle_at_awkward_sizes(backend, dtype, rng):
    for n, d, k in harness.shapes(3, others=(5, 11, 19)):
        x, phi = _problem(rng, (min(n, 17), d, k), dtype)
        codes, _, alphas = backend.lars(x, phi, 0.7)
        expected, _, ends = ref.lars(x, phi, float(dtype(0.7)))
        bound = np.abs(expected) + bounds.lasso(x, phi, expected)
        harness.check("lars", codes, expected, bound, dtype=dtype, case=(n, d, k))
        assert np.array_equal(alphas, ends.astype(dtype))


@pytest.mark.parametrize("op", ["lars", "lars_path"])
def test_paths_end_before_one_atom_too_many(backend, dtype, op, rng):
    x, phi = _problem(rng, (6, 20, 50), dtype)
    whole = backend.lars_path(x, phi, 0.01)
    for most in (1, 5):
        if op == "lars":
            codes, _, alphas = backend.lars(x, phi, 0.01, max_active=most)
        else:
            path = backend.lars_path(x, phi, 0.01, max_active=most)
            last = path.indptr[1:] - 1
            codes, alphas = path.codes[last].toarray(), path.alphas[last]
        assert (np.count_nonzero(codes, axis=1) == most).all()
        for i, alpha in enumerate(alphas):  # the knot of the whole path where it is exceeded
            own_alphas, own_codes = _knots(whole, i)
            at = int(np.argmax(np.count_nonzero(own_codes, axis=1) > most))
            np.testing.assert_allclose(alpha, own_alphas[at - 1], rtol=10 * np.finfo(dtype).eps)


def test_paths_that_are_cut_short_are_counted(backend, rng):
    x, phi = _problem(rng, (4, 10, 20))
    x[1] = 0.0
    with pytest.warns(ConvergenceWarning, match=r"^lars_path: 3 of 4 paths .*max_iter 3"):
        path = backend.lars_path(x, phi, 0.01, max_iter=3)
    assert np.diff(path.indptr).tolist() == [4, 1, 4, 4]
    with pytest.warns(ConvergenceWarning, match=r"^lars: 3 of 4 paths"):
        ends = backend.lars(x, phi, 0.01, max_iter=3)
    np.testing.assert_allclose(ends.codes, path.codes[path.indptr[1:] - 1].toarray(), atol=1e-12)


def test_least_squares_is_at_the_end_of_the_path(backend, rng):
    for n, d, k in [(5, 20, 12), (5, 12, 20)]:
        x, phi = _problem(rng, (n, d, k))
        codes, gap, alphas = backend.lars(x, phi, 0.0)
        assert not alphas.any()
        assert gap.max() <= 1e-12
        np.testing.assert_allclose((x - codes @ phi) @ phi.T, 0.0, atol=1e-10)


# Degenerate problems


def test_ties_join_at_one_knot(backend):
    path = backend.lars_path(np.array([[2.0, -2.0, 2.0, 1.0]]), np.eye(4))
    np.testing.assert_allclose(path.alphas, [2.0, 1.0, 0.0], atol=1e-12)
    expected = [[0, 0, 0, 0], [1, -1, 1, 0], [2, -2, 2, 1]]
    np.testing.assert_allclose(path.codes.toarray(), expected, atol=1e-12)


def test_atoms_of_a_tie_that_do_not_stay_leave_at_once(backend, rng):
    """All correlations are equal at the start; the solutions use some of these atoms only."""
    phi = rng.standard_normal((12, 20))
    x = np.linalg.lstsq(phi, np.ones(12), rcond=None)[0][None]
    for positive in (False, True):
        path = backend.lars_path(x, phi, positive=positive)
        assert path.alphas[-1] == 0.0
        _check_solutions(path, x, phi, np.finfo(np.float64).eps, positive)
        expected, _ = backend.lasso(x, phi, 0.5, tol=1e-14, positive=positive)
        codes = backend.lars(x, phi, 0.5, positive=positive).codes
        np.testing.assert_allclose(codes, expected, atol=1e-9)
        assert 0 < np.count_nonzero(expected) <= 12


def test_integer_problems_full_of_ties_end_in_solutions(backend, dtype, rng):
    for _ in range(20):
        phi = rng.integers(-1, 2, (14, 6)).astype(dtype)
        x = rng.integers(-2, 3, (8, 6)).astype(dtype)
        x = x[x.any(axis=1)]
        for positive in (False, True):
            path = backend.lars_path(x, phi, 0.1, positive=positive)
            assert (path.alphas[path.indptr[1:] - 1] == dtype(0.1)).all()
            for i in range(len(x)):
                alphas, codes = _knots(path, i)
                for alpha, code in zip(alphas, codes, strict=True):
                    gap = lasso_gap(x[i : i + 1], phi, code[None], alpha, positive=positive)[0]
                    assert gap <= 200 * np.finfo(dtype).eps * (1 + np.abs(code).sum())


@pytest.mark.parametrize("positive", [False, True])
def test_equal_zero_and_dependent_atoms_end_in_solutions(backend, dtype, positive, rng):
    x, half = _problem(rng, (6, 6, 8), dtype)
    zeros, sums = np.zeros((2, 6), dtype), half[:3] + half[3:6]
    phi = np.concatenate([half, half[:4], -half[4:6], zeros, sums])
    path = backend.lars_path(x, phi, 0.02, positive=positive)
    assert (path.alphas[path.indptr[1:] - 1] == dtype(0.02)).all()
    assert path.codes[:, 14:16].nnz == 0
    _check_solutions(path, x, phi, 10 * np.finfo(dtype).eps, positive)


def test_paths_have_no_knots_where_alpha_is_rounding(native, rng):
    """What binary signals leave at the end of a path is zero but for rounding."""
    for _ in range(20):
        phi = (rng.random((30, 9)) < 0.5).astype(np.float64)
        x = (rng.random((6, 9)) < 0.5).astype(np.float64)
        path = native.lars_path(x, phi, positive=True)
        assert path.gap.max() <= 1e-9
        assert (path.alphas[path.indptr[1:] - 1] == 0.0).all()


def test_nearly_equal_atoms_cost_little(native, rng):
    """Atoms a millionth apart are told apart, or nearly so; the gaps tell which."""
    for _ in range(20):
        x, half = _problem(rng, (6, 8, 12))
        phi = np.concatenate([half, half + 1e-6 * rng.standard_normal(half.shape)])
        codes, gap, alphas = native.lars(x, phi, 0.1)
        assert (alphas == 0.1).all()
        assert gap.max() <= 1e-6
        np.testing.assert_allclose(gap, lasso_gap(x, phi, codes, 0.1), atol=1e-12)


def test_powers_of_two_change_exponents_and_nothing_else(native, dtype, rng):
    x, phi = _problem(rng, (5, 10, 25), dtype)
    plain = native.lars(x, phi, 0.25)
    for power in (dtype(2.0**-30), dtype(2.0**20)):
        got = native.lars(x * power, phi, 0.25 * float(power))
        assert harness.same_bits(got.codes / power, plain.codes)
        got = native.lars(x, phi * power, 0.25 * float(power))
        assert harness.same_bits(got.codes * power, plain.codes)


def test_signals_without_a_path_have_one_knot_of_zeros(backend, dtype, rng):
    x, phi = _problem(rng, (3, 5, 7), dtype)
    x[1] = 0.0
    path = backend.lars_path(x, phi, 100.0)
    assert path.indptr.tolist() == [0, 1, 2, 3]
    assert path.alphas.tolist() == [100.0] * 3
    assert path.codes.nnz == 0
    assert path.alphas.dtype == path.codes.dtype == path.gap.dtype == dtype
    assert np.diff(backend.lars_path(x, phi, 0.0).indptr)[1] == 1
    assert not backend.lars(x, phi, 0.0).codes[1].any()


@pytest.mark.parametrize("shape", [(0, 5, 4), (3, 0, 4), (3, 5, 0), (0, 0, 0)])
def test_nothing_to_code_gives_zero_codes(backend, dtype, shape):
    n, d, k = shape
    x, phi = np.ones((n, d), dtype), np.ones((k, d), dtype)
    for form in ("dense", "csr"):
        codes, gap, alphas = backend.lars(x, phi, 0.5, format=form)
        assert codes.shape == (n, k)
        assert not np.asarray(codes.sum()).any()
        assert np.array_equal(alphas, np.full(n, 0.5, dtype))
        assert not gap.any()
    path = backend.lars_path(x, phi)
    assert path.codes.shape == (n, k)
    assert path.indptr.tolist() == list(range(n + 1))


# Forms of arguments and results


def test_a_path_does_not_depend_on_its_batch(native, dtype, rng, monkeypatch):
    x, phi = _problem(rng, (70, 12, 20), dtype)
    whole = native.lars_path(x, phi, 0.1)
    monkeypatch.setattr(codes_module, "SLAB_BYTES", 2**18)
    stretches = native.lars_path(x, phi, 0.1)
    for a, b in zip(whole, stretches, strict=True):
        a, b = (part.toarray() if scipy.sparse.issparse(part) else part for part in (a, b))
        assert harness.same_bits(a, b)
    for i in (0, 15, 16, 65, 69):
        alone = native.lars_path(x[i : i + 1], phi, 0.1)
        for a, b in zip(_knots(whole, i), _knots(alone, 0), strict=True):
            assert harness.same_bits(a, b)


def test_csr_codes_are_the_dense_ones(native, dtype, rng):
    x, phi = _problem(rng, (200, 20, 70), dtype)
    dense, sparse = native.lars(x, phi, 0.4), native.lars(x, phi, 0.4, format="csr")
    for codes in (sparse.codes, native.lars_path(x, phi, 0.4).codes):
        assert isinstance(codes, scipy.sparse.csr_array)
        assert codes.has_canonical_format
        assert codes.indices.dtype == codes.indptr.dtype == np.int32
        assert (codes.data != 0).all()
    assert harness.same_bits(sparse.codes.toarray(), dense.codes)
    assert harness.same_bits(sparse.gap, dense.gap)


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_arrays_may_have_any_strides(native, dtype, layout, rng):
    x, phi = _problem(rng, (21, 19, 35), dtype)
    plain = native.lars(x, phi, 0.3)
    got = native.lars(harness.lay_out(x, layout), harness.lay_out(phi, layout), 0.3)
    assert all(harness.same_bits(a, b) for a, b in zip(got, plain, strict=True))


# Refusals


@pytest.mark.parametrize("op", ["lars", "lars_path"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(backend, dtype, op, bad, rng):
    x, phi = _problem(rng, (5, 6, 7), dtype)
    for values, rows in ((x.copy(), 1), (phi.copy(), 5)):
        values[2, 3] = bad
        arrays = (values, phi) if len(values) == 5 else (x, values)
        row = 2 if rows == 1 else 0
        wanted = rf"^{op}: x and dictionary must be finite.*got {rows} rows .* row {row}$"
        with pytest.raises(ValueError, match=wanted):
            getattr(backend, op)(*arrays, 0.1)


@pytest.mark.parametrize("op", ["lars", "lars_path"])
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"alpha": -1.0}, ValueError, "alpha"),
        ({"alpha": np.nan}, ValueError, "alpha"),
        ({"alpha": "1"}, TypeError, "alpha"),
        ({"max_active": 0}, ValueError, "max_active"),
        ({"max_active": 1.5}, TypeError, "max_active"),
        ({"max_iter": 0}, ValueError, "max_iter"),
    ],
)
def test_bad_options_are_refused(backend, op, options, error, match, rng):
    x, phi = _problem(rng, (4, 5, 6))
    with pytest.raises(error, match=rf"^{op}: .*{match}"):
        getattr(backend, op)(x, phi, **({"alpha": 0.1} | options))


def test_unknown_formats_are_refused(backend, rng):
    x, phi = _problem(rng, (4, 5, 6))
    with pytest.raises(ValueError, match=r"^lars: format"):
        backend.lars(x, phi, 0.1, format="coo")


def test_paths_too_long_for_memory_are_refused_before_they_start(native, rng):
    x, phi = _problem(rng, (4, 5, 6))
    with pytest.raises(MemoryError, match=r"^lars"):
        native.lars_path(x, phi, max_iter=2**62)
    assert native.lars(x, phi, 0.1, max_iter=2**62).alphas.tolist() == [0.1] * 4
