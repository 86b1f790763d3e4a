"""Pictures of fitted models, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .charts import curves, histograms
from .images import grey_levels, signed_levels, tile

__all__ = ["PICTURES", "draw"]

_CLIPPED = 0.01  # share of a filter's weights that may be black or white alike
_COLUMNS = 10
_GREY = 128
_SHOWN_ROWS = 1000  # whose hidden units a histogram counts
_VALIDATION = "validation_"

Picture = npt.NDArray[np.uint8]


def draw(
    name: str,
    model: Any,
    *,
    data: npt.ArrayLike | None = None,
    image_shape: tuple[int, int] | None = None,
    count: int = 100,
    layer: int = 1,
    n_gibbs: int = 1000,
    random_state: int | np.random.RandomState | None = None,
) -> Picture:
    """Draw a fitted model.

    Parameters
    ----------
    name : {"filters", "groups", "samples", "reconstructions", "curves", "histograms"}
        - filters: the weights of hidden units as images, those of layers above the first as sums of
          the filters below, weighted by them [1]_; zero is mid-grey. Of dictionaries the atoms.
        - groups: a line for each pattern of variance of a `HierarchicalSparseCoder`, the atoms of
          the largest variances in it; the smaller that of an atom, the less contrast it has.
        - samples: means of the visible units at the end of Gibbs chains, which start at rows of
          `data` where these are given.
        - reconstructions: rows of `data`, each line of them followed by its reconstructions.
        - curves: the metrics of every epoch that the model keeps.
        - histograms: weights and biases of every layer, and of `data` the means of hidden units.
    model : RBM, DBN, DBNClassifier or dictionary
        Of a classifier, filters and histograms are those after the fine-tuning, samples and
        reconstructions those of its ``dbn_``.
    data : array-like of shape (n, n_features), optional
    image_shape : (height, width), optional
        Of a row of visible units; by default they are taken for a square.
    count : int, default 100
        Images, at most.
    layer : int, default 1
        Whose filters.
    n_gibbs : int, default 1000
        Sweeps before samples are drawn.
    random_state : int, RandomState or None, default None

    Returns
    -------
    ndarray of shape (height, width) or (height, width, 3), uint8

    Raises
    ------
    ValueError
        If there is no such picture, or what it needs is missing.

    References
    ----------
    .. [1] H. Lee, R. Grosse, R. Ranganath, A. Ng (2009). Convolutional deep belief networks for
       scalable unsupervised learning of hierarchical representations. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import RBM
    >>> rbm = RBM(4, n_iter=1, random_state=0).fit(np.eye(9))
    >>> draw("filters", rbm).shape
    (5, 17)
    """
    if name not in PICTURES:
        raise ValueError(f"draw: name must be {', '.join(PICTURES)}; got {name!r}")
    if not hasattr(model, "n_features_in_"):
        raise ValueError(f"draw: model must be a fitted estimator; got {model!r}")
    if count < 1:
        raise ValueError(f"draw: count must be at least 1; got {count}")
    options = {
        "data": data, "image_shape": image_shape, "count": count, "layer": layer,
        "n_gibbs": n_gibbs, "random_state": random_state,
    }  # fmt: skip
    return PICTURES[name](model, **options)


def _filters(
    model: Any, *, image_shape: tuple[int, int] | None, count: int, layer: int, **_: Any
) -> Picture:
    weights = _weights(model)
    if not 1 <= layer <= len(weights):
        raise ValueError(f"draw: layer must be from 1 to {len(weights)}; got {layer}")
    rows = weights[layer - 1][:count]
    for below in reversed(weights[: layer - 1]):
        rows = rows @ below
    return _grid(signed_levels(rows, clipped=_CLIPPED), image_shape)


def _groups(model: Any, *, image_shape: tuple[int, int] | None, count: int, **_: Any) -> Picture:
    if not hasattr(model, "atoms_"):
        raise ValueError(f"draw: model must be a HierarchicalSparseCoder; got {model!r}")
    variances = model.components_[: max(1, count // _COLUMNS)]
    order = np.argsort(-variances, axis=1, kind="stable")[:, :_COLUMNS]
    found = np.take_along_axis(variances, order, axis=1).astype(np.float64)
    contrast = np.sqrt(found / found[:, :1]).reshape(-1, 1)
    away = signed_levels(model.atoms_[order.ravel()], clipped=_CLIPPED) - float(_GREY)
    levels = np.rint(_GREY + contrast * away).astype(np.uint8)
    return _grid(levels, image_shape, order.shape[1])


def _samples(
    model: Any,
    *,
    data: npt.ArrayLike | None,
    image_shape: tuple[int, int] | None,
    count: int,
    n_gibbs: int,
    random_state: Any,
    **_: Any,
) -> Picture:
    start = None if data is None else np.asarray(data)[:count]
    samples = _generative(model).sample(
        count, n_gibbs=n_gibbs, start=start, returns="mean", random_state=random_state
    )
    return _grid(grey_levels(samples), image_shape)


def _reconstructions(
    model: Any,
    *,
    data: npt.ArrayLike | None,
    image_shape: tuple[int, int] | None,
    count: int,
    **_: Any,
) -> Picture:
    if data is None:
        raise ValueError("draw: data must be given to draw reconstructions of; got None")
    shown = np.asarray(data)[: max(1, count // 2)]
    columns = min(_COLUMNS, len(shown))
    lines = []
    for first in range(0, len(shown), columns):
        line = shown[first : first + columns]
        blank = np.full((columns - len(line), line.shape[1]), 0.5)
        lines += [line, blank, _generative(model).reconstruct(line), blank]
    return _grid(grey_levels(np.concatenate(lines)), image_shape, columns)


def _curves(model: Any, **_: Any) -> Picture:
    panels: dict[str, Mapping[str, npt.ArrayLike]] = {}
    for label, history in _histories(model):
        names = {name: None for epoch in history for name in epoch if name != "epoch"}
        for name in names:
            if name.startswith(_VALIDATION) and name.removeprefix(_VALIDATION) in names:
                continue
            lines = {}
            for key in (name, _VALIDATION + name):
                if key in names:
                    what = "validation" if key != name else "training"
                    lines[what] = [epoch.get(key, math.nan) for epoch in history]
            panels[f"{label}{name.replace('_', ' ')}"] = lines
    if not panels:
        raise ValueError(
            "draw: model must have been trained with monitor=True (or verbose) to have curves; "
            "its history_ has no metrics"
        )
    return curves(panels)


def _histograms(model: Any, *, data: npt.ArrayLike | None, **_: Any) -> Picture:
    panels: dict[str, npt.ArrayLike] = {}
    weights, biases = _weights(model), _biases(model)
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        of = f" of layer {i + 1}" if len(weights) > 1 else ""
        panels[f"weights{of}"], panels[f"biases{of}"] = w, b
    if data is not None:
        shown = np.asarray(data)[:_SHOWN_ROWS]
        panels["means of hidden units"] = _generative(model).transform(shown)
    return histograms(panels)


#: What `draw` can draw.
PICTURES: dict[str, Callable[..., Picture]] = {
    "filters": _filters,
    "groups": _groups,
    "samples": _samples,
    "reconstructions": _reconstructions,
    "curves": _curves,
    "histograms": _histograms,
}


def _layers(model: Any) -> list[Any]:
    """Return the RBMs of a model."""
    return list(getattr(model, "rbms_", [model]))


def _weights(model: Any) -> list[np.ndarray]:
    if hasattr(model, "atoms_"):  # whose components_ are variances
        return [model.atoms_]
    if hasattr(model, "intercepts_"):
        return list(model.coefs_)
    layers = _layers(model)
    if not all(hasattr(layer, "components_") for layer in layers):
        raise ValueError(f"draw: model must have filters or atoms; got {model!r}")
    return [layer.components_ for layer in layers]


def _biases(model: Any) -> list[np.ndarray]:
    if hasattr(model, "intercepts_"):
        return list(model.intercepts_)
    layers = _layers(model)
    if not all(hasattr(layer, "intercept_hidden_") for layer in layers):
        raise ValueError(f"draw: model must have biases, as an RBM, a DBN or a net; got {model!r}")
    return [layer.intercept_hidden_ for layer in layers]


def _generative(model: Any) -> Any:
    """Return what models the data: the estimator, or the stack below a classifier."""
    model = getattr(model, "dbn_", model)
    if model is None:
        raise ValueError(
            "draw: model must have learnt the data to sample or reconstruct them; this classifier "
            "was not pretrained"
        )
    if not hasattr(model, "reconstruct"):
        raise ValueError(
            f"draw: model must be an RBM, a DBN or a DBNClassifier to sample or reconstruct data; "
            f"got {model!r}"
        )
    return model


def _histories(model: Any) -> list[tuple[str, list[dict[str, float]]]]:
    """Return what training kept, with the name of the part that it belongs to."""
    found = []
    stack = getattr(model, "dbn_", model)
    if stack is not None:
        layers = _layers(stack)
        for i, rbm in enumerate(layers):
            label = f"layer {i + 1}: " if len(layers) > 1 else ""
            found.append((label, list(getattr(rbm, "history_", []))))
    if stack is not model:
        found.append(("fine-tuning: ", list(getattr(model, "history_", []))))
    return found


def _grid(levels: Picture, image_shape: tuple[int, int] | None, columns: int = _COLUMNS) -> Picture:
    d = levels.shape[1]
    shape = image_shape or (math.isqrt(d), math.isqrt(d))
    if math.prod(shape) != d:
        required = f"draw: image_shape must be (height, width) of {d} visible units"
        raise ValueError(
            f"{required}; got {image_shape}" if image_shape
            else f"{required}, which are no square; got None"
        )  # fmt: skip
    return tile(levels, shape, columns=min(columns, len(levels)))
