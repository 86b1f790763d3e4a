"""scikit-learn estimators."""

from .classifier import DBNClassifier
from .dbn import DBN
from .image_features import ImageFeatures
from .lasso import Lasso
from .lasso_path import LassoPath, lasso_path
from .patches import ContrastNormalizer, PatchExtractor
from .persistence import load
from .rbm import RBM
from .soft_threshold import SoftThresholdCoder
from .spatial_pyramid import SpatialPyramid
from .vector_quantizer import VectorQuantizer
from .zca import ZCA

__all__ = [
    "DBN",
    "RBM",
    "ZCA",
    "ContrastNormalizer",
    "DBNClassifier",
    "ImageFeatures",
    "Lasso",
    "LassoPath",
    "PatchExtractor",
    "SoftThresholdCoder",
    "SpatialPyramid",
    "VectorQuantizer",
    "lasso_path",
    "load",
]
