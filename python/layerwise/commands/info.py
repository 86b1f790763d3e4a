"""``layerwise info``: what is in a model file, in plain words or JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

import layerwise

DESCRIPTION = (
    "Say what is in a model file: which model, of what size, how it was trained and by which "
    "version. Nothing in the file is run. Without a file, show what config shows."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file."""
    parser.add_argument("model", metavar="MODEL", type=Path, nargs="?", help="a saved model")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Describe the file."""
    if arguments.model is None:
        described = layerwise.show_config(mode="dict") if arguments.json else None
        if described is None:
            layerwise.show_config()
            return
    else:
        described = describe(arguments.model)
    if arguments.json:
        print(json.dumps(_plain(described), indent=2))
    else:
        print("\n".join(_lines(described)))


def describe(path: Path) -> dict[str, Any]:
    """Describe a model file.

    Returns
    -------
    dict
        What `run` shows; numbers and strings, but for the hyper-parameters, which are as they are.
    """
    from layerwise.storage import read_document

    importlib.import_module("layerwise.models")  # knows the classes that are in files
    document = read_document("info", path, "model")
    model = document.content
    described: dict[str, Any] = {
        "file": str(path),
        "bytes": os.path.getsize(path),
        "model": type(model).__name__,
        "fitted": hasattr(model, "n_features_in_"),
    }
    if described["fitted"]:
        described |= _learnt(model)
    return described | {
        "hyper_parameters": model.get_params(deep=False),
        "layerwise": document.writer,
        "isa": document.isa,
    }


def _learnt(model: Any) -> dict[str, Any]:
    layers = getattr(model, "rbms_", [model])
    if hasattr(model, "intercepts_"):
        arrays = [*model.coefs_, *model.intercepts_]
        widths = [len(w) for w in model.coefs_]
    else:
        names = ("components_", "intercept_visible_", "intercept_hidden_")
        known = [vars(layer) for layer in layers]
        if not all("intercept_hidden_" in each for each in known):  # all arrays of floats
            names = tuple(name for name in vars(model) if name.endswith("_"))
        arrays = [each[name] for each in known for name in names if _is_float_array(each[name])]
        widths = [len(layer.components_) for layer in layers if hasattr(layer, "components_")]
    described: dict[str, Any] = {
        "units": [model.n_features_in_, *widths],
        "parameters": sum(array.size for array in arrays),
        "dtype": str(arrays[0].dtype) if arrays else "no",
    }
    if hasattr(model, "dbn_"):
        described["classes"] = model.classes_
        described["pretrained"] = model.dbn_ is not None
    trained = [model] if hasattr(model, "n_steps_") else layers
    for key in ("n_steps_", "n_epochs_", "n_samples_seen_"):
        if all(hasattr(part, key) for part in trained):
            counts = [getattr(part, key) for part in trained]
            described[key.strip("_")] = counts[0] if len(counts) == 1 else counts
    last = [history[-1] for part in trained if (history := getattr(part, "history_", None))]
    if any(len(metrics) > 1 for metrics in last):  # more than its number
        described["last_epoch"] = last[0] if len(last) == 1 else last
    return described


def _is_float_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _lines(described: dict[str, Any]) -> list[str]:
    """Put what is known into words, one fact a line."""
    facts = {"file": f"{described['file']}, {described['bytes']:,} bytes"}
    facts["model"] = described["model"] + ("" if described["fitted"] else ", not fitted")
    if described["fitted"]:
        facts["units"] = "-".join(map(str, described["units"]))
        facts["parameters"] = f"{described['parameters']:,} of {described['dtype']}"
    if "classes" in described:
        names = [str(name) for name in described["classes"]]
        shown = names if len(names) <= 20 else [*names[:20], "..."]
        facts["classes"] = f"{len(names)}: {', '.join(shown)}"
        facts["pretrained"] = "yes" if described["pretrained"] else "no"
    for key, what in (
        ("n_steps", "updates"),
        ("n_epochs", "epochs"),
        ("n_samples_seen", "rows seen"),
    ):
        if key in described:
            facts[what] = _counted(described[key])
    for i, metrics in enumerate(_as_list(described.get("last_epoch", []))):
        label = (
            "last epoch"
            if len(_as_list(described["last_epoch"])) == 1
            else f"layer {i + 1} at last"
        )
        values = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in metrics.items()]
        facts[label] = ", ".join(values)
    facts["written by"] = (
        f"layerwise {described['layerwise']} at instruction-set level {described['isa']}"
    )
    width = max(len(name) for name in facts) + 2
    lines = [f"{name:<{width}}{value}" for name, value in facts.items()]
    lines.append("hyper-parameters")
    settings = described["hyper_parameters"]
    width = max(len(name) for name in settings) + 2
    return lines + [f"  {name:<{width}}{value!r}" for name, value in sorted(settings.items())]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _counted(value: Any) -> str:
    return " and ".join(f"{count:,}" for count in _as_list(value))


def _plain(value: Any) -> Any:
    """Make JSON of what is JSON, and words of the rest; NaN and infinities become null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)
