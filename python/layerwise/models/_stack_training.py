"""How a DBN trains: its layers, one after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerwise import nn

from ._checks import check_choice, check_rbm, check_rounding, check_sizes, check_verbose, per_layer
from ._rbm_training import fit_rbm
from .rbm import RBM

__all__ = ["check_layers", "fit_stack", "layers_of"]

# Hyper-parameters of the layers: one for all, or a sequence of one each.
_EACH = (
    "learning_rate", "n_iter", "learning", "k", "weight_decay", "l1_decay", "max_norm",
    "sparsity_target", "sparsity_cost", "dropout",
)  # fmt: skip
# One for all.
_COMMON = (
    "batch_size", "verbose", "momentum", "final_momentum", "momentum_switch", "sparsity_penalty",
    "centered", "visible_bias", "shuffle", "monitor", "validation_fraction", "callbacks",
)  # fmt: skip


def layers_of(dbn: Any) -> list[RBM]:
    """Make the unfitted layers; a DBN's hyper-parameters are checked here."""
    op = type(dbn).__name__
    sizes = check_sizes(op, "n_components", dbn.n_components)
    check_choice(op, "layer_input", dbn.layer_input, ("mean", "sample"))
    check_verbose(op, dbn.verbose)
    each = {name: per_layer(op, name, getattr(dbn, name), len(sizes)) for name in _EACH}
    common = {name: getattr(dbn, name) for name in _COMMON}
    layers = []
    for i, size in enumerate(sizes):
        own = {name: values[i] for name, values in each.items()}
        rbm = RBM(size, **common, **own, visible=dbn.visible if i == 0 else "bernoulli")
        check_rbm(rbm, op)
        layers.append(rbm)
    return layers


def check_layers(op: str, layers: list[RBM], rows: Any) -> None:
    """Errors unless all layers can learn from data of the dtype of `rows`."""
    for rbm in layers:
        check_rounding(op, rbm, rows.dtype)


def fit_stack(
    dbn: Any,
    layers: list[RBM],
    rows: Any,
    seed: int,
    checkpoint: nn.Checkpoint | None,
    weight: np.ndarray | None = None,
) -> None:
    """Train the layers on validated data; attributes are set when all of them are trained."""
    stack: list[tuple[nn.Pair, nn.Parameters]] = []
    for i, rbm in enumerate(layers):
        below = rows
        if stack:
            below = nn.lifted(rows, stack, returns=dbn.layer_input, seed=seed)
        label = f"{type(dbn).__name__} layer {i + 1} of {len(layers)}, {below.shape[1]}-"
        label += str(rbm.n_components)
        fit_rbm(rbm, below, seed, layer=i, label=label, weight=weight, checkpoint=checkpoint)
        rbm.n_features_in_ = below.shape[1]
        stack.append((rbm._pair, rbm._parameters))
    dbn.rbms_ = layers
    dbn.random_state_ = np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32])
