"""A linear support vector machine on many features, for recipes: how far codes separate classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

from layerwise import nn

__all__ = ["LinearSVM", "fit_linear_svm", "standardise"]

_ROWS = 5000  # standardised at a time, for the float64 copies that it takes
_VARIANCE = 0.01  # added to those of features, against ones that hardly ever differ from zero
_ITERATIONS = 1000
_MEMORY = 100
_TOLERANCE = 1e-8  # relative decrease of the objective in an iteration


class LinearSVM(NamedTuple):
    """A machine of each class against the rest.

    Attributes
    ----------
    net : layerwise.nn.Net
        Whose single layer holds weights and biases.
    weight_decay : float
        Penalty that did best on rows held out: 1/(C n) in terms of scikit-learn's C.
    held_out : dict of float to float
        For each penalty the error on those rows.
    """

    net: nn.Net
    weight_decay: float
    held_out: dict[float, float]

    def error(self, x: np.ndarray, y: np.ndarray) -> float:
        """Compute the share of rows (n, d) whose class is not y (n,)."""
        found = self.net.forward(x).outputs[-1].argmax(axis=1)
        return float((found != y).mean())


def standardise(train: np.ndarray, *others: np.ndarray) -> None:
    """Bring features to mean 0 and nearly variance 1 over the training rows, in place.

    What they are divided by is ``sqrt(variance + 0.01)``.
    """
    scaler = StandardScaler(copy=False)
    for start in range(0, len(train), _ROWS):
        scaler.partial_fit(train[start : start + _ROWS])
    scaler.scale_ = np.sqrt(scaler.var_ + _VARIANCE)
    for x in (train, *others):
        for start in range(0, len(x), _ROWS):
            scaler.transform(x[start : start + _ROWS])


def fit_linear_svm(
    x: np.ndarray, y: np.ndarray, weight_decays: Sequence[float], n_held_out: int
) -> LinearSVM:
    """Minimise ``mean_i sum_c max(0, 1 - t_ic z_ic)^2 + weight_decay / 2 |w|^2`` by L-BFGS.

    Parameters
    ----------
    x : ndarray of shape (n, d), float32 or float64
    y : ndarray of shape (n,), int
        Classes from 0 on.
    weight_decays : sequence of float
        Penalties to choose from, the largest first; each starts from the solution of the one
        before, and the first that does worse than it is the last to be tried.
    n_held_out : int
        Last rows, on which the penalty is chosen. The machine returned is fitted to all rows.

    Returns
    -------
    LinearSVM

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[-2.0], [-1.0], [1.0], [2.0], [-1.5], [1.5]])
    >>> y = (x[:, 0] > 0).astype(int)
    >>> svm = fit_linear_svm(x, y, [0.1, 0.01], 2)
    >>> svm.error(x, y)
    0.0
    """
    shape = (int(y.max()) + 1, x.shape[1])
    n = len(x) - n_held_out
    net = nn.Net([nn.Layer(np.zeros(shape, x.dtype), np.zeros(shape[0], x.dtype), "none")])
    held_out: dict[float, float] = {}
    best, solution = weight_decays[0], net.parameters
    for decay in weight_decays:
        _minimise(net, x[:n], y[:n], decay)
        held_out[decay] = LinearSVM(net, decay, {}).error(x[n:], y[n:])
        if held_out[decay] > held_out[best]:
            break
        best = decay
        solution = {name: value.copy() for name, value in net.parameters.items()}
    nn.restore_arrays(net.parameters, solution)
    _minimise(net, x, y, best)
    return LinearSVM(net, best, held_out)


def _minimise(net: nn.Net, x: np.ndarray, y: np.ndarray, decay: float) -> None:
    minimiser = nn.NetMinimiser(
        net, method="lbfgs", line_searches=_ITERATIONS, memory=_MEMORY, tol=_TOLERANCE,
        weight_decay=decay, loss=nn.SquaredHinge(),
    )  # fmt: skip
    minimiser.step(nn.Batch(x, 0, y=y), 0)
