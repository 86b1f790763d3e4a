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
    if hasattr(model, "coefs_"):
        weights, biases = model.coefs_, model.intercepts_
    else:
        rbms = getattr(model, "rbms_", [model])
        weights = [rbm.components_ for rbm in rbms]
        biases = [b for rbm in rbms for b in (rbm.intercept_visible_, rbm.intercept_hidden_)]
    described: dict[str, Any] = {
        "units": [model.n_features_in_, *(len(w) for w in weights)],
        "parameters": sum(array.size for array in (*weights, *biases)),
        "dtype": str(weights[0].dtype),
    }
    if hasattr(model, "classes_"):
        described["classes"] = model.classes_
        described["pretrained"] = model.dbn_ is not None
    trained = [model] if hasattr(model, "n_steps_") else model.rbms_
    for key in ("n_steps_", "n_epochs_", "n_samples_seen_"):
        if all(hasattr(part, key) for part in trained):
            counts = [getattr(part, key) for part in trained]
            described[key.strip("_")] = counts[0] if len(counts) == 1 else counts
    last = [history[-1] for part in trained if (history := getattr(part, "history_", None))]
    if any(len(metrics) > 1 for metrics in last):  # more than its number
        described["last_epoch"] = last[0] if len(last) == 1 else last
    return described


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
