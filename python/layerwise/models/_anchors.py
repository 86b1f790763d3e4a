"""What estimators that code signals on anchors share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from layerwise import nn

from ._checks import check_bool, check_choice, check_integer, read_rows, seed_of
from ._transformer import SparseTransformer

__all__ = ["AnchorCoder"]

_INITS = ("k-means", "random")
_ROWS_PER_ANCHOR = 64
_KMEANS_ITERATIONS = 20


def _some_rows(rows: nn.Rows, n: int, generator: np.random.RandomState) -> np.ndarray:
    """At most n different rows, drawn at random."""
    chosen = generator.permutation(len(rows))[: min(n, len(rows))]
    return nn.dense_block(rows, np.sort(chosen))


class AnchorCoder(SparseTransformer, ABC):
    """Base of transformers whose codes depend on ``components_``, rows of anchors or atoms.

    A class has the parameters ``n_components``, ``init``, ``sparse_output`` and ``random_state``,
    and says what `fit` learns and how a block of signals is coded.
    """

    n_components: int
    init: Any
    sparse_output: bool
    random_state: int | np.random.RandomState | None
    components_: np.ndarray

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from signals.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            Signals, one a row.
        y : ignored

        Returns
        -------
        self
        """
        self._check()
        rows = read_rows(self, X, reset=True)
        self._learn(rows, seed_of(type(self).__name__, self.random_state))
        return self

    def _check(self) -> None:
        op = type(self).__name__
        check_integer(op, "n_components", self.n_components, 1)
        check_bool(op, "sparse_output", self.sparse_output)

    def _first_anchors(self, rows: nn.Rows, seed: int) -> np.ndarray:
        """Make anchors: given ones, rows drawn at random, or the k-means of 64 rows an anchor."""
        op, k, init = type(self).__name__, self.n_components, self.init
        if not isinstance(init, str):
            anchors = np.array(check_array(init, dtype=rows.dtype, input_name="init"))
            if anchors.shape != (k, rows.shape[1]):
                raise ValueError(
                    f"{op}: init must have shape {(k, rows.shape[1])}; got shape {anchors.shape}"
                )
            return anchors
        check_choice(op, "init", init, _INITS)
        if k > len(rows):
            raise ValueError(
                f"{op}: n_components must be at most the number of rows; "
                f"got {k} with n_samples={len(rows)}"
            )
        generator = np.random.RandomState(seed % 2**32)
        if init == "random":
            return _some_rows(rows, k, generator)
        sample = _some_rows(rows, _ROWS_PER_ANCHOR * k, generator)
        return nn.kmeans(sample, k, random_state=generator, max_iter=_KMEANS_ITERATIONS).centres

    @abstractmethod
    def _learn(self, rows: nn.Rows, seed: int) -> None:
        """Set the fitted attributes."""

    @abstractmethod
    def _coder(self) -> Callable[[np.ndarray], sp.csr_array]:
        """Make the function of a block of signals that gives their codes in CSR."""

    def _block_width(self) -> int:
        """Columns of the widest matrix that coding makes."""
        return max(self.components_.shape)

    def transform(self, X: Any) -> Any:
        """Code signals.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
            Signals, one a row.

        Returns
        -------
        codes : csr_array of shape (n_samples, n_features_out), or ndarray
            Of the dtype of `components_`. A signal's code depends on no other signal.
        """
        check_is_fitted(self)
        dtype = self.components_.dtype
        rows = read_rows(self, X, reset=False, dtype=dtype)
        encode, codes = self._coder(), nn.CsrRows(self._n_features_out, dtype)
        for part in nn.coding_blocks(len(rows), self._block_width(), dtype):
            codes.append(encode(nn.dense_block(rows, part)))
        result = codes.result()
        return result if self.sparse_output else result.toarray()

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[0])
