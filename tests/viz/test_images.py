import numpy as np
import pytest
from PIL import Image

from layerwise import viz


def test_grey_levels_run_from_black_to_white_and_clip():
    levels = viz.grey_levels(np.array([[-1.0, 0.0], [0.25, 7.0]]), low=0.0, high=0.5)
    assert levels.tolist() == [[0, 0], [128, 255]]
    assert levels.dtype == np.uint8


def test_signed_levels_are_symmetric_and_scale_every_row_by_itself():
    w = np.array([[0.0, 1e-3, -1e-3], [0.0, 50.0, 25.0], [0.0, 0.0, 0.0]])
    levels = viz.signed_levels(w).astype(int)
    assert (levels[:, 0] == 128).all()
    assert levels[0].tolist() == [128, 255, 1]
    assert levels[1].tolist() == [128, 255, 192]
    mirrored = 256 - viz.signed_levels(-w).astype(int)
    assert np.abs(mirrored - levels).max() <= 1  # halves round up on both sides


def test_signed_levels_may_clip_the_largest_weights():
    w = np.r_[np.full(98, 0.5), -0.25, 100.0][np.newaxis]
    assert (viz.signed_levels(w)[0, :98] == 129).all()
    assert viz.signed_levels(w, clipped=0.02)[0].tolist() == [255] * 98 + [65] + [255]
    assert viz.signed_levels(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
@pytest.mark.parametrize("gap", [0, 1, 3])
def test_tile_puts_every_image_where_its_row_and_column_say(n, gap, rng):
    images = rng.integers(0, 256, (n, 6), np.uint8)
    picture = viz.tile(images, (2, 3), columns=3, gap=gap, background=77)
    down = -(-n // 3)
    assert picture.shape == (down * (2 + gap) + gap, 3 * (3 + gap) + gap)
    covered = np.zeros(picture.shape, bool)
    for i, image in enumerate(images):
        part = np.s_[gap + i // 3 * (2 + gap) :, gap + i % 3 * (3 + gap) :]
        assert np.array_equal(picture[part][:2, :3], image.reshape(2, 3))
        covered[part][:2, :3] = True
    assert (picture[~covered] == 77).all()


def test_tile_is_about_square_by_default():
    assert viz.tile(np.zeros((7, 4), np.uint8), (2, 2), gap=0).shape == (6, 6)


def test_a_png_file_holds_the_picture_enlarged(tmp_path, rng):
    picture = rng.integers(0, 256, (3, 5), np.uint8)
    path = viz.write_png(tmp_path / "grey.png", picture, zoom=3)
    with Image.open(path) as image:
        assert image.format == "PNG"
        read = np.asarray(image)
    assert np.array_equal(read, picture.repeat(3, axis=0).repeat(3, axis=1))


def test_colours_stay_in_their_channels(tmp_path, rng):
    picture = rng.integers(0, 256, (2, 4, 3), np.uint8)
    with Image.open(viz.write_png(tmp_path / "colours.png", picture, zoom=2)) as image:
        assert image.mode == "RGB"
        read = np.asarray(image)
    assert np.array_equal(read, picture.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: viz.grey_levels([np.nan]), ValueError, "grey_levels: values must be finite"),
        (lambda: viz.grey_levels([0.0], low=1.0), ValueError, "high must be above low"),
        (lambda: viz.signed_levels([1.0, 2.0]), ValueError, r"rows must be a matrix.*\(2,\)"),
        (lambda: viz.signed_levels([[np.inf]]), ValueError, "must be finite"),
        (lambda: viz.signed_levels([[1.0]], clipped=1.0), ValueError, "clipped"),
        (lambda: viz.tile(np.zeros((2, 4)), (2, 2)), TypeError, "uint8; got float64"),
        (lambda: viz.tile(np.zeros((2, 5), np.uint8), (2, 2)), ValueError, r"got \(2, 5\)"),
        (lambda: viz.tile(np.zeros((0, 4), np.uint8), (2, 2)), ValueError, "n >= 1"),
        (lambda: viz.tile(np.zeros((2, 4), np.uint8), (2, 2), columns=0), ValueError, "columns"),
        (lambda: viz.write_png("x.png", np.zeros((2, 2))), TypeError, "uint8"),
        (lambda: viz.write_png("x.png", np.zeros(4, np.uint8)), ValueError, "height, width"),
        (lambda: viz.write_png("x.png", np.zeros((2, 2, 4), np.uint8)), ValueError, "width, 3"),
        (lambda: viz.write_png("x.png", np.zeros((0, 4), np.uint8)), ValueError, "not empty"),
        (lambda: viz.write_png("x.png", np.zeros((1, 1), np.uint8), zoom=0), ValueError, "zoom"),
    ],
)
def test_bad_input_is_an_error_that_names_it(call, error, message):
    with pytest.raises(error, match=message):
        call()
