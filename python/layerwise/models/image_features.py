"""Features of images: coded patches, pooled over a spatial pyramid, in bounded memory."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import (
    BaseEstimator,
    clone,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from layerwise import nn
from layerwise.storage import register

from ._checks import check_bool, check_integer, check_verbose
from ._fitted import Check, Optional, count, instance
from ._images import Images, check_image_shape, read_images
from ._transformer import Transformer
from .patches import ContrastNormalizer, draw_patches, grid_of
from .spatial_pyramid import SpatialPyramid
from .vector_quantizer import VectorQuantizer
from .zca import ZCA

__all__ = ["ImageFeatures"]

register(Pipeline)  # coders are pipelines more often than not

_STRIP_ELEMENTS = 1 << 22  # codes of an image held at a time by a thread: 16 MiB of float32
_DELAY = 2.0


@register
class ImageFeatures(Transformer):
    """Features of images: all their patches coded, the codes pooled over a spatial pyramid.

    Parameters
    ----------
    coder : transformer, optional
        Learnt on patches drawn at random, then applied to all patches: any transformer of rows
        (n_patches, n_values) to codes, dense or CSR, or a pipeline of normalisation, whitening and
        a coder. By default that of [1]_: ``make_pipeline(ContrastNormalizer(), ZCA(),
        VectorQuantizer())``.
    pyramid : SpatialPyramid, optional
        How codes are pooled; by default their sums over the four quadrants.
    patch_size : int or (int, int), default 6
        Height and width.
    stride : int or (int, int), default 1
        Pixels from one patch to the next, down and to the right.
    n_patches : int, default 100000
        Patches to learn from, drawn at random from all images, none twice.
    image_shape : (height, width) or (height, width, channels), optional
        Lets images come as rows of a matrix.
    sparse_output : bool, default False
        Whether features are a ``csr_array``, never dense as a whole: what sparse codes leave after
        pooling has many zeros.
    verbose : int, default 0
        If positive, `transform` shows progress. Otherwise a bar appears only on a terminal, when
        it takes over two seconds.
    random_state : int, RandomState or None, default None
        Of the places of the patches, and of the default coder; any other has its own.

    Attributes
    ----------
    coder_ : transformer
        The coder that was learnt; ``coder`` itself is left as it is.
    n_channels_ : int
        Of the images. Height and width may change between `fit` and `transform`.
    n_codes_ : int
        Codes of a patch.

    Notes
    -----
    Images are worked on in blocks, large ones in strips, from pixels to pooled codes: what is held
    beside X and the result is some ten megabytes for each thread, however many patches there are.
    Each thread takes a block of its own, so that all of the work runs in parallel, whatever the
    coder is; its `transform` must not change it. X may be a memory map.

    Pixels that are not float64 are computed with in float32. X has three or four dimensions, which
    is where the estimator leaves scikit-learn's contract for matrices; what comes out is a matrix
    and goes into any pipeline.

    References
    ----------
    .. [1] A. Coates, H. Lee, A. Ng (2011). An analysis of single-layer networks in unsupervised
       feature learning. AISTATS.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.datasets import load_mnist
    >>> from layerwise.models import ImageFeatures, VectorQuantizer
    >>> x, y, _, _ = load_mnist()
    >>> features = ImageFeatures(
    ...     VectorQuantizer(10, random_state=0), n_patches=500, image_shape=(28, 28), random_state=0
    ... )
    >>> features.fit_transform(x[:20]).shape
    (20, 40)
    """

    _fitted: ClassVar[Mapping[str, Check]] = {
        "coder_": instance(BaseEstimator),
        "n_channels_": count(),
        "n_codes_": count(),
        "_sklearn_output_config": Optional(instance(dict)),
    }

    def __init__(
        self,
        coder: Any = None,
        pyramid: SpatialPyramid | None = None,
        *,
        patch_size: Any = 6,
        stride: Any = 1,
        n_patches: int = 100_000,
        image_shape: Any = None,
        sparse_output: bool = False,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.coder = coder
        self.pyramid = pyramid
        self.patch_size = patch_size
        self.stride = stride
        self.n_patches = n_patches
        self.image_shape = image_shape
        self.sparse_output = sparse_output
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> ImageFeatures:
        """Learn the coder from patches drawn at random.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, height, width, channels)
            Bool, integer or float.
        y : ignored

        Returns
        -------
        self : ImageFeatures
        """
        op = type(self).__name__
        check_integer(op, "n_patches", self.n_patches, 1)
        check_bool(op, "sparse_output", self.sparse_output)
        check_verbose(op, self.verbose)
        images = self._read(X)
        grid = grid_of(op, images, self.patch_size, self.stride)
        self._pyramid._cells(grid.shape)
        patches = draw_patches(images, grid, self.n_patches, self.random_state)
        coder = self.coder
        if coder is None:
            coder = make_pipeline(
                ContrastNormalizer(), ZCA(), VectorQuantizer(random_state=self.random_state)
            )
        if not hasattr(coder, "fit") or not hasattr(coder, "transform"):
            raise TypeError(f"{op}: coder must be a transformer or None; got {coder!r}")
        with config_context(transform_output="default"):
            self.coder_ = clone(coder).fit(patches)
        self.n_channels_ = images.shape[2]
        self.n_codes_ = self._codes(patches[:1]).shape[1]
        return self

    def transform(self, X: Any) -> Any:
        """Code the patches of images and pool the codes.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, height, width, channels)

        Returns
        -------
        features : ndarray or csr_array of shape (n, n_cells * n_codes_)
            float64 where X is, else float32.
        """
        check_is_fitted(self)
        op = type(self).__name__
        images = self._read(X)
        if images.shape[2] != self.n_channels_:
            raise ValueError(
                f"{op}: images must have {self.n_channels_} channels, as those of fit; "
                f"got {images.shape[2]}"
            )
        grid = grid_of(op, images, self.patch_size, self.stride)
        cells = self._pyramid._cells(grid.shape)
        width = len(cells) * self.n_codes_
        features = np.empty((0 if self.sparse_output else len(images), width), images.dtype)
        parts: dict[int, sp.csr_array] = {}
        bar = self._bar(len(images))

        def fill(block: slice) -> None:
            n = block.stop - block.start
            out = np.empty((n, width), images.dtype) if self.sparse_output else features[block]
            self._pool(images[block], grid, cells, out.reshape(n, len(cells), -1))
            self._pyramid._scaled(out)
            if self.sparse_output:
                parts[block.start] = sp.csr_array(out)
            bar.update(n)

        with bar:
            nn.run_blocks(fill, nn.row_blocks(len(images), self._width(grid) * grid.shape[0]))
        if not self.sparse_output:
            return features
        rows = nn.CsrRows(width, images.dtype)
        for start in sorted(parts):
            rows.append(parts.pop(start))
        return rows.result()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    @property
    def _n_features_out(self) -> int:
        levels = self._pyramid._cells((sys.maxsize, sys.maxsize))
        return len(levels) * self.n_codes_

    @property
    def _pyramid(self) -> SpatialPyramid:
        return SpatialPyramid((2,), pooling="sum") if self.pyramid is None else self.pyramid

    def _read(self, x: Any) -> Images:
        op = type(self).__name__
        return read_images(op, x, check_image_shape(op, self.image_shape))

    def _width(self, grid: nn.PatchGrid) -> int:
        """Count the values that a row of the grid takes, as patches or as codes."""
        return grid.shape[1] * max(self.n_codes_, grid.width)

    def _pool(
        self, images: np.ndarray, grid: nn.PatchGrid, cells: list[nn.Cell], out: np.ndarray
    ) -> None:
        """Fill `out` with the pooled codes of some images, strip by strip."""
        down, right = grid.shape
        height = max(1, _STRIP_ELEMENTS // self._width(grid))  # the same in any block
        pool = nn.Pool(cells, self._pyramid.pooling, out)
        for first in range(0, down, height):
            strip = grid.rows(images, slice(first, first + height))
            codes = self._codes(strip.reshape(-1, grid.width))
            pool.add(codes.reshape(len(images), -1, right, self.n_codes_), first)
        pool.finish()

    def _codes(self, patches: np.ndarray) -> np.ndarray:
        with config_context(transform_output="default"):
            codes = self.coder_.transform(patches)
        return codes.toarray() if sp.issparse(codes) else np.asarray(codes)

    def _bar(self, n: int) -> Any:
        alone = sys.stderr.isatty() and multiprocessing.parent_process() is None
        return tqdm(
            total=n,
            desc=type(self).__name__,
            unit="image",
            disable=not (self.verbose or alone),
            delay=0.0 if self.verbose else _DELAY,
            leave=bool(self.verbose),
            file=sys.stderr,
        )
