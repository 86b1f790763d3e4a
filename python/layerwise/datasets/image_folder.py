"""Folders of images, as rows of grey levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

__all__ = ["read_image_folder"]

_SUFFIXES = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def read_image_folder(folder: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the images of a folder, in the order of their names.

    Parameters
    ----------
    folder : Path
        Images of one size lie in it, or in one folder for each class; other files are left out.

    Returns
    -------
    images : ndarray of shape (n, height, width), uint8
        Grey levels (ITU-R 601-2 luma of colours), 255 white.
    labels : ndarray of shape (n,) of str, or None
        The folder each image lies in, where they lie in folders of classes.

    Raises
    ------
    ValueError
        There is no image, one cannot be read, or they are not of one size.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    here = _images_in(folder)
    paths = here or [path for one in classes for path in _images_in(one)]
    if not paths:
        raise ValueError(
            f"read_data: {folder} must hold images ({', '.join(_SUFFIXES)}), or folders that hold "
            "the images of a class each; it holds none"
        )
    first = _grey(paths[0])
    images = np.empty((len(paths), *first.shape), np.uint8)
    for i, path in enumerate(paths):
        image = first if i == 0 else _grey(path)
        if image.shape != first.shape:
            raise ValueError(
                f"read_data: {folder} must hold images of one size; {paths[0]} has "
                f"{_size(first)} pixels, {path} {_size(image)}"
            )
        images[i] = image
    return images, None if here else np.array([path.parent.name for path in paths])


def _images_in(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file()
    )


def _grey(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            if image.mode not in _EIGHT_BITS:
                raise ValueError(
                    f"read_data: {path} must have 8 bits a channel; its pixels are of Pillow's "
                    f"mode {image.mode}"
                )
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"read_data: {path} must be an image, undamaged; {error}") from error


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"
