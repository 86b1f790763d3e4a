"""What this installation of layerwise is and runs on."""

from __future__ import annotations

import platform
from typing import Any, Literal, overload

__all__ = ["show_config"]


@overload
def show_config(mode: Literal["stdout"] = ...) -> None: ...


@overload
def show_config(mode: Literal["dict"]) -> dict[str, Any]: ...


def show_config(mode: Literal["stdout", "dict"] = "stdout") -> dict[str, Any] | None:
    """Show the version, instruction sets, threads, OpenMP runtime and kernels in use.

    Parameters
    ----------
    mode : {"stdout", "dict"}
        Print it, or return it.

    Returns
    -------
    dict or None
        With ``mode="dict"``: ``version``, ``python``, ``numpy``, ``isa`` (what kernels run at),
        ``isa_available`` (what this CPU runs of ``isa_compiled``), ``num_threads`` (of the calling
        thread), ``openmp``, ``compiler``, ``build_type``, ``cuda`` (the toolkit, None in a build
        without CUDA, and the number of GPUs), and ``kernels``: the compiled kernels by family and
        device; one that is not listed for a device is absent there.

    Raises
    ------
    ValueError
        If `mode` is neither.
    ImportError
        If the compiled module is missing.

    Examples
    --------
    >>> import layerwise
    >>> sorted(layerwise.show_config(mode="dict")["kernels"])
    ['dense', 'gemm', 'gibbs', 'lasso']
    """
    if mode not in ("stdout", "dict"):
        raise ValueError(f"show_config: mode must be 'stdout' or 'dict'; got {mode!r}")
    config = _collect()
    if mode == "dict":
        return config
    print("\n".join(_lines(config)))
    return None


def _collect() -> dict[str, Any]:
    import numpy as np

    import layerwise
    from layerwise.ops._backend import core
    from layerwise.ops.config import get_num_threads

    config = dict(core().config())
    kernels = config.pop("families")
    return {
        "version": layerwise.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "num_threads": get_num_threads(),
        **config,
        "kernels": kernels,
    }


def _lines(config: dict[str, Any]) -> list[str]:
    """One aligned line an entry; a kernel that a device lacks is not listed there."""
    rows = []
    for key, value in config.items():
        if key == "kernels":
            for family, devices in sorted(value.items()):
                for device, ops in sorted(devices.items()):
                    rows.append((f"{family} ({device})", ", ".join(ops) or "none"))
        elif isinstance(value, dict):
            rows.append((key, ", ".join(f"{k} {v}" for k, v in value.items())))
        elif isinstance(value, list):
            rows.append((key, ", ".join(map(str, value))))
        else:
            rows.append((key, str(value)))
    width = max(len(key) for key, _ in rows)
    return [f"{key:<{width}}  {value}" for key, value in rows]
