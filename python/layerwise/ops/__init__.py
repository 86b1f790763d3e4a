"""Functional interface to the kernels: arrays in, arrays of the same library out.

Inputs are NumPy, torch or CuPy arrays of float32 or float64 with any strides; matrices of data and
states may also be a `BitMatrix` or a scipy.sparse CSR matrix. Nothing is cast silently, and no
argument is written to unless its description says so. Every op takes ``num_threads=`` and
``workspace=``.
"""

from .bits import BitMatrix
from .config import get_backend, get_num_threads, num_threads, use_backend
from .dense import activation_dx, dense, dense_db, dense_dw, dense_dx
from .dense_training import (
    dense_dw_update,
    dropout,
    dropout_dx,
    sgd_momentum,
    softmax,
    softmax_cross_entropy,
)
from .dictionary import dictionary_statistics, dictionary_update
from .gemm import gemm
from .gibbs import gibbs_hidden, gibbs_visible
from .gibbs_cd import CDStatistics, gibbs_cd, gibbs_cd_update
from .gibbs_energy import gibbs_free_energy, gibbs_pseudo_likelihood
from .lars import LarsCodes, LarsPath, lars, lars_path
from .lasso import LassoCodes, lasso
from .lasso_path import LassoSolutions, lasso_path
from .memory import recycle_memory
from .omp import OmpCodes, omp
from .random import Philox, Purpose, normal, uniform
from .workspace import Workspace

__all__ = [
    "BitMatrix",
    "CDStatistics",
    "LarsCodes",
    "LarsPath",
    "LassoCodes",
    "LassoSolutions",
    "OmpCodes",
    "Philox",
    "Purpose",
    "Workspace",
    "activation_dx",
    "dense",
    "dense_db",
    "dense_dw",
    "dense_dw_update",
    "dense_dx",
    "dictionary_statistics",
    "dictionary_update",
    "dropout",
    "dropout_dx",
    "gemm",
    "get_backend",
    "get_num_threads",
    "gibbs_cd",
    "gibbs_cd_update",
    "gibbs_free_energy",
    "gibbs_hidden",
    "gibbs_pseudo_likelihood",
    "gibbs_visible",
    "lars",
    "lars_path",
    "lasso",
    "lasso_path",
    "normal",
    "num_threads",
    "omp",
    "recycle_memory",
    "sgd_momentum",
    "softmax",
    "softmax_cross_entropy",
    "uniform",
    "use_backend",
]
