"""The GPU's table: layerwise and torch in float32 (no TF32), on torch arrays, timed in turn.

    python bench/gpu.py [--size 4096] [--json FILE]

A product of real matrices, one with a binary left side, and one CD-1 update with sampled states,
momentum and weight decay on both sides; beside it the update whose half-steps round the weights to
bfloat16, which the ratio leaves aside. Every result is checked against float64 before it is timed;
a figure is the median of runs between CUDA events, torch's and layerwise's alternating. The last
column is how far from float64 each is, relative to the sum of magnitudes. No GPU has run it so far.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import Mismatch

RATE, MOMENTUM, DECAY = 0.01, 0.5, 1e-4
RUNS, DENSITY = 20, 0.2
TOLERANCE = 1e-5  # of a product, relative to the sum of magnitudes


class Rbm:
    """Parameters, data and velocities of one package's RBM."""

    def __init__(self, torch: Any, v: Any, size: int) -> None:
        make = torch.Generator("cuda").manual_seed(1)
        self.v = v
        self.w = 0.01 * torch.randn(size, v.shape[1], device="cuda", generator=make)
        self.b, self.a = torch.zeros(v.shape[1], device="cuda"), torch.zeros(size, device="cuda")
        self.velocities = [torch.zeros_like(x) for x in (self.w, self.b, self.a)]

    def parameters(self) -> list[Any]:
        return [self.w, self.b, self.a]


class TorchRbm(Rbm):
    """As few passes as torch can do it in, into memory that it keeps."""

    def __init__(self, torch: Any, v: Any, size: int) -> None:
        super().__init__(torch, v, size)
        self.torch = torch
        rows, visible = v.shape
        self.h, self.h_states, self.h_model = (
            torch.empty(rows, size, device="cuda") for _ in range(3)
        )
        self.v_means, self.v_model = (torch.empty(rows, visible, device="cuda") for _ in range(2))
        self.dw = torch.empty_like(self.w)

    def step(self) -> None:
        torch, v = self.torch, self.v
        torch.addmm(self.a, v, self.w.T, out=self.h).sigmoid_()
        torch.bernoulli(self.h, out=self.h_states)
        torch.addmm(self.b, self.h_states, self.w, out=self.v_means).sigmoid_()
        torch.bernoulli(self.v_means, out=self.v_model)
        torch.addmm(self.a, self.v_model, self.w.T, out=self.h_model).sigmoid_()
        scale = 1 / v.shape[0]
        torch.mm(self.h.T, v, out=self.dw)
        self.dw.addmm_(self.h_model.T, self.v_model, beta=scale, alpha=-scale)
        db, da = (v - self.v_model).mean(0), (self.h - self.h_model).mean(0)
        self.dw.add_(self.w, alpha=-DECAY)
        pairs = zip(self.parameters(), self.velocities, (self.dw, db, da), strict=True)
        for x, velocity, gradient in pairs:
            x.add_(velocity.mul_(MOMENTUM).add_(gradient, alpha=RATE))


class LayerwiseRbm(Rbm):
    def __init__(self, torch: Any, v: Any, size: int, precision: str = "full") -> None:
        from layerwise import ops

        super().__init__(torch, v, size)
        self.ops, self.workspace, self.steps = ops, ops.Workspace(), 0
        self.precision = precision
        self.bits = ops.BitMatrix.pack(v).to(v)

    def step(self) -> None:
        self.ops.gibbs_cd_update(
            self.bits, *self.parameters(), *self.velocities, rate=RATE, momentum=MOMENTUM,
            weight_decay=DECAY, rng=self.ops.Philox(0, step=self.steps), workspace=self.workspace,
            precision=self.precision,
        )  # fmt: skip
        self.steps += 1


def check_rbm(torch: Any, rbm: Rbm) -> None:
    """One step with weights so large that every probability is 0 or 1: float64 gives the same."""
    kept = [x.clone() for x in rbm.parameters()]
    signs = torch.randint(-1, 2, rbm.w.shape, device="cuda", dtype=torch.float32)
    rbm.w.copy_(256 * signs)
    rbm.b.fill_(128)
    rbm.a.fill_(-128)
    w, b, a, v = (x.double() for x in (rbm.w, rbm.b, rbm.a, rbm.v))
    h = (v @ w.T + a).sigmoid()
    v_model = (h @ w + b).sigmoid()
    h_model = (v_model @ w.T + a).sigmoid()
    dw = (h.T @ v - h_model.T @ v_model) / len(v) - DECAY * w
    rbm.step()
    off = (rbm.velocities[0].double() - RATE * dw).abs().max().item()
    for x, before in zip(rbm.parameters(), kept, strict=True):
        x.copy_(before)
    for velocity in rbm.velocities:
        velocity.zero_()
    if not off <= 1e-6 * RATE * (1 + 256 * DECAY):
        raise Mismatch(f"{type(rbm).__name__}: velocity off by {off:.3g} with saturated weights")


def error_of(got: Any, a: Any, b: Any) -> float:
    want = a.double() @ b.double()
    error = ((got.double() - want).abs() / (a.abs().double() @ b.abs().double())).max().item()
    if not error <= TOLERANCE:
        raise Mismatch(f"product off by {error:.3g} of the sum of magnitudes")
    return float(error)


def seconds(torch: Any, steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The median time of each, a run of one after a run of the other."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for run in range(RUNS + 3):
        for name, step in steps.items():
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            step()
            end.record()
            end.synchronize()
            if run >= 3:  # those before warm up
                times[name].append(start.elapsed_time(end) / 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def products(torch: Any, size: int) -> list[dict[str, Any]]:
    from layerwise import ops

    rows = []
    b = torch.randn(size, size, device="cuda")
    binary = (torch.rand(size, size, device="cuda") < DENSITY).float()
    bits = ops.BitMatrix.pack(binary).to(b)
    workspace, out = ops.Workspace(), torch.empty_like(b)
    for name, dense, given in (
        ("gemm, real", torch.randn(size, size, device="cuda"), None),
        ("gemm, binary", binary, bits),
    ):
        left = dense if given is None else given
        steps: dict[str, Callable[[], Any]] = {
            "torch": lambda dense=dense: torch.mm(dense, b, out=out),
            "layerwise": lambda left=left: ops.gemm(left, b, workspace=workspace),
        }
        errors = {key: error_of(step(), dense, b) for key, step in steps.items()}
        rows.append(row(f"{name} {size}^3", 2 * size**3, seconds(torch, steps), errors))
    return rows


def cd(torch: Any, size: int) -> dict[str, Any]:
    v = (torch.rand(size, size, device="cuda") < DENSITY).float()
    rbms = {
        "torch": TorchRbm(torch, v, size),
        "layerwise": LayerwiseRbm(torch, v, size),
        "with bfloat16 weights": LayerwiseRbm(torch, v, size, "bfloat16"),
    }
    for rbm in rbms.values():
        check_rbm(torch, rbm)
    steps: dict[str, Callable[[], Any]] = {name: rbm.step for name, rbm in rbms.items()}
    return row(f"CD-1 ({size},{size},{size})", 10 * size**3, seconds(torch, steps), {})


def row(name: str, flops: float, times: dict[str, float], errors: dict[str, float]) -> dict:
    ratio = times["torch"] / times["layerwise"]
    print(f"{name:<24}", end="")
    for package, time in times.items():
        print(f"  {package} {1e3 * time:8.3f} ms {flops / time / 1e12:6.1f} TFLOP/s", end="")
        if errors:
            print(f" (error {errors[package]:.1e})", end="")
    print(f"  ratio {ratio:.2f}", flush=True)
    return {"case": name, "seconds": times, "ratio": ratio, "errors": errors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.exit("bench/gpu.py: a CUDA device must be there; torch sees none")
    torch.backends.cuda.matmul.allow_tf32 = False
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    rows = [*products(torch, arguments.size), cd(torch, arguments.size)]
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
