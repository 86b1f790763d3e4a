"""Pictures of what a model learnt, as arrays of 8-bit levels and as PNG files.

`draw` makes a picture of a fitted model by name: its filters, groups of atoms, samples,
reconstructions, learning curves or histograms. Below it, rows of a matrix become images
(`grey_levels`, `signed_levels`), images become one picture in a grid (`tile`), numbers become
charts (`curves`, `histograms`), and `write_png` puts a picture into a file.
"""

from .charts import curves, histograms
from .images import grey_levels, signed_levels, tile, write_png
from .pictures import PICTURES, draw

__all__ = [
    "PICTURES",
    "curves",
    "draw",
    "grey_levels",
    "histograms",
    "signed_levels",
    "tile",
    "write_png",
]
