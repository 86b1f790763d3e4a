"""Layers, learning rules, optimisers and the one training loop, below the estimators."""

from .blocks import BLOCK_ELEMENTS, row_blocks, run_blocks
from .bound import variational_bound
from .callbacks import Callback, History, Monitor, Progress
from .checkpoint import Checkpoint, fingerprint, restore_arrays
from .composed import composed_cd
from .encodings import ENCODINGS, Centroids, soft_threshold_codes
from .kmeans import Clusters, kmeans, nearest
from .learning import CD, PCD, Dropout, LearningRule, rule_of
from .loop import Position, Run, Stepper, fit
from .losses import Loss, SoftmaxCrossEntropy, SquaredHinge
from .mapped import MappedRows
from .minibatch import Batch, LiftedRows, Minibatches, Rows, RowsAt
from .minimise import NetMinimiser
from .monitor import MONITORED_ROWS, RBMMonitor, advice, rbm_metrics
from .net import Layer, Net, NetMonitor, NetTrainer, OutputFirst
from .optim import SGD
from .patches import PatchGrid, normalise_contrast
from .penalties import L1, BatchMeans, Centring, Correction, MaxNorm, SparsityTarget
from .pooling import POOLINGS, Cell, Pool, pyramid_cells
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
    "L1",
    "MONITORED_ROWS",
    "PCD",
    "POOLINGS",
    "SGD",
    "Batch",
    "BatchMeans",
    "Bernoulli",
    "BernoulliBernoulli",
    "Callback",
    "Cell",
    "Centring",
    "Centroids",
    "Checkpoint",
    "Clusters",
    "Constant",
    "Correction",
    "Dropout",
    "EarlyStopping",
    "Exponential",
    "History",
    "Inverse",
    "Layer",
    "LearningRule",
    "LiftedRows",
    "Linear",
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
    "OutputFirst",
    "Pair",
    "Parameters",
    "PatchGrid",
    "Pool",
    "Position",
    "Progress",
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
    "Units",
    "advice",
    "composed_cd",
    "fingerprint",
    "fit",
    "gibbs_chain",
    "kmeans",
    "nearest",
    "normalise_contrast",
    "pair_of",
    "permutation",
    "pyramid_cells",
    "random_weights",
    "rbm_metrics",
    "restore_arrays",
    "row_blocks",
    "rule_of",
    "run_blocks",
    "soft_threshold_codes",
    "units_of",
    "variational_bound",
    "zca",
]
