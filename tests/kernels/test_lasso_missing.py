"""lasso where entries of the signals are missing: the problem over what is observed."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from layerwise import ops
from layerwise.ops import _codes as codes_module
from layerwise.reference import lasso as ref

from . import harness
from .lasso_problems import ROUNDING, sparse_signals

METHODS = ["active_set", "coordinate_descent"]
SHAPES = [(3, 1, 1), (4, 5, 4), (12, 16, 33), (67, 20, 70), (5, 150, 120)]


def _problem(rng, shape, dtype):
    """Sparse signals; which entries are missing: all of the first one's, none of the last one's."""
    x, phi = sparse_signals(rng, shape, dtype)
    missing = rng.random(x.shape) < 0.3
    missing[0], missing[-1] = True, False
    return x, phi, missing


def _alpha(x, phi, share=0.1):
    return share * float(np.abs(x.astype(np.float64) @ phi.T.astype(np.float64)).max())


def _options(rng, kind, n, k, dtype):
    weights = rng.uniform(0.3, 3.0, (n, k)).astype(dtype)
    weights[:, ::5] = np.inf
    ridge = (rng.uniform(0.0, 0.3, (n, k)) * (rng.random(k) < 0.7)).astype(dtype)
    start = harness.real(rng, (n, k), dtype) * harness.binary(rng, (n, k), dtype, 0.2)
    return {
        "plain": {},
        "positive": {"positive": True},
        "shared weights": {"weights": weights[0]},
        "start": {"start": start},
        "all": {"weights": weights, "ridge": ridge, "positive": True, "start": start},
    }[kind]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["plain", "positive", "shared weights", "start", "all"])
def test_every_gap_is_true_and_within_the_tolerance(backend, dtype, kind, method, rng):
    """The law: what the call reports is the gap of its codes over the observed features."""
    for shape in SHAPES:
        x, phi, missing = _problem(rng, shape, dtype)
        alpha, options = _alpha(x, phi), _options(rng, kind, shape[0], shape[2], dtype)
        codes, gap = backend.lasso(
            x, phi, alpha, missing=missing, method=method, max_iter=5000, **options
        )
        options.pop("start", None)
        true = ref.lasso_gap(x, phi, codes, float(dtype(alpha)), missing=missing, **options)
        assert true.max() <= 1e-4 + ROUNDING[dtype]
        assert np.abs(true - gap).max() <= ROUNDING[dtype]
        assert gap[0] == 0.0
        assert not codes[0].any()
        assert shape[0] < 12 or codes[1:].any()
        if "weights" in options:
            assert not codes[np.isinf(np.broadcast_to(options["weights"], codes.shape))].any()


def test_codes_equal_the_oracle(native, dtype, rng):
    """Both solved far; the objective is strongly convex where atoms are fewer than features."""
    x, phi, missing = _problem(rng, (40, 40, 12), dtype)
    missing[1:] &= rng.random((39, 40)) < 0.7
    alpha, tol = _alpha(x, phi), 20 * ROUNDING[dtype]
    expected = ref.lasso(x, phi, float(dtype(alpha)), missing=missing, tol=1e-15, max_iter=5000)
    for method in METHODS:
        got = native.lasso(x, phi, alpha, missing=missing, method=method, tol=tol, max_iter=5000)
        error = np.abs(got.codes - expected.codes).max()
        assert error <= 10 * np.sqrt(tol), method


@pytest.mark.parametrize("method", METHODS)
def test_an_incomplete_signal_has_the_codes_of_its_observed_part(native, dtype, method, rng):
    """Bit for bit, the part coded in the same form: one entry of it is made missing as well."""
    x, phi, missing = _problem(rng, (9, 16, 33), dtype)
    options = {"alpha": _alpha(x, phi), "method": method, "positive": False}
    whole = native.lasso(x, phi, missing=missing, **options)
    for i in range(1, 8):
        kept = np.flatnonzero(~missing[i])
        one_more = np.append(kept, np.flatnonzero(missing[i])[:1])
        part = native.lasso(
            x[i : i + 1, one_more],
            phi[:, one_more],
            missing=missing[i : i + 1, one_more],
            **options,
        )
        assert harness.same_bits(part.codes, whole.codes[i : i + 1])
        assert harness.same_bits(part.gap, whole.gap[i : i + 1])
        alone = native.lasso(x[i : i + 1, kept], phi[:, kept], **options)
        true = ref.lasso_gap(x[i : i + 1, kept], phi[:, kept], part.codes, options["alpha"])
        assert true[0] <= 1e-4 + ROUNDING[dtype]
        scale = np.linalg.norm(x[i, kept].astype(np.float64))
        assert np.abs(alone.codes - part.codes).max() <= 30 * np.sqrt(1e-4) * scale


@pytest.mark.parametrize("format", ["dense", "csr"])
def test_complete_signals_are_coded_as_ever(native, dtype, format, rng):
    x, phi, missing = _problem(rng, (70, 16, 33), dtype)
    missing[::2] = False
    alpha = _alpha(x, phi)
    plain = native.lasso(x, phi, alpha, format=format)
    some = native.lasso(x, phi, alpha, format=format, missing=missing)
    codes = [c.toarray() if format == "csr" else c for c in (plain.codes, some.codes)]
    assert harness.same_bits(codes[0][::2], codes[1][::2])
    assert harness.same_bits(plain.gap[::2], some.gap[::2])
    assert not harness.same_bits(codes[0], codes[1])
    none = native.lasso(x, phi, alpha, missing=np.zeros_like(missing))
    assert harness.same_bits(none.codes, codes[0])


def test_what_a_missing_entry_holds_does_not_matter(backend, dtype, rng):
    x, phi, missing = _problem(rng, (20, 16, 33), dtype)
    alpha = _alpha(x, phi)
    expected = backend.lasso(x, phi, alpha, missing=missing)
    for value in (0.0, -7.0, np.inf, np.nan):
        other = np.where(missing, dtype(value), x)
        before = other.copy()
        got = backend.lasso(other, phi, alpha, missing=missing)
        assert all(harness.same_bits(a, b) for a, b in zip(got, expected, strict=True))
        assert np.array_equal(other, before, equal_nan=True)


@pytest.mark.parametrize("format", ["dense", "csr"])
def test_missing_entries_may_be_marked_by_nan_or_by_an_array(
    native, dtype, format, rng, monkeypatch
):
    monkeypatch.setattr(codes_module, "SLAB_BYTES", 64 * 8 * 33)  # 64 rows at a time
    x, phi, missing = _problem(rng, (150, 16, 33), dtype)
    holes, alpha = np.where(missing, dtype(np.nan), x), _alpha(x, phi)
    start = harness.real(rng, (150, 33), dtype) * harness.binary(rng, (150, 33), dtype, 0.2)
    weights = rng.uniform(0.5, 2.0, (150, 33)).astype(dtype)
    for options in ({}, {"start": start}, {"weights": weights}):
        array = native.lasso(x, phi, alpha, missing=missing, **options)
        nan = native.lasso(holes, phi, alpha, missing="nan", format=format, **options)
        codes = nan.codes.toarray() if format == "csr" else nan.codes
        assert harness.same_bits(array.codes, codes)
        assert harness.same_bits(array.gap, nan.gap)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["plain", "all"])
def test_a_signal_does_not_depend_on_batch_or_threads(native, full_teams, dtype, kind, method, rng):
    shape = (150, 16, 33)
    x, phi, missing = _problem(rng, shape, dtype)
    alpha, options = _alpha(x, phi), _options(rng, kind, 150, 33, dtype)

    def run(rows, threads):
        own = {key: v[rows] if np.ndim(v) == 2 else v for key, v in options.items()}
        return native.lasso(
            x[rows], phi, alpha, missing=missing[rows], method=method, num_threads=threads, **own
        )

    whole = run(slice(None), 1)
    for threads in (2, 7):
        again = run(slice(None), threads)
        assert all(harness.same_bits(a, b) for a, b in zip(again, whole, strict=True))
    for start, stop in [(0, 1), (1, 66), (66, 67), (67, 150)]:
        part = run(slice(start, stop), 2)
        assert harness.same_bits(part.codes, whole.codes[start:stop])
        assert harness.same_bits(part.gap, whole.gap[start:stop])


def test_a_solution_is_kept_as_a_start(native, dtype, rng):
    """What is done already is given back, bit for bit, by either method."""
    x, phi, missing = _problem(rng, (30, 16, 33), dtype)
    alpha = _alpha(x, phi)
    codes, gap = native.lasso(x, phi, alpha, missing=missing)
    other = np.roll(codes, 1, axis=1)
    for method in METHODS:
        options = {"missing": missing, "method": method, "max_iter": 5000}
        again = native.lasso(x, phi, alpha, tol=2e-4, start=codes, **options)
        assert harness.same_bits(again.codes, codes)
        assert np.abs(again.gap - gap).max() <= ROUNDING[dtype]
        assert native.lasso(x, phi, alpha, start=other, **options).gap.max() <= 1e-4


@pytest.mark.parametrize("layout", harness.LAYOUTS)
def test_arrays_may_have_any_strides(native, dtype, layout, rng):
    x, phi, missing = _problem(rng, (21, 19, 35), dtype)
    alpha = _alpha(x, phi)
    plain = native.lasso(x, phi, alpha, missing=missing)
    x, phi = harness.lay_out(x, layout), harness.lay_out(phi, layout)
    marks = [np.asfortranarray(missing), np.repeat(missing, 2, axis=1)[:, ::2]]
    marks.append(missing[::-1].copy()[::-1])
    for array in marks:
        array.flags.writeable = False
        got = native.lasso(x, phi, alpha, missing=array)
        assert all(harness.same_bits(a, b) for a, b in zip(got, plain, strict=True))


def test_one_row_of_marks_may_serve_all(native, dtype, rng):
    x, phi, missing = _problem(rng, (21, 19, 35), dtype)
    shared = np.broadcast_to(missing[1], missing.shape)
    alpha = _alpha(x, phi)
    got = native.lasso(x, phi, alpha, missing=shared)
    expected = native.lasso(x, phi, alpha, missing=shared.copy())
    assert all(harness.same_bits(a, b) for a, b in zip(got, expected, strict=True))


def test_atoms_without_an_observed_entry_have_no_code(backend, dtype, rng):
    x, phi, missing = _problem(rng, (10, 12, 20), dtype)
    phi[:5, 6:] = 0.0
    missing[:, :6], missing[1:, 6:] = True, False
    start = harness.real(rng, (10, 20), dtype)
    for options in ({}, {"start": start}):
        for method in METHODS:
            codes, gap = backend.lasso(
                x, phi, 0.05, missing=missing, method=method, max_iter=5000, **options
            )
            assert not codes[:, :5].any()
            assert codes[1:, 5:].any()
            assert gap.max() <= 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("d", [30, 8])
def test_alpha_zero_is_least_squares_on_what_is_observed(backend, dtype, method, d, rng):
    x, phi, missing = _problem(rng, (9, d, 12), dtype)
    with pytest.warns(UserWarning, match="lasso: alpha .*least squares"):
        codes, gap = backend.lasso(x, phi, 0.0, missing=missing, method=method, max_iter=50_000)
    assert gap.max() <= 1e-4
    with pytest.warns(UserWarning, match="least squares"), pytest.warns(ConvergenceWarning):
        first = backend.lasso(x, phi, 0.0, missing=missing, method=method, max_iter=1, tol=1e-9)
    true = ref.lasso_gap(x, phi, first.codes, 0.0, missing=missing)
    assert true.max() > 1e-4
    np.testing.assert_allclose(first.gap, true, rtol=1e-3, atol=1e-6)
    for i in range(1, 9):
        kept = ~missing[i]
        own, atoms = x[i, kept].astype(np.float64), phi[:, kept].astype(np.float64)
        best = own - own @ np.linalg.pinv(atoms) @ atoms
        assert np.linalg.norm(own - codes[i] @ atoms - best) <= 1e-2 * np.linalg.norm(own)


def test_active_sets_beyond_the_capacity_are_carried_on(native, dtype, rng):
    x = harness.real(rng, (2, 700), dtype)
    phi = np.eye(700, dtype=dtype) + harness.real(rng, (700, 700), dtype, 0.005)
    missing = rng.random(x.shape) < 0.1
    codes, gap = native.lasso(x, phi, 0.05, missing=missing)
    assert np.count_nonzero(codes, axis=1).min() > 300
    assert gap.max() <= 1e-4
    true = ref.lasso_gap(x, phi, codes, float(dtype(0.05)), missing=missing)
    assert true.max() <= 1e-4 + ROUNDING[dtype]


def test_signals_are_restored_from_what_is_observed(native, rng):
    """What the option is for: the missing half of each signal, from the codes of the other half."""
    phi = rng.standard_normal((40, 80)) / np.sqrt(80)
    true = rng.standard_normal((30, 40)) * (rng.random((30, 40)) < 0.08)
    x = true @ phi
    missing = rng.random(x.shape) < 0.5
    codes = native.lasso(x, phi, 1e-4, missing=missing, tol=1e-8).codes
    assert np.abs(codes @ phi - x)[missing].max() <= 0.01
    zeros = native.lasso(np.where(missing, 0.0, x), phi, 1e-4, tol=1e-8).codes
    assert np.abs(zeros @ phi - x)[missing].max() > 0.1


def test_signals_that_are_not_done_are_counted(backend, dtype, rng):
    x, phi, missing = _problem(rng, (30, 20, 40), dtype)
    with pytest.warns(ConvergenceWarning, match="^lasso: 29 of 30 signals .* worst gap is"):
        backend.lasso(x, phi, 0.01, missing=missing, max_iter=1, method="coordinate_descent")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_observed_values_that_are_not_finite_are_refused(backend, dtype, bad, rng):
    x, phi, missing = _problem(rng, (5, 6, 7), dtype)
    missing[2, 3] = False
    holes = np.where(missing, dtype(np.nan), x)
    x[2, 3] = holes[2, 3] = bad
    with pytest.raises(ValueError, match=r"^lasso: x must be finite where observed.*1 row.*row 2$"):
        backend.lasso(x, phi, 0.1, missing=missing)
    if np.isinf(bad):
        with pytest.raises(ValueError, match=r"^lasso: x must be finite where observed.*row 2$"):
            backend.lasso(holes, phi, 0.1, missing="nan")
    with pytest.raises(ValueError, match=r"^lasso: x must be finite, "):
        backend.lasso(holes, phi, 0.1)
    start = np.zeros((5, 7), dtype)
    start[1, 0], x[2, 3] = bad, 0.0
    with pytest.raises(ValueError, match=r"^lasso: x and start must be finite.*row 1$"):
        backend.lasso(x, phi, 0.1, missing=missing, start=start)
    phi[0, 0] = bad
    with pytest.raises(ValueError, match=r"^lasso: dictionary must be finite"):
        backend.lasso(x, phi, 0.1, missing=missing)


def test_wrong_marks_are_refused(backend, rng):
    x, phi, missing = _problem(rng, (5, 6, 7), np.float64)
    with pytest.raises(
        ValueError, match=r"^lasso: missing must be 'nan' or an array of bool; got 'none'"
    ):
        backend.lasso(x, phi, 0.1, missing="none")
    with pytest.raises(TypeError, match=r"^lasso: missing must be bool; got int8"):
        backend.lasso(x, phi, 0.1, missing=missing.astype(np.int8))
    with pytest.raises(TypeError, match=r"^lasso: missing must be an array of NumPy.*got bool"):
        backend.lasso(x, phi, 0.1, missing=True)
    with pytest.raises(ValueError, match=r"^lasso: x \(N,D\) and missing \(N,D\) .*\(3, 6\)"):
        backend.lasso(x, phi, 0.1, missing=missing[:3])
    for encoded in (scipy.sparse.csr_array(x), ops.BitMatrix.pack(x > 0)):
        for marks in (missing, "nan"):
            with pytest.raises(TypeError, match=r"^lasso: x must be a dense array where"):
                backend.lasso(encoded, phi, 0.1, missing=marks)
