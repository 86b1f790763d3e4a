"""Hierarchical sparse coding."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from layerwise import nn
from layerwise.storage import register

from ._checks import check_bool, check_integer, check_number, read_rows, seed_of
from ._fitted import COMMON, array, count, instance
from ._transformer import SparseTransformer

__all__ = ["HierarchicalSparseCoder"]


@register
class HierarchicalSparseCoder(SparseTransformer):
    r"""Hierarchical sparse coding: groups of signals whose sparse codes share variances.

    A group of n signals :math:`x_i`, such as neighbouring patches of a picture, has sparse codes
    :math:`w_i` over the atoms B, and one non-negative code :math:`\alpha` over the patterns of
    variance Phi, which minimise

    .. math:: \tfrac1n \sum_i \Big( \tfrac12 \|x_i - w_i B\|^2
        + \lambda_2 \sum_j w_{ij}^2 / v_j + \lambda_1 \|w_i\|_1 \Big) + \gamma \sum_k \alpha_k,
        \qquad v = \epsilon + \alpha \Phi.

    `transform` gives :math:`\alpha`, which says what the signals of a group have in common.

    Parameters
    ----------
    n_components : int, default 64
        Patterns of variance q: rows of Phi.
    n_atoms : int, default 64
        Atoms p: rows of B.
    group_size : int, default 1
        Signals n of a group.
    lambda1 : float, default 0.1
        Penalty of the codes' absolute values, > 0.
    lambda2 : float, default 0.01
        Penalty of the codes' squares over their variances, > 0.
    gamma : float, default 0.1
        Penalty of the second code, > 0.
    eps : float, default 1e-3
        Least variance, > 0.
    append_codes : bool, default False
        Whether `transform` adds, after :math:`\alpha`, the largest absolute value that each atom's
        code has in the group.
    n_iter : int, default 10
        Passes of `fit` over the data.
    n_rounds : int, default 5
        How often both codes of a group are found in turn, in `fit` and `transform`.
    tol : float, default 1e-4
        Relative duality gap at which either code is done.
    max_iter : int, default 1000
        Most iterations for either.
    random_state : int, RandomState or None, default None
        Seed of the first dictionaries. With an int, a fit gives the same bits every time, on any
        number of threads.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_atoms)
        Phi: rows >= 0 that sum to one.
    atoms_ : ndarray of shape (n_atoms, n_features / group_size)
        B: rows of norm 1 at most. Both have the dtype of the data, float32 or float64.
    history_ : list of dict
        ``epoch`` and the mean ``objective`` of the groups, before the dictionaries change.
    n_iter_ : int
        Passes made.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    Notes
    -----
    A sample is a group: its signals one after the other in one row, so that samples can be
    shuffled, split and searched over as any others. An array of shape (n_groups, group_size, d) is
    taken as what it is. The problem in both codes is jointly convex; `fit` keeps
    ``n_atoms + n_components`` numbers of each group.

    References
    ----------
    K. Yu, Y. Lin, J. Lafferty (2011). Learning image representations from the pixel level via
    hierarchical sparse coding. CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import HierarchicalSparseCoder
    >>> groups = np.random.default_rng(0).standard_normal((50, 4, 6))  # 50 of 4 signals each
    >>> coder = HierarchicalSparseCoder(3, n_atoms=8, group_size=4, n_iter=2, random_state=0)
    >>> coder.fit(groups).transform(groups).shape
    (50, 3)
    """

    _fitted = COMMON | {
        "components_": array("components", "atoms"),
        "atoms_": array("atoms", "signal"),
        "history_": instance(list),
        "n_iter_": count(),
    }

    def __init__(
        self,
        n_components: int = 64,
        *,
        n_atoms: int = 64,
        group_size: int = 1,
        lambda1: float = 0.1,
        lambda2: float = 0.01,
        gamma: float = 0.1,
        eps: float = 1e-3,
        append_codes: bool = False,
        n_iter: int = 10,
        n_rounds: int = 5,
        tol: float = 1e-4,
        max_iter: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_atoms = n_atoms
        self.group_size = group_size
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.gamma = gamma
        self.eps = eps
        self.append_codes = append_codes
        self.n_iter = n_iter
        self.n_rounds = n_rounds
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> HierarchicalSparseCoder:
        """Learn both dictionaries.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            Groups, one a row, or an array of shape (n_samples, group_size, d).
        y : ignored

        Returns
        -------
        self : HierarchicalSparseCoder
        """
        self._check()
        rows = read_rows(self, self._flat(X), reset=True)
        op, n_features = type(self).__name__, rows.shape[1]
        if n_features % self.group_size:
            raise ValueError(
                f"{op}: group_size must divide the number of features, {n_features}; "
                f"got {self.group_size}"
            )
        generator = np.random.RandomState(seed_of(op, self.random_state) % 2**32)
        atoms, variances = nn.first_hierarchy(
            rows, self.n_atoms, self.n_components, n_features // self.group_size, generator
        )
        learner = nn.HierarchyLearner(rows, self._coding(atoms, variances))
        self.history_ = []
        for epoch in range(self.n_iter):
            objective = learner.step(self.n_rounds)
            self.history_.append({"epoch": epoch, "objective": objective})
        self.n_iter_ = self.n_iter
        self.atoms_ = learner.coding.atoms
        self.components_ = learner.coding.variances.astype(rows.dtype)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Code groups.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            Groups, one a row, or an array of shape (n_samples, group_size, d).

        Returns
        -------
        codes : ndarray of shape (n_samples, n_features_out)
            Of the dtype of `components_`. A group's code depends on no other group.
        """
        check_is_fitted(self)
        dtype, (p, d) = self.components_.dtype, self.atoms_.shape
        rows = read_rows(self, self._flat(X), reset=False, dtype=dtype)
        coding, n = self._coding(self.atoms_, self.components_), self.group_size
        result = np.empty((len(rows), self._n_features_out), dtype)
        for part in nn.coding_blocks(len(rows), n * max(p, d), np.float64):
            x = nn.dense_block(rows, part).reshape(-1, n, d)
            codes, scales = coding.infer(x, n_rounds=self.n_rounds)
            result[part, : scales.shape[1]] = scales
            if self.append_codes:
                sizes = abs(codes).toarray().reshape(-1, n, p)
                result[part, scales.shape[1] :] = sizes.max(axis=1)
        return result

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def _n_features_out(self) -> int:
        q, p = self.components_.shape
        return q + p if self.append_codes else q

    def _flat(self, x: Any) -> Any:
        """Lay out groups of shape (m, n, d) as rows (m, n d)."""
        if not isinstance(x, np.ndarray) or x.ndim != 3:
            return x
        if x.shape[1] != self.group_size:
            raise ValueError(
                f"{type(self).__name__}: X must have shape (n_samples, {self.group_size}, d) with "
                f"group_size={self.group_size}; got shape {x.shape}"
            )
        return x.reshape(len(x), -1)

    def _coding(self, atoms: np.ndarray, variances: np.ndarray) -> nn.HierarchicalCoding:
        return nn.HierarchicalCoding(
            atoms, variances, float(self.lambda1), float(self.lambda2), float(self.gamma),
            eps=float(self.eps), tol=float(self.tol), max_iter=self.max_iter,
        )  # fmt: skip

    def _check(self) -> None:
        op = type(self).__name__
        for name in ("n_components", "n_atoms", "group_size", "n_rounds", "max_iter"):
            check_integer(op, name, getattr(self, name), 1)
        for name in ("lambda1", "lambda2", "gamma", "eps", "tol"):
            check_number(op, name, getattr(self, name), positive=True)
        check_integer(op, "n_iter", self.n_iter, 0)
        check_bool(op, "append_codes", self.append_codes)
