"""Sparse codes over a given dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerwise.nn import Rows
from layerwise.storage import register

from ._checks import check_bool, read_rows
from ._coding import as_dictionary, check_coding, code, coding_of, decode
from ._transformer import SparseTransformer

__all__ = ["SparseCoder"]


@register
class SparseCoder(SparseTransformer):
    r"""Codes of signals over a dictionary that is given: X is about codes times dictionary.

    The names and defaults of `sklearn.decomposition.SparseCoder` mean here what they mean there;
    nothing has to be fitted.

    Parameters
    ----------
    dictionary : array-like of shape (n_components, n_features)
        Atoms, one a row, of any norms.
    transform_algorithm : {"lasso", "lasso_cd", "lasso_lars", "omp", "threshold"}, default "omp"
        ``omp``: orthogonal matching pursuit. The three of ``lasso`` minimise
        :math:`\frac12 \|x - a \Phi\|^2 + \alpha \|a\|_1`: exactly, along the path of solutions as
        the penalty falls (``lasso_lars``), by coordinate descent (``lasso_cd``), or by whichever
        suits, as a rule the fastest (``lasso``). ``threshold``: the soft threshold of
        :math:`x \Phi'`, an encoder that needs no solver [1]_.
    transform_n_nonzero_coefs : int, optional
        Non-zeros of a code of ``omp``; a tenth of the features where that and `transform_alpha` are
        None.
    transform_alpha : float, optional
        Penalty of the lassos and threshold of ``threshold``, 1 if None; for ``omp`` the square
        error at which a signal is done.
    split_sign : bool, default False
        Whether the positive parts of the codes and the sizes of their negative parts are columns of
        their own, which can help a linear classifier.
    positive_code : bool, default False
        Keep codes >= 0; not with ``omp``.
    transform_max_iter : int, default 1000
        Passes of the lassos over a signal's correlations, at most; steps of ``lasso_lars``.
    gap_tol : float, default 1e-4
        Relative duality gap, (primal - dual) over half the signal's square norm, at which the
        lassos are done with a signal; ``lasso_lars`` leaves none but rounding.
    sparse_output : bool, default False
        Give codes as a ``scipy.sparse.csr_array``, made without a dense detour.
    allow_missing : bool, default False
        Whether NaN in dense data is an entry that was not observed, not an error; with ``lasso``
        and ``lasso_cd`` only. A signal is coded by what is observed of it, which takes many times
        as long, and `inverse_transform` tells what the rest may have been.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The dictionary.
    n_features_in_ : int

    See Also
    --------
    DictionaryLearning : Learns the dictionary too.
    layerwise.ops.lasso, layerwise.ops.lars, layerwise.ops.omp : The kernels.

    Notes
    -----
    A signal's code does not depend on the batch it came in, nor on the number of threads.

    References
    ----------
    .. [1] A. Coates, A. Ng (2011). The importance of encoding versus training with sparse coding
       and vector quantization. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import SparseCoder
    >>> coder = SparseCoder(np.eye(3), transform_algorithm="lasso", transform_alpha=1.0)
    >>> coder.transform(np.array([[3.0, -2.0, 0.5]]))
    array([[ 2., -1.,  0.]])

    Half of a signal along the only atom, and what its code makes of the other half:

    >>> coder = SparseCoder(
    ...     np.array([[0.6, 0.8]]), transform_algorithm="lasso", transform_alpha=0.36,
    ...     allow_missing=True,
    ... )
    >>> codes = coder.transform(np.array([[3.0, np.nan]]))
    >>> codes, coder.inverse_transform(codes)
    (array([[4.]]), array([[2.4, 3.2]]))
    """

    def __init__(
        self,
        dictionary: Any,
        *,
        transform_algorithm: str = "omp",
        transform_n_nonzero_coefs: int | None = None,
        transform_alpha: float | None = None,
        split_sign: bool = False,
        positive_code: bool = False,
        transform_max_iter: int = 1000,
        gap_tol: float = 1e-4,
        sparse_output: bool = False,
        allow_missing: bool = False,
    ) -> None:
        self.dictionary = dictionary
        self.transform_algorithm = transform_algorithm
        self.transform_n_nonzero_coefs = transform_n_nonzero_coefs
        self.transform_alpha = transform_alpha
        self.split_sign = split_sign
        self.positive_code = positive_code
        self.transform_max_iter = transform_max_iter
        self.gap_tol = gap_tol
        self.sparse_output = sparse_output
        self.allow_missing = allow_missing

    def fit(self, X: Any, y: Any = None) -> SparseCoder:
        """Check the hyper-parameters and the data; there is nothing to learn.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : SparseCoder
        """
        self._read(X)
        return self

    def transform(self, X: Any) -> Any:
        """Code signals.

        Parameters
        ----------
        X : {array-like, sparse matrix, BitMatrix} of shape (n_samples, n_features)

        Returns
        -------
        codes : ndarray or csr_array of shape (n_samples, n_components)
            Of the dtype of float32 and float64 data, else float64. With `split_sign` there are
            twice as many columns.
        """
        rows = self._read(X)
        atoms = self._atoms(rows.dtype)
        coding = coding_of(self, self.transform_algorithm, atoms.shape[1])
        # Integers and sparse data hold no NaN.
        incomplete = self.allow_missing and isinstance(rows.x, np.ndarray)
        return code(rows, atoms, coding, self, **({"missing": "nan"} if incomplete else {}))

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
        return decode(self, X, self._atoms(np.float64))

    @property
    def components_(self) -> np.ndarray:
        """The dictionary."""
        return self._atoms(np.float64)

    @property
    def n_features_in_(self) -> int:
        """Features of a signal."""
        return int(self.components_.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.allow_nan = bool(self.allow_missing)
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.components_) * (2 if self.split_sign else 1)

    def _read(self, x: Any) -> Rows:
        """Check the hyper-parameters and the data."""
        check_coding(self, "SparseCoder", self.transform_algorithm)
        check_bool("SparseCoder", "allow_missing", self.allow_missing)
        if self.allow_missing and self.transform_algorithm not in ("lasso", "lasso_cd"):
            raise ValueError(
                f"SparseCoder: allow_missing must be False with {self.transform_algorithm}; "
                "got True"
            )
        return read_rows(self, x, reset=False, allow_nan=self.allow_missing)

    def _atoms(self, dtype: Any) -> np.ndarray:
        return as_dictionary("SparseCoder", "dictionary", self.dictionary, dtype)
