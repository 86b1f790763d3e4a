"""Deep belief network: RBMs trained one on another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from layerwise import nn
from layerwise.ops import Philox
from layerwise.storage import register

from ._checks import (
    check_integer,
    check_number,
    check_weights,
    read_rows,
    read_training,
)
from ._fitted import COMMON, Check, array, each, instance
from ._run import open_run
from ._sampling import Sampler
from ._stack_training import check_layers, fit_stack, layers_of
from ._transformer import SparseTransformer
from .rbm import RBM

__all__ = ["DBN"]


def _fitted_layer(i: int) -> Check:
    """Check that layer i is fitted, with as many visible units as the layer below has hidden."""

    def check(name: str, value: Any, sizes: dict[str, Any]) -> None:
        instance(RBM)(name, value, sizes)
        if not hasattr(value, "components_"):
            raise ValueError(f"{name} must be fitted; got {value!r}")
        below = f"units of layer {i - 1}" if i else "features"
        check_weights = array(f"units of layer {i}", below)
        check_weights(f"{name}.components_", value.components_, sizes)

    return check


@register
class DBN(Sampler, SparseTransformer):
    """Deep belief network: a stack of RBMs, each trained on the hidden units of the one below.

    Parameters
    ----------
    n_components : int or sequence of int, default (500, 500)
        Hidden units of each layer, from the lowest up.
    learning_rate : float, layerwise.nn.Schedule or sequence of them, default 0.1
        One for all layers, or one each.
    batch_size : int, default 50
        Rows of a minibatch; the last of an epoch may have fewer.
    n_iter : int or sequence of int, default 20
        Epochs of each layer.
    verbose : int, default 0
        As for `RBM`, layer by layer.
    random_state : int, RandomState or None, default None
        Seed. With an int, a fit gives the same bits every time, on any number of threads.
    learning : {"cd", "pcd"}, layerwise.nn.LearningRule or sequence of them, default "cd"
        As for `RBM`.
    k : int or sequence of int, default 1
        Gibbs sweeps an update, where `learning` is a string.
    momentum : float or layerwise.nn.Schedule, default 0.5
        In [0, 1), for the first `momentum_switch` epochs of each layer.
    final_momentum : float or None, default 0.9
        In [0, 1), from then on; `momentum` if None, or if that is a schedule.
    momentum_switch : int, default 5
        Epochs before `final_momentum`.
    weight_decay : float or sequence of float, default 2e-4
        As for `RBM`.
    l1_decay, max_norm, sparsity_target, sparsity_cost, dropout
        As for `RBM`; one for all layers, or a sequence of one each.
    sparsity_penalty, centered
        As for `RBM`.
    visible : "bernoulli" or layerwise.nn.Units, default "bernoulli"
        Type of the lowest layer's visible units.
    visible_bias : {"zeros", "log_odds"}, default "zeros"
        Where each layer's visible biases start.
    layer_input : {"mean", "sample"}, default "mean"
        Whether a layer learns from the probabilities of the hidden units below or from samples of
        them, drawn anew in every epoch.
    shuffle : bool, default True
        Whether rows are taken in a new order every epoch, as for `RBM`.
    monitor : bool, default False
        Whether to measure each layer after each of its epochs, as for `RBM`.
    validation_fraction : float, default 0.0
        Share of the rows that `fit` does not train on but only monitors.
    callbacks : list of layerwise.nn.Callback, optional
        Hear of every update and epoch of each layer in turn.

    Attributes
    ----------
    rbms_ : list of RBM
        The fitted layers, from the lowest up; ``rbms_[i].history_`` has the metrics of a layer.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    See Also
    --------
    DBNClassifier : The same stack under a softmax layer, fine-tuned on labels.

    Notes
    -----
    What a layer learns from is computed batch by batch, so that training keeps nothing of the size
    of the data.

    Ctrl-C ends `fit` with KeyboardInterrupt and leaves the estimator as it was.

    References
    ----------
    .. [1] G. Hinton, S. Osindero, Y.-W. Teh (2006). A fast learning algorithm for deep belief
       nets. Neural Computation 18.
    .. [2] Y. Bengio, P. Lamblin, D. Popovici, H. Larochelle (2006). Greedy layer-wise training of
       deep networks. NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import DBN
    >>> x = np.random.default_rng(0).integers(0, 2, (100, 12))
    >>> dbn = DBN((8, 4), n_iter=2, random_state=0).fit(x)
    >>> dbn.transform(x).shape
    (100, 4)
    """

    _fitted = COMMON | {
        "rbms_": each(_fitted_layer),
        "random_state_": instance(np.random.RandomState),
    }

    def __init__(
        self,
        n_components: int | Sequence[int] = (500, 500),
        *,
        learning_rate: float | nn.Schedule | Sequence[float | nn.Schedule] = 0.1,
        batch_size: int = 50,
        n_iter: int | Sequence[int] = 20,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        learning: str | nn.LearningRule | Sequence[str | nn.LearningRule] = "cd",
        k: int | Sequence[int] = 1,
        momentum: float | nn.Schedule = 0.5,
        final_momentum: float | None = 0.9,
        momentum_switch: int = 5,
        weight_decay: float | Sequence[float] = 2e-4,
        l1_decay: float | Sequence[float] = 0.0,
        max_norm: float | Sequence[float | None] | None = None,
        sparsity_target: float | Sequence[float | None] | None = None,
        sparsity_cost: float | Sequence[float] = 0.1,
        sparsity_penalty: str = "squared",
        centered: bool | nn.Centring = False,
        dropout: float | Sequence[float] = 0.0,
        visible: str | nn.Units = "bernoulli",
        visible_bias: str = "zeros",
        layer_input: str = "mean",
        shuffle: bool = True,
        monitor: bool = False,
        validation_fraction: float = 0.0,
        callbacks: Sequence[nn.Callback] | None = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.learning = learning
        self.k = k
        self.momentum = momentum
        self.final_momentum = final_momentum
        self.momentum_switch = momentum_switch
        self.weight_decay = weight_decay
        self.l1_decay = l1_decay
        self.max_norm = max_norm
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.sparsity_penalty = sparsity_penalty
        self.centered = centered
        self.dropout = dropout
        self.visible = visible
        self.visible_bias = visible_bias
        self.layer_input = layer_input
        self.shuffle = shuffle
        self.monitor = monitor
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        checkpoint: str | os.PathLike[str] | nn.Checkpoint | None = None,
        resume: bool = False,
    ) -> DBN:
        """Learn from data, one layer after another.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix, iterator} of shape (n_samples, n_features)
            Values in [0, 1]; bool and integer 0/1 arrays are packed into bits. Data larger than
            memory are read as by `RBM.fit`: a memory map, or blocks of rows.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            How much each row counts, in every layer.
        checkpoint, resume
            As for `RBM.fit`.

        Returns
        -------
        self : DBN
        """
        layers = layers_of(self)
        rows = read_training(self, X, reset=True, units=layers[0]._units)
        check_layers(type(self).__name__, layers, rows)
        weight = check_weights(type(self).__name__, sample_weight, rows.shape[0])
        seed, run = open_run(self, rows, checkpoint, resume, weight=weight)
        fit_stack(self, layers, rows, seed, run, weight)
        return self

    def transform(self, X: Any, depth: int | None = None) -> np.ndarray:
        """Compute the means of a layer's hidden units, every layer's means going up to the next.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
        depth : int, optional
            Layers to go up; all by default. With ``set_output(transform=...)`` leave it out.

        Returns
        -------
        h : ndarray of shape (n_samples, n_components[depth - 1])
        """
        rows = self._rows(X)
        layers = self._stack[: self._depth("transform", depth)]
        return nn.LiftedRows(rows, layers).map(lambda h: h)

    def inverse_transform(self, X: Any, depth: int | None = None) -> np.ndarray:
        """Compute the means of the visible units from states or means of a layer's hidden units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components[depth - 1])
        depth : int, optional
            Layers to go down; all by default.

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        for rbm in reversed(self.rbms_[: self._depth("inverse_transform", depth)]):
            X = rbm.inverse_transform(X)
        return X

    def reconstruct(self, X: Any) -> np.ndarray:
        """Compute the means of the visible units after a pass of means up all layers and down.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
        """
        rows = self._rows(X)
        return nn.LiftedRows(rows, self._stack).map(self.inverse_transform)

    def variational_bound(
        self,
        X: Any,
        log_z: float,
        *,
        n_samples: int = 10,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Estimate a lower bound on log p(v) of each row, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            Zeros and ones.
        log_z : float
            Logarithm of the partition function of the top RBM, ``rbms_[-1]``.
        n_samples : int, default 10
            Samples of the hidden units that each row's estimate is the mean over. It has no bias.
        random_state : int, RandomState or None, default None
            With None every call draws anew.

        Returns
        -------
        bound : ndarray of shape (n_samples,)
            Exact for a single layer.

        References
        ----------
        R. Salakhutdinov, I. Murray (2008). On the quantitative analysis of deep belief networks.
        ICML.
        """
        op = f"{type(self).__name__}.variational_bound"
        rows = self._rows(X)
        check_integer(op, "n_samples", n_samples, 1)
        check_number(op, "log_z", log_z, least=-np.inf)
        seed = self._draw_seed(op, random_state)
        parts = [
            nn.variational_bound(
                self._stack, rows[part], log_z, rng=Philox(seed, rows=part.start),
                n_samples=n_samples,
            )
            for part in nn.LiftedRows(rows, self._stack).chunks()
        ]  # fmt: skip
        return np.concatenate(parts)

    @property
    def _n_features_out(self) -> int:
        return self.rbms_[-1]._n_features_out

    @property
    def _stack(self) -> list[tuple[nn.Pair, nn.Parameters]]:
        return [(rbm._pair, rbm._parameters) for rbm in self.rbms_]

    def _depth(self, method: str, depth: int | None) -> int:
        """Layers to pass, at least 1 and at most all."""
        if depth is None:
            return len(self.rbms_)
        op = f"{type(self).__name__}.{method}"
        if check_integer(op, "depth", depth, 1) > len(self.rbms_):
            raise ValueError(f"{op}: depth must be at most {len(self.rbms_)}; got {depth}")
        return depth

    def _rows(self, x: Any) -> nn.Rows:
        check_is_fitted(self)
        bottom = self.rbms_[0]
        return read_rows(self, x, reset=False, dtype=bottom.components_.dtype, units=bottom._units)
