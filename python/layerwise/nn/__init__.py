"""Layers, learning rules, optimisers and the one training loop, below the estimators."""

from .anchors import AnchorStatistics, improve_anchors, local_directions, tangent_codes
from .atoms import AtomStatistics
from .blocks import BLOCK_ELEMENTS, row_blocks, run_blocks
from .bound import variational_bound
from .callbacks import Callback, History, Monitor, Progress
from .checkpoint import Checkpoint, fingerprint, restore_arrays
from .coding import Coding, LassoCoding, PursuitCoding, ThresholdCoding, residual
from .composed import composed_cd
from .csr_rows import CsrRows, coding_blocks, dense_block
from .dictionary import DictionaryTrainer, EpochEnd, first_atoms
from .dictionary_rules import KSVD, BlockCoordinate, DictionaryRule, LagrangeDual, Online
from .encodings import ENCODINGS, Centroids, soft_threshold_codes
from .hierarchical import (
    GroupCodes,
    HierarchicalCoding,
    best_variances,
    mean_squares,
    scale_evaluation,
)
from .hierarchy_learning import HierarchyLearner, first_hierarchy
from .kmeans import Clusters, kmeans, nearest
from .lagrange import lagrange_dual
from .learning import CD, PCD, Dropout, LearningRule, rule_of
from .lista import ListaNet, ListaTrainer
from .local_coding import LocalCoding, llc_codes, local_weights, nearest_anchors, super_vectors
from .loop import Position, Run, Stepper, fit
from .losses import Loss, SoftmaxCrossEntropy, SquaredHinge
from .mapped import MappedRows
from .minibatch import Batch, LiftedRows, Minibatches, Rows, RowsAt
from .minimise import NetMinimiser
from .monitor import MONITORED_ROWS, RBMMonitor, advice, rbm_metrics
from .net import Layer, Net, NetMonitor, NetTrainer, OutputFirst
from .optim import SGD, Adam
from .patches import PatchGrid, normalise_contrast
from .penalties import L1, BatchMeans, Centring, Correction, MaxNorm, SparsityTarget
from .pooling import POOLINGS, Cell, Pool, pyramid_cells
from .projected import Evaluation, minimise_projected, project_to_simplex
from .rbm import RBMTrainer, gibbs_chain, random_weights
from .schedules import (
    Constant,
    Exponential,
    Inverse,
    Linear,
    Rate,
    Schedule,
    Scheduler,
    Step,
    Switch,
)
from .shuffle import permutation
from .stopping import EarlyStopping
from .streams import StreamBatches, StreamRows
from .units import (
    Bernoulli,
    BernoulliBernoulli,
    Pair,
    Parameters,
    Units,
    pair_of,
    units_of,
)
from .whitening import Moments, zca

__all__ = [
    "BLOCK_ELEMENTS",
    "CD",
    "ENCODINGS",
    "KSVD",
    "L1",
    "MONITORED_ROWS",
    "PCD",
    "POOLINGS",
    "SGD",
    "Adam",
    "AnchorStatistics",
    "AtomStatistics",
    "Batch",
    "BatchMeans",
    "Bernoulli",
    "BernoulliBernoulli",
    "BlockCoordinate",
    "Callback",
    "Cell",
    "Centring",
    "Centroids",
    "Checkpoint",
    "Clusters",
    "Coding",
    "Constant",
    "Correction",
    "CsrRows",
    "DictionaryRule",
    "DictionaryTrainer",
    "Dropout",
    "EarlyStopping",
    "EpochEnd",
    "Evaluation",
    "Exponential",
    "GroupCodes",
    "HierarchicalCoding",
    "HierarchyLearner",
    "History",
    "Inverse",
    "LagrangeDual",
    "LassoCoding",
    "Layer",
    "LearningRule",
    "LiftedRows",
    "Linear",
    "ListaNet",
    "ListaTrainer",
    "LocalCoding",
    "Loss",
    "MappedRows",
    "MaxNorm",
    "Minibatches",
    "Moments",
    "Monitor",
    "Net",
    "NetMinimiser",
    "NetMonitor",
    "NetTrainer",
    "Online",
    "OutputFirst",
    "Pair",
    "Parameters",
    "PatchGrid",
    "Pool",
    "Position",
    "Progress",
    "PursuitCoding",
    "RBMMonitor",
    "RBMTrainer",
    "Rate",
    "Rows",
    "RowsAt",
    "Run",
    "Schedule",
    "Scheduler",
    "SoftmaxCrossEntropy",
    "SparsityTarget",
    "SquaredHinge",
    "Step",
    "Stepper",
    "StreamBatches",
    "StreamRows",
    "Switch",
    "ThresholdCoding",
    "Units",
    "advice",
    "best_variances",
    "coding_blocks",
    "composed_cd",
    "dense_block",
    "fingerprint",
    "first_atoms",
    "first_hierarchy",
    "fit",
    "gibbs_chain",
    "improve_anchors",
    "kmeans",
    "lagrange_dual",
    "llc_codes",
    "local_directions",
    "local_weights",
    "mean_squares",
    "minimise_projected",
    "nearest",
    "nearest_anchors",
    "normalise_contrast",
    "pair_of",
    "permutation",
    "project_to_simplex",
    "pyramid_cells",
    "random_weights",
    "rbm_metrics",
    "residual",
    "restore_arrays",
    "row_blocks",
    "rule_of",
    "run_blocks",
    "scale_evaluation",
    "soft_threshold_codes",
    "super_vectors",
    "tangent_codes",
    "units_of",
    "variational_bound",
    "zca",
]
