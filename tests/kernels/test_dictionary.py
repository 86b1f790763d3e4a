"""dictionary_statistics and dictionary_update against the oracle and the problem they solve."""

import numpy as np
import pytest
import scipy.sparse

from layerwise.reference import dictionary as ref

from . import bounds, cases, harness

SHAPES = harness.shapes(3, others=(9, 11, 19))


def _problem(rng, shape, dtype, density=0.3):
    """Signals (N, D), codes (N, K) and a dictionary (K, D) that is not the best for them."""
    n, d, k = shape
    codes = harness.real(rng, (n, k), dtype) * harness.binary(rng, (n, k), dtype, density)
    phi = harness.real(rng, (k, d), dtype)
    phi /= np.maximum(np.linalg.norm(phi, axis=1, keepdims=True), 1).astype(dtype)
    return harness.real(rng, (n, d), dtype), codes, phi


def _statistics(x, codes, dtype):
    x, codes = x.astype(np.float64), codes.astype(np.float64)
    return (codes.T @ codes).astype(dtype), (codes.T @ x).astype(dtype)


def _error(x, codes, phi):
    return 0.5 * float(((x.astype(np.float64) - codes.astype(np.float64) @ phi) ** 2).sum())


def _updated(backend, phi, *arrays, **options):
    phi = phi.copy()
    backend.dictionary_update(phi, *arrays, **options)
    return phi


def test_statistics_equal_the_oracle_at_awkward_sizes(backend, dtype, rng):
    for n, d, k in SHAPES:
        x, codes, b = _problem(rng, (n, d, k), dtype)
        a = harness.real(rng, (k, k), dtype)
        expected = ref.dictionary_statistics(codes, x, a, b, keep=0.75)
        bound = ref.dictionary_statistics(*map(np.abs, (codes, x, a, b)), keep=0.75)
        got = cases.call(backend, "dictionary_statistics", [codes, x, a, b], {"keep": 0.75})
        for ours, theirs, limit in zip(got, expected, bound, strict=True):
            harness.check("dictionary_statistics", ours, theirs, limit, dtype=dtype, case=(n, d, k))


def test_update_equals_the_oracle_at_awkward_sizes(backend, dtype, rng):
    for n, d, k in SHAPES:
        x, codes, phi = _problem(rng, (4 * max(n, k), d, k), dtype)
        a, b = _statistics(x, codes, dtype)
        for positive in (False, True):
            expected = ref.dictionary_update(phi, a, b, positive=positive)
            got = _updated(backend, phi, a, b, positive=positive)
            bound = bounds.dictionary_update(phi, a, b)
            case = (n, d, k, positive)
            harness.check("dictionary_update", got, expected, bound, dtype=dtype, case=case)


def test_keep_0_forgets_what_was_there(native, dtype, rng):
    x, codes, phi = _problem(rng, (30, 7, 40), dtype)
    a, b = np.full((40, 40), np.nan, dtype), np.full(phi.shape, np.inf, dtype)
    native.dictionary_statistics(codes, x, a, b)
    fresh = cases.call(
        native, "dictionary_statistics", [codes, x, np.zeros_like(a), np.zeros_like(b)], {"keep": 1}
    )
    assert harness.same_bits(a, fresh[0])
    assert harness.same_bits(b, fresh[1])


def test_statistics_of_parts_add_up_to_the_bits_of_the_whole(native, dtype, rng):
    """A chain over ascending signals does not know where a batch ends."""
    x, codes, b = _problem(rng, (50, 7, 40), dtype)
    a = harness.real(rng, (40, 40), dtype)
    whole = cases.call(native, "dictionary_statistics", [codes, x, a, b], {"keep": 0.5})
    native.dictionary_statistics(codes[:13], x[:13], a, b, keep=0.5)
    native.dictionary_statistics(codes[13:], x[13:], a, b, keep=1.0)
    assert harness.same_bits(a, whole[0])
    assert harness.same_bits(b, whole[1])


@pytest.mark.parametrize("encoding", ["bits", "csr"])
def test_every_encoding_gives_the_same_bits(native, dtype, encoding, rng):
    _, codes, b = _problem(rng, (70, 67, 40), dtype)
    x, a = harness.binary(rng, (70, 67), dtype), np.zeros((40, 40), dtype)
    dense = cases.call(native, "dictionary_statistics", [codes, x, a, b], {"keep": 0.5})
    native.dictionary_statistics(
        scipy.sparse.csr_array(codes), harness.encode(x, encoding), a, b, keep=0.5
    )
    assert harness.same_bits(a, dense[0])
    assert harness.same_bits(b, dense[1])


@pytest.mark.parametrize("layout", ["columns", "step", "negative"])
def test_arrays_may_have_any_strides(native, dtype, layout, rng):
    x, codes, phi = _problem(rng, (60, 21, 37), dtype)
    a, b = np.zeros((37, 37), dtype), np.zeros((37, 21), dtype)
    native.dictionary_statistics(codes, x, a, b)
    views = [harness.GuardedView(array.shape, dtype, layout) for array in (a, b)]
    native.dictionary_statistics(codes, harness.lay_out(x, layout), *(v.view for v in views))
    for view, plain in zip(views, (a, b), strict=True):
        view.check()
        assert harness.same_bits(view.view, plain)
    out = harness.GuardedView(phi.shape, dtype, layout)
    out.view[...] = phi
    native.dictionary_update(out.view, harness.lay_out(a, layout), harness.lay_out(b, layout))
    out.check()
    assert harness.same_bits(out.view, _updated(native, phi, a, b))


@pytest.mark.parametrize("positive", [False, True])
def test_no_sweep_raises_the_error_and_no_atom_leaves_its_ball(backend, dtype, positive, rng):
    x, codes, phi = _problem(rng, (90, 20, 40), dtype)
    a, b = _statistics(x, codes, dtype)
    phi = np.abs(phi) if positive else phi
    errors = [_error(x, codes, phi)]
    for _ in range(8):
        phi = _updated(backend, phi, a, b, positive=positive)
        errors.append(_error(x, codes, phi))
        assert np.linalg.norm(phi.astype(np.float64), axis=1).max() <= 1 + 4 * np.finfo(dtype).eps
        assert not positive or phi.min() >= 0
    slack = 10 * np.finfo(dtype).eps * errors[0]
    assert np.diff(errors).max() <= slack
    assert errors[-1] < 0.9 * errors[0]


def test_sweeps_end_at_the_optimum(backend, rng):
    """The gradient vanishes inside the ball and points along the atom on the sphere."""
    x, codes, phi = _problem(rng, (200, 12, 20), np.float64)
    sizes = np.where(np.arange(20) % 2, 3.0, 0.3)  # of atoms, were it not for the ball
    x = 0.1 * x + codes @ (sizes[:, None] * phi)
    a, b = _statistics(x, codes, np.float64)
    phi = _updated(backend, phi, a, b, sweeps=3000)
    norms, descent = np.linalg.norm(phi, axis=1), b - a @ phi
    inside = norms < 1 - 1e-9
    assert 0 < inside.sum() < len(phi)
    scale = 1e-9 * np.abs(b).max()
    assert np.abs(descent[inside]).max() <= scale
    along = (descent * phi).sum(axis=1, keepdims=True)
    assert np.abs((descent - along * phi)[~inside]).max() <= scale
    assert along[~inside].min() >= 0


def test_sweeps_are_calls_repeated(native, dtype, rng):
    x, codes, phi = _problem(rng, (90, 20, 40), dtype)
    a, b = _statistics(x, codes, dtype)
    once = phi
    for _ in range(3):
        once = _updated(native, once, a, b)
    assert harness.same_bits(_updated(native, phi, a, b, sweeps=3), once)


def test_atoms_that_no_code_uses_stay_as_they_are(backend, dtype, rng):
    x, codes, phi = _problem(rng, (90, 20, 40), dtype)
    codes[:, [0, 17, 39]] = 0
    phi[17] *= 5  # not even into the ball
    a, b = _statistics(x, codes, dtype)
    got = _updated(backend, phi, a, b)
    assert np.array_equal(got[[0, 17, 39]], phi[[0, 17, 39]])
    assert not np.array_equal(got[1:17], phi[1:17])


@pytest.mark.parametrize("shape", [(0, 5, 4), (3, 0, 4), (3, 5, 0)])
def test_sizes_of_0_are_accepted(backend, dtype, shape):
    n, d, k = shape
    a, b = np.ones((k, k), dtype), np.ones((k, d), dtype)
    backend.dictionary_statistics(np.ones((n, k), dtype), np.ones((n, d), dtype), a, b, keep=1.0)
    assert np.array_equal(a, np.full((k, k), 1 + n))
    backend.dictionary_update(b, a, b.copy())


def test_a_matrix_that_is_not_square_is_refused(backend, dtype):
    phi = np.ones((3, 2), dtype)
    with pytest.raises(ValueError, match=r"^dictionary_update: a must have shape \(K,K\), K = 3"):
        backend.dictionary_update(phi, np.ones((3, 4), dtype), phi.copy())
    with pytest.raises(ValueError, match=r"^dictionary_statistics: a must have shape \(K,K\)"):
        backend.dictionary_statistics(phi, phi, np.ones((2, 3), dtype), np.ones((2, 2), dtype))


@pytest.mark.parametrize(("sweeps", "error"), [(0, ValueError), (1.5, TypeError)])
def test_bad_numbers_of_sweeps_are_refused(backend, dtype, sweeps, error):
    phi = np.eye(2, dtype=dtype)
    with pytest.raises(error, match="^dictionary_update: sweeps"):
        backend.dictionary_update(phi, np.eye(2, dtype=dtype), phi.copy(), sweeps=sweeps)
