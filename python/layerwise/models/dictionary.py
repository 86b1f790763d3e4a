"""Dictionary learning."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from layerwise import nn
from layerwise.storage import register

from ._checks import (
    check_bool,
    check_choice,
    check_integer,
    check_number,
    check_training,
    read_rows,
    read_training,
    seed_of,
)
from ._coding import as_dictionary, check_coding, code, coding_of, decode
from ._dictionary_training import fit_dictionary, start_dictionary, update_dictionary
from ._fitted import COMMON, array, count, instance, none_or
from ._run import open_run
from ._transformer import SparseTransformer

__all__ = ["DictionaryLearning"]

_RULES = ("online", "block_coordinate", "lagrange_dual", "ksvd")


@register
class DictionaryLearning(SparseTransformer):
    r"""Learn a dictionary over which signals have sparse codes.

    What is minimised over the atoms, the rows of :math:`\Phi`, of norm at most 1, and over the
    codes :math:`a` of all signals is the mean of

    .. math:: \tfrac12 \|x - a \Phi\|^2 + \alpha \|a\|_1 .

    Papers that leave out the :math:`\frac12` have :math:`\lambda = 2 \alpha` in the place of
    :math:`\alpha`: ``alpha=0.15`` here is :math:`\lambda = 0.3` there.

    Parameters
    ----------
    n_components : int, default 256
        Atoms.
    alpha : float, default 1.0
        Penalty. From :math:`\max |x \phi_j'|` on, which is below 1 for signals of norm 1, codes are
        zero.
    n_iter : int, default 10
        Epochs.
    batch_size : int, default 256
        Signals that are coded at a time; ``online`` moves the atoms after each of these batches.
    fit_algorithm : {"online", "block_coordinate", "lagrange_dual", "ksvd"} or \
            layerwise.nn.DictionaryRule, default "online"
        How atoms move. ``online`` does so after every batch [1]_. With ``block_coordinate`` [1]_
        and ``lagrange_dual`` [2]_ they become the best ones for the codes of a whole epoch, so that
        the objective falls from epoch to epoch. ``ksvd`` [3]_ codes all signals as one batch by
        orthogonal matching pursuit and fits every atom with its codes; it minimises the squared
        error, without `alpha`, in the fast variant of [4]_. An object, such as
        ``layerwise.nn.Online(window=1000)`` or ``layerwise.nn.KSVD(exact=True)``, has parameters.
    forgetting : float, default 2.0
        How fast ``online`` forgets: of t batches the s-th weighs ``(s / t)**forgetting``.
    dict_init : array-like of shape (n_components, n_features), optional
        Atoms to start from; signals drawn at random by default. Atoms of norms above 1 are scaled.
    positive_code : bool, default False
        Keep codes >= 0.
    positive_dict : bool, default False
        Keep atoms >= 0; with ``online`` and ``block_coordinate``.
    transform_algorithm : {"lasso", "lasso_cd", "lasso_lars", "omp", "threshold"}, optional
        How `transform` codes, as for `SparseCoder`; as `fit` does if None.
    transform_n_nonzero_coefs : int, optional
        Non-zeros of a code of ``omp``, also in ``ksvd``; a tenth of the features by default.
    transform_alpha : float, optional
        What `SparseCoder` says of it; `alpha` by default.
    split_sign : bool, default False
        Whether `transform` gives positive and negative parts of codes in columns of their own.
    transform_max_iter : int, default 1000
        Passes over a signal's correlations, at most, also in `fit`.
    gap_tol : float, default 1e-4
        Relative duality gap at which a signal is coded, also in `fit`.
    sparse_output : bool, default False
        Whether `transform` gives a ``scipy.sparse.csr_array``.
    shuffle : bool, default True
        Whether `fit` takes the rows in a new order every epoch, as `RBM` does.
    validation_fraction : float, default 0.0
        Share of the rows that `fit` does not train on; it adds ``validation_objective`` to the
        metrics of an epoch.
    verbose : int, default 0
        If positive, show progress. Otherwise a bar appears only on a terminal, when training takes
        over two seconds.
    random_state : int, RandomState or None, default None
        Seed. With an int, a fit gives the same bits every time, on any number of threads.
    callbacks : list of layerwise.nn.Callback, optional
        Hear of every update and epoch of `fit`, such as
        ``layerwise.nn.EarlyStopping("objective")``.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms, of the dtype of the data: float32 data train in float32, other types of array in
        float64, a `layerwise.ops.BitMatrix` in float32.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.
    history_ : list of dict
        Metrics of every epoch of `fit`: its number ``epoch``, means over its batches of the
        ``objective`` and of the number of ``non_zeros`` of a code, both before the atoms moved to
        the batch, and ``replaced_atoms``.
    n_steps_ : int
        Batches learnt from.
    n_epochs_ : int
        Epochs of `fit`, and calls of `partial_fit` since.
    n_samples_seen_ : int
        Rows learnt from, repeats counted.

    See Also
    --------
    SparseCoder : Codes over a dictionary that is there.

    Notes
    -----
    Atoms that no code has used for 50 batches (``online``) or in an epoch are replaced by the
    signals that are coded worst. Data may be larger than memory, as for `RBM`: memory maps, and
    blocks of rows from an iterator; not with ``ksvd``.

    References
    ----------
    .. [1] J. Mairal, F. Bach, J. Ponce, G. Sapiro (2010). Online learning for matrix factorization
       and sparse coding. JMLR 11.
    .. [2] H. Lee, A. Battle, R. Raina, A. Ng (2007). Efficient sparse coding algorithms. NIPS 19.
    .. [3] M. Aharon, M. Elad, A. Bruckstein (2006). K-SVD: an algorithm for designing overcomplete
       dictionaries for sparse representation. IEEE Transactions on Signal Processing 54.
    .. [4] R. Rubinstein, M. Zibulevsky, M. Elad (2008). Efficient implementation of the K-SVD
       algorithm using batch orthogonal matching pursuit. Technical report, Technion.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import DictionaryLearning
    >>> x = np.random.default_rng(0).standard_normal((100, 8))
    >>> learner = DictionaryLearning(12, alpha=0.5, batch_size=20, random_state=0).fit(x)
    >>> learner.components_.shape, learner.transform(x).shape
    ((12, 8), (100, 12))
    >>> learner.history_[-1]["objective"] < learner.history_[0]["objective"]
    True
    """

    _fitted = COMMON | {
        "components_": array("components", "features"),
        "history_": instance(list),
        "n_steps_": count(),
        "n_epochs_": count(),
        "n_samples_seen_": count(),
        "_seed": count(),
        "_state": none_or(instance(dict)),
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        alpha: float = 1.0,
        n_iter: int = 10,
        batch_size: int = 256,
        fit_algorithm: str | nn.DictionaryRule = "online",
        forgetting: float = 2.0,
        dict_init: Any = None,
        positive_code: bool = False,
        positive_dict: bool = False,
        transform_algorithm: str | None = None,
        transform_n_nonzero_coefs: int | None = None,
        transform_alpha: float | None = None,
        split_sign: bool = False,
        transform_max_iter: int = 1000,
        gap_tol: float = 1e-4,
        sparse_output: bool = False,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        callbacks: Sequence[nn.Callback] | None = None,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.n_iter = n_iter
        self.batch_size = batch_size
        self.fit_algorithm = fit_algorithm
        self.forgetting = forgetting
        self.dict_init = dict_init
        self.positive_code = positive_code
        self.positive_dict = positive_dict
        self.transform_algorithm = transform_algorithm
        self.transform_n_nonzero_coefs = transform_n_nonzero_coefs
        self.transform_alpha = transform_alpha
        self.split_sign = split_sign
        self.transform_max_iter = transform_max_iter
        self.gap_tol = gap_tol
        self.sparse_output = sparse_output
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
    ) -> DictionaryLearning:
        """Learn a dictionary from signals.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix, iterator} of shape (n_samples, n_features)
            Signals, one a row. Or blocks of rows: an iterator, or a function that returns one for
            every epoch.
        y : ignored
        checkpoint, resume
            As for `RBM.fit`.

        Returns
        -------
        self : DictionaryLearning
        """
        self._check()
        rows = read_training(self, X, reset=True)
        seed, run = open_run(self, rows, checkpoint, resume)
        fit_dictionary(self, rows, seed, run)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> DictionaryLearning:
        """Learn from the rows of X, as one minibatch.

        A fit by ``online`` with ``shuffle=False`` and ``n_iter=1`` is the same as a call with each
        of its batches in turn, but for the first atoms, which are drawn from the first call's rows.
        For the other algorithms a call is an epoch.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix, iterator} of shape (n_samples, n_features)
            Signals. Of blocks of rows, from an iterator or a function that returns one, each is a
            minibatch.
        y : ignored

        Returns
        -------
        self : DictionaryLearning
        """
        self._check()
        first = not hasattr(self, "components_")
        dtype = None if first else self.components_.dtype
        rows = read_training(self, X, reset=first, dtype=dtype)
        if first:
            start_dictionary(self, rows, seed_of(type(self).__name__, self.random_state))
        for part in rows.parts():
            update_dictionary(self, part)
        return self

    def transform(self, X: Any) -> Any:
        """Code signals over the dictionary.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        codes : ndarray or csr_array of shape (n_samples, n_components)
            Of the dtype of `components_`. With `split_sign` there are twice as many columns.
        """
        rows = self._rows(X)
        return code(rows, self.components_, self._coding(self._algorithm), self)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Compute signals from codes: codes times dictionary.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_components)
            With `split_sign` what `transform` gives then.

        Returns
        -------
        signals : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return decode(self, X, self.components_)

    def score_samples(self, X: Any) -> np.ndarray:
        """Compute minus the objective of each signal, coded as `fit` does.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        score : ndarray of shape (n_samples,), float64
        """
        rows, coding, phi = self._rows(X), self._fit_coding(), self.components_
        return -rows.map(lambda x: coding.objective(x, phi, coding.codes(x, phi, format="csr")))

    def score(self, X: Any, y: Any = None) -> float:
        """Compute minus the mean objective: the larger the better.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        score : float
        """
        return float(self.score_samples(X).mean())

    @property
    def _n_features_out(self) -> int:
        return len(self.components_) * (2 if self.split_sign else 1)

    @property
    def _rule(self) -> nn.DictionaryRule:
        rules = {
            "online": nn.Online(rho=self.forgetting),
            "block_coordinate": nn.BlockCoordinate(),
            "lagrange_dual": nn.LagrangeDual(),
            "ksvd": nn.KSVD(),
        }
        name = self.fit_algorithm
        return name if isinstance(name, nn.DictionaryRule) else rules[name]

    @property
    def _algorithm(self) -> str:
        if self.transform_algorithm is not None:
            return self.transform_algorithm
        return "omp" if isinstance(self._rule, nn.KSVD) else "lasso"

    def _coding(self, algorithm: str) -> nn.Coding:
        return coding_of(self, algorithm, self.components_.shape[1], self.alpha)

    def _fit_coding(self) -> nn.Coding:
        if isinstance(self._rule, nn.KSVD):
            count = self.transform_n_nonzero_coefs
            return nn.PursuitCoding(count or max(self.components_.shape[1] // 10, 1))
        return nn.LassoCoding(
            float(self.alpha),
            bool(self.positive_code),
            tol=float(self.gap_tol),
            max_iter=int(self.transform_max_iter),
        )

    def _rows(self, x: Any) -> nn.Rows:
        check_is_fitted(self)
        return read_rows(self, x, reset=False, dtype=self.components_.dtype)

    def _check(self) -> None:
        op = type(self).__name__
        check_integer(op, "n_components", self.n_components, 1)
        check_number(op, "alpha", self.alpha)
        check_integer(op, "n_iter", self.n_iter, 0)
        check_number(op, "forgetting", self.forgetting)
        if not isinstance(self.fit_algorithm, nn.DictionaryRule):
            check_choice(op, "fit_algorithm", self.fit_algorithm, _RULES)
        check_bool(op, "positive_dict", self.positive_dict)
        check_coding(self, op, self._algorithm)
        check_training(self, op)
        if self.positive_dict and not self._rule.positive:
            raise ValueError(
                f"{op}: positive_dict must be False with {self.fit_algorithm}; got True"
            )
        if self.dict_init is not None:
            atoms = as_dictionary(op, "dict_init", self.dict_init, np.float64)
            if len(atoms) != self.n_components:
                raise ValueError(
                    f"{op}: dict_init must have n_components={self.n_components} rows; "
                    f"got {len(atoms)}"
                )
