"""LISTA: a network that codes about as a LASSO solver does, in a few layers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from layerwise import nn
from layerwise.storage import register

from ._checks import (
    check_bool,
    check_integer,
    check_number,
    check_rate,
    check_training,
    read_rows,
    read_training,
    seed_of,
)
from ._coding import as_dictionary
from ._fitted import COMMON, array, count, instance, none_or
from ._loop import check_finite, hold_out, reset_counts, run_epochs, run_update, writable
from ._run import finish_part, open_run, restore_part
from ._transformer import SparseTransformer
from .dictionary import DictionaryLearning

__all__ = ["LISTA"]

_PART = "net"
_VALIDATION_ROWS = 10_000  # at most, coded after every epoch


@register
class LISTA(SparseTransformer):
    r"""Learned iterative shrinkage and thresholding: fast approximate sparse codes.

    A network of ``n_layers + 1`` shrinkages of shared weights,
    :math:`z \leftarrow s(W_e x + S z)`, learns to give the codes that minimise
    :math:`\frac12 \|x - a \Phi\|^2 + \alpha \|a\|_1`. It starts as so many steps of the iterative
    solver ISTA; the solver's own codes are what it learns from.

    Parameters
    ----------
    dictionary : array-like of shape (n_components, n_features) or DictionaryLearning, optional
        Atoms; or how to learn them, in `fit`, from the same data: ``DictionaryLearning()`` by
        default.
    alpha : float, optional
        Penalty; by default that of the DictionaryLearning, and 1 where atoms are given.
    n_layers : int, default 3
        Shrinkages after the first; 0 is a trained soft threshold.
    positive_code : bool, default False
        Codes >= 0.
    learning_rate : float or layerwise.nn.Schedule, default 0.001
        Step size of Adam. A schedule is a function of the epochs before; a call of `partial_fit`
        counts as one.
    batch_size : int, default 256
        Rows of a minibatch.
    n_iter : int, default 20
        Epochs.
    gap_tol : float, default 1e-4
        Relative duality gap of the codes that are learnt from.
    shuffle : bool, default True
        Whether `fit` takes the rows in a new order every epoch.
    validation_fraction : float, default 0.0
        Share of the rows that `fit` does not train on; it adds ``validation_loss`` to the metrics
        of an epoch.
    verbose : int, default 0
        If positive, show progress. Otherwise a bar appears only on a terminal, when training takes
        over two seconds.
    random_state : int, RandomState or None, default None
        Seed. With an int, a fit gives the same bits every time, on any number of threads.
    callbacks : list of layerwise.nn.Callback, optional
        Hear of every update and epoch of `fit`.

    Attributes
    ----------
    dictionary_ : ndarray of shape (n_components, n_features)
        The atoms, of the dtype of the data as for `RBM`.
    encoder_ : ndarray of shape (n_components, n_features)
        W_e.
    inhibition_ : ndarray of shape (n_components, n_components)
        S.
    thresholds_ : ndarray of shape (n_components,)
    n_features_in_ : int
    history_ : list of dict
        Metrics of every epoch of `fit`: its number ``epoch``, ``loss``, half the mean square
        distance from the solver's codes, and ``code_energy``, half the mean square norm of those.
    n_steps_, n_epochs_, n_samples_seen_ : int
        Updates, epochs (and calls of `partial_fit`) and rows learnt from.

    See Also
    --------
    SparseCoder : The solvers, and the soft threshold without training.

    References
    ----------
    K. Gregor, Y. LeCun (2010). Learning fast approximations of sparse coding. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import LISTA
    >>> x = np.random.default_rng(0).standard_normal((200, 4))
    >>> phi = np.array([[1.0, 0.0, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0], [0.0, 0.6, 0.0, 0.8]])
    >>> lista = LISTA(phi, alpha=0.2, learning_rate=0.01, batch_size=50, random_state=0).fit(x)
    >>> lista.transform(x).shape
    (200, 3)
    >>> lista.history_[-1]["loss"] < 0.5 * lista.history_[0]["loss"]
    True
    """

    _fitted = COMMON | {
        "dictionary_": array("components", "features"),
        "encoder_": array("components", "features"),
        "inhibition_": array("components", "components"),
        "thresholds_": array("components"),
        "history_": instance(list),
        "n_steps_": count(),
        "n_epochs_": count(),
        "n_samples_seen_": count(),
        "_seed": count(),
        "_alpha": instance(float),
        "_state": none_or(instance(dict)),
    }

    def __init__(
        self,
        dictionary: Any = None,
        *,
        alpha: float | None = None,
        n_layers: int = 3,
        positive_code: bool = False,
        learning_rate: float | nn.Schedule = 0.001,
        batch_size: int = 256,
        n_iter: int = 20,
        gap_tol: float = 1e-4,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        callbacks: Sequence[nn.Callback] | None = None,
    ) -> None:
        self.dictionary = dictionary
        self.alpha = alpha
        self.n_layers = n_layers
        self.positive_code = positive_code
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.gap_tol = gap_tol
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.verbose = verbose
        self.random_state = random_state
        self.callbacks = callbacks

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        checkpoint: str | os.PathLike[str] | nn.Checkpoint | None = None,
        resume: bool = False,
    ) -> LISTA:
        """Learn to code as the solver does.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix, iterator} of shape (n_samples, n_features)
            Signals, one a row. Or blocks of rows: a function that returns an iterator of them for
            every pass over the data, or where atoms are given and ``n_iter=1`` an iterator.
        y : ignored
        checkpoint, resume
            As for `RBM.fit`. Atoms that are learnt are not in the file: a resumed run learns them
            again first.

        Returns
        -------
        self : LISTA
        """
        self._check()
        rows = read_training(self, X, reset=True)
        seed, run = open_run(self, rows, checkpoint, resume)
        if restore_part(run, _PART, self):
            return self
        self._start(X, rows, seed)
        rows, held, _ = hold_out(self, rows, seed)
        net = self._net()
        trainer = self._trainer(net)
        batches = rows.minibatches(int(self.batch_size), seed=seed, shuffle=bool(self.shuffle))
        label = f"LISTA {rows.shape[1]}-{len(self.dictionary_)}"
        try:
            run_epochs(
                self, trainer, batches, label,
                before=[nn.Scheduler(rate=self._schedule)],
                measure=None if held is None else self._measure(net, held),
                checkpoint=run,
            )  # fmt: skip
        finally:
            self._keep(trainer)
        check_finite("LISTA", "encoder_", *net.parameters.values())
        finish_part(run, _PART, self)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> LISTA:
        """Make one update from the rows of X, as one minibatch.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            The first call learns the dictionary too, from its rows, where it is not given.
        y : ignored

        Returns
        -------
        self : LISTA
        """
        self._check()
        first = not hasattr(self, "encoder_")
        rows = read_rows(self, X, reset=first, dtype=None if first else self.encoder_.dtype)
        if first:
            self._start(X, rows, seed_of("LISTA", self.random_state))
        net = self._net()
        trainer = self._trainer(net)
        batches = rows.minibatches(len(rows), seed=self._seed, shuffle=False)
        try:
            run_update(self, trainer, batches, [nn.Scheduler(rate=self._schedule)])
        finally:
            self._keep(trainer)
        check_finite("LISTA", "encoder_", *net.parameters.values())
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the codes of signals by the network.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
        """
        check_is_fitted(self)
        rows = read_rows(self, X, reset=False, dtype=self.encoder_.dtype)
        net = self._net()
        return rows.map(lambda x: net.forward(x)[-1])

    @property
    def _n_features_out(self) -> int:
        return len(self.encoder_)

    @property
    def _schedule(self) -> nn.Schedule | None:
        return self.learning_rate if isinstance(self.learning_rate, nn.Schedule) else None

    def _check(self) -> None:
        if self.alpha is not None:
            check_number("LISTA", "alpha", self.alpha)
        check_integer("LISTA", "n_layers", self.n_layers, 0)
        check_bool("LISTA", "positive_code", self.positive_code)
        check_rate("LISTA", "learning_rate", self.learning_rate, positive=True)
        check_integer("LISTA", "n_iter", self.n_iter, 0)
        check_number("LISTA", "gap_tol", self.gap_tol)
        check_training(self, "LISTA")

    def _start(self, x: Any, rows: Any, seed: int) -> None:
        """Set up the network as the solver's first steps."""
        given = self.dictionary
        if given is None or isinstance(given, DictionaryLearning):
            learner = DictionaryLearning() if given is None else clone(given)
            learner.set_params(random_state=seed, positive_code=self.positive_code)
            phi = learner.fit(x).components_.astype(rows.dtype, copy=False)
            alpha = learner.alpha
        else:
            phi, alpha = as_dictionary("LISTA", "dictionary", given, rows.dtype), 1.0
            if phi.shape[1] != rows.shape[1]:
                raise ValueError(
                    f"LISTA: dictionary must have a column for each of {rows.shape[1]} features; "
                    f"got shape {phi.shape}"
                )
        self._alpha = float(alpha if self.alpha is None else self.alpha)
        p = nn.ListaNet.from_dictionary(phi, self._alpha, self.n_layers).parameters
        self.dictionary_ = phi
        self.encoder_, self.inhibition_, self.thresholds_ = p["we"], p["s"], p["theta"]
        self._keep(None)
        reset_counts(self, seed)

    def _net(self) -> nn.ListaNet:
        # Loaded from a memory map the arrays are read-only, and users may set their own.
        names = ("encoder_", "inhibition_", "thresholds_")
        for name in names:
            setattr(self, name, np.require(getattr(self, name), requirements=["C", "W"]))
        return nn.ListaNet(
            *[getattr(self, name) for name in names],
            n_layers=int(self.n_layers),
            positive=bool(self.positive_code),
        )

    def _trainer(self, net: nn.ListaNet) -> nn.ListaTrainer:
        rate = self.learning_rate
        return nn.ListaTrainer(
            net, self._coding(), self.dictionary_,
            rate=rate(0) if isinstance(rate, nn.Schedule) else float(rate),
            state=writable(self._state),
        )  # fmt: skip

    def _keep(self, trainer: nn.ListaTrainer | None) -> None:
        """Keep what `partial_fit` goes on from."""
        self._state = None if trainer is None else trainer.optimiser.state_dict()

    def _coding(self) -> nn.Coding:
        return nn.LassoCoding(self._alpha, bool(self.positive_code), tol=float(self.gap_tol))

    def _measure(self, net: nn.ListaNet, held: nn.Rows) -> Any:
        x = held.some(_VALIDATION_ROWS)
        target = self._coding().codes(x, self.dictionary_)

        def measure() -> dict[str, float]:
            distance = np.square(net.forward(x)[-1] - target, dtype=np.float64)
            return {"validation_loss": 0.5 * float(distance.sum()) / len(distance)}

        return measure
