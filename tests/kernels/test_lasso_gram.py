"""lasso on a Gram matrix that is given."""

import numpy as np
import pytest
import scipy.sparse

from layerwise.reference import lasso as ref

from . import harness
from .lasso_problems import ROUNDING, sparse_signals

METHODS = ["active_set", "coordinate_descent"]
SHAPES = [(3, 1, 1), (4, 5, 4), (9, 16, 33), (67, 20, 70), (5, 64, 130)]


def _problem(rng, shape, dtype):
    """Signals, atoms of any norms, and their Gram matrix as NumPy makes it."""
    x, phi = sparse_signals(rng, shape, dtype)
    return x, phi, phi @ phi.T


def _alpha(x, phi, share=0.1):
    return share * float(np.abs(x.astype(np.float64) @ phi.T.astype(np.float64)).max())


def _exact_problem(rng, shape, dtype):
    """The same of small integers, whose products no order of sums rounds."""
    n, d, k = shape
    phi = rng.integers(-4, 5, (k, d)).astype(dtype)
    return rng.integers(-9, 10, (n, d)).astype(dtype), phi, phi @ phi.T


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("format", ["dense", "csr"])
def test_the_same_gram_matrix_gives_the_same_bits(native, dtype, method, format, rng):
    for n, d, k in SHAPES:
        x, phi, gram = _exact_problem(rng, (n, d, k), dtype)
        options = {
            "weights": rng.uniform(0.5, 2.0, (n, k)).astype(dtype),
            "ridge": rng.uniform(0.0, 0.5, k).astype(dtype),
            "start": harness.binary(rng, (n, k), dtype, 0.1),
            "positive": True,
        }
        for own in ({}, options):
            own = {"alpha": max(_alpha(x, phi), 0.5), "method": method, "max_iter": 5000} | own
            made = native.lasso(x, phi, format=format, **own)
            given = native.lasso(x, phi, gram=gram, format=format, **own)
            codes = [c.toarray() if format == "csr" else c for c in (made.codes, given.codes)]
            assert harness.same_bits(*codes)
            assert harness.same_bits(made.gap, given.gap)


@pytest.mark.parametrize("method", METHODS)
def test_every_gap_is_true_and_within_the_tolerance(backend, dtype, method, rng):
    for shape in SHAPES:
        x, phi, gram = _problem(rng, shape, dtype)
        alpha = _alpha(x, phi, 0.05)
        codes, gap = backend.lasso(x, phi, alpha, gram=gram, method=method, max_iter=5000)
        true = ref.lasso_gap(x, phi, codes, float(dtype(alpha)))
        assert true.max() <= 1e-4 + ROUNDING[dtype]
        assert np.abs(true - gap).max() <= ROUNDING[dtype]


def test_the_gram_matrix_given_is_the_one_that_is_used(native, rng):
    """Products that are not those of the atoms: orthogonal ones have closed codes."""
    phi = np.array([[1.0, 0.0], [0.6, 0.8]])
    x = np.array([[2.0, 1.0]])
    expected = np.sign(x @ phi.T) * np.maximum(np.abs(x @ phi.T) - 0.5, 0.0)
    codes = native.lasso(x, phi, 0.5, gram=np.eye(2), tol=1e-12).codes
    np.testing.assert_allclose(codes, expected, atol=1e-12)
    assert np.abs(native.lasso(x, phi, 0.5, tol=1e-12).codes - expected).max() > 0.1


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_the_gram_matrix_may_have_any_strides(native, dtype, layout, rng):
    x, phi, gram = _problem(rng, (21, 19, 35), dtype)
    alpha = _alpha(x, phi)
    plain, before = native.lasso(x, phi, alpha, gram=gram), gram.copy()
    laid = harness.lay_out(gram, layout)
    laid.flags.writeable = False
    got = native.lasso(x, phi, alpha, gram=laid)
    assert all(harness.same_bits(a, b) for a, b in zip(got, plain, strict=True))
    assert harness.same_bits(gram, before)


def test_a_signal_does_not_depend_on_batch_encoding_or_threads(native, full_teams, dtype, rng):
    x, phi, gram = _problem(rng, (150, 30, 50), dtype)
    x *= harness.binary(rng, x.shape, dtype, 0.3)
    alpha = _alpha(x, phi)
    whole = native.lasso(x, phi, alpha, gram=gram, num_threads=1)
    for threads in (2, 7):
        again = native.lasso(x, phi, alpha, gram=gram, num_threads=threads)
        assert all(harness.same_bits(a, b) for a, b in zip(again, whole, strict=True))
    encoded = native.lasso(scipy.sparse.csr_array(x), phi, alpha, gram=gram)
    assert all(harness.same_bits(a, b) for a, b in zip(encoded, whole, strict=True))
    for start, stop in [(0, 1), (1, 66), (66, 150)]:
        part = native.lasso(x[start:stop], phi, alpha, gram=gram)
        assert harness.same_bits(part.codes, whole.codes[start:stop])


@pytest.mark.parametrize("method", METHODS)
def test_alpha_zero_and_zero_atoms_are_taken(backend, dtype, method, rng):
    x, phi, _ = _problem(rng, (9, 12, 30), dtype)
    phi[[0, 7]] = 0.0
    with pytest.warns(UserWarning, match="least squares"):
        codes, gap = backend.lasso(x, phi, 0.0, gram=phi @ phi.T, method=method, max_iter=50_000)
    assert gap.max() <= 1e-4
    assert not codes[:, [0, 7]].any()


def test_signals_with_missing_entries_are_coded_by_the_atoms(backend, dtype, rng):
    x, phi, gram = _problem(rng, (30, 16, 33), dtype)
    missing = rng.random(x.shape) < 0.2
    missing[::3] = False
    alpha = _alpha(x, phi)
    got = backend.lasso(x, phi, alpha, gram=gram, missing=missing)
    without = backend.lasso(x, phi, alpha, missing=missing)
    for i in range(30):
        if missing[i].any():
            assert harness.same_bits(got.codes[i], without.codes[i])
    true = ref.lasso_gap(x, phi, got.codes, float(dtype(alpha)), missing=missing)
    assert true.max() <= 1e-4 + ROUNDING[dtype]


def test_nothing_to_code_is_no_error(backend, dtype):
    for n, d, k in [(0, 5, 4), (3, 0, 4), (3, 5, 0), (0, 0, 0)]:
        phi = np.ones((k, d), dtype)
        codes, _ = backend.lasso(np.ones((n, d), dtype), phi, 0.5, gram=phi @ phi.T)
        assert codes.shape == (n, k)
        assert not codes.any()


def test_wrong_gram_matrices_are_refused(backend, dtype, rng):
    x, phi, gram = _problem(rng, (5, 6, 7), dtype)
    other = np.float64 if dtype == np.float32 else np.float32
    with pytest.raises(TypeError, match=r"^lasso: all float arrays must have one dtype.*gram"):
        backend.lasso(x, phi, 0.1, gram=gram.astype(other))
    with pytest.raises(TypeError, match=r"^lasso: gram must be an array of NumPy.*got bool"):
        backend.lasso(x, phi, 0.1, gram=True)
    for wrong in (gram[:6], gram[:, :6], gram[:6, :6]):
        with pytest.raises(ValueError, match=r"^lasso: dictionary .* and gram \(K,K\) must agree"):
            backend.lasso(x, phi, 0.1, gram=wrong)
    with pytest.raises(ValueError, match=r"^lasso: gram must have shape \(K,K\)"):
        backend.lasso(x, phi, 0.1, gram=gram[0])
    changes = {"covariance": phi @ phi.T / 6, "other atoms": phi[::-1] @ phi[::-1].T}
    for wrong in changes.values():
        with pytest.raises(ValueError, match=r"^lasso: gram must be dictionary @ dictionary.T"):
            backend.lasso(x, phi, 0.1, gram=wrong)
    for bad in (np.nan, np.inf):
        spoilt = gram.copy()
        spoilt[2, 3] = bad
        with pytest.raises(ValueError, match=r"^lasso: gram must be finite"):
            backend.lasso(x, phi, 0.1, gram=spoilt)
    spoilt = phi.copy()
    spoilt[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"^lasso: dictionary must be finite"):
        backend.lasso(x, spoilt, 0.1, gram=gram)
