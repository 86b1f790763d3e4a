"""Deep belief network with a softmax layer, fine-tuned on labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from layerwise import nn, ops
from layerwise.storage import register

from ._checks import (
    check_bool,
    check_choice,
    check_integer,
    check_labels,
    check_number,
    check_rate,
    check_sizes,
    check_training,
    read_rows,
    read_training,
    seed_of,
)
from ._fitted import COMMON, array, count, each, fields, instance, none_or
from ._net_start import check_pretrain, start_net, start_of
from ._run import open_run
from ._tuning import fit_net, update_net
from .dbn import DBN
from .persistence import Persistent

__all__ = ["DBNClassifier"]


register(FrozenEstimator)  # a hyper-parameter here


def _units(i: int) -> str:
    return f"units of layer {i}" if i else "features"


def _check_classes(name: str, value: Any, sizes: dict[str, Any]) -> None:
    top = sizes[_units(sizes["layers"])]
    if getattr(value, "shape", None) != (top,):
        raise ValueError(f"{name} must be an array of {top} labels; got {value!r}")


def _check_velocities(name: str, value: Any, sizes: dict[str, Any]) -> None:
    layers = range(sizes["layers"])
    weights = {f"w{i}": array(_units(i + 1), _units(i)) for i in layers}
    biases = {f"b{i}": array(_units(i + 1)) for i in layers}
    fields(**weights, **biases)(name, value, sizes)


@register
class DBNClassifier(Persistent, ClassifierMixin, BaseEstimator):
    """Classifier from a deep belief network: pretrained layer by layer, then fine-tuned.

    The hidden layers start as the RBMs of a `DBN` trained on the data without their labels; a
    softmax layer is put on top, and stochastic gradient descent with momentum, conjugate gradients
    or L-BFGS trains all layers on the mean cross-entropy of the labels.

    Parameters
    ----------
    n_components : int or sequence of int, default (500, 500)
        Units of each hidden layer, from the lowest up.
    pretrain : bool, DBN or sklearn.frozen.FrozenEstimator, default True
        Whether the hidden layers start as RBMs. A `DBN` says how those are trained; its
        ``n_components``, ``verbose`` and ``random_state`` are this estimator's. A fitted `DBN`
        of the same ``n_components`` in a FrozenEstimator is taken as it is, learnt from other data
        perhaps: many rows without labels. With False the hidden layers start at random weights,
        suited to sigmoid units: the plain net.
    solver : {"sgd", "cg", "lbfgs"}, default "sgd"
        Stochastic gradient descent with momentum, or conjugate gradients or L-BFGS with
        `line_searches` on each minibatch. These want large ones: Hinton and Salakhutdinov [1]_ took
        1000 rows, and `output_first` 5.
    learning_rate : float or layerwise.nn.Schedule, default 0.1
        Of the fine-tuning by SGD. A number is that of the first update; it falls in a straight line
        to zero at the last. A schedule is a function of the epochs before.
    line_searches : int, default 3
        Of "cg" and "lbfgs", on each minibatch (scipy's ``maxiter``: each of their iterations is
        one).
    batch_size : int, default 20
        Rows of a minibatch in the fine-tuning; the last of an epoch may have fewer.
    output_first : int, default 0
        Epochs at the start of the fine-tuning in which only the softmax layer learns.
    n_iter : int, default 30
        Epochs of the fine-tuning.
    momentum : float or layerwise.nn.Schedule, default 0.9
        In [0, 1), of the fine-tuning by SGD.
    weight_decay : float, default 0.0
        L2 penalty in the fine-tuning: the share of a weight that a unit of learning rate takes
        off; never on biases.
    dropout : float, default 0.0
        Probability in [0, 1) with which a hidden unit is left out of an update of the fine-tuning.
    input_dropout : float, default 0.0
        The same for the features.
    verbose : int, default 0
        If positive, show the progress of every layer and of the fine-tuning. Otherwise bars appear
        only on a terminal, when training takes over two seconds.
    random_state : int, RandomState or None, default None
        Seed. With an int, a fit gives the same bits every time, on any number of threads.
    shuffle : bool, default True
        Whether fine-tuning takes the rows in a new order every epoch, as for `RBM`.
    early_stopping : bool, default False
        Whether to end the fine-tuning when the accuracy on a validation part does not improve by
        more than `tol` for `n_iter_no_change` epochs, and go back to the best weights.
    validation_fraction : float, default 0.1
        Share of the rows held out of the fine-tuning for it; pretraining, without labels, takes all
        rows. Not used without `early_stopping`.
    n_iter_no_change : int, default 10
        Epochs without improvement after which `early_stopping` ends the fine-tuning.
    tol : float, default 1e-4
        Improvement of the accuracy that is too small to count.
    callbacks : list of layerwise.nn.Callback, optional
        Hear of every update and epoch of the fine-tuning by `fit`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    coefs_ : list of ndarray
        Weights (out, in) of every layer, from the lowest up; the last is the softmax layer's.
    intercepts_ : list of ndarray
        Biases of every layer.
    dbn_ : DBN or None
        The stack as it was before the fine-tuning.
    loss_curve_ : list of float
        Mean cross-entropy in each epoch of the fine-tuning (each call of `partial_fit`), in nats.
    history_ : list of dict
        Metrics of every epoch of `fit`'s fine-tuning: ``epoch``, ``loss``, with `early_stopping`
        ``validation_loss`` and ``validation_score``, and what callbacks add.
    best_validation_score_ : float or None
        Accuracy on the validation part, where there is one, of the weights that were kept.
    n_steps_ : int
        Updates of the fine-tuning.
    n_epochs_ : int
        Epochs of the fine-tuning, and calls of `partial_fit` since.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    See Also
    --------
    DBN : The stack without labels.
    sklearn.neural_network.MLPClassifier : Nets with other hidden units, from random weights.

    Notes
    -----
    Data of float32 train in float32, other types of array in float64.

    Ctrl-C ends `fit` with KeyboardInterrupt. If it comes during the fine-tuning, what was learnt
    so far stays in the estimator.

    References
    ----------
    .. [1] G. Hinton, R. Salakhutdinov (2006). Reducing the dimensionality of data with neural
       networks. Science 313, supporting material.
    .. [2] X. Glorot, Y. Bengio (2010). Understanding the difficulty of training deep feedforward
       neural networks. AISTATS.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import DBNClassifier
    >>> x = np.repeat(np.eye(4), 25, axis=0)
    >>> y = np.repeat(["one", "two", "three", "four"], 25)
    >>> net = DBNClassifier(16, random_state=0).fit(x, y)
    >>> net.predict(np.eye(4)).tolist()
    ['one', 'two', 'three', 'four']
    """

    _fitted = COMMON | {
        "coefs_": each(lambda i: array(_units(i + 1), _units(i))),
        "intercepts_": each(lambda i: array(_units(i + 1))),
        "classes_": _check_classes,
        "dbn_": none_or(instance(DBN)),
        "loss_curve_": instance(list),
        "history_": instance(list),
        "best_validation_score_": none_or(instance(float)),
        "n_steps_": count(),
        "n_epochs_": count(),
        "_seed": count(),
        "_velocities": none_or(_check_velocities),
    }

    def __init__(
        self,
        n_components: int | Sequence[int] = (500, 500),
        *,
        pretrain: bool | DBN | FrozenEstimator = True,
        solver: str = "sgd",
        learning_rate: float | nn.Schedule = 0.1,
        line_searches: int = 3,
        batch_size: int = 20,
        n_iter: int = 30,
        output_first: int = 0,
        momentum: float | nn.Schedule = 0.9,
        weight_decay: float = 0.0,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        callbacks: Sequence[nn.Callback] | None = None,
    ) -> None:
        self.n_components = n_components
        self.pretrain = pretrain
        self.solver = solver
        self.learning_rate = learning_rate
        self.line_searches = line_searches
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.output_first = output_first
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.verbose = verbose
        self.random_state = random_state
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.callbacks = callbacks

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        checkpoint: str | os.PathLike[str] | nn.Checkpoint | None = None,
        resume: bool = False,
    ) -> DBNClassifier:
        """Learn from data and their labels.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            Values in [0, 1]; bool and integer 0/1 arrays are packed into bits. Data larger than
            memory are read as by `RBM.fit`: a memory map, or a function that returns an iterator of
            blocks of rows.
        y : array-like of shape (n_samples,)
            Class labels: numbers or strings.
        checkpoint, resume
            As for `RBM.fit`.

        Returns
        -------
        self : DBNClassifier
        """
        sizes = self._check_parameters()
        rows, y = self._read(X, y, reset=True)
        classes, codes = np.unique(y, return_inverse=True)
        start = start_of(self, rows)
        seed, run = open_run(self, rows, checkpoint, resume, y)
        start_net(self, start, rows, classes, sizes, seed, run)
        fit_net(self, rows, codes, run)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> DBNClassifier:
        """Make one update of the fine-tuning from the rows of X, as one minibatch.

        The first call sets up the net, pretraining it on these rows if `pretrain` says so. The
        learning rate stays at `learning_rate`.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            Values in [0, 1].
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), optional
            All labels there are; needed in the first call.

        Returns
        -------
        self : DBNClassifier
        """
        sizes = self._check_parameters()
        first = not hasattr(self, "coefs_")
        if first and classes is None:
            raise ValueError(
                "DBNClassifier.partial_fit: classes must list all labels in the first call; "
                "got None"
            )
        rows, y = self._read(X, y, reset=first)
        if rows.shape[0] is None:
            raise TypeError(
                "DBNClassifier.partial_fit: X must be a matrix of one minibatch; got an iterator "
                "of blocks: call partial_fit for each, or fit for all"
            )
        known = np.unique(classes) if first else self.classes_
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(
                f"DBNClassifier.partial_fit: classes must be those of the first call, "
                f"{known.tolist()}; got {np.unique(classes).tolist()}"
            )
        codes = _codes_of(y, known)
        if first:
            seed = seed_of(type(self).__name__, self.random_state)
            start_net(self, start_of(self, rows), rows, known, sizes, seed)
        update_net(self, rows, codes)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict the most probable label of every row.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probability of every label, for every row.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return ops.softmax(self._scores(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the logarithm of the probability of every label, for every row.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
        """
        z = self._scores(X)
        z -= z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _check_parameters(self) -> tuple[int, ...]:
        op = type(self).__name__
        sizes = check_sizes(op, "n_components", self.n_components)
        check_pretrain(op, self.pretrain, sizes)
        check_choice(op, "solver", self.solver, ("sgd", "cg", "lbfgs"))
        check_rate(op, "learning_rate", self.learning_rate, positive=True)
        check_integer(op, "line_searches", self.line_searches, 1)
        check_integer(op, "n_iter", self.n_iter, 0)
        check_integer(op, "output_first", self.output_first, 0)
        check_rate(op, "momentum", self.momentum, below=1.0)
        check_training(self, op)
        check_bool(op, "early_stopping", self.early_stopping)
        check_integer(op, "n_iter_no_change", self.n_iter_no_change, 1)
        check_number(op, "tol", self.tol)
        check_number(op, "weight_decay", self.weight_decay)
        check_number(op, "dropout", self.dropout, below=1.0)
        check_number(op, "input_dropout", self.input_dropout, below=1.0)
        return sizes

    def _read(self, x: Any, y: Any, *, reset: bool) -> tuple[Any, np.ndarray]:
        dtype = None if reset else self.coefs_[0].dtype
        y = check_labels(self, x, y)
        read = read_training if reset else read_rows
        rows = read(self, x, reset=reset, dtype=dtype, units=nn.Bernoulli())
        check_classification_targets(y)
        return rows, y

    def _net(self) -> nn.Net:
        hidden = len(self.coefs_) - 1
        layers = [
            nn.Layer(w, b, "sigmoid" if i < hidden else "none", self.dropout * (i < hidden))
            for i, (w, b) in enumerate(zip(self.coefs_, self.intercepts_, strict=True))
        ]
        return nn.Net(layers, self.input_dropout)

    def _scores(self, x: Any) -> np.ndarray:
        check_is_fitted(self)
        rows = read_rows(self, x, reset=False, dtype=self.coefs_[0].dtype, units=nn.Bernoulli())
        net = self._net()
        return rows.map(lambda part: net.forward(part).outputs[-1])


def _codes_of(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Find the positions of labels in the sorted classes."""
    codes = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    unknown = np.unique(y[classes[codes] != y])
    if unknown.size:
        raise ValueError(
            f"DBNClassifier.partial_fit: y must hold labels of classes, {classes.tolist()}; "
            f"got {unknown.tolist()}"
        )
    return codes
