"""Layers, learning rules, optimisers and the one training loop, below the estimators."""

from .callbacks import Callback, History, Monitor, Progress
from .checkpoint import Checkpoint, fingerprint, restore_arrays
from .learning import CD, PCD, LearningRule, rule_of
from .loop import Position, Run, Stepper, fit
from .losses import Loss, SoftmaxCrossEntropy
from .minibatch import Batch, LiftedRows, Minibatches, Rows
from .net import Layer, Net, NetTrainer
from .optim import SGD, Schedule, linear_decay, switch
from .rbm import RBMTrainer, gibbs_chain, random_weights
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
    "PCD",
    "SGD",
    "Batch",
    "Bernoulli",
    "BernoulliBernoulli",
    "Callback",
    "Checkpoint",
    "History",
    "Layer",
    "LearningRule",
    "LiftedRows",
    "Loss",
    "Minibatches",
    "Monitor",
    "Net",
    "NetTrainer",
    "Pair",
    "Parameters",
    "Position",
    "Progress",
    "RBMTrainer",
    "Rows",
    "Run",
    "Schedule",
    "SoftmaxCrossEntropy",
    "Stepper",
    "Units",
    "fingerprint",
    "fit",
    "gibbs_chain",
    "linear_decay",
    "pair_of",
    "random_weights",
    "restore_arrays",
    "rule_of",
    "switch",
    "units_of",
]
