"""Losses: the value at the top of a net and the gradient that starts down through it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from layerwise import ops

__all__ = ["Loss", "SoftmaxCrossEntropy"]


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
