"""How long until a dictionary is as good as the one that another package has after some seconds?

    python bench/dictionary.py                 # 10 seconds for each package, two threads
    python bench/dictionary.py --seconds 5 --threads 1

Online dictionary learning on 100,000 patches of 8x8 pixels from $LAYERWISE_DATA/natural (mean
removed, unit norm, float32): 256 atoms that start as the same patches, minibatches of 512, alpha
0.15. Each package learns in a process of its own, one after the other, with its defaults. Then the
mean objective of 5,000 patches that none has seen is worked out in float64 from each dictionary,
all of them coded by the same solver to a relative duality gap of 1e-6. The table has layerwise's
objective at several times, and when it is first at or under a rival's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import Skip, describe
from patches import patches

ATOMS, BATCH, ALPHA, SIGNALS, HELD = 256, 512, 0.15, 100_000, 5_000
Snapshots = list[tuple[float, np.ndarray]]  # seconds of learning, dictionary


def layerwise(x: np.ndarray, phi: np.ndarray, seconds: float, threads: int) -> Snapshots:
    import layerwise as lw
    from layerwise import nn

    found: Snapshots = []

    class Clock(nn.Callback):
        def step(self, t: int, metrics: object) -> None:
            now = time.perf_counter() - start
            if now >= 0.125 * 2 ** (len(found) / 2):
                found.append((now, phi.copy()))
            if now >= seconds:
                raise TimeoutError

    with lw.num_threads(threads):
        trainer = nn.DictionaryTrainer(phi, nn.LassoCoding(ALPHA), nn.Online())
        batches = nn.Minibatches(nn.Rows(x, x.dtype), BATCH, seed=0)
        start = time.perf_counter()
        try:
            nn.fit(trainer, batches, sys.maxsize, [Clock()])
        except TimeoutError:
            found.append((time.perf_counter() - start, phi.copy()))
    return found


def spams(x: np.ndarray, phi: np.ndarray, seconds: float, threads: int) -> Snapshots:
    import spams as package

    signals, atoms = np.asfortranarray(x.T), np.asfortranarray(phi.T)
    start = time.perf_counter()
    learnt = package.trainDL(
        signals, D=atoms, K=ATOMS, lambda1=ALPHA, mode=2, batchsize=BATCH, numThreads=threads,
        iter=-round(seconds), verbose=False,
    )  # fmt: skip
    return [(time.perf_counter() - start, learnt.T)]


def scikit_learn(x: np.ndarray, phi: np.ndarray, seconds: float, threads: int) -> Snapshots:
    from sklearn.decomposition import MiniBatchDictionaryLearning

    learner = MiniBatchDictionaryLearning(
        ATOMS, alpha=ALPHA, batch_size=BATCH, fit_algorithm="cd", dict_init=phi, n_jobs=threads
    )
    order, start = np.random.default_rng(0), time.perf_counter()
    while time.perf_counter() - start < seconds:
        learner.partial_fit(x[order.choice(len(x), BATCH, replace=False)])
    return [(time.perf_counter() - start, learner.components_)]


PACKAGES: dict[str, Callable[[np.ndarray, np.ndarray, float, int], Snapshots]] = {
    "layerwise": layerwise,
    "spams": spams,
    "scikit-learn": scikit_learn,
}


def learn(package: str, folder: Path, seconds: float, threads: int) -> None:
    """Learn in this process, and leave the snapshots in a file."""
    with np.load(folder / "data.npz") as data:
        x, phi = data["x"], data["phi"].copy()
    found = PACKAGES[package](x, phi, seconds, threads)
    at, atoms = [snapshot[0] for snapshot in found], [snapshot[1] for snapshot in found]
    np.savez(folder / f"{package}.npz", seconds=at, atoms=np.stack(atoms))
    print(describe(package, threads), flush=True)


def in_own_process(package: str, folder: Path, seconds: float, threads: int) -> str:
    """The package's description; Skip where it is not there."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = os.environ | dict.fromkeys(names, str(threads))
    command = [sys.executable, __file__, "--seconds", str(seconds), "--threads", str(threads)]
    done = subprocess.run(
        [*command, "--package", package, "--folder", str(folder)],
        env=env, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise Skip(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip().splitlines()[-1]


def objectives(held: np.ndarray, file: Path) -> Snapshots:
    """The mean objective of each snapshot, in float64."""
    from layerwise import nn

    judge, x = nn.LassoCoding(ALPHA, tol=1e-6, max_iter=10_000), held.astype(np.float64)
    with np.load(file) as found:
        return [
            (float(at), judge.objective(x, phi, judge.codes(x, phi)).mean())
            for at, phi in zip(found["seconds"], found["atoms"].astype(np.float64), strict=True)
        ]


def compare(folder: Path, seconds: float, threads: int) -> None:
    rng = np.random.default_rng(0)
    x = patches(8, SIGNALS + HELD, rng).astype(np.float32)
    phi = x[rng.choice(SIGNALS, ATOMS, replace=False)]
    np.savez(folder / "data.npz", x=x[:SIGNALS], phi=phi)
    found: dict[str, Snapshots] = {}
    for package in PACKAGES:
        try:
            version = in_own_process(package, folder, seconds, threads)
        except Skip as reason:
            print(f"{package}: {reason}")
            continue
        found[package] = objectives(x[SIGNALS:], folder / f"{package}.npz")
        at, value = found[package][-1]
        print(f"{version}: {value:.6f} after {at:.2f} s", flush=True)
    for at, value in found.get("layerwise", []):
        print(f"    layerwise after {at:5.2f} s: {value:.6f}")
    for package, snapshots in found.items():
        if package != "layerwise" and "layerwise" in found:
            first = [at for at, value in found["layerwise"] if value <= snapshots[-1][1]]
            reached = f"after {first[0]:.2f} s" if first else "not"
            print(f"layerwise reaches the objective of {package} {reached}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--seconds", type=float, default=10.0, help="of learning, for each package; 10 by default")
    add("--threads", type=int, default=2, help="threads of every package; 2 by default")
    add("--package", choices=PACKAGES, help=argparse.SUPPRESS)  # a worker's
    add("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.package:
        learn(arguments.package, arguments.folder, arguments.seconds, arguments.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), arguments.seconds, arguments.threads)


if __name__ == "__main__":
    main()
