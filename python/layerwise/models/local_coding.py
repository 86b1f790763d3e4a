"""Local coordinate coding, with tangents where asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise import nn
from layerwise.storage import register

from ._anchors import AnchorCoder
from ._checks import check_bool, check_integer, check_number
from ._fitted import COMMON, array, count, instance

__all__ = ["LocalCoordinateCoder"]


@register
class LocalCoordinateCoder(AnchorCoder):
    r"""Local coordinate coding: signals as sparse sums of anchors that lie near them.

    The code of a signal x is

    .. math:: \arg\min_\gamma \tfrac12 \|x - \sum_j \gamma_j \phi_j\|^2
        + \alpha \sum_j |\gamma_j| \, \|\phi_j - x\|^2,

    with :math:`\sum_j \gamma_j = 1` where asked. `fit` minimises its sum over the signals, over
    codes and anchors in turn. A function that is smooth on the data is then nearly linear in the
    codes, so that a linear classifier of them does well.

    Parameters
    ----------
    n_components : int, default 256
        Anchors.
    alpha : float, default 0.1
        Penalty of distance, > 0.
    sum_to_one : bool, default False
        Whether codes sum to one, so that they do not depend on where the origin is.
    n_tangents : int, default 0
        Directions of an anchor. With m of them this is extended local coordinate coding [2]_: to
        the code of each anchor the m offsets :math:`\gamma_j u_{jl}'(x - \phi_j)` of the signal
        along the leading principal directions of the data around the anchor are added.
    init : {"k-means", "random"} or array-like of shape (n_components, n_features)
        First anchors: centres, signals drawn at random, or given ones.
    n_iter : int, default 10
        Passes of `fit` over the data; with 0 the anchors stay the first ones.
    tol : float, default 1e-4
        Relative duality gap at which a code is done.
    max_iter : int, default 1000
        Most passes over the correlations of a signal.
    sparse_output : bool, default True
        Whether codes are a ``csr_array``; otherwise an ndarray.
    random_state : int, RandomState or None, default None
        Seed of the first anchors. With an int, a fit gives the same bits every time, on any number
        of threads.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Anchors, of the dtype of the data: float32 or float64.
    tangents_ : ndarray of shape (n_components, n_tangents, n_features)
        Directions of every anchor, of norm 1; zeros where it has fewer.
    history_ : list of dict
        ``epoch`` and the mean ``objective`` of the signals at the beginning of each pass.
    n_iter_ : int
        Passes made.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    See Also
    --------
    LLC : On the nearest anchors, in closed form.
    SuperVectorCoder : On the nearest anchor alone.

    Notes
    -----
    Coding is `layerwise.ops.lasso` with weights of its own for each signal; given the codes, the
    best anchors solve a linear system. An anchor that no signal has in its code is moved to a
    signal that is coded badly. Data are taken in blocks, so that memory does not grow with them;
    ``n_tangents`` keeps the codes.

    References
    ----------
    .. [1] K. Yu, T. Zhang, Y. Gong (2009). Nonlinear learning using local coordinate coding. NIPS.
    .. [2] K. Yu, T. Zhang (2010). Improved local coordinate coding using local tangents. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import LocalCoordinateCoder
    >>> x = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
    >>> coder = LocalCoordinateCoder(4, alpha=1e-3, init=x, n_iter=0, sum_to_one=True).fit(x)
    >>> coder.transform([[0.5, 0.3]]).toarray().round(2)
    array([[0.2, 0.5, 0.3, 0. ]])
    """

    _fitted = COMMON | {
        "components_": array("components", "features"),
        "tangents_": array("components", "tangents", "features"),
        "history_": instance(list),
        "n_iter_": count(),
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        alpha: float = 0.1,
        sum_to_one: bool = False,
        n_tangents: int = 0,
        init: Any = "k-means",
        n_iter: int = 10,
        tol: float = 1e-4,
        max_iter: int = 1000,
        sparse_output: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.sum_to_one = sum_to_one
        self.n_tangents = n_tangents
        self.init = init
        self.n_iter = n_iter
        self.tol = tol
        self.max_iter = max_iter
        self.sparse_output = sparse_output
        self.random_state = random_state

    def _learn(self, rows: nn.Rows, seed: int) -> None:
        if self.n_tangents > rows.shape[1]:
            raise ValueError(
                f"{type(self).__name__}: n_tangents must be at most the number of features, "
                f"{rows.shape[1]}; got {self.n_tangents}"
            )
        anchors = self._first_anchors(rows, seed)
        self.history_ = []
        for epoch in range(self.n_iter):
            anchors, objective = nn.improve_anchors(rows, self._coding(anchors))
            self.history_.append({"epoch": epoch, "objective": objective})
        self.n_iter_ = self.n_iter
        self.components_ = anchors
        self.tangents_ = np.zeros((self.n_components, 0, rows.shape[1]), rows.dtype)
        if self.n_tangents:
            self.tangents_ = nn.local_directions(rows, self._coding(anchors), self.n_tangents)

    def _check(self) -> None:
        super()._check()
        op = type(self).__name__
        check_number(op, "alpha", self.alpha, positive=True)
        check_bool(op, "sum_to_one", self.sum_to_one)
        check_integer(op, "n_tangents", self.n_tangents, 0)
        check_integer(op, "n_iter", self.n_iter, 0)
        check_number(op, "tol", self.tol, positive=True)
        check_integer(op, "max_iter", self.max_iter, 1)

    def _coding(self, anchors: np.ndarray) -> nn.LocalCoding:
        return nn.LocalCoding(
            anchors, float(self.alpha), sum_to_one=self.sum_to_one, tol=self.tol,
            max_iter=self.max_iter,
        )  # fmt: skip

    def _coder(self) -> Callable[[np.ndarray], sp.csr_array]:
        coding, tangents = self._coding(self.components_), self.tangents_
        if tangents.shape[1] == 0:
            return coding.encode
        return lambda x: nn.tangent_codes(x, coding.encode(x), coding.anchors, tangents)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_) * (1 + self.tangents_.shape[1])
