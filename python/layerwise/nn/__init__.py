"""Layers, learning rules, optimisers and the one training loop, below the estimators."""

from .callbacks import Callback, History, Monitor, Progress
from .learning import CD, PCD, LearningRule, rule_of
from .loop import Stepper, fit
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
    "Progress",
    "RBMTrainer",
    "Rows",
    "Schedule",
    "SoftmaxCrossEntropy",
    "Stepper",
    "Units",
    "fit",
    "gibbs_chain",
    "linear_decay",
    "pair_of",
    "random_weights",
    "rule_of",
    "switch",
    "units_of",
]
