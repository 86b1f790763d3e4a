"""lasso where atoms depend on each other, exactly or nearly: the hard part of an exact method."""

import numpy as np
import pytest

from layerwise.reference import lasso as ref

from . import harness

# float32 codes of some 10 have gaps of 1e-6 to 1e-5 however exact they are.
TOLERANCE = {np.float32: 5e-5, np.float64: 1e-10}


def _nearly_dependent(rng, dtype, n=60, d=24, k=96):
    """Unit atoms and signals in a few directions and a little of all others."""
    base = rng.standard_normal((6, d))
    phi = rng.standard_normal((k, 6)) @ base + 0.1 * rng.standard_normal((k, d))
    x = rng.standard_normal((n, 6)) @ base + 0.1 * rng.standard_normal((n, d))
    x, phi = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (x, phi))
    return x.astype(dtype), phi.astype(dtype)


def test_nearly_dependent_atoms_keep_no_signal_from_the_tolerance(native, dtype, rng):
    x, phi = _nearly_dependent(rng, dtype)
    tol = TOLERANCE[dtype]
    codes, gap = native.lasso(x, phi, 1e-4, tol=tol)
    assert gap.max() <= tol
    assert ref.lasso_gap(x, phi, codes, float(dtype(1e-4))).max() <= tol
    assert np.count_nonzero(codes, axis=1).max() > 20
    for rows in (slice(0, 1), slice(17, 49)):  # whichever precision: a signal is on its own
        part = native.lasso(x[rows], phi, 1e-4, tol=tol)
        assert harness.same_bits(part.codes, codes[rows])
        assert harness.same_bits(part.gap, gap[rows])


def _dictionaries(rng):
    """More atoms than dimensions; every atom three times; atoms, their negatives and their sums."""
    half = rng.standard_normal((6, 12))
    sums = np.concatenate([half, -half, np.zeros((2, 12)), half[:3] + half[3:]])
    return [rng.standard_normal((60, 8)), np.concatenate([rng.standard_normal((12, 12))] * 3), sums]


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("alpha", [0.5, 0.05])
def test_dependent_atoms_keep_no_signal_from_the_tolerance(native, dtype, positive, alpha, rng):
    """Nor does a start that has many of them, and few passes are needed."""
    for phi in _dictionaries(rng):
        phi = phi.astype(dtype)
        x = rng.standard_normal((40, phi.shape[1])).astype(dtype)
        start = harness.real(rng, (40, len(phi)), dtype)
        start *= harness.binary(rng, start.shape, dtype, 0.2)
        for options in ({}, {"start": start}):
            codes, gap = native.lasso(
                x, phi, alpha, positive=positive, tol=TOLERANCE[dtype], max_iter=300, **options
            )
            assert gap.max() <= TOLERANCE[dtype]
            true = ref.lasso_gap(x, phi, codes, float(dtype(alpha)), positive=positive)
            assert true.max() <= TOLERANCE[dtype]


@pytest.mark.parametrize("alpha", [0.05, 1e-3])
def test_an_atom_in_the_span_of_the_active_ones_takes_a_place(native, alpha, rng):
    """More atoms than dimensions, all wanted: no more are active than are independent."""
    x, phi = rng.standard_normal((30, 8)), rng.standard_normal((60, 8))
    codes, gap = native.lasso(x, phi, alpha, tol=1e-12, method="active_set", max_iter=400)
    assert gap.max() <= 1e-12
    assert np.count_nonzero(codes, axis=1).max() <= 8
