"""scikit-learn estimators."""

from .classifier import DBNClassifier
from .dbn import DBN
from .persistence import load
from .rbm import RBM

__all__ = ["DBN", "RBM", "DBNClassifier", "load"]
