"""How the RBM packages built on torch do one CD-k update: rbms and learnergy.

Neither has momentum or weight decay of the weights alone, so that they have a little less to do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import Arrays, Case, import_torch
from gibbs_packages import Rbm


class RbmsRbm(Rbm):
    """What rbms.training.pcd.train does in a step, less the norm that it divides gradients by."""

    velocities = False

    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        torch = import_torch(threads)
        from rbms.bernoulli_bernoulli.classes import BBRBM

        super().__init__(case, data, order="F")
        self.no_grad, wrap = torch.no_grad, torch.from_numpy
        self.batches = [wrap(batch) for batch in self.batches]
        self.rbm = BBRBM(wrap(self.w.T), wrap(self.b), wrap(self.a))
        for parameter in self.rbm.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self.sgd = torch.optim.SGD(self.rbm.parameters(), maximize=True)

    def update(self, batch: int, rate: float, momentum: float, decay: float) -> None:
        x = self.batches[batch]
        self.sgd.param_groups[0]["lr"] = rate
        with self.no_grad():
            self.sgd.zero_grad(set_to_none=False)
            data = self.rbm.init_chains(len(x), start_v=x)
            chains = self.rbm.sample_state(data, n_steps=self.k)
            self.rbm.compute_gradient(data, chains, centered=False)
            self.sgd.step()


class LearnergyRbm(Rbm):
    """RBM.fit on one batch: with its data loader and the pseudo-likelihood that it reports."""

    velocities = False

    def __init__(self, case: Case, data: Arrays, threads: int) -> None:
        torch = import_torch(threads)
        from learnergy.models.bernoulli import RBM

        super().__init__(case, data, order="F")
        hidden, visible = self.w.shape
        self.rbm = RBM(visible, hidden, steps=self.k)
        for parameter, array in zip(
            (self.rbm.W, self.rbm.a, self.rbm.b), (self.w.T, self.b, self.a), strict=True
        ):
            parameter.data = torch.from_numpy(array)
        self.batches = [
            torch.utils.data.TensorDataset(torch.from_numpy(x), torch.zeros(len(x)))
            for x in map(np.ascontiguousarray, self.batches)
        ]

    def update(self, batch: int, rate: float, momentum: float, decay: float) -> None:
        self.rbm.optimizer.param_groups[0]["lr"] = rate
        self.rbm.fit(self.batches[batch], batch_size=self.batch, epochs=1)


RIVALS: dict[str, Any] = {
    "rbms": lambda case, data, threads: [RbmsRbm(case, data, threads)],
    "learnergy": lambda case, data, threads: [LearnergyRbm(case, data, threads)],
}
