"""Transformers of digits to features, learnt without labels: the rows of ``mnist-coding``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer

from layerwise import nn
from layerwise.models import (
    DictionaryLearning,
    HierarchicalSparseCoder,
    ImageFeatures,
    LocalCoordinateCoder,
    SpatialPyramid,
)

__all__ = ["CODERS", "Coder", "groups_of_patches"]

_SIDE = 28
_LEVELS = (1, 2, 4)


@dataclass(frozen=True)
class Coder:
    """A row of the table.

    Attributes
    ----------
    name : str
    published : float
        Error in %.
    make : function
        Of the settings and a seed; an unfitted transformer of rows of pixels to CSR features.
    settings : dict
    quick : dict
        What is different in a short run.
    constants : tuple of float
        Values of the linear machine's constant C to choose from.
    """

    name: str
    published: float
    make: Callable[[dict[str, Any], int], Any]
    settings: dict[str, Any]
    quick: dict[str, Any]
    constants: tuple[float, ...]


def groups_of_patches(x: np.ndarray, size: int, patch: int, step: int) -> np.ndarray:
    """Take the small patches of larger ones.

    Parameters
    ----------
    x : ndarray of shape (n, size * size)
    size : int
        Side of what patches are taken of.
    patch, step : int
        Their own side, and pixels from one to the next.

    Returns
    -------
    ndarray of shape (n, n_patches, patch * patch)

    Examples
    --------
    >>> groups_of_patches(np.array([[1.0, 2.0, 3.0, 4.0]]), 2, 1, 1)
    array([[[1.],
            [2.],
            [3.],
            [4.]]])
    """
    grid = nn.PatchGrid((size, size, 1), (patch, patch), (step, step))
    return grid.rows(x.reshape(-1, size, size, 1), slice(None)).reshape(len(x), -1, grid.width)


def _unit_groups(x: np.ndarray, size: int, patch: int, step: int) -> np.ndarray:
    """Scale each patch of a group to norm one; blank ones stay zero."""
    groups = groups_of_patches(x, size, patch, step)
    norms = np.linalg.norm(groups, axis=-1, keepdims=True)
    return (groups / np.where(norms > 0, norms, 1)).reshape(len(x), -1)


def _whole_digits(settings: dict[str, Any], seed: int) -> Pipeline:
    return make_pipeline(
        Normalizer(), DictionaryLearning(**settings, random_state=seed, sparse_output=True)
    )


def _local(settings: dict[str, Any], seed: int) -> Pipeline:
    return make_pipeline(Normalizer(), LocalCoordinateCoder(**settings, random_state=seed))


def _patches(settings: dict[str, Any], seed: int) -> ImageFeatures:
    given = dict(settings)
    size, stride, n = (given.pop(name) for name in ("patch_size", "stride", "n_patches"))
    coder = _whole_digits(given, seed)
    pyramid = SpatialPyramid(_LEVELS, pooling="max_abs", norm="l2")
    return _features(coder, pyramid, size, stride, n, seed)


def _groups(settings: dict[str, Any], seed: int) -> ImageFeatures:
    given = dict(settings)
    size, stride, n = (given.pop(name) for name in ("group_of", "stride", "n_patches"))
    patch, step = given.pop("patch_size"), given.pop("step")
    cut = FunctionTransformer(_unit_groups, kw_args={"size": size, "patch": patch, "step": step})
    coder = HierarchicalSparseCoder(
        **given, group_size=((size - patch) // step + 1) ** 2, append_codes=True, random_state=seed
    )
    pyramid = SpatialPyramid(_LEVELS, pooling="max", norm="l2")
    return _features(make_pipeline(cut, coder), pyramid, size, stride, n, seed)


def _features(
    coder: Any, pyramid: SpatialPyramid, size: int, stride: int, n_patches: int, seed: int
) -> ImageFeatures:
    return ImageFeatures(
        coder, pyramid, patch_size=size, stride=stride, n_patches=n_patches,
        image_shape=(_SIDE, _SIDE), sparse_output=True, random_state=seed,
    )  # fmt: skip


CODERS = (
    Coder(
        "sparse coding", 2.10, _whole_digits,
        {"n_components": 2048, "alpha": 0.05, "n_iter": 5, "batch_size": 4096},
        {"n_components": 128, "n_iter": 2, "batch_size": 512}, (30.0, 100.0, 300.0),
    ),
    Coder(
        "local coordinate coding", 1.90, _local,
        {"n_components": 4096, "alpha": 0.1, "n_iter": 5},
        {"n_components": 128, "n_iter": 2}, (10.0, 30.0, 100.0, 300.0),
    ),
    Coder(
        "extended LCC", 1.64, _local,
        {"n_components": 4096, "alpha": 0.1, "n_iter": 5, "n_tangents": 16},
        {"n_components": 128, "n_iter": 2}, (0.3, 1.0, 3.0, 10.0),
    ),
    Coder(
        "patch sparse coding", 0.98, _patches,
        {"patch_size": 8, "stride": 2, "n_patches": 100_000, "n_components": 512, "alpha": 0.15,
         "n_iter": 3, "batch_size": 512, "gap_tol": 1e-3},
        {"n_components": 64, "n_patches": 5000, "stride": 4, "n_iter": 1}, (3.0, 10.0),
    ),
    Coder(
        "hierarchical sparse coding", 0.77, _groups,
        {"group_of": 12, "stride": 4, "patch_size": 8, "step": 2, "n_patches": 10_000,
         "n_components": 64, "n_atoms": 256, "lambda1": 0.1, "lambda2": 0.01, "gamma": 0.1,
         "eps": 0.01, "n_iter": 5, "n_rounds": 2, "tol": 1e-2},
        {"n_components": 16, "n_atoms": 48, "n_patches": 500, "n_iter": 2},
        (0.3, 1.0, 3.0),
    ),
)  # fmt: skip
