"""scikit-learn estimators."""

from .classifier import DBNClassifier
from .dbn import DBN
from .dictionary import DictionaryLearning
from .hierarchical import HierarchicalSparseCoder
from .image_features import ImageFeatures
from .lasso import Lasso
from .lasso_paths import LassoPath, lasso_path
from .lista import LISTA
from .local_coding import LocalCoordinateCoder
from .nearest_coding import LLC, SuperVectorCoder
from .patches import ContrastNormalizer, PatchExtractor
from .persistence import load
from .rbm import RBM
from .soft_threshold import SoftThresholdCoder
from .sparse_coder import SparseCoder
from .spatial_pyramid import SpatialPyramid
from .vector_quantizer import VectorQuantizer
from .zca import ZCA

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
    "lasso_path",
    "load",
]
