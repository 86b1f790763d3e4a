"""From images to pooled codes: block by block the same as all at once, whatever the coder."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

import layerwise
from layerwise import (
    ZCA,
    ContrastNormalizer,
    ImageFeatures,
    PatchExtractor,
    SpatialPyramid,
    VectorQuantizer,
)
from layerwise.datasets import load_mnist


class SparseRectifier(TransformerMixin, BaseEstimator):
    """A coder whose codes come as CSR."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return sp.csr_array(np.maximum(X - X.mean(), 0))


def pipeline(**given):
    options = {"n_components": 9, "max_iter": 5, "random_state": 0}
    return make_pipeline(ContrastNormalizer(), ZCA(), VectorQuantizer(**{**options, **given}))


def features(coder=None, **given):
    options = {"patch_size": (3, 4), "n_patches": 200, "random_state": 0}
    return ImageFeatures(pipeline() if coder is None else coder, **{**options, **given})


@pytest.fixture
def colour(rng):
    return rng.integers(0, 256, (12, 10, 11, 3), dtype=np.uint8)


def by_hand(fitted, images, pyramid, patch_size, stride):
    """Take the same way with all patches at once."""
    patches = PatchExtractor(patch_size, stride=stride).fit_transform(images)
    codes = fitted.coder_.transform(patches)
    codes = codes.toarray() if hasattr(codes, "toarray") else codes
    down, right = (
        (size - patch) // stride + 1
        for size, patch in zip(images.shape[1:3], patch_size, strict=True)
    )
    return pyramid.fit_transform(codes.reshape(len(images), down, right, -1))


@pytest.mark.parametrize("pooling", ["max", "sum", "sqrt"])
@pytest.mark.parametrize("coder", [None, SparseRectifier(), PCA(5, random_state=0)])
@pytest.mark.parametrize("stride", [1, 2])
def test_features_are_extracted_coded_and_pooled(stride, coder, pooling, colour):
    pyramid = SpatialPyramid((1, 2), pooling=pooling, norm="l2")
    model = features(coder, pyramid=pyramid, stride=stride).fit(colour)
    found = model.transform(colour)
    expected = by_hand(model, colour, pyramid, (3, 4), stride)
    assert found.shape == expected.shape == (12, len(model.get_feature_names_out()))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pooling", ["max", "sum"])
def test_blocks_of_images_and_threads_change_no_bit(pooling, colour, monkeypatch, full_teams):
    model = features(pyramid=SpatialPyramid((2,), pooling=pooling)).fit(colour)
    whole = model.transform(colour)
    for threads in (1, 2, 7):
        for elements in (1, 2000, 1 << 20):
            monkeypatch.setattr("layerwise.nn.data.blocks.BLOCK_ELEMENTS", elements)
            with layerwise.num_threads(threads):
                np.testing.assert_array_equal(model.transform(colour), whole)
    np.testing.assert_array_equal(model.transform(colour[3:4]), whole[3:4])


@pytest.mark.parametrize("elements", [1, 2000, 1 << 20])
def test_sparse_features_are_the_dense_ones_in_the_order_of_the_images(
    elements, colour, monkeypatch, full_teams
):
    pyramid = SpatialPyramid((1, 2), pooling="max", power=0.5, norm="l2")
    rare = FunctionTransformer(lambda x: np.maximum(x - 240, 0))
    model = features(rare, pyramid=pyramid).fit(colour)
    whole = model.transform(colour)
    assert (whole == 0).any() and (whole != 0).any()
    monkeypatch.setattr("layerwise.nn.data.blocks.BLOCK_ELEMENTS", elements)
    for threads in (1, 7):
        with layerwise.num_threads(threads):
            found = model.set_params(sparse_output=True).transform(colour)
        assert isinstance(found, sp.csr_array) and found.dtype == whole.dtype
        np.testing.assert_array_equal(found.toarray(), whole)
        assert found.nnz == np.count_nonzero(whole)


@pytest.mark.parametrize("elements", [1, 300, 900])
def test_strips_of_large_images_give_the_same_features(elements, colour, monkeypatch):
    for pooling, rtol in (("max", 0), ("sum", 1e-5), ("average", 1e-5)):
        model = features(pyramid=SpatialPyramid((1, (3, 2)), pooling=pooling)).fit(colour)
        monkeypatch.undo()
        whole = model.transform(colour)
        monkeypatch.setattr("layerwise.models.image_features._STRIP_ELEMENTS", elements)
        np.testing.assert_allclose(model.transform(colour), whole, rtol=rtol)
        alone = [model.transform(colour[i : i + 1])[0] for i in range(3)]
        np.testing.assert_array_equal(alone, model.transform(colour)[:3])


def test_grey_images_rows_and_memory_maps_are_the_same_images(colour, tmp_path):
    grey = colour[..., 0]
    expected = features().fit_transform(grey)
    np.testing.assert_array_equal(features().fit_transform(grey[..., None]), expected)
    rows = grey.reshape(12, -1)
    np.testing.assert_array_equal(features(image_shape=(10, 11)).fit_transform(rows), expected)
    np.save(tmp_path / "x.npy", grey)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(features().fit_transform(mapped), expected)
    np.testing.assert_array_equal(features().fit_transform(grey.tolist()), expected)


def test_the_dtype_is_float64_for_doubles_and_float32_for_all_others(colour):
    for dtype, expected in ((np.uint8, np.float32), (np.float32, np.float32), (np.float64,) * 2):
        assert features().fit_transform(colour.astype(dtype)).dtype == expected


def test_images_may_have_another_size_than_those_of_fit(colour, rng):
    model = features().fit(colour)
    assert model.transform(rng.random((2, 20, 9, 3))).shape == (2, 36)
    with pytest.raises(ValueError, match="ImageFeatures: images must have 3 channels, as those of"):
        model.transform(colour[..., 0])


def test_the_coder_given_stays_as_it_is(colour):
    coder = pipeline()
    model = features(coder).fit(colour)
    assert not hasattr(coder[-1], "cluster_centers_")
    assert hasattr(model.coder_[-1], "cluster_centers_")
    assert not hasattr(clone(model), "coder_")


def test_the_default_coder_follows_the_random_state(rng):
    images = rng.integers(0, 256, (3, 16, 16), dtype=np.uint8)
    found = [ImageFeatures(random_state=3).fit_transform(images) for _ in range(2)]
    np.testing.assert_array_equal(*found)
    assert found[0].shape == (3, 4 * 256)


def test_frames_come_out_where_they_are_asked_for(colour):
    model = features().set_output(transform="pandas").fit(colour)
    frame = model.transform(colour)
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns[-1] == "imagefeatures35"
    from sklearn import config_context

    with config_context(transform_output="pandas"):
        np.testing.assert_array_equal(features().fit_transform(colour), frame)


def test_a_saved_model_gives_the_same_bits(colour, tmp_path):
    for coder in (None, VectorQuantizer(4, encoding="hard", max_iter=3)):
        model = features(coder, pyramid=SpatialPyramid((1, (1, 2)), power=0.5)).fit(colour)
        expected = model.transform(colour)
        model.save(tmp_path / "model.safetensors")
        back = layerwise.load(tmp_path / "model.safetensors")
        np.testing.assert_array_equal(back.transform(colour), expected)


def test_it_stands_in_a_pipeline_before_a_linear_svm():
    x, y, x_test, y_test = load_mnist(dtype=np.uint8)
    x, y = x[:600], y[:600]
    model = make_pipeline(
        features(pipeline(n_components=40), patch_size=7, stride=2, n_patches=3000,
                 image_shape=(28, 28)),
        StandardScaler(),
        LinearSVC(C=0.01, random_state=0),
    ).fit(x, y)  # fmt: skip
    pixels = make_pipeline(StandardScaler(), LinearSVC(C=0.01, random_state=0)).fit(x, y)
    assert model.score(x_test, y_test) > pixels.score(x_test, y_test) + 0.05


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"patch_size": 12}, ValueError, "patch_size must be at most the size of the images, 10 x"),
        ({"patch_size": (1, 2, 3)}, ValueError, "patch_size must be an integer >= 1 or two of"),
        ({"sparse_output": 1}, TypeError, "sparse_output must be"),
        ({"stride": 0}, ValueError, "stride must be an integer >= 1; got 0"),
        ({"n_patches": 0}, ValueError, "n_patches must be an integer >= 1; got 0"),
        ({"coder": "kmeans"}, TypeError, "coder must be a transformer or None; got 'kmeans'"),
        ({"image_shape": (10, 12, 3)}, ValueError, "images must have the image_shape"),
        ({"image_shape": 10}, TypeError, "image_shape must be None, "),
        ({"image_shape": (10,)}, ValueError, "image_shape must be None, "),
    ],
)
def test_wrong_parameters_are_refused(given, error, message, colour):
    with pytest.raises(error, match=f"^ImageFeatures: {message}"):
        features(**given).fit(colour)


def test_wrong_images_are_refused(colour):
    for wrong, error, message in [
        (colour[0, 0], ValueError, r"X must have shape \(n, height, width\) or"),
        (colour[:0], ValueError, r"X must have shape .* not be empty; got shape \(0, 10, 11, 3\)"),
        (colour.astype(complex), TypeError, "X must be bool, integer or float; got complex128"),
        (colour.astype(str), TypeError, "X must be bool, integer or float"),
    ]:
        with pytest.raises(error, match=f"^ImageFeatures: {message}"):
            features().fit(wrong)
    with pytest.raises(ValueError, match="rows of X must have 110 values, .* got 330"):
        features(image_shape=(10, 11)).fit(colour.reshape(12, -1))
    holed = colour.astype(np.float32)
    model = features().fit(holed)
    holed[7, 3, 3, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.transform(holed)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        features(n_patches=10**6).fit(holed)


def test_an_error_of_the_coder_is_raised(colour):
    def fail(x):
        if len(x) > 200:
            raise RuntimeError("no code")
        return x

    with layerwise.num_threads(3), pytest.raises(RuntimeError, match="no code"):
        features(FunctionTransformer(fail)).fit_transform(np.repeat(colour, 9, axis=0))
