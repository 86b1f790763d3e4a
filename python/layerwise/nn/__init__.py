"""Layers, learning rules, optimisers and the one training loop, below the estimators."""

from .bound import variational_bound
from .callbacks import Callback, History, Monitor, Progress
from .checkpoint import Checkpoint, fingerprint, restore_arrays
from .composed import composed_cd
from .learning import CD, PCD, Dropout, LearningRule, rule_of
from .loop import Position, Run, Stepper, fit
from .losses import Loss, SoftmaxCrossEntropy
from .mapped import MappedRows
from .minibatch import Batch, LiftedRows, Minibatches, Rows, RowsAt
from .minimise import NetMinimiser
from .monitor import MONITORED_ROWS, RBMMonitor, advice, rbm_metrics
from .net import Layer, Net, NetMonitor, NetTrainer, OutputFirst
from .optim import SGD
from .penalties import L1, BatchMeans, Centring, Correction, MaxNorm, SparsityTarget
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

__all__ = [
    "CD",
    "L1",
    "MONITORED_ROWS",
    "PCD",
    "SGD",
    "Batch",
    "BatchMeans",
    "Bernoulli",
    "BernoulliBernoulli",
    "Callback",
    "Centring",
    "Checkpoint",
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
    "Monitor",
    "Net",
    "NetMinimiser",
    "NetMonitor",
    "NetTrainer",
    "OutputFirst",
    "Pair",
    "Parameters",
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
    "pair_of",
    "permutation",
    "random_weights",
    "rbm_metrics",
    "restore_arrays",
    "rule_of",
    "units_of",
    "variational_bound",
]
