"""The slow, obvious NumPy version of every kernel.

Each function is its equation, in float64, over whole arrays. It documents the kernel of the same
name, is the oracle of the tests and can be selected as a backend with
``layerwise.use_backend("reference")``. One module a kernel family, and `philox` for the random
numbers that all of them share.

Matrices may be dense arrays, bit-packed matrices (attributes ``words`` and ``shape``) or SciPy
sparse matrices; results are float64 arrays.
"""

from layerwise.reference import dense, gemm, gibbs, lasso, lasso_path, philox

__all__ = ["dense", "gemm", "gibbs", "lasso", "lasso_path", "philox"]
