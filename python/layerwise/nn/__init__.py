"""Layers, learning rules, optimisers and the one training loop, below the estimators."""

from .coding.anchors import AnchorStatistics, improve_anchors, local_directions, tangent_codes
from .coding.atoms import AtomStatistics
from .coding.codings import (
    Coding,
    LarsCoding,
    LassoCoding,
    PursuitCoding,
    ThresholdCoding,
    residual,
    soft_threshold_codes,
)
from .coding.dictionary import DictionaryTrainer, EpochEnd, first_atoms
from .coding.dictionary_rules import (
    KSVD,
    BlockCoordinate,
    DictionaryRule,
    LagrangeDual,
    Online,
    StatisticsRule,
)
from .coding.encodings import ENCODINGS, Centroids
from .coding.hierarchical import (
    GroupCodes,
    HierarchicalCoding,
    best_variances,
    mean_squares,
    scale_evaluation,
)
from .coding.hierarchy_learning import HierarchyLearner, first_hierarchy
from .coding.kmeans import Clusters, kmeans, nearest
from .coding.lagrange import lagrange_dual
from .coding.lista import ListaNet, ListaTrainer
from .coding.local_coding import (
    LocalCoding,
    llc_codes,
    local_weights,
    nearest_anchors,
    super_vectors,
)
from .coding.projected import Evaluation, minimise_projected, project_to_simplex
from .data.blocks import BLOCK_ELEMENTS, coding_blocks, row_blocks, run_blocks
from .data.csr_rows import CsrRows
from .data.dense import dense_block
from .data.mapped import MappedRows
from .data.minibatch import Batch, Minibatches, Rows, RowsAt
from .data.shuffle import permutation
from .data.streams import StreamBatches, StreamRows
from .energy.bound import variational_bound
from .energy.composed import composed_cd
from .energy.learning import CD, PCD, Dropout, LearningRule, rule_of
from .energy.lifted import LiftedRows, lifted
from .energy.monitor import MONITORED_ROWS, RBMMonitor, advice, rbm_metrics
from .energy.penalties import L1, BatchMeans, Centring, Correction, MaxNorm, SparsityTarget
from .energy.rbm import RBMTrainer, gibbs_chain
from .energy.units import (
    Bernoulli,
    BernoulliBernoulli,
    Pair,
    Parameters,
    Units,
    pair_of,
    units_of,
)
from .images.patches import PatchGrid, normalise_contrast
from .images.pooling import POOLINGS, Cell, Pool, pyramid_cells
from .images.whitening import Moments, zca
from .nets.losses import Loss, SoftmaxCrossEntropy, SquaredHinge
from .nets.minimise import NetMinimiser
from .nets.net import Layer, Net, NetMonitor, NetTrainer, OutputFirst
from .training.callbacks import Callback, History, Monitor, Progress
from .training.checkpoint import Checkpoint, fingerprint, restore_arrays
from .training.loop import Position, Run, Stepper, fit
from .training.optim import SGD, Adam
from .training.schedules import (
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
from .training.stopping import EarlyStopping
from .training.weights import random_weights

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
    "LarsCoding",
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
    "StatisticsRule",
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
    "lifted",
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
