"""Patches: those that a loop over places would cut out; contrast by its formula."""

import numpy as np
import pytest

from layerwise import nn

GRIDS = [
    nn.PatchGrid((5, 7, 1), (2, 3), (1, 1)),
    nn.PatchGrid((6, 5, 3), (3, 2), (2, 1)),
    nn.PatchGrid((8, 9, 3), (2, 2), (3, 4)),
    nn.PatchGrid((4, 4, 2), (4, 4), (1, 1)),
    nn.PatchGrid((1, 6, 1), (1, 1), (1, 5)),
]


def cut_out(images, grid):
    """Cut out every patch, place by place."""
    (height, width), (down, right) = grid.patch, grid.stride
    return np.array(
        [
            [
                [image[i : i + height, j : j + width].ravel()
                 for j in range(0, grid.image[1] - width + 1, right)]
                for i in range(0, grid.image[0] - height + 1, down)
            ]
            for image in images
        ]
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("grid", GRIDS)
def test_patches_are_those_cut_out_place_by_place(grid, dtype, rng):
    images = rng.integers(0, 256, (3, *grid.image)).astype(dtype)
    expected = cut_out(images, grid)
    assert grid.shape == expected.shape[1:3]
    assert grid.width == expected.shape[3]
    patches = grid.rows(images, slice(None))
    assert patches.dtype == dtype
    np.testing.assert_array_equal(patches, expected)
    for row in range(grid.shape[0]):
        np.testing.assert_array_equal(
            grid.rows(images, slice(row, row + 2)), expected[:, row : row + 2]
        )


@pytest.mark.parametrize("grid", GRIDS)
def test_patches_are_numbered_by_image_row_and_column(grid, rng):
    images = rng.normal(size=(3, *grid.image))
    expected = cut_out(images, grid).reshape(-1, grid.width)
    positions = rng.permutation(len(expected))
    np.testing.assert_array_equal(grid.at(images, positions), expected[positions])


def test_many_patches_are_gathered_part_by_part(rng, monkeypatch):
    grid = GRIDS[1]
    images = rng.normal(size=(3, *grid.image))
    positions = rng.integers(0, 3 * grid.shape[0] * grid.shape[1], 50)
    whole = grid.at(images, positions)
    monkeypatch.setattr("layerwise.nn.images.patches._GATHERED", 7)
    np.testing.assert_array_equal(grid.at(images, positions), whole)


def test_a_patch_larger_than_the_image_has_no_place():
    assert nn.PatchGrid((4, 9, 1), (5, 2), (1, 1)).shape == (0, 8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_contrast_is_normalised_by_its_formula(dtype, rng):
    patches = (100 + 50 * rng.normal(size=(40, 30))).astype(dtype)
    found = nn.normalise_contrast(patches, 10.0)
    exact = patches.astype(np.float64)
    expected = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 10)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=300 * np.finfo(dtype).eps)


def test_contrast_does_not_depend_on_brightness_and_without_eps_not_on_scale(rng):
    patches = rng.normal(size=(10, 12))
    for other, eps in ((patches + 3, 10.0), (7 * patches - 1, 0.0)):
        np.testing.assert_allclose(
            nn.normalise_contrast(other, eps), nn.normalise_contrast(patches, eps), atol=1e-13
        )
