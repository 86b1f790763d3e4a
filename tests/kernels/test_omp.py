"""omp against the oracle and against what least squares and a greedy choice imply."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import orthogonal_mp

from layerwise.reference import lasso as ref

from . import bounds, harness

SHAPES = harness.shapes(3, others=(5, 11, 19))


def _problem(rng, shape, dtype):
    n, d, k = shape
    phi = rng.standard_normal((k, d)) * rng.uniform(0.5, 2.0, (k, 1)) / np.sqrt(max(d, 1))
    return harness.real(rng, (n, d), dtype), phi.astype(dtype)


def test_codes_equal_the_oracle_at_awkward_sizes(backend, dtype, rng):
    for n, d, k in SHAPES:
        if d == 1:
            continue  # all cosines are 1: rounding decides which atom it is
        x, phi = _problem(rng, (min(n, 33), d, k), dtype)
        most = 1 + min(d, k) // 4
        codes, residual = backend.omp(x, phi, max_active=most)
        expected, left = ref.omp(x, phi, max_active=most)
        case = (n, d, k)
        harness.check(
            "omp", codes, expected, bounds.lasso(x, phi, expected), dtype=dtype, case=case
        )
        energy = (x.astype(np.float64) ** 2).sum(axis=1)
        assert np.abs(residual - left).max(initial=0.0) <= (
            20 * np.finfo(dtype).eps * energy.max(initial=0.0)
        )


def test_codes_are_least_squares_on_their_atoms(backend, dtype, rng):
    x, phi = _problem(rng, (40, 30, 60), dtype)
    codes, residual = backend.omp(x, phi, max_active=8)
    assert (np.count_nonzero(codes, axis=1) == 8).all()
    x, phi, codes = (values.astype(np.float64) for values in (x, phi, codes))
    left = x - codes @ phi
    slack = 50 * np.finfo(dtype).eps * np.linalg.norm(x, axis=1).max()
    assert np.abs((left @ phi.T)[codes != 0]).max() <= slack
    np.testing.assert_allclose(residual, (left**2).sum(axis=1), rtol=1e-4)


def test_atoms_join_in_the_order_of_their_cosines(backend, rng):
    """One atom more changes the codes of those before, but not which they are."""
    x, phi = _problem(rng, (30, 25, 50), np.float64)
    before = np.zeros((30, 50), bool)
    left = x
    for count in range(1, 7):
        codes = backend.omp(x, phi, max_active=count).codes
        new = (codes != 0) & ~before
        assert (new.sum(axis=1) == 1).all()
        cosines = np.abs(left @ phi.T) / np.linalg.norm(phi, axis=1)
        assert np.array_equal(cosines.argmax(axis=1), new.argmax(axis=1))
        before, left = codes != 0, x - codes @ phi


def test_codes_agree_with_scikit_learn(backend, rng):
    x, phi = _problem(rng, (20, 25, 40), np.float64)
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    expected = orthogonal_mp(phi.T, x.T, n_nonzero_coefs=6).T
    np.testing.assert_allclose(backend.omp(x, phi, max_active=6).codes, expected, atol=1e-10)


def test_signals_are_done_at_the_tolerance_and_not_later(backend, dtype, rng):
    x, phi = _problem(rng, (40, 30, 60), dtype)
    energy = (x.astype(np.float64) ** 2).sum(axis=1)
    tol = 0.2 * float(energy.mean())
    codes, residual = backend.omp(x, phi, tol=tol)
    assert residual.max() <= tol
    counts = np.count_nonzero(codes, axis=1)
    assert len(set(counts)) > 2
    for count in set(counts):
        earlier = backend.omp(x[counts == count], phi, max_active=max(1, count - 1)).residual
        assert count <= 1 or earlier.min() > tol


@pytest.mark.parametrize("shape", [(0, 5, 4), (3, 0, 4), (3, 5, 0), (0, 0, 0)])
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_nothing_to_code_gives_zero_codes(backend, dtype, shape, form):
    n, d, k = shape
    codes, residual = backend.omp(np.ones((n, d), dtype), np.ones((k, d), dtype), format=form)
    assert codes.shape == (n, k)
    assert not np.asarray(codes.sum()).any()
    assert np.array_equal(residual, np.full(n, d, dtype))


def test_dependent_and_zero_atoms_end_a_pursuit(backend, dtype, rng):
    """What the span of the atoms holds is coded exactly, by as many atoms as it has dimensions."""
    x, half = _problem(rng, (20, 6, 4), dtype)
    phi = np.concatenate([np.zeros((2, 6), dtype), half, half, -half, half[:2] + half[2:]])
    codes, residual = backend.omp(x, phi)
    assert not codes[:, :2].any()
    assert np.count_nonzero(codes, axis=1).max() <= 4
    x, phi = x.astype(np.float64), phi.astype(np.float64)
    best = ((x - x @ np.linalg.pinv(phi, rcond=1e-5) @ phi) ** 2).sum(axis=1)
    energy = (x**2).sum(axis=1)
    assert (np.abs(residual - best) / energy).max() <= 100 * np.finfo(dtype).eps


def test_exact_codes_end_with_rounding(backend, dtype, rng):
    """One atom explains the signal: no second is fitted to what rounding leaves."""
    _, phi = _problem(rng, (1, 40, 60), dtype)
    x = np.zeros((60, 40), dtype)
    for i in range(60):
        x[i] = 2 * phi[i]
    codes, residual = backend.omp(x, phi)
    assert (np.count_nonzero(codes, axis=1) == 1).all()
    np.testing.assert_allclose(np.diag(codes), 2, rtol=10 * np.finfo(dtype).eps)
    assert (
        residual.max() <= 20 * np.finfo(dtype).eps * (x.astype(np.float64) ** 2).sum(axis=1).max()
    )


def test_csr_codes_are_the_dense_ones(native, dtype, rng):
    x, phi = _problem(rng, (200, 20, 70), dtype)
    dense, sparse = native.omp(x, phi, tol=1.0), native.omp(x, phi, tol=1.0, format="csr")
    assert isinstance(sparse.codes, scipy.sparse.csr_array)
    assert sparse.codes.has_canonical_format
    assert harness.same_bits(sparse.codes.toarray(), dense.codes)
    assert harness.same_bits(sparse.residual, dense.residual)


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_arrays_may_have_any_strides(native, dtype, layout, rng):
    x, phi = _problem(rng, (21, 19, 35), dtype)
    plain = native.omp(x, phi, max_active=5)
    got = native.omp(harness.lay_out(x, layout), harness.lay_out(phi, layout), max_active=5)
    assert all(harness.same_bits(a, b) for a, b in zip(got, plain, strict=True))


@pytest.mark.parametrize("density", [0.03, 0.3, 1.0])
def test_every_encoding_of_the_signals_gives_the_same_bits(native, dtype, density, rng):
    for n, d, k in [(3, 7, 5), (70, 100, 40), (9, 65, 130)]:
        x = harness.binary(rng, (n, d), dtype, density)
        phi = _problem(rng, (1, d, k), dtype)[1]
        dense = native.omp(x, phi, max_active=3)
        for encoding in ("bits", "csr"):
            got = native.omp(harness.encode(x, encoding), phi, max_active=3)
            assert all(harness.same_bits(a, b) for a, b in zip(got, dense, strict=True))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(backend, dtype, bad, rng):
    x, phi = _problem(rng, (5, 6, 7), dtype)
    for values in (x.copy(), phi.copy()):
        values[2, 3] = bad
        arrays = (values, phi) if len(values) == 5 else (x, values)
        with pytest.raises(ValueError, match=r"^omp: x and dictionary must be finite.*row"):
            backend.omp(*arrays)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"max_active": 0}, ValueError, "max_active"),
        ({"max_active": 1.5}, TypeError, "max_active"),
        ({"tol": -1.0}, ValueError, "tol"),
        ({"tol": np.nan}, ValueError, "tol"),
        ({"format": "coo"}, ValueError, "format"),
    ],
)
def test_bad_options_are_refused(backend, options, error, match, rng):
    x, phi = _problem(rng, (5, 6, 7), np.float64)
    with pytest.raises(error, match=rf"^omp: .*{match}"):
        backend.omp(x, phi, **options)


def test_float64_tells_atoms_apart_that_float32_cannot(native, rng):
    """Every atom beside a near copy: the first to join has the largest cosine of all."""
    half = harness.real(rng, (200, 24), np.float64)
    phi = np.concatenate([half, half + 1e-9 * harness.real(rng, half.shape, np.float64)])
    x = harness.real(rng, (300, 24), np.float64)
    cosines = np.abs(x @ phi.T) / np.linalg.norm(phi, axis=1)
    second, first = np.sort(cosines, axis=1)[:, -2:].T
    clear = first - second > 1e-13
    assert clear.sum() > 250
    codes = native.omp(x, phi, max_active=1).codes
    chosen = np.abs(codes).argmax(axis=1)
    assert np.array_equal(chosen[clear], cosines.argmax(axis=1)[clear])


@pytest.mark.parametrize(("a", "b"), [(-200, 0), (-70, -70), (70, 70), (0, 200), (200, -200)])
def test_float64_is_not_held_to_the_range_of_float32(native, a, b, rng):
    x, phi = harness.real(rng, (20, 15), np.float64), harness.real(rng, (30, 15), np.float64)
    codes = native.omp(x, phi, max_active=4).codes
    scaled = native.omp(x * 2.0**a, phi * 2.0**b, max_active=4).codes * 2.0 ** (b - a)
    np.testing.assert_allclose(scaled, codes, rtol=1e-12)
