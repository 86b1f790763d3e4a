"""DictionaryLearning and SparseCoder: what scikit-learn's give, and what theirs do not have."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import decomposition
from sklearn.base import clone
from sklearn.datasets import load_digits

from layerwise import DictionaryLearning, SparseCoder, nn, num_threads, ops
from layerwise.reference.lasso import lasso_gap

ALGORITHMS = {
    "online": {},
    "block_coordinate": {},
    "lagrange_dual": {},
    "ksvd": {"transform_n_nonzero_coefs": 3},
}


@pytest.fixture
def x(rng):
    return rng.standard_normal((60, 10))


@pytest.fixture
def phi(rng):
    atoms = rng.standard_normal((15, 10))
    return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)


def learner(name="online", **options):
    given = {"alpha": 0.3, "n_iter": 3, "batch_size": 20, "random_state": 0} | ALGORITHMS[name]
    return DictionaryLearning(12, fit_algorithm=name, **(given | options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"transform_n_nonzero_coefs": 4},
        {"transform_algorithm": "lasso_cd", "transform_alpha": 0.4},
        {"transform_algorithm": "lasso_lars", "transform_alpha": 0.4, "positive_code": True},
        {"transform_algorithm": "threshold", "transform_alpha": 0.4, "split_sign": True},
    ],
)
def test_codes_are_those_of_scikit_learn(options, x, phi):
    theirs = decomposition.SparseCoder(phi, transform_max_iter=10_000, **options)
    ours = SparseCoder(phi, gap_tol=1e-10, transform_max_iter=10_000, **options)
    codes = ours.transform(x)
    expected = theirs.fit(x).transform(x)
    lasso = options.get("transform_algorithm", "").startswith("lasso")
    # Its lassos end some 1e-4 from the optimum, the root of which bounds the codes' error.
    np.testing.assert_allclose(codes, expected, atol=2e-2 if lasso else 1e-10)
    if lasso:
        judge = nn.LassoCoding(0.4)
        assert (judge.objective(x, phi, codes) <= judge.objective(x, phi, expected) + 1e-9).all()
    assert ours.n_features_in_ == theirs.n_features_in_
    assert len(ours.get_feature_names_out()) == codes.shape[1]
    sparse = clone(ours).set_params(sparse_output=True).transform(x)
    assert isinstance(sparse, sp.csr_array)
    assert np.array_equal(sparse.toarray(), codes)
    back = ours.inverse_transform(codes)
    signed = codes[:, :15] - codes[:, 15:] if options.get("split_sign") else codes
    np.testing.assert_allclose(back, signed @ phi, atol=1e-12)
    np.testing.assert_allclose(ours.inverse_transform(sparse), back, atol=1e-12)


@pytest.mark.parametrize("positive", [False, True])
def test_lasso_lars_leaves_no_gap(x, phi, positive):
    coder = SparseCoder(
        phi, transform_algorithm="lasso_lars", transform_alpha=0.4, positive_code=positive
    )
    codes = coder.transform(x)
    assert np.array_equal(codes, ops.lars(x, phi, 0.4, positive=positive).codes)
    assert lasso_gap(x, phi, codes, 0.4, positive=positive).max() <= 1e-12
    sparse = coder.set_params(sparse_output=True).transform(x)
    assert np.array_equal(sparse.toarray(), codes)


def test_omp_stops_at_a_square_error(x, phi):
    codes = SparseCoder(phi, transform_alpha=2.0).transform(x)
    assert ((x - codes @ phi) ** 2).sum(axis=1).max() <= 2.0
    assert len(set(np.count_nonzero(codes, axis=1))) > 1


def test_codes_of_float32_signals_are_float32(x, phi):
    for algorithm in ("lasso", "omp", "threshold"):
        coder = SparseCoder(phi, transform_algorithm=algorithm)
        assert coder.transform(x.astype(np.float32)).dtype == np.float32
    assert learner().fit(x.astype(np.float32)).components_.dtype == np.float32


def test_learnt_dictionaries_are_as_good_as_scikit_learns():
    """Mean objective of digits that neither has seen, from the same number of epochs."""
    x = (load_digits().data / 16).astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    train, test = x[:1000], x[1400:]
    options = {"alpha": 0.15, "batch_size": 50, "random_state": 0}
    ours = DictionaryLearning(40, n_iter=4, **options).fit(train)
    theirs = decomposition.MiniBatchDictionaryLearning(
        40, max_iter=4, tol=0.0, max_no_improvement=None, fit_algorithm="cd", **options
    ).fit(train)
    judge = nn.LassoCoding(0.15, tol=1e-6)

    def objective(phi):
        return float(judge.objective(test, phi, judge.codes(test, phi)).mean())

    assert np.linalg.norm(theirs.components_, axis=1).max() <= 1 + 1e-9
    assert objective(ours.components_) <= 1.01 * objective(theirs.components_)
    assert ours.score(test) == pytest.approx(-objective(ours.components_), rel=1e-3)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_fit_is_the_same_on_any_number_of_threads_and_from_any_memory(name, x, tmp_path):
    whole = learner(name).fit(x).components_
    with num_threads(2):
        assert np.array_equal(learner(name).fit(x).components_, whole)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(learner(name).fit(mapped).components_, whole)
    assert not np.array_equal(learner(name, random_state=1).fit(x).components_, whole)


@pytest.mark.parametrize("name", ["online", "lagrange_dual"])
def test_blocks_of_rows_are_learnt_from_as_their_rows(name, x):
    """The same start, in the order of the data, cut into the same batches."""
    options = {"shuffle": False, "dict_init": x[:12]}
    whole = learner(name, **options).fit(x)
    blocks = learner(name, **options).fit(lambda: iter(np.split(x, [7, 31])))
    assert np.array_equal(whole.components_, blocks.components_)
    assert whole.n_samples_seen_ == blocks.n_samples_seen_ == 180


def test_ksvd_refuses_blocks_of_rows(x):
    with pytest.raises(ValueError, match="^DictionaryLearning: fit_algorithm must not be ksvd"):
        learner("ksvd").fit(lambda: iter([x]))


def test_partial_fits_are_the_steps_of_a_fit(x):
    start = x[:12]
    whole = learner(n_iter=1, shuffle=False, dict_init=start).fit(x)
    steps = learner(dict_init=start)
    for part in np.split(x, 3):
        steps.partial_fit(part)
    assert np.array_equal(steps.components_, whole.components_)
    assert (steps.n_steps_, steps.n_samples_seen_, steps.n_epochs_) == (3, 60, 3)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_loaded_learner_goes_on_as_the_saved_one(name, x, tmp_path):
    import layerwise

    saved = learner(name).fit(x)
    saved.save(tmp_path / "model")
    loaded = layerwise.load(tmp_path / "model")
    assert np.array_equal(loaded.transform(x), saved.transform(x))
    for model in (saved, loaded):
        model.partial_fit(x[::-1])
    assert np.array_equal(loaded.components_, saved.components_)


@pytest.mark.parametrize("name", ["online", "block_coordinate"])
def test_non_negative_learning_factors_non_negative_data(name, x):
    model = learner(name, positive_code=True, positive_dict=True, n_iter=5).fit(np.abs(x))
    assert model.components_.min() >= 0
    assert model.transform(np.abs(x)).min() >= 0
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]


def test_transform_codes_as_fit_does_unless_told_otherwise(x):
    assert (np.count_nonzero(learner("ksvd").fit(x).transform(x), axis=1) == 3).all()
    model = learner().fit(x)
    exact = nn.LassoCoding(0.3).codes(x, model.components_)
    assert np.array_equal(model.transform(x), exact)
    model.set_params(transform_algorithm="omp", transform_n_nonzero_coefs=2)
    assert (np.count_nonzero(model.transform(x), axis=1) == 2).all()


def test_early_stopping_watches_signals_that_are_held_out(x):
    stop = nn.EarlyStopping("validation_objective", patience=1, tolerance=10.0)
    model = learner(n_iter=50, validation_fraction=0.3, callbacks=[stop]).fit(x)
    assert len(model.history_) == 2
    assert {"objective", "non_zeros", "replaced_atoms", "validation_objective"} <= set(
        model.history_[0]
    )


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"alpha": -1.0}, ValueError, "alpha"),
        ({"fit_algorithm": "lars"}, ValueError, "fit_algorithm must be 'online'"),
        ({"transform_algorithm": "lars"}, ValueError, "transform_algorithm"),
        ({"positive_dict": True, "fit_algorithm": "ksvd"}, ValueError, "positive_dict"),
        ({"positive_code": True, "transform_algorithm": "omp"}, ValueError, "positive_code"),
        ({"dict_init": np.ones((3, 10))}, ValueError, "dict_init must have n_components=12"),
        ({"dict_init": np.ones((12, 9))}, ValueError, "dict_init must have a column"),
        ({"dict_init": np.full((12, 10), np.nan)}, ValueError, "dict_init must be finite"),
        ({"forgetting": np.inf}, ValueError, "forgetting"),
        ({"gap_tol": "small"}, TypeError, "gap_tol"),
    ],
)
def test_bad_hyper_parameters_are_refused_in_fit(options, error, match, x):
    with pytest.raises(error, match=f"^DictionaryLearning: {match}"):
        learner().set_params(**options).fit(x)


def test_bad_dictionaries_are_refused(x):
    for bad in (np.ones(10), np.zeros((0, 10)), np.full((3, 10), np.inf), [["a"] * 10]):
        with pytest.raises(ValueError, match="^SparseCoder: dictionary must be"):
            SparseCoder(bad).transform(x)
