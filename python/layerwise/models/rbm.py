"""Restricted Boltzmann machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from layerwise import nn
from layerwise.storage import register

from ._checks import (
    check_rbm,
    check_rounding,
    check_weights,
    read_rows,
    read_training,
    seed_of,
)
from ._fitted import COMMON, Optional, array, count, fields, instance, none_or
from ._rbm_training import fit_rbm, start_rbm, update_rbm
from ._run import open_run
from ._sampling import Sampler
from ._transformer import SparseTransformer

__all__ = ["RBM"]


@register
class RBM(Sampler, SparseTransformer):
    r"""Restricted Boltzmann machine with binary visible and hidden units.

    The joint distribution is :math:`p(v, h) = \exp(h'Wv + b'v + a'h) / Z`; `fit` follows an
    estimate of the gradient of the mean log-likelihood. The names, defaults and attributes of
    `sklearn.neural_network.BernoulliRBM` mean here what they mean there.

    Parameters
    ----------
    n_components : int, default 256
        Hidden units.
    learning_rate : float or layerwise.nn.Schedule, default 0.1
        Step along the estimated gradient of the mean log-likelihood of a batch. A schedule, such as
        ``layerwise.nn.Linear(0.1, 0.01, until=20)``, is a function of the epochs before; a call of
        `partial_fit` counts as one.
    batch_size : int, default 10
        Rows of a minibatch; the last of an epoch may have fewer.
    n_iter : int, default 10
        Epochs.
    verbose : int, default 0
        If positive, show progress, and `monitor`. Otherwise a bar appears only on a terminal, when
        training takes over two seconds.
    random_state : int, RandomState or None, default None
        Seed. With an int, a fit gives the same bits every time, on any number of threads.
    learning : {"cd", "pcd"} or layerwise.nn.LearningRule, default "cd"
        Contrastive divergence, persistent contrastive divergence, or an object such as
        ``layerwise.nn.CD(k=5, visible="mean")`` or ``layerwise.nn.PCD(n_chains=100)``.
    k : int, default 1
        Gibbs sweeps an update, where `learning` is a string.
    momentum : float or layerwise.nn.Schedule, default 0.0
        In [0, 1). The velocity is ``momentum velocity + learning_rate (gradient - decay W)``. A
        schedule is a function of the epochs before, as for `learning_rate`.
    final_momentum : float, optional
        Momentum after the first `momentum_switch` epochs of `fit`; `momentum` if None, or if that
        is a schedule. Hinton's guide starts at 0.5 and ends at 0.9.
    momentum_switch : int, default 5
        Epochs before `final_momentum`.
    weight_decay : float, default 0.0
        L2 penalty, as a share of the weight taken off a unit of learning rate; never on biases.
    l1_decay : float, default 0.0
        L1 penalty: what a unit of learning rate takes off the size of a weight; never on biases.
    max_norm : float, optional
        Largest norm of the weights of a hidden unit; longer ones are scaled down after each update.
    sparsity_target : float, optional
        Mean activation in (0, 1) to which hidden units are drawn.
    sparsity_cost : float, default 0.1
        Weight of this penalty beside the log-likelihood of a row.
    sparsity_penalty : {"squared", "cross_entropy"}, default "squared"
        Squared deviation of each batch's mean activation, on the hidden biases [5]_, or
        cross-entropy with a running mean, on biases and weights [4]_; see
        `layerwise.nn.SparsityTarget`.
    centered : bool or layerwise.nn.Centring, default False
        Whether learning follows the gradient of the centred RBM [6]_, which does not depend on
        which state of a unit is called one. ``layerwise.nn.Centring("average")`` is the enhanced
        gradient [7]_. The parameters are those without offsets.
    dropout : float, default 0.0
        Probability in [0, 1) with which a hidden unit is left out of an update, for each row and
        chain on its own [8]_. `transform` and sampling use all units.
    visible : "bernoulli" or layerwise.nn.Units, default "bernoulli"
        Type of the visible units.
    visible_bias : {"zeros", "log_odds"}, default "zeros"
        Where the visible biases start: at zero, or at the log-odds of the means of the data (of
        the first batch, in `partial_fit`).
    shuffle : bool, default True
        Whether `fit` takes the rows in a new order every epoch. Above 2**26 elements, and where X
        comes in blocks, rows are shuffled within windows of 2**24 elements; see Notes.
    monitor : bool, default False
        Whether to measure after each epoch of `fit`, on up to 500 rows, what
        `layerwise.nn.rbm_metrics` lists (reconstruction error, pseudo-likelihood, weight norms,
        dead and saturated hidden units), keep it in ``history_``, and warn in the end of what went
        wrong.
    validation_fraction : float, default 0.0
        Share of the rows that `fit` does not train on but only monitors.
    callbacks : list of layerwise.nn.Callback, optional
        Hear of every update and epoch of `fit`, such as ``layerwise.nn.EarlyStopping``.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Weights W, of the dtype of the data: float32 data train in float32, a
        `layerwise.ops.BitMatrix` too, other types of array (bool and integers among them, as in
        scikit-learn) in float64, which takes twice the time.
    intercept_hidden_ : ndarray of shape (n_components,)
        Hidden biases a.
    intercept_visible_ : ndarray of shape (n_features,)
        Visible biases b.
    h_samples_ : ndarray of shape (n_chains, n_components)
        Samples of the hidden units: given the persistent chains' last states or, without any,
        given the rows of the last minibatch.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.
    history_ : list of dict
        Metrics of every epoch of `fit`: its number ``epoch`` and what `monitor` and callbacks add.
    n_steps_ : int
        Updates made.
    n_epochs_ : int
        Epochs of `fit`, and calls of `partial_fit` since.
    n_samples_seen_ : int
        Rows that the updates were made from, repeats counted.

    See Also
    --------
    DBN : A stack of them.

    Notes
    -----
    Each side of the gradient is averaged over its own number of rows, so that neither a smaller
    last batch nor another number of chains scales it.

    Ctrl-C ends `fit` with KeyboardInterrupt; what was learnt so far stays in the estimator.

    Data may be larger than memory: `fit` and `partial_fit` take an `numpy.memmap`, of which they
    hold little at a time, and blocks of rows, from an iterator (one pass: ``n_iter=1``) or
    from a function that returns a new iterator for every epoch. Matrices of up to 2**26 elements,
    in memory or mapped, are shuffled as a whole. Larger ones are cut into blocks of 2**20 elements
    in neighbouring rows, 16 of which, from anywhere, make a window whose rows are shuffled. Blocks
    that X yields are gathered to windows in the order in which they come. So the memory for it is
    bounded, and the result depends on the data's values alone, not on where they lie.

    References
    ----------
    .. [1] P. Smolensky (1986). Information processing in dynamical systems: foundations of harmony
       theory.
    .. [2] G. Hinton (2002). Training products of experts by minimizing contrastive divergence.
       Neural Computation 14.
    .. [3] T. Tieleman (2008). Training restricted Boltzmann machines using approximations to the
       likelihood gradient. ICML.
    .. [4] G. Hinton (2010). A practical guide to training restricted Boltzmann machines.
    .. [5] H. Lee, C. Ekanadham, A. Ng (2008). Sparse deep belief net model for visual area V2.
       NIPS.
    .. [6] G. Montavon, K.-R. Mueller (2012). Deep Boltzmann machines and the centering trick.
       Neural Networks: Tricks of the Trade.
    .. [7] K. Cho, T. Raiko, A. Ilin (2011). Enhanced gradient and adaptive learning rate for
       training restricted Boltzmann machines. ICML.
    .. [8] N. Srivastava et al. (2014). Dropout: a simple way to prevent neural networks from
       overfitting. JMLR 15.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import RBM
    >>> x = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> rbm = RBM(n_components=2, random_state=0).fit(x)
    >>> rbm.transform(x).shape
    (4, 2)
    """

    _fitted = COMMON | {
        "components_": array("components", "features"),
        "intercept_hidden_": array("components"),
        "intercept_visible_": array("features"),
        "h_samples_": Optional(array("chains", "components")),
        "random_state_": instance(np.random.RandomState),
        "history_": instance(list),
        "n_steps_": count(),
        "n_epochs_": count(),
        "n_samples_seen_": count(),
        "_seed": count(),
        "_state": none_or(
            fields(
                velocities=fields(
                    w=array("components", "features"), b=array("features"), a=array("components")
                ),
                rule=instance(dict),
                corrections=instance(dict),
            )
        ),
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float | nn.Schedule = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        learning: str | nn.LearningRule = "cd",
        k: int = 1,
        momentum: float | nn.Schedule = 0.0,
        final_momentum: float | None = None,
        momentum_switch: int = 5,
        weight_decay: float = 0.0,
        l1_decay: float = 0.0,
        max_norm: float | None = None,
        sparsity_target: float | None = None,
        sparsity_cost: float = 0.1,
        sparsity_penalty: str = "squared",
        centered: bool | nn.Centring = False,
        dropout: float = 0.0,
        visible: str | nn.Units = "bernoulli",
        visible_bias: str = "zeros",
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
    ) -> RBM:
        """Learn from data.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix, iterator} of shape (n_samples, n_features)
            Values in [0, 1]; bool and integer 0/1 arrays are packed into bits. Or blocks of rows:
            an iterator, or a function that returns one for every epoch.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            How much each row counts, on both sides of the gradient. Only ratios matter: they are
            scaled to a mean of 1.
        checkpoint : path or layerwise.nn.Checkpoint, optional
            File into which what training needs to go on is written after every epoch, or as often
            as the `layerwise.nn.Checkpoint` says.
        resume : bool, default False
            Whether to go on from `checkpoint`, with the same data and parameters; the result has
            the same bits as that of an unbroken run. Where there is no such file yet, training
            starts at the beginning.

        Returns
        -------
        self : RBM
        """
        check_rbm(self)
        rows = read_training(self, X, reset=True, units=self._units)
        check_rounding(type(self).__name__, self, rows.dtype)
        weight = check_weights(type(self).__name__, sample_weight, rows.shape[0])
        seed, run = open_run(self, rows, checkpoint, resume, weight=weight)
        fit_rbm(self, rows, seed, weight=weight, checkpoint=run)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> RBM:
        """Make one update from the rows of X, as one minibatch.

        A fit with ``shuffle=False`` and ``n_iter=1`` is the same as a call with each of its
        batches in turn. Momentum is `momentum` throughout.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix, iterator} of shape (n_samples, n_features)
            Values in [0, 1]. Of blocks of rows, from an iterator or a function that returns one,
            each is a minibatch.
        y : ignored

        Returns
        -------
        self : RBM
        """
        check_rbm(self)
        first = not hasattr(self, "components_")
        dtype = None if first else self.components_.dtype
        rows = read_training(self, X, reset=first, dtype=dtype, units=self._units)
        check_rounding(type(self).__name__, self, rows.dtype)
        if first:
            start_rbm(self, rows, seed_of(type(self).__name__, self.random_state))
        for batch in rows.parts():
            update_rbm(self, batch)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the probabilities of the hidden units, P(h=1|v).

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        h : ndarray of shape (n_samples, n_components)
            Means, not samples; of the dtype of `components_`.
        """
        return self._rows(X).map(lambda v: self._pair.hidden(v, self._parameters))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Compute the probabilities of the visible units, P(v=1|h).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            States or probabilities of the hidden units.

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        h = check_array(X, dtype=self.components_.dtype, estimator=self, input_name="X")
        if h.shape[1] != len(self.components_):
            raise ValueError(
                f"RBM.inverse_transform: X must have shape (n, {len(self.components_)}), one "
                f"column a hidden unit; got shape {h.shape}"
            )
        return self._pair.visible(h, self._parameters)

    def reconstruct(self, X: Any) -> np.ndarray:
        """Compute the means of the visible units after a step up and a step down, both with means.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
        """
        rows, pair, p = self._rows(X), self._pair, self._parameters
        return rows.map(lambda v: pair.visible(pair.hidden(v, p), p))

    def free_energy(self, X: Any) -> np.ndarray:
        """Compute F(v) = -log sum_h exp(-E(v,h)) of each row, in nats: log p(v) = -F(v) - log Z.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        energy : ndarray of shape (n_samples,)
        """
        return self._rows(X).map(lambda v: self._pair.free_energy(v, self._parameters))

    def score_samples(self, X: Any) -> np.ndarray:
        """Compute each row's log pseudo-likelihood, in nats: a proxy for its log-likelihood.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        pseudo_likelihood : ndarray of shape (n_samples,)

        Notes
        -----
        ``sum_i log P(v_i | all the others) = sum_i log sigm(F(v with v_i flipped) - F(v))``, over
        all i and without any randomness, where scikit-learn flips one of them at random and
        multiplies. A value between 0 and 1 is flipped to ``1 - v_i`` as there; the sum is then a
        score and no log-probability.
        """
        return self._rows(X).map(lambda v: self._pair.pseudo_likelihood(v, self._parameters))

    def score(self, X: Any, y: Any = None) -> float:
        """Compute the mean log pseudo-likelihood, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        score : float
        """
        return float(self.score_samples(X).mean(dtype=np.float64))

    def gibbs(self, v: Any) -> np.ndarray:
        """Draw the visible states after one sweep of Gibbs sampling.

        Parameters
        ----------
        v : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            Where the chains start.

        Returns
        -------
        v_new : ndarray of shape (n_samples, n_features)
            Zeros and ones. Every call draws anew.
        """
        rows, seed = self._rows(v), self._draw_seed(f"{type(self).__name__}.gibbs", None)
        return self._chain(rows[:], 1, "sample", seed)

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[0])

    @property
    def _units(self) -> nn.Units:
        return nn.units_of(self.visible, op=type(self).__name__, name="visible")

    @property
    def _pair(self) -> nn.Pair:
        return nn.pair_of(self._units, nn.Bernoulli())

    @property
    def _parameters(self) -> nn.Parameters:
        return nn.Parameters(self.components_, self.intercept_visible_, self.intercept_hidden_)

    @property
    def _stack(self) -> list[tuple[nn.Pair, nn.Parameters]]:
        return [(self._pair, self._parameters)]

    def _rows(self, x: Any) -> nn.Rows:
        check_is_fitted(self)
        return read_rows(self, x, reset=False, dtype=self.components_.dtype, units=self._units)
