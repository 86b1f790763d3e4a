"""The linear machine of recipes: scikit-learn's solution, a penalty chosen on held-out rows."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from layerwise.reproduce import _linear_svm
from layerwise.reproduce._linear_svm import fit_linear_svm, standardise


@pytest.fixture
def data(rng):
    y = rng.integers(0, 3, 400)
    return rng.normal(size=(400, 6)) + 0.7 * np.eye(3, 6)[y], y


def sklearns(x, y, decay):
    """The machine of scikit-learn, which penalises the bias, so it is made cheap."""
    return LinearSVC(
        C=1 / (decay * len(x)), dual=False, tol=1e-10, intercept_scaling=1e3, max_iter=10**5
    ).fit(x, y)


@pytest.mark.parametrize("decay", [0.3, 0.01])
def test_it_is_the_machine_of_scikit_learn(decay, data, monkeypatch):
    monkeypatch.setattr(_linear_svm, "_TOLERANCE", 1e-12)
    x, y = data
    ours = fit_linear_svm(x, y, [decay], 100).net.layers[0]
    theirs = sklearns(x, y, decay)
    np.testing.assert_allclose(ours.w, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.b, theirs.intercept_, atol=1e-3)


def test_the_penalty_is_the_best_on_the_last_rows_and_the_machine_that_of_all(data):
    x, y = data
    svm = fit_linear_svm(x, y, [1e4, 1.0, 0.01], 150)
    assert svm.held_out[svm.weight_decay] == min(svm.held_out.values())
    alone = fit_linear_svm(x, y, [svm.weight_decay], 1).net.layers[0]
    np.testing.assert_allclose(svm.net.layers[0].w, alone.w, atol=1e-3)
    assert 0 < svm.error(x, y) < 0.5
    assert svm.error(x, (y + 1) % 3) > 0.5


def test_smaller_penalties_are_not_tried_once_one_does_worse(rng):
    x = rng.normal(size=(60, 40))  # noise: the less penalty, the more is learnt by heart
    x[:, 0] = np.arange(60) % 2 + 0.2 * rng.normal(size=60)
    svm = fit_linear_svm(x, np.arange(60) % 2, [1.0, 1e-3, 1e-6, 1e-9], 30)
    tried = list(svm.held_out)
    assert len(tried) < 4
    assert svm.weight_decay == tried[-2]
    assert svm.held_out[tried[-1]] > svm.held_out[tried[-2]]


def test_features_with_much_in_common_are_learnt_to_the_end(rng):
    """As triangle codes have: a hundred line searches, ten of them remembered, stop 0.5% above."""
    y = rng.integers(0, 2, 300)
    x = 30 * rng.normal(size=(300, 1)) + rng.normal(size=(300, 60)) * np.geomspace(0.1, 3, 60)
    x[:, 0] += 0.5 * y
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    ours = fit_linear_svm(x, y, [1e-4], 1).net.layers[0]
    theirs = sklearns(x, y, 1e-4)

    def objective(w, b):
        short = np.maximum(0, 1 - (2 * y - 1) * (x @ w + b))
        return np.square(short).mean() + 1e-4 / 2 * w @ w

    least = objective(theirs.coef_[0], theirs.intercept_[0])
    assert objective(ours.w[1], ours.b[1]) < 1.0005 * least


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_are_standardised_in_place_part_by_part(dtype, rng, monkeypatch):
    monkeypatch.setattr(_linear_svm, "_ROWS", 7)
    train, test = (3 + 0.2 * rng.normal(size=(n, 4)).astype(dtype) for n in (50, 20))
    mean, deviation = train.mean(axis=0), np.sqrt(train.var(axis=0) + 0.01)
    expected = (train - mean) / deviation, (test - mean) / deviation
    standardise(train, test)
    for found, wanted in zip((train, test), expected, strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, atol=1e-5)
