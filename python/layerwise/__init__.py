"""layerwise: learn deep representations layer by layer, on compiled kernels.

`RBM`, `DBN` and `DBNClassifier` are scikit-learn estimators. `layerwise.ops` is the functional
interface to the kernels, `layerwise.reference` the same in plain NumPy, `layerwise.datasets` the
data that examples use.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from layerwise._show_config import show_config
from layerwise.ops.config import num_threads, use_backend

if TYPE_CHECKING:
    from layerwise import datasets, models, nn, ops, reference, storage
    from layerwise.models import (
        DBN,
        LISTA,
        LLC,
        RBM,
        ZCA,
        ContrastNormalizer,
        DBNClassifier,
        DictionaryLearning,
        HierarchicalSparseCoder,
        ImageFeatures,
        Lasso,
        LassoPath,
        LocalCoordinateCoder,
        PatchExtractor,
        SoftThresholdCoder,
        SparseCoder,
        SpatialPyramid,
        SuperVectorCoder,
        VectorQuantizer,
        lasso_path,
        load,
    )

try:
    __version__ = version("layerwise")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"

__all__ = [
    "DBN",
    "LISTA",
    "LLC",
    "RBM",
    "ZCA",
    "ContrastNormalizer",
    "DBNClassifier",
    "DictionaryLearning",
    "HierarchicalSparseCoder",
    "ImageFeatures",
    "Lasso",
    "LassoPath",
    "LocalCoordinateCoder",
    "PatchExtractor",
    "SoftThresholdCoder",
    "SparseCoder",
    "SpatialPyramid",
    "SuperVectorCoder",
    "VectorQuantizer",
    "__version__",
    "datasets",
    "lasso_path",
    "load",
    "models",
    "nn",
    "num_threads",
    "ops",
    "reference",
    "show_config",
    "storage",
    "use_backend",
]

_MODULES = ("datasets", "models", "nn", "ops", "reference", "storage")


def __getattr__(name: str) -> Any:
    # Estimators bring scikit-learn, which takes a second to import: only where they are used.
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.models"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
