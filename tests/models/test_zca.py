"""ZCA: white data, symmetric, invertible; the same from parts as from the whole."""

import numpy as np
import pytest

from layerwise import ZCA

DTYPES = [np.float32, np.float64]


@pytest.fixture
def x(rng):
    return 5 + rng.normal(size=(6000, 8)) @ rng.normal(size=(8, 8))


@pytest.mark.parametrize("dtype", DTYPES)
def test_whitened_training_data_have_the_identity_for_covariance(dtype, x):
    zca = ZCA(eps=0).fit(x.astype(dtype))
    y = zca.transform(x.astype(dtype))
    assert y.dtype == zca.whitening_.dtype == dtype
    atol = 1e-3 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(y.mean(axis=0, dtype=np.float64), 0, atol=atol)
    np.testing.assert_allclose(np.cov(y.T), np.eye(8), atol=atol)


def test_the_transform_is_symmetric_and_nearer_to_the_data_than_pca(x):
    whitening = ZCA(eps=0).fit(x).whitening_
    np.testing.assert_allclose(whitening, whitening.T, atol=1e-12)
    variances, vectors = np.linalg.eigh(np.cov(x.T))
    centred = x - x.mean(axis=0)
    pca = centred @ (vectors / np.sqrt(variances))
    assert ((centred @ whitening - centred) ** 2).sum() < ((pca - centred) ** 2).sum()


def test_eps_adds_to_the_variances(x):
    variances = np.linalg.eigvalsh(np.cov(x.T))
    found = np.linalg.eigvalsh(ZCA(eps=0.5).fit(x).whitening_)
    np.testing.assert_allclose(np.sort(found)[::-1], 1 / np.sqrt(variances + 0.5), rtol=1e-8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_inverse_transform_undoes_transform(eps, dtype, x):
    x = x.astype(dtype)
    zca = ZCA(eps=eps).fit(x)
    back = zca.inverse_transform(zca.transform(x))
    np.testing.assert_allclose(back, x, atol=2e-3 if dtype == np.float32 else 1e-9)


def test_parts_give_what_the_whole_gives(x):
    whole, parts = ZCA().fit(x), ZCA()
    for part in np.split(x, [1, 10, 4500]):
        parts.partial_fit(part)
    np.testing.assert_allclose(parts.whitening_, whole.whitening_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(parts.mean_, x.mean(axis=0), rtol=1e-12)
    assert parts._moments["n"] == len(x)


def test_fit_forgets_what_was_seen_before(x):
    again = ZCA().fit(x[:50] * 9).fit(x)
    np.testing.assert_array_equal(again.whitening_, ZCA().fit(x).whitening_)


def test_a_large_mean_costs_no_accuracy(x):
    x = (x - 5) / 100 + 1000
    y = ZCA(eps=0).fit_transform(x)
    np.testing.assert_allclose(np.cov(y.T), np.eye(8), atol=1e-6)


def test_directions_without_variance_become_zero(rng):
    x = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 6))
    zca = ZCA(eps=0).fit(x)
    y = zca.transform(x)
    variances = np.linalg.eigvalsh(np.cov(y.T))
    np.testing.assert_allclose(variances, [0, 0, 0, 1, 1, 1], atol=1e-8)
    np.testing.assert_allclose(zca.inverse_transform(y), x, atol=1e-8)


@pytest.mark.parametrize("eps", [-0.1, np.nan, "0.1", None])
def test_wrong_eps_is_refused(eps, x):
    with pytest.raises(
        (TypeError, ValueError), match="^ZCA: eps must be a finite number >= 0; got"
    ):
        ZCA(eps=eps).fit(x)
