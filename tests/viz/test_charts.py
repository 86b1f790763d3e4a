"""Charts show the numbers they are given: measured in pixels."""

import numpy as np
import pytest

from layerwise import viz
from layerwise.viz import charts

BLUE, VERMILION = charts._COLOURS[:2]
LEFT, RIGHT = charts._LEFT, charts._WIDTH - charts._RIGHT
TOP, BOTTOM = charts._TOP, charts._HEIGHT - charts._BOTTOM


def pixels(picture, colour):
    """Rows and columns of a colour, inside the axes of a single panel."""
    rows, columns = np.nonzero((picture == colour).all(axis=2))
    inside = rows > charts._TOP - 4  # the legend is above
    return rows[inside], columns[inside]


def test_a_curve_goes_through_its_points():
    values = np.array([4.0, 1.0, 2.0, 0.0, 3.0])
    rows, columns = pixels(viz.curves({"a": {"line": values}}), BLUE)
    for i, value in enumerate(values):
        x = LEFT + i / 4 * (RIGHT - LEFT)
        y = BOTTOM - value / 4 * (BOTTOM - TOP)
        assert np.hypot(rows - y, columns - x).min() < 2.5


def test_two_lines_have_two_colours_and_one_scale():
    picture = viz.curves({"a": {"low": [0.0, 0.0], "high": [1.0, 1.0]}})
    low, high = pixels(picture, BLUE)[0], pixels(picture, VERMILION)[0]
    assert abs(np.median(low) - BOTTOM) < 3
    assert abs(np.median(high) - TOP) < 3


def test_a_curve_has_a_gap_where_a_number_is_none():
    values = [1.0, 1.0, np.nan, np.inf, 1.0, 2.0]
    columns = set(pixels(viz.curves({"a": {"line": values}}), BLUE)[1])
    assert not columns & set(range(round(LEFT + 0.25 * 340), round(LEFT + 0.75 * 340)))
    assert columns & set(range(LEFT, LEFT + 60)) and columns & set(range(RIGHT - 60, RIGHT))


def test_a_point_alone_is_seen():
    assert len(pixels(viz.curves({"a": {"line": [7.0]}}), BLUE)[0]) > 4
    assert len(pixels(viz.curves({"a": {"line": [np.nan]}}), BLUE)[0]) == 0


def test_bars_are_as_high_as_the_counts(rng):
    values = np.repeat([0.0, 1.0, 2.0, 3.0], [40, 10, 0, 20])
    rows, columns = pixels(viz.histograms({"a": values}, bins=4), BLUE)
    width = (RIGHT - LEFT) / 4
    for i, count in enumerate([40, 10, 0, 20]):
        bar = (columns > LEFT + i * width + 2) & (columns < LEFT + (i + 1) * width - 3)
        height = BOTTOM - rows[bar].min() if bar.any() else 0
        assert abs(height - count / 40 * (BOTTOM - TOP)) < 2


def test_panels_are_two_across():
    for n, shape in ((1, (260, 420)), (2, (260, 840)), (3, (520, 840))):
        picture = viz.histograms({str(i): np.arange(5.0) for i in range(n)})
        assert picture.shape == (*shape, 3)
        assert (picture.reshape(-1, 3) == BLUE).all(axis=1).any()


def test_values_that_are_not_finite_are_left_out_of_histograms():
    with_them = viz.histograms({"a": [0.0, 1.0, np.nan, np.inf]}, bins=2)
    without = viz.histograms({"a": [0.0, 1.0]}, bins=2)
    assert np.array_equal(with_them[TOP:], without[TOP:])
    assert not np.array_equal(with_them, without)  # the title says how many
    viz.histograms({"a": [np.nan], "b": []})


@pytest.mark.parametrize(
    ("low", "high", "whole", "ticks"),
    [
        (0, 1, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.02, 0.05, False, [0.02, 0.03, 0.04, 0.05]),
        (-3e9, 4e9, False, [-2e9, 0, 2e9, 4e9]),
        (1, 3, True, [1, 2, 3]),
        (1, 30, True, [10, 20, 30]),
        (1e-9, 1.1e-9, False, [1e-9, 1.02e-9, 1.04e-9, 1.06e-9, 1.08e-9, 1.1e-9]),
    ],
)
def test_ticks_are_round_numbers(low, high, whole, ticks):
    assert charts._ticks(low, high, whole) == pytest.approx(ticks, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.curves({}), "curves: panels must have at least one"),
        (lambda: viz.curves({"a": {}}), r"\(n,\) with n >= 1; panel 'a' has"),
        (lambda: viz.curves({"a": {"b": []}}), r"panel 'a' has \{'b': \(0,\)\}"),
        (lambda: viz.curves({"a": {"b": [[1.0]]}}), r"\(1, 1\)"),
        (lambda: viz.histograms({}), "histograms: panels must have at least one"),
        (lambda: viz.histograms({"a": [1.0]}, bins=0), "bins must be at least 1; got 0"),
    ],
)
def test_bad_input_is_an_error_that_names_it(call, message):
    with pytest.raises(ValueError, match=message):
        call()
