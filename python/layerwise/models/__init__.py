"""scikit-learn estimators."""

from .classifier import DBNClassifier
from .dbn import DBN
from .hierarchical import HierarchicalSparseCoder
from .image_features import ImageFeatures
from .lasso import Lasso
from .lasso_path import LassoPath, lasso_path
from .local_coding import LocalCoordinateCoder
from .nearest_coding import LLC, SuperVectorCoder
from .patches import ContrastNormalizer, PatchExtractor
from .persistence import load
from .rbm import RBM
from .soft_threshold import SoftThresholdCoder
from .spatial_pyramid import SpatialPyramid
from .vector_quantizer import VectorQuantizer
from .zca import ZCA

__all__ = [
    "DBN",
    "LLC",
    "RBM",
    "ZCA",
    "ContrastNormalizer",
    "DBNClassifier",
    "HierarchicalSparseCoder",
    "ImageFeatures",
    "Lasso",
    "LassoPath",
    "LocalCoordinateCoder",
    "PatchExtractor",
    "SoftThresholdCoder",
    "SpatialPyramid",
    "SuperVectorCoder",
    "VectorQuantizer",
    "lasso_path",
    "load",
]
