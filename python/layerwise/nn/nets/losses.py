"""Losses: the value at the top of a net and the gradient that starts down through it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from layerwise import ops

__all__ = ["Loss", "SoftmaxCrossEntropy", "SquaredHinge"]


class Loss(Protocol):
    """A loss of a net's outputs against targets."""

    def __call__(self, z: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the loss of every row (n,), and its gradient at z (n,C), neither divided by n."""
        ...


class SoftmaxCrossEntropy:
    """``-log softmax(z)[label]``, in nats."""

    def __call__(self, z: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        """Compute the loss of every row (n,), and its gradient at z (n,C), neither divided by n."""
        return ops.softmax_cross_entropy(z, targets)


class SquaredHinge:
    """``sum_c max(0, 1 - t_c z_c)^2``, t 1 for the row's own class and -1 for all others.

    With `weight_decay` 1/C in the trainer, a layer without activation is then a linear support
    vector machine of each class against the rest.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.nn import SquaredHinge
    >>> SquaredHinge()(np.array([[0.5, -2.0]]), np.array([0]))
    (array([0.25]), array([[-1.,  0.]]))
    """

    def __call__(self, z: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the loss of every row (n,), and its gradient at z (n,C), neither divided by n."""
        sign = np.full_like(z, -1)
        sign[np.arange(len(z)), targets] = 1
        short = np.maximum(1 - sign * z, 0)
        return np.square(short).sum(axis=1), -2 * sign * short
