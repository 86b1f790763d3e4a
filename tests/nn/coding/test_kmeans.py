"""k-means and its encodings: their formulas, falling inertia, the same bits on any threads."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

import layerwise
from layerwise import nn
from layerwise.nn.coding.kmeans import _means

DTYPES = [np.float32, np.float64]
SHAPES = [(1, 1, 1), (7, 3, 2), (50, 17, 9), (3, 108, 33)]  # rows, features, centroids


def data(rng, shape, dtype, offset=0.0):
    n, d, k = shape
    x, centres = offset + rng.normal(size=(n, d)), offset + rng.normal(size=(k, d))
    return x.astype(dtype), centres.astype(dtype)


def bound(dtype, d):
    """Rounding of a squared distance of about 2 d, in sums of d terms."""
    return 8 * d * np.finfo(dtype).eps


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_encodings_are_their_formulas(shape, dtype, offset, rng):
    x, centres = data(rng, shape, dtype, offset)
    squared = cdist(x.astype(np.float64), centres.astype(np.float64), "sqeuclidean")
    z = np.sqrt(squared)
    centroids = nn.Centroids(centres)
    tolerance = bound(dtype, shape[1]) * (1 + offset)
    np.testing.assert_allclose(centroids.squared_distances(x), squared, atol=tolerance, rtol=0)
    hard = np.eye(shape[2])[squared.argmin(axis=1)]
    np.testing.assert_array_equal(centroids.hard(x), hard)
    soft = np.exp(-0.3 * (squared - squared.min(axis=1, keepdims=True)))
    soft /= soft.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(centroids.soft(x, 0.3), soft, atol=tolerance)
    triangle = np.maximum(0, z.mean(axis=1, keepdims=True) - z)
    apart = np.sqrt(squared.min())  # the root magnifies the rounding of short distances
    np.testing.assert_allclose(centroids.triangle(x), triangle, atol=tolerance / apart)
    for codes in (centroids.hard(x), centroids.soft(x, 0.3), centroids.triangle(x)):
        assert codes.dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_threshold_codes_are_their_formula(dtype, rng):
    x, dictionary = data(rng, (20, 30, 11), dtype)
    product = x.astype(np.float64) @ dictionary.T.astype(np.float64)
    expected = np.maximum(0, np.concatenate([product - 0.5, -product - 0.5], axis=1))
    found = nn.soft_threshold_codes(x, dictionary, 0.5)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=bound(dtype, 30))
    split = nn.soft_threshold_codes(x, dictionary, 0.0)
    np.testing.assert_array_equal(split[:, :11] * split[:, 11:], 0)


@pytest.mark.parametrize("encoding", nn.ENCODINGS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_has_the_same_code_alone_and_among_others(encoding, dtype, rng):
    x, centres = data(rng, (37, 20, 15), dtype)
    arguments = (0.3,) if encoding == "soft" else ()
    encode = getattr(nn.Centroids(centres), encoding)
    whole = encode(x, *arguments)
    for rows in (slice(0, 1), slice(1, 2), slice(3, 20), slice(20, 37)):
        np.testing.assert_array_equal(encode(x[rows], *arguments), whole[rows])


@pytest.mark.parametrize("dtype", DTYPES)
def test_nearest_centres_are_found(dtype, rng, monkeypatch):
    monkeypatch.setattr("layerwise.nn.data.blocks.BLOCK_ELEMENTS", 100)  # several blocks
    x, centres = data(rng, (200, 5, 9), dtype)
    squared = cdist(x.astype(np.float64), centres.astype(np.float64), "sqeuclidean")
    labels, found = nn.nearest(x, centres)
    np.testing.assert_array_equal(labels, squared.argmin(axis=1))
    np.testing.assert_allclose(found, squared.min(axis=1), rtol=10 * np.finfo(dtype).eps * 5)


def test_inertia_falls_from_iteration_to_iteration(rng):
    x = rng.normal(size=(400, 4))
    inertias = [
        nn.kmeans(
            x, 20, random_state=np.random.RandomState(0), init="random", max_iter=n, tol=0
        ).inertia
        for n in range(1, 7)  # ends later
    ]
    assert all(later < earlier for earlier, later in pairwise(inertias))


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_ends_where_scikit_learn_ends_from_the_same_start(dtype, rng):
    x = rng.normal(size=(300, 6)).astype(dtype)
    start = x[np.random.RandomState(0).permutation(300)[:8]]
    ours = nn.kmeans(
        x, 8, random_state=np.random.RandomState(0), init="random", max_iter=300, tol=0
    )
    theirs = KMeans(8, init=start, n_init=1, max_iter=300, tol=0).fit(x)
    np.testing.assert_allclose(ours.centres, theirs.cluster_centers_, atol=1e-5)
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-5)


@pytest.mark.parametrize("init", ["k-means++", "random"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_on_any_number_of_threads(init, dtype, rng, full_teams, monkeypatch):
    monkeypatch.setattr("layerwise.nn.data.blocks.BLOCK_ELEMENTS", 1000)
    x = rng.normal(size=(500, 6)).astype(dtype)
    found = []
    for threads in (1, 2, 7):
        with layerwise.num_threads(threads):
            found.append(nn.kmeans(x, 12, random_state=np.random.RandomState(0), init=init))
    for other in found[1:]:
        np.testing.assert_array_equal(other.centres, found[0].centres)
        assert other[1:] == found[0][1:]


def test_a_centre_without_rows_moves_to_the_row_farthest_from_its_own():
    x = np.array([[0.0], [0.0], [0.0], [0.0], [5.0], [9.0]])
    labels, squared = nn.nearest(x, np.array([[0.0], [4.0], [100.0]]))
    moved = _means(x, labels, squared, np.zeros((3, 1)))
    np.testing.assert_array_equal(moved, [[0.0], [7.0], [9.0]])


def test_rows_that_are_all_alike_have_no_inertia():
    found = nn.kmeans(np.ones((10, 3)), 4, random_state=np.random.RandomState(0))
    np.testing.assert_array_equal(found.centres, np.ones((4, 3)))
    assert found.inertia == 0
