"""SoftThresholdCoder: its formula, whatever the dictionary comes from."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

import layerwise
from layerwise import SoftThresholdCoder, VectorQuantizer


@pytest.fixture
def x(rng):
    return rng.normal(size=(60, 6))


def test_codes_are_the_formula_over_a_given_dictionary(x, rng):
    dictionary = 3 * rng.normal(size=(4, 6))
    codes = SoftThresholdCoder(dictionary, alpha=0.7).fit_transform(x)
    product = x @ dictionary.T
    expected = np.maximum(0, np.concatenate([product - 0.7, -product - 0.7], axis=1))
    np.testing.assert_allclose(codes, expected, atol=1e-13)


def test_codes_are_a_step_of_soft_thresholding_with_its_signs_apart(x):
    dictionary = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    codes = SoftThresholdCoder(dictionary, alpha=0.5).fit_transform(x)
    exact = layerwise.ops.lasso(x, dictionary, 0.5, tol=1e-12).codes  # atoms are orthogonal
    np.testing.assert_allclose(codes[:, :6] - codes[:, 6:], exact, atol=1e-9)


@pytest.mark.parametrize("learner", [VectorQuantizer(5, random_state=0), PCA(3, random_state=0)])
def test_learnt_atoms_get_unit_norm_and_the_learner_stays_as_it_is(learner, x):
    coder = SoftThresholdCoder(learner).fit(x)
    np.testing.assert_allclose(np.linalg.norm(coder.components_, axis=1), 1)
    assert not hasattr(learner, "n_features_in_")
    assert len(coder.get_feature_names_out()) == coder.transform(x).shape[1]


def test_a_saved_coder_gives_the_same_bits(x, tmp_path):
    for dictionary in (np.eye(6)[:4], VectorQuantizer(3, random_state=0)):
        coder = SoftThresholdCoder(dictionary).fit(x)
        coder.save(tmp_path / "model.safetensors")
        back = layerwise.load(tmp_path / "model.safetensors")
        np.testing.assert_array_equal(back.transform(x), coder.transform(x))


def test_the_same_bits_on_any_number_of_threads(x, full_teams, monkeypatch):
    monkeypatch.setattr("layerwise.nn.data.blocks.BLOCK_ELEMENTS", 50)
    found = []
    for threads in (1, 2, 7):
        with layerwise.num_threads(threads):
            found.append(SoftThresholdCoder(np.eye(6)).fit_transform(x.astype(np.float32)))
    assert found[0].dtype == np.float32
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"alpha": -1}, ValueError, "^SoftThresholdCoder: alpha must be a finite number >= 0"),
        (
            {"dictionary": np.eye(5)},
            ValueError,
            "dictionary must have as many columns as X, 6; got",
        ),
        ({"dictionary": np.full((2, 6), np.nan)}, ValueError, "dictionary contains NaN"),
        ({"dictionary": layerwise.ZCA()}, TypeError, "or an estimator that learns components_ or"),
    ],
)
def test_wrong_parameters_are_refused(given, error, message, x):
    with pytest.raises(error, match=message):
        SoftThresholdCoder(**given).fit(x)
