"""What loop, callbacks and monitoring cost beside the kernels: RBM 784-500, CD-1, batch 100.

    python bench/overhead.py [rows]

With 60,000 rows, as MNIST has, unless told otherwise. Kernels' time is that spent in the ops a step
calls; the rest of the training loop is overhead: order and gathering of batches, callbacks, and
with `monitor` all that is measured after an epoch, for data in float32 and as bits (which train in
float64). Both are CPU times of the thread that runs the loop and takes part in every kernel: other
work on the machine counts little, and so do threads that wait for the next kernel.
"""

import sys
import time
from functools import wraps

import numpy as np

from layerwise import RBM, nn, ops

N_ITER = 5


class Clock:
    """CPU seconds that the calling thread spent in functions that it wraps."""

    def __init__(self):
        self.seconds = 0.0

    def wrap(self, function):
        @wraps(function)
        def timed(*args, **kwargs):
            start = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - start

        return timed


class Loop(nn.Callback):
    """CPU seconds from the first epoch's beginning to the end of the last."""

    def begin(self, epoch):
        if epoch == 0:
            self.first = time.thread_time()

    def close(self):
        self.seconds = time.thread_time() - self.first


def overhead(x, callbacks=(), **options):
    """CPU seconds of a training loop, and of the kernels in it."""
    clock, loop = Clock(), Loop()
    plain = {name: getattr(ops, name) for name in ("gibbs_cd", "gibbs_cd_update", "sgd_momentum")}
    for name, function in plain.items():
        setattr(ops, name, clock.wrap(function))
    try:
        rbm = RBM(500, batch_size=100, n_iter=N_ITER, random_state=0, **options)
        rbm.set_params(callbacks=[*callbacks, loop]).fit(x)
    finally:
        for name, function in plain.items():
            setattr(ops, name, function)
    return loop.seconds, clock.seconds


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    rng = np.random.default_rng(0)
    x = (rng.random((n, 784)) < 0.19).astype(np.float32)
    RBM(500, batch_size=100, n_iter=1).fit(x[:1000])
    callbacks = [nn.EarlyStopping("reconstruction_error", patience=99), nn.History()]
    watched = {"monitor": True, "callbacks": callbacks, "learning_rate": nn.Linear(0.1, 0.01, 5)}
    cases = [("float32", x, {}), ("float32, watched", x, watched)]
    cases += [(name.replace("float32", "bits"), x > 0, options) for name, _, options in cases]
    for name, data, options in cases:
        total, kernels = overhead(data, **options)
        print(
            f"{name:16} {n:6} rows  loop {total:6.2f} s  kernels {kernels:6.2f} s  "
            f"overhead {total / kernels - 1:6.1%}"
        )


if __name__ == "__main__":
    main()
