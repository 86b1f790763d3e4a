"""Groups of atoms that hierarchical sparse coding finds in natural photographs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from layerwise import nn
from layerwise.datasets.folders import find_files
from layerwise.models import HierarchicalSparseCoder, PatchExtractor
from layerwise.viz import draw, write_png

from ._digit_coders import groups_of_patches

__all__ = ["draw_natural_groups", "read_photographs"]

_FOLDER, _ARCHIVE = "natural", "bsds_train.zip"
_SIZE, _PATCH, _STEP = 14, 8, 2
_CONTRAST = 10.0  # keeps the noise of blank patches from growing
_SETTINGS: dict[str, Any] = {
    "n_components": 64, "n_atoms": 256, "lambda1": 0.1, "lambda2": 0.01, "gamma": 0.1, "eps": 0.01,
    "n_iter": 20, "n_rounds": 2, "tol": 1e-2,
}  # fmt: skip
_GROUPS = 10_000
_QUICK: dict[str, Any] = {"n_components": 8, "n_atoms": 32, "n_iter": 2}
_QUICK_GROUPS = 200


def read_photographs() -> np.ndarray | None:
    """Read the photographs of the Berkeley segmentation set, where a user has them.

    Returns
    -------
    ndarray of shape (n, side, side), uint8, or None
        Grey levels of the middle of each, or None where there is no ``natural/bsds_train.zip`` in
        ``LAYERWISE_DATA`` or the cache.
    """
    path = find_files(_FOLDER, [_ARCHIVE]).get(_ARCHIVE)
    if path is None:
        return None
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        images = [
            np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("L")) for name in names
        ]
    side = min(min(image.shape) for image in images)
    return np.stack([_middle(image, side) for image in images])


def draw_natural_groups(output: Path, *, quick: bool, seed: int) -> Path | None:
    """Learn both dictionaries from groups of patches, and draw the second one.

    Patches have their mean and most of their contrast taken out.

    Returns
    -------
    Path or None
        The picture ``natural-groups.png``; the coder lies beside it. None without photographs.
    """
    photographs = read_photographs()
    if photographs is None:
        return None
    settings = _SETTINGS | (_QUICK if quick else {})
    n = _QUICK_GROUPS if quick else _GROUPS
    large = PatchExtractor(_SIZE, n_patches=n, random_state=seed).fit_transform(photographs)
    groups = groups_of_patches(large, _SIZE, _PATCH, _STEP)
    d = groups.shape[2]
    flat = nn.normalise_contrast(groups.reshape(-1, d), _CONTRAST) / np.float32(np.sqrt(d))
    coder = HierarchicalSparseCoder(**settings, group_size=groups.shape[1], random_state=seed)
    coder.fit(flat.reshape(groups.shape))
    coder.save(output / "natural-groups.safetensors")
    picture = draw("groups", coder, count=10 * settings["n_components"])
    return write_png(output / "natural-groups.png", picture, zoom=2)


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    top, left = ((size - side) // 2 for size in image.shape)
    return image[top : top + side, left : left + side]
