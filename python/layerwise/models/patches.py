"""Patches of images as rows of a matrix, and the normalisation of their contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement
from sklearn.utils.validation import validate_data

from layerwise import nn
from layerwise.storage import register

from ._checks import check_integer, check_number
from ._fitted import COMMON
from ._images import Images, check_image_shape, check_pair, read_images
from .persistence import Persistent

__all__ = ["ContrastNormalizer", "PatchExtractor", "draw_patches", "grid_of"]

_FLOATS = [np.float64, np.float32]


def grid_of(op: str, images: Images, patch_size: Any, stride: Any) -> nn.PatchGrid:
    """Place patches on a grid; ValueError where none fits."""
    patch, step = check_pair(op, "patch_size", patch_size), check_pair(op, "stride", stride)
    grid = nn.PatchGrid(images.shape, patch, step)
    if 0 in grid.shape:
        raise ValueError(
            f"{op}: patch_size must be at most the size of the images, "
            f"{images.shape[0]} x {images.shape[1]}; got {patch[0]} x {patch[1]}"
        )
    return grid


def draw_patches(images: Images, grid: nn.PatchGrid, n_patches: int | None, seed: Any) -> Any:
    """Copy patches drawn at random without repetition, or all of them where there are no more.

    Returns
    -------
    ndarray of shape (n_patches, width)
    """
    total = len(images) * grid.shape[0] * grid.shape[1]
    if n_patches is None or n_patches >= total:
        positions = np.arange(total)
    else:
        rng = check_random_state(seed)
        positions = sample_without_replacement(total, n_patches, random_state=rng)
        positions = rng.permutation(positions)
    return images.finite(grid.at(images.pixels, positions))


@register
class PatchExtractor(Persistent, TransformerMixin, BaseEstimator):
    """Patches of images, one a row: all those of a grid, or some at random places.

    Parameters
    ----------
    patch_size : int or (int, int), default 6
        Height and width.
    stride : int or (int, int), default 1
        Pixels from one patch to the next, down and to the right.
    n_patches : int, optional
        Patches of all images together, drawn at random from the grid, none twice; by default all,
        image by image and row by row.
    image_shape : (height, width) or (height, width, channels), optional
        Lets images come as rows of a matrix.
    random_state : int, RandomState or None, default None
        Of the random places.

    See Also
    --------
    ImageFeatures : Codes of all patches, pooled, in bounded memory.

    Notes
    -----
    A patch has its values as they lie in the image: row by row, the channels of a pixel side by
    side. The estimator learns nothing; its input has three or four dimensions, which is where it
    leaves scikit-learn's contract for matrices, as `sklearn.feature_extraction.image` does.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.models import PatchExtractor
    >>> images = np.arange(9.0).reshape(1, 3, 3)
    >>> PatchExtractor(2).fit_transform(images)
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    >>> PatchExtractor(2, n_patches=2, random_state=0).fit_transform(images).shape
    (2, 4)
    """

    def __init__(
        self,
        patch_size: Any = 6,
        *,
        stride: Any = 1,
        n_patches: int | None = None,
        image_shape: Any = None,
        random_state: Any = None,
    ) -> None:
        self.patch_size = patch_size
        self.stride = stride
        self.n_patches = n_patches
        self.image_shape = image_shape
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> PatchExtractor:
        """Check the parameters and that patches fit into the images.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, height, width, channels)
        y : ignored

        Returns
        -------
        self : PatchExtractor
        """
        self._read(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Copy the patches.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, height, width, channels)
            Bool, integer or float.

        Returns
        -------
        patches : ndarray of shape (n_patches, height * width * channels of a patch)
            float64 where X is, else float32.
        """
        images, grid = self._read(X)
        return draw_patches(images, grid, self.n_patches, self.random_state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.requires_fit = False
        return tags

    def _read(self, x: Any) -> tuple[Images, nn.PatchGrid]:
        op = type(self).__name__
        if self.n_patches is not None:
            check_integer(op, "n_patches", self.n_patches, 1)
        images = read_images(op, x, check_image_shape(op, self.image_shape))
        return images, grid_of(op, images, self.patch_size, self.stride)


@register
class ContrastNormalizer(Persistent, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Brightness and contrast of each row taken out: ``(x - mean) / sqrt(var + eps)``.

    Parameters
    ----------
    eps : float, default 10.0
        Keeps noise in rows of little contrast from growing; 10 suits pixels from 0 to 255. With 0,
        rows without any contrast become zero.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    References
    ----------
    A. Coates, H. Lee, A. Ng (2011). An analysis of single-layer networks in unsupervised feature
    learning. AISTATS, section 3.1.1.

    Examples
    --------
    >>> from layerwise.models import ContrastNormalizer
    >>> ContrastNormalizer(eps=0).fit_transform([[1.0, 3.0], [5.0, 5.0]])
    array([[-1.,  1.],
           [ 0.,  0.]])
    """

    _fitted = COMMON

    def __init__(self, eps: float = 10.0) -> None:
        self.eps = eps

    def fit(self, X: Any, y: Any = None) -> ContrastNormalizer:
        """Check the parameter and the data; nothing is learnt.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : ContrastNormalizer
        """
        check_number(type(self).__name__, "eps", self.eps)
        validate_data(self, X, dtype=_FLOATS)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Normalise each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        eps = check_number(type(self).__name__, "eps", self.eps)
        x = validate_data(self, X, dtype=_FLOATS, reset=False)
        return nn.normalise_contrast(x, eps)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
