"""PatchExtractor, ContrastNormalizer and SpatialPyramid on their own."""

import numpy as np
import pytest
from sklearn.feature_extraction.image import extract_patches_2d

import layerwise
from layerwise import ContrastNormalizer, PatchExtractor, SpatialPyramid


def test_all_patches_are_those_of_scikit_learn(rng):
    images = rng.normal(size=(2, 7, 6, 3))
    expected = np.concatenate(
        [extract_patches_2d(image, (3, 2)).reshape(-1, 18) for image in images]
    )
    np.testing.assert_array_equal(PatchExtractor((3, 2)).fit_transform(images), expected)


def test_random_patches_are_different_patches_of_the_grid_from_all_images(rng):
    images = rng.normal(size=(20, 7, 6))
    grid = PatchExtractor(3, stride=2).fit_transform(images)
    drawn = PatchExtractor(3, stride=2, n_patches=60, random_state=1).fit_transform(images)
    places = [int(np.flatnonzero((grid == patch).all(axis=1))[0]) for patch in drawn]
    assert len(set(places)) == 60
    assert len({place // (len(grid) // 20) for place in places}) > 12
    assert places != sorted(places)
    again = PatchExtractor(3, stride=2, n_patches=60, random_state=1).fit_transform(images)
    np.testing.assert_array_equal(again, drawn)
    other = PatchExtractor(3, stride=2, n_patches=60, random_state=2).fit_transform(images)
    assert not np.array_equal(other, drawn)


def test_more_patches_than_there_are_means_all(rng):
    images = rng.integers(0, 256, (2, 5, 5), dtype=np.uint8)
    patches = PatchExtractor(3, n_patches=10**9).fit_transform(images)
    assert patches.dtype == np.float32
    np.testing.assert_array_equal(patches, PatchExtractor(3).fit_transform(images))


@pytest.mark.parametrize(
    "estimator",
    [
        PatchExtractor((2, 3), stride=2, n_patches=5, random_state=0, image_shape=(4, 5)),
        ContrastNormalizer(eps=3.0),
        SpatialPyramid((1, (2, 1)), pooling="sqrt", power=0.5, norm="l1"),
    ],
)
def test_parameters_come_back_from_a_file(estimator, tmp_path):
    estimator.save(tmp_path / "model.safetensors")
    back = layerwise.load(tmp_path / "model.safetensors")
    assert type(back) is type(estimator)
    assert back.get_params() == estimator.get_params()


def test_power_and_norm_are_applied_last(rng):
    codes = rng.normal(size=(4, 3, 3, 5))
    codes[2] = 0
    plain = SpatialPyramid((1, 3), pooling="sum").fit_transform(codes)
    power = SpatialPyramid((1, 3), pooling="sum", power=0.5).fit_transform(codes)
    np.testing.assert_allclose(power * np.abs(power), plain, atol=1e-12)
    for norm, order in (("l1", 1), ("l2", 2)):
        scaled = SpatialPyramid((1, 3), pooling="sum", power=0.5, norm=norm).fit_transform(codes)
        sizes = np.linalg.norm(scaled, order, axis=1)
        np.testing.assert_allclose(sizes, [1, 1, 0, 1])
        np.testing.assert_allclose(scaled[0] * np.linalg.norm(power[0], order), power[0])


def test_features_come_level_by_level_cell_by_cell_and_code_by_code():
    codes = np.zeros((1, 2, 2, 3))
    codes[0, 1, 0, 2] = 1
    found = SpatialPyramid((1, 2), pooling="max").fit_transform(codes)[0]
    assert np.flatnonzero(found).tolist() == [2, 3 + 2 * 3 + 2]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"levels": ()}, ValueError, "levels must be a sequence of integers >= 1 or pairs .*none"),
        ({"levels": 2}, TypeError, "levels must be a sequence of integers >= 1 or pairs"),
        ({"levels": (1, 0)}, ValueError, r"levels\[1\] must be an integer >= 1; got 0"),
        (
            {"levels": (4,)},
            ValueError,
            "levels must have at most as many cells .* 3 x 3; got 4 x 4",
        ),
        ({"pooling": "mean"}, ValueError, "pooling must be 'max' or"),
        ({"power": 0}, ValueError, "power must be a finite number > 0"),
        ({"norm": "max"}, ValueError, "norm must be 'l1' or 'l2'"),
    ],
)
def test_wrong_parameters_are_refused(given, error, message):
    with pytest.raises(error, match=f"^SpatialPyramid: {message}"):
        SpatialPyramid(**given).fit(np.ones((1, 3, 3, 2)))


def test_wrong_codes_are_refused():
    with pytest.raises(ValueError, match=r"X must have shape \(n, rows, columns, n_codes\)"):
        SpatialPyramid().fit(np.ones((3, 3, 2)))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        SpatialPyramid((1,)).fit(np.full((1, 1, 1, 1), np.nan))
