"""Lasso and LassoPath beside scikit-learn's, and what is their own."""

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

import layerwise
from layerwise import Lasso, LassoPath, lasso_path

TIGHT = {"tol": 1e-12, "max_iter": 100_000}


@parametrize_with_checks([Lasso(), LassoPath(n_alphas=10)])
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture
def data(rng):
    x = rng.standard_normal((60, 90)) + rng.uniform(-2, 2, 90)
    y = x[:, :4] @ [1.0, -2.0, 0.5, 3.0] + 0.2 * rng.standard_normal(60) + 4.0
    return x, y


def assert_same_fit(ours, theirs, atol=1e-5):
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=atol)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=10 * atol)
    assert np.shape(ours.coef_) == np.shape(theirs.coef_)
    assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)


def test_lasso_has_the_parameters_and_attributes_of_scikit_learns(data):
    for name, parameter in inspect.signature(linear_model.Lasso).parameters.items():
        ours = inspect.signature(Lasso).parameters[name]
        assert (ours.kind, ours.default) == (parameter.kind, parameter.default)
    ours, theirs = Lasso(0.1).fit(*data), linear_model.Lasso(0.1).fit(*data)
    for name in dir(theirs):
        if not name.startswith("_") and name not in ("path", "l1_ratio"):
            assert hasattr(ours, name), name
    assert ours.sparse_coef_.shape == theirs.sparse_coef_.shape
    assert type(ours.sparse_coef_) is type(theirs.sparse_coef_)


@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"positive": True}])
@pytest.mark.parametrize("encode", [np.asarray, sp.csr_matrix, sp.csc_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_lasso_finds_what_scikit_learns_finds(data, options, encode, weighted, rng):
    x, y = data
    x = encode(x * (rng.random(x.shape) < 0.5))
    weight = rng.uniform(0.0, 2.0, len(y)) if weighted else None
    for alpha in (0.3, 0.05):
        ours = Lasso(alpha, **options, **TIGHT).fit(x, y, weight)
        theirs = linear_model.Lasso(alpha, **options, **TIGHT).fit(x, y, weight)
        assert_same_fit(ours, theirs)
        np.testing.assert_allclose(ours.predict(x), theirs.predict(x), atol=1e-4)


def test_targets_are_problems_of_their_own(data, rng):
    x, y = data
    y = np.stack([y, -y, rng.standard_normal(60)], axis=1)
    ours = Lasso(0.1, **TIGHT).fit(x, y)
    assert_same_fit(ours, linear_model.Lasso(0.1, **TIGHT).fit(x, y))
    assert ours.predict(x).shape == y.shape
    assert ours.dual_gap_.shape == (3,)
    assert len(ours.n_iter_) == 3
    one = Lasso(0.1, **TIGHT).fit(x, y[:, :1])
    assert_same_fit(one, linear_model.Lasso(0.1, **TIGHT).fit(x, y[:, :1]))


def test_the_dual_gap_bounds_the_objective(data):
    x, y = data

    def objective(model):
        return 0.5 * ((y - model.predict(x)) ** 2).mean() + 0.05 * np.abs(model.coef_).sum()

    best = objective(Lasso(0.05, **TIGHT).fit(x, y))
    for tol in (1e-1, 1e-2, 1e-4):
        model = Lasso(0.05, tol=tol).fit(x, y)
        assert 0 <= objective(model) - best <= model.dual_gap_ + 1e-12
        assert model.dual_gap_ <= tol * y.var() * (1 + 1e-9)


def test_float32_is_kept_and_other_types_become_float64(data):
    x, y = data
    single = Lasso(0.1).fit(x.astype(np.float32), y)
    assert single.coef_.dtype == single.predict(x.astype(np.float32)).dtype == np.float32
    assert Lasso(0.1).fit(np.round(x).astype(int), y).coef_.dtype == np.float64


def test_a_warm_start_goes_on_from_the_fit_before(data):
    model = Lasso(0.01, tol=1e-8, warm_start=True).fit(*data)
    first = model.n_iter_
    assert first > 1
    assert model.fit(*data).n_iter_ == 1
    cold = clone(model).set_params(alpha=0.02, warm_start=False, tol=1e-12).fit(*data)
    warm = model.set_params(alpha=0.02, tol=1e-12).fit(*data)
    np.testing.assert_allclose(warm.coef_, cold.coef_, atol=1e-5)
    wide = model.fit(np.hstack([data[0], data[0]]), data[1])
    assert wide.coef_.shape == (180,)


def test_what_does_not_converge_warns_and_what_does_not_fit_is_refused(data):
    x, y = data
    with pytest.warns(ConvergenceWarning, match="the worst gap is"):
        Lasso(1e-4, max_iter=1, tol=1e-12).fit(x, y)
    with pytest.warns(UserWarning, match="least squares"):
        Lasso(0.0, tol=1e-2).fit(x[:, :20], y)
    for options, error, match in [
        ({"alpha": -1.0}, ValueError, "^Lasso: alpha"),
        ({"alpha": "1"}, TypeError, "^Lasso: alpha"),
        ({"tol": -1.0}, ValueError, "^Lasso: tol"),
        ({"max_iter": 0}, ValueError, "^Lasso: max_iter"),
        ({"positive": 1}, TypeError, "^Lasso: positive"),
    ]:
        with pytest.raises(error, match=match):
            Lasso(**options).fit(x, y)
    with pytest.raises(ValueError, match="^Lasso: sample_weight"):
        Lasso().fit(x, y, -np.ones(60))
    with pytest.raises(ValueError, match="non-zero"):
        Lasso().fit(x, y, np.zeros(60))


def test_data_are_not_written_to(data):
    x, y = (values.copy() for values in data)
    Lasso(0.1, copy_X=False).fit(np.asfortranarray(x), y)
    assert np.array_equal(x, data[0])
    assert np.array_equal(y, data[1])


def test_lasso_path_returns_what_scikit_learns_returns(data):
    x, y = data
    x, y = x - x.mean(axis=0), y - y.mean()
    ours = lasso_path(x, y, eps=1e-2, n_alphas=20, return_n_iter=True, **TIGHT)
    np.testing.assert_allclose(ours[0], np.abs(x.T @ y).max() / 60 * np.geomspace(1, 1e-2, 20))
    theirs = linear_model.lasso_path(x, y, alphas=ours[0], return_n_iter=True, **TIGHT)
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert ours[2].shape == theirs[2].shape
    assert len(ours[3]) == len(theirs[3])
    alphas, coefs, _ = lasso_path(x, y, alphas=[0.1, 0.5], **TIGHT)
    assert alphas.tolist() == [0.5, 0.1]
    np.testing.assert_allclose(
        coefs, linear_model.lasso_path(x, y, alphas=[0.1, 0.5], **TIGHT)[1], atol=1e-5
    )


@pytest.mark.parametrize("encode", [np.asarray, sp.csr_matrix])
def test_a_path_holds_the_lasso_of_every_alpha(data, encode):
    x, y = data
    path = LassoPath(eps=1e-2, n_alphas=8, random_state=0, **TIGHT).fit(encode(x), y)
    assert not path.coefs_[0].any()
    assert (np.diff(path.alphas_) < 0).all()
    for i in (2, 7):
        alone = Lasso(path.alphas_[i], **TIGHT).fit(x, y)
        np.testing.assert_allclose(path.coefs_[i], alone.coef_, atol=1e-5)
        np.testing.assert_allclose(
            path.predict(encode(x), alpha=path.alphas_[i]), alone.predict(x), atol=1e-3
        )


def test_a_path_interpolates_between_its_alphas_and_stops_at_its_ends(data):
    x, y = data
    path = LassoPath(alphas=[0.1, 0.4, 0.2], validation_fraction=0.0).fit(x, y)
    assert path.alphas_.tolist() == [0.4, 0.2, 0.1]
    assert path.alpha_ == 0.1
    assert path.validation_errors_ is None
    middle = 0.5 * (path.predict(x, alpha=0.4) + path.predict(x, alpha=0.2))
    np.testing.assert_allclose(path.predict(x, alpha=0.3), middle)
    np.testing.assert_array_equal(path.predict(x, alpha=9.0), path.predict(x, alpha=0.4))
    np.testing.assert_array_equal(path.predict(x, alpha=0.0), path.predict(x))
    with pytest.raises(ValueError, match="^LassoPath: alpha"):
        path.predict(x, alpha=-1.0)


def test_a_path_predicts_at_the_alpha_that_does_best_on_rows_held_out(data):
    x, y = data
    path = LassoPath(random_state=0).fit(x, y)
    best = int(path.validation_errors_.argmin())
    assert path.alpha_ == path.alphas_[best]
    assert 0 < best < 99
    np.testing.assert_allclose(path.coef_, path.coefs_[best])
    again = LassoPath(random_state=0).fit(x, y)
    assert again.alpha_ == path.alpha_
    assert np.array_equal(again.coefs_, path.coefs_)
    assert path.score(x, y) > 0.95


@pytest.mark.parametrize("kind", ["lasso", "targets", "float32", "path", "unfitted"])
def test_models_come_back_from_files_and_pickles(kind, data, tmp_path):
    x, y = data
    model = LassoPath(n_alphas=5, random_state=0) if kind == "path" else Lasso(0.1)
    if kind == "targets":
        model.fit(x, np.stack([y, -y], axis=1))
    elif kind == "float32":
        model.fit(x.astype(np.float32), y)
    elif kind != "unfitted":
        model.fit(x, y)
    model.save(tmp_path / "model")
    for back in (layerwise.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert back.get_params() == model.get_params()
        assert vars(back).keys() == vars(model).keys()
        if kind != "unfitted":
            assert np.array_equal(back.predict(x), model.predict(x))
            assert type(back.n_iter_) is type(model.n_iter_)


def test_estimators_take_data_frames_and_can_be_searched(data):
    x, y = data
    frame = pd.DataFrame(x[:, :3], columns=["a", "b", "c"])
    assert Lasso(0.1).fit(frame, y).feature_names_in_.tolist() == ["a", "b", "c"]
    search = GridSearchCV(Lasso(), {"alpha": [10.0, 0.1]}, cv=2).fit(x, y)
    assert search.best_params_ == {"alpha": 0.1}


def test_results_do_not_depend_on_the_number_of_threads(data):
    found = []
    for threads in (1, 2, 7):
        with layerwise.num_threads(threads), warnings.catch_warnings():
            found.append(Lasso(0.01).fit(*data).coef_)
    assert all(np.array_equal(found[0], other) for other in found[1:])
