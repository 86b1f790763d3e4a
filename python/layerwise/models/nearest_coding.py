"""Codes on the nearest anchors: LLC and super-vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from layerwise import nn
from layerwise.storage import register

from ._anchors import AnchorCoder
from ._checks import check_integer, check_number
from ._fitted import COMMON, array

__all__ = ["LLC", "SuperVectorCoder"]


@register
class LLC(AnchorCoder):
    r"""Locality-constrained linear coding on the k nearest anchors, in closed form.

    The code c of a signal x sums to one and minimises
    :math:`\|x - \sum_j c_j \phi_j\|^2 + \beta \, \mathrm{tr}(C) \|c\|^2` over its k nearest
    anchors, with C the Gram matrix of these as seen from x. Anchors are the k-means of the data.

    Parameters
    ----------
    n_components : int, default 256
        Anchors.
    n_neighbors : int, default 5
        k; all anchors are used where there are fewer.
    beta : float, default 1e-4
        > 0.
    init : {"k-means", "random"} or array-like of shape (n_components, n_features)
        Anchors: centres, signals drawn at random, or given ones.
    sparse_output : bool, default True
        Whether codes are a ``csr_array``, k entries a row; otherwise an ndarray.
    random_state : int, RandomState or None, default None
        Seed of the anchors. With an int, a fit gives the same bits every time, on any number of
        threads.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Anchors, of the dtype of the data: float32 or float64.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    See Also
    --------
    LocalCoordinateCoder : With learnt anchors and a penalty of distance.

    References
    ----------
    J. Wang, J. Yang, K. Yu, F. Lv, T. Huang, Y. Gong (2010). Locality-constrained linear coding for
    image classification. CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import LLC
    >>> anchors = np.array([[0.0], [1.0], [3.0]])
    >>> LLC(3, n_neighbors=2, init=anchors).fit(anchors).transform([[2.5]]).toarray().round(2)
    array([[0.  , 0.25, 0.75]])
    """

    _fitted = COMMON | {"components_": array("components", "features")}

    def __init__(
        self,
        n_components: int = 256,
        *,
        n_neighbors: int = 5,
        beta: float = 1e-4,
        init: Any = "k-means",
        sparse_output: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.beta = beta
        self.init = init
        self.sparse_output = sparse_output
        self.random_state = random_state

    def _learn(self, rows: nn.Rows, seed: int) -> None:
        self.components_ = self._first_anchors(rows, seed)

    def _check(self) -> None:
        super()._check()
        check_integer("LLC", "n_neighbors", self.n_neighbors, 1)
        check_number("LLC", "beta", self.beta, positive=True)

    def _coder(self) -> Callable[[np.ndarray], sp.csr_array]:
        k, beta = self._n_used, float(self.beta)
        return lambda x: nn.llc_codes(x, self.components_, k, beta)

    def _block_width(self) -> int:
        return max(super()._block_width(), self._n_used * self.components_.shape[1])

    @property
    def _n_used(self) -> int:
        return min(self.n_neighbors, len(self.components_))


@register
class SuperVectorCoder(AnchorCoder):
    r"""Super-vector coding: the nearest anchor and the offset from it.

    A signal x whose nearest anchor is :math:`\phi_j` has the code
    :math:`[s, x - \phi_j] / \sqrt{p_j}` in block j and zeros elsewhere, with :math:`p_j` the share
    of the training data nearest to that anchor. The codes of the patches of a picture are averaged.

    Parameters
    ----------
    n_components : int, default 64
        Anchors, the k-means of the data.
    constant : float, default 1.0
        s, which weighs the anchor against the offset.
    init : {"k-means", "random"} or array-like of shape (n_components, n_features)
        Anchors: centres, signals drawn at random, or given ones.
    sparse_output : bool, default True
        Whether codes are a ``csr_array``, a block a row; otherwise an ndarray.
    random_state : int, RandomState or None, default None
        Seed of the anchors. With an int, a fit gives the same bits every time, on any number of
        threads.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Anchors, of the dtype of the data: float32 or float64.
    share_ : ndarray of shape (n_components,)
        p; that of an anchor that is nearest to no signal is ``1 / n_samples``.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the data had names.

    References
    ----------
    X. Zhou, K. Yu, T. Zhang, T. Huang (2010). Image classification using super-vector coding of
    local image descriptors. ECCV.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import SuperVectorCoder
    >>> x = np.array([[0.0], [0.0], [0.0], [1.0]])
    >>> coder = SuperVectorCoder(2, init=[[0.0], [1.0]], constant=2.0).fit(x)
    >>> coder.transform([[0.9]]).toarray().round(1)
    array([[ 0. ,  0. ,  4. , -0.2]])
    """

    _fitted = COMMON | {
        "components_": array("components", "features"),
        "share_": array("components"),
    }

    def __init__(
        self,
        n_components: int = 64,
        *,
        constant: float = 1.0,
        init: Any = "k-means",
        sparse_output: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.constant = constant
        self.init = init
        self.sparse_output = sparse_output
        self.random_state = random_state

    def _check(self) -> None:
        super()._check()
        check_number("SuperVectorCoder", "constant", self.constant)

    def _learn(self, rows: nn.Rows, seed: int) -> None:
        self.components_ = self._first_anchors(rows, seed)
        counts = np.zeros(len(self.components_), np.int64)
        for part in nn.coding_blocks(len(rows), self._block_width(), rows.dtype):
            found, _ = nn.nearest(nn.dense_block(rows, part), self.components_)
            counts += np.bincount(found, minlength=len(counts))
        self.share_ = (np.maximum(counts, 1) / len(rows)).astype(rows.dtype)

    def _coder(self) -> Callable[[np.ndarray], sp.csr_array]:
        constant = float(self.constant)
        return lambda x: nn.super_vectors(x, self.components_, self.share_, constant)

    @property
    def _n_features_out(self) -> int:
        return self.components_.size + len(self.components_)
