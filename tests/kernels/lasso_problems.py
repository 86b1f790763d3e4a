"""What the tests of the sparse coders code, and how near rounding lets them come."""

from typing import Any

import numpy as np

# Gaps that rounding leaves: about eps sum_j |a_j| / ||x||, for codes of order 1.
ROUNDING = {np.float32: 3e-6, np.float64: 1e-14}


def sparse_signals(
    rng: np.random.Generator, shape: tuple[int, int, int], dtype: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Signals (n, d) made of about four of k atoms (k, d) and some noise; atoms of any norms."""
    n, d, k = shape
    phi = rng.standard_normal((k, d)) / np.sqrt(max(d, 1)) * rng.uniform(0.5, 2.0, (k, 1))
    codes = rng.standard_normal((n, k)) * (rng.random((n, k)) < 4 / max(k, 1))
    x = codes @ phi + 0.05 * rng.standard_normal((n, d))
    return x.astype(dtype), phi.astype(dtype)
