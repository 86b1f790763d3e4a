"""VectorQuantizer: its encodings and labels agree, and its limits are told."""

import numpy as np
import pytest

import layerwise
from layerwise import VectorQuantizer


@pytest.fixture
def x(rng):
    return rng.normal(size=(300, 5)).astype(np.float32)


def quantizer(**given):
    return VectorQuantizer(**{"n_components": 12, "random_state": 0, **given})


def test_hard_codes_name_the_labels_and_soft_and_triangle_are_largest_there(x):
    vq = quantizer(encoding="hard").fit(x)
    labels = vq.predict(x)
    np.testing.assert_array_equal(vq.transform(x), np.eye(12)[labels])
    for encoding in ("soft", "triangle"):
        codes = vq.set_params(encoding=encoding).transform(x)
        np.testing.assert_array_equal(codes.argmax(axis=1), labels)
        assert (codes >= 0).all()
    np.testing.assert_allclose(
        vq.set_params(encoding="soft").transform(x).sum(axis=1), 1, rtol=1e-5
    )


def test_gamma_is_by_default_the_inverse_of_the_mean_squared_distance(x):
    vq = quantizer().fit(x)
    squared = ((x - vq.cluster_centers_[vq.predict(x)]) ** 2).sum(axis=1)
    assert vq.gamma_ == pytest.approx(1 / squared.mean(), rel=1e-5)
    assert vq.inertia_ == pytest.approx(squared.sum(), rel=1e-5)
    assert quantizer(gamma=3).fit(x).gamma_ == 3


def test_a_large_gamma_makes_soft_codes_hard(x):
    soft = quantizer(encoding="soft", gamma=1e6).fit(x)
    hard = quantizer(encoding="hard").fit(x)
    np.testing.assert_allclose(soft.transform(x), hard.transform(x), atol=1e-6)


@pytest.mark.parametrize("encoding", ["hard", "soft", "triangle"])
def test_the_same_bits_on_any_number_of_threads(encoding, x, full_teams):
    found = []
    for threads in (1, 2, 7):
        with layerwise.num_threads(threads):
            found.append(quantizer(encoding=encoding).fit(x).transform(x))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components must be an integer >= 1; got 0"),
        ({"n_components": 301}, ValueError, "X must have at least n_components=301 rows; got n_sa"),
        ({"encoding": "half"}, ValueError, "encoding must be 'hard' or 'soft' or 'triangle'; got"),
        ({"gamma": 0}, ValueError, "gamma must be a finite number > 0; got 0"),
        ({"init": "zeros"}, ValueError, "init must be"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer >= 1"),
        ({"tol": -1}, ValueError, "tol must be a finite number >= 0"),
    ],
)
def test_wrong_parameters_are_refused(given, error, message, x):
    with pytest.raises(error, match=f"^VectorQuantizer: {message}"):
        quantizer(**given).fit(x)


def test_an_encoding_changed_to_nonsense_is_refused(x):
    with pytest.raises(ValueError, match="^VectorQuantizer: encoding must be"):
        quantizer().fit(x).set_params(encoding="half").transform(x)
