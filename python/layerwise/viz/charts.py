"""Charts: curves and histograms, one panel each.

They are drawn with Pillow, which is there anyway: a learning curve is a polyline, two axes and a
few words. For anything finer the numbers are in the estimators' attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = ["curves", "histograms"]

_WIDTH, _HEIGHT = 420, 260  # of a panel
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 34, 16, 28  # its margins
_COLUMNS = 2
_MOST_BINS = 60
_FONT_SIZE = 13
_INK, _GRID = (40, 40, 40), (225, 225, 225)
# Blue, vermilion, green, purple: told apart by the colour-blind (Okabe and Ito).
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))


def curves(panels: Mapping[str, Mapping[str, npt.ArrayLike]]) -> npt.NDArray[np.uint8]:
    """Draw numbers that follow one another, such as the metrics of every epoch.

    Parameters
    ----------
    panels : mapping of str to mapping of str to array-like of shape (n,)
        By title, the lines of a panel, each by its name; the first number is number 1. Lines have
        gaps where a number is NaN or infinite.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8

    Raises
    ------
    ValueError
        If there is no panel, a panel has no line, or a line no number.

    Examples
    --------
    >>> curves({"loss": {"training": [3.0, 2.0, 1.5], "validation": [3.1, 2.4, 2.3]}}).shape
    (260, 420, 3)
    """
    lines = {
        title: {name: np.asarray(values, np.float64) for name, values in named.items()}
        for title, named in panels.items()
    }
    for title, named in lines.items():
        if not named or any(line.ndim != 1 or line.size == 0 for line in named.values()):
            raise ValueError(
                f"curves: each line must have shape (n,) with n >= 1; panel {title!r} has "
                f"{ {name: line.shape for name, line in named.items()} }"
            )
    return _panels("curves", {title: _line_panel(title, named) for title, named in lines.items()})


def histograms(
    panels: Mapping[str, npt.ArrayLike], *, bins: int | None = None
) -> npt.NDArray[np.uint8]:
    """Draw how often values occur.

    Parameters
    ----------
    panels : mapping of str to array-like
        By title, the values of a panel, of any shape; NaN and infinities are left out and counted.
    bins : int, optional
        Bars of a panel, between its smallest and largest value; by default about twice the cube
        root of the number of values (Rice's rule), and 60 at most.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8

    Raises
    ------
    ValueError
        If there is no panel, or `bins` is less than 1.

    Examples
    --------
    >>> histograms({"weights": np.arange(9.0), "biases": np.zeros(3)}).shape
    (260, 840, 3)
    """
    if bins is not None and bins < 1:
        raise ValueError(f"histograms: bins must be at least 1; got {bins}")
    drawn = {
        title: _bar_panel(title, np.asarray(values, np.float64).ravel(), bins)
        for title, values in panels.items()
    }
    return _panels("histograms", drawn)


class _Axes:
    """The box in which a panel's values are drawn, from (x0, y0) at the lower left."""

    def __init__(
        self, title: str, x: tuple[float, float], y: tuple[float, float], whole: bool = False
    ) -> None:
        self.image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
        self.pen = ImageDraw.Draw(self.image)
        self.font = ImageFont.load_default(_FONT_SIZE)
        self.x, self.y = _widened(*x), _widened(*y)
        self.pen.text((_LEFT, 8), title, _INK, self.font)
        for value in _ticks(*self.x, whole=whole):
            self._tick_x(value)
        for value in _ticks(*self.y):
            self._tick_y(value)
        left, bottom = self.at(self.x[0], self.y[0])
        right, top = self.at(self.x[1], self.y[1])
        self.pen.rectangle((left, top, right, bottom), outline=_INK)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Find the pixel of a point."""
        (x0, x1), (y0, y1) = self.x, self.y
        across, up = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    def _tick_x(self, value: float) -> None:
        x, y = self.at(value, self.y[0])
        self.pen.line((x, y, x, _TOP), _GRID)
        self.pen.text((x, y + 5), f"{value:g}", _INK, self.font, anchor="ma")

    def _tick_y(self, value: float) -> None:
        x, y = self.at(self.x[0], value)
        self.pen.line((x, y, _WIDTH - _RIGHT, y), _GRID)
        self.pen.text((x - 6, y), f"{value:g}", _INK, self.font, anchor="rm")


def _line_panel(title: str, lines: Mapping[str, np.ndarray]) -> Image.Image:
    finite = np.concatenate([line[np.isfinite(line)] for line in lines.values()])
    if finite.size == 0:
        return _Axes(f"{title}: no finite number", (0, 1), (0, 1)).image
    longest = max(len(line) for line in lines.values())
    axes = _Axes(title, (1, longest), (finite.min(), finite.max()), whole=True)
    legend = _WIDTH - _RIGHT
    for i, (name, line) in reversed(list(enumerate(lines.items()))):
        colour = _COLOURS[i % len(_COLOURS)]
        for run in np.ma.clump_unmasked(np.ma.masked_invalid(line)):
            points = [axes.at(j + 1, line[j]) for j in range(run.start, run.stop)]
            axes.pen.line(points, colour, 2)
            if len(points) == 1:
                axes.pen.circle(points[0], 2, colour)
        if len(lines) > 1:
            axes.pen.text((legend, 8), name, colour, axes.font, anchor="ra")
            legend -= round(axes.font.getlength(name)) + 12
    return axes.image


def _bar_panel(title: str, values: np.ndarray, bins: int | None) -> Image.Image:
    finite = values[np.isfinite(values)]
    if finite.size < values.size:
        title += f" ({values.size - finite.size} not finite)"
    if finite.size == 0:
        return _Axes(title, (0, 1), (0, 1)).image
    counts, edges = np.histogram(
        finite, bins or min(_MOST_BINS, math.ceil(2 * math.cbrt(finite.size)))
    )
    axes = _Axes(title, (edges[0], edges[-1]), (0, counts.max()))
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        if count:
            left, top = axes.at(low, count)
            right, bottom = axes.at(high, 0)
            axes.pen.rectangle((left, top, max(right - 1, left), bottom), _COLOURS[0])
    return axes.image


def _panels(op: str, panels: Mapping[str, Image.Image]) -> npt.NDArray[np.uint8]:
    """Put panels side by side and one below the other."""
    if not panels:
        raise ValueError(f"{op}: panels must have at least one; got none")
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    picture = Image.new("RGB", (columns * _WIDTH, rows * _HEIGHT), "white")
    for i, panel in enumerate(panels.values()):
        picture.paste(panel, (i % columns * _WIDTH, i // columns * _HEIGHT))
    return np.array(picture)


def _widened(low: float, high: float) -> tuple[float, float]:
    """Make room for a range of one point."""
    if high > low:
        return float(low), float(high)
    around = max(abs(low), 1.0) / 2
    return low - around, high + around


def _ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Choose about five multiples of 1, 2 or 5 times a power of ten, of whole ones if asked to."""
    rough = max((high - low) / 5, 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (1, 2, 5, 10) if step * power >= rough) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, last + 1)]
