"""LISTA: a network that says in a few layers what an iterative solver says in many steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layerwise import ops
from layerwise.nn.data.minibatch import Batch
from layerwise.nn.training.checkpoint import restore_arrays
from layerwise.nn.training.optim import Adam
from layerwise.ops import Workspace

from .codings import Coding, soft_threshold

__all__ = ["ListaNet", "ListaTrainer"]


class ListaNet:
    """Learned iterative shrinkage: z = s(x We'), then ``n_layers`` times z = s(x We' + z S').

    s is the soft threshold by theta, ``s(u) = sign(u) max(|u| - theta, 0)``.

    Parameters
    ----------
    we : ndarray of shape (K, D)
    s : ndarray of shape (K, K)
    theta : ndarray of shape (K,)
        Parameters, shared by all layers and updated in place; thresholds are >= 0.
    n_layers : int
        Shrinkages after the first.
    positive : bool, default False
        Codes >= 0: ``s(u) = max(u - theta, 0)``.

    References
    ----------
    K. Gregor, Y. LeCun (2010). Learning fast approximations of sparse coding. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> net = nn.ListaNet.from_dictionary(np.eye(2), alpha=1.0, n_layers=1)
    >>> net.forward(np.array([[3.0, 0.5]]))[-1]
    array([[2., 0.]])
    """

    def __init__(
        self,
        we: np.ndarray,
        s: np.ndarray,
        theta: np.ndarray,
        *,
        n_layers: int,
        positive: bool = False,
    ) -> None:
        self.parameters = {"we": we, "s": s, "theta": theta}
        self.n_layers = n_layers
        self.positive = positive
        self._workspace = Workspace()

    @classmethod
    def from_dictionary(
        cls, dictionary: np.ndarray, alpha: float, n_layers: int, *, positive: bool = False
    ) -> ListaNet:
        """Make the net that takes the first steps of iterative shrinkage for the LASSO.

        ``We = Phi / L``, ``S = 1 - Phi Phi' / L`` and ``theta = alpha / L``, L the largest
        eigenvalue of ``Phi Phi'``.

        Parameters
        ----------
        dictionary : ndarray of shape (K, D)
            Phi.
        alpha : float
            Penalty of the LASSO.
        n_layers, positive
            As for the class.

        Returns
        -------
        ListaNet
            Of the dtype of the dictionary.
        """
        phi = np.asarray(dictionary, np.float64)
        largest = float(np.linalg.norm(phi, 2)) ** 2
        step = 1.0 / largest if largest > 0.0 else 1.0
        start = (
            step * phi,
            np.eye(len(phi)) - step * (phi @ phi.T),
            np.full(len(phi), step * alpha),
        )
        we, s, theta = [np.ascontiguousarray(values, dictionary.dtype) for values in start]
        return cls(we, s, theta, n_layers=n_layers, positive=positive)

    def forward(self, x: Any) -> list[np.ndarray]:
        """Compute the codes (N, K) after every shrinkage."""
        p = self.parameters
        drive = ops.gemm(x, p["we"].T, workspace=self._workspace)
        codes = [self._shrink(drive)]
        for _ in range(self.n_layers):
            u = ops.gemm(codes[-1], p["s"].T, c=drive, beta=1.0, workspace=self._workspace)
            codes.append(self._shrink(u))
        return codes

    def backward(self, x: Any, codes: list[np.ndarray], dz: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the gradient of a loss in all parameters.

        Parameters
        ----------
        x : matrix of shape (N, D)
            What the net was given.
        codes : list of ndarray
            What `forward` gave for it.
        dz : ndarray of shape (N, K)
            Gradient of the loss in the last codes.

        Returns
        -------
        dict of str to ndarray
        """
        p = self.parameters
        gradients = {name: np.zeros_like(values) for name, values in p.items()}
        drive = np.zeros_like(dz)
        for layer in range(self.n_layers, -1, -1):
            # The derivative of s is 1 where it is not 0, and that in theta minus the code's sign.
            du = np.where(codes[layer] != 0, dz, 0)
            gradients["theta"] -= np.einsum("nk,nk->k", np.sign(codes[layer]), du)
            drive += du
            if layer:
                gradients["s"] += ops.dense_dw(du, codes[layer - 1], workspace=self._workspace)
                dz = ops.gemm(du, p["s"], workspace=self._workspace)
        gradients["we"] += ops.dense_dw(drive, x, workspace=self._workspace)
        return gradients

    def _shrink(self, u: np.ndarray) -> np.ndarray:
        return soft_threshold(u, self.parameters["theta"], positive=self.positive)


class ListaTrainer:
    """Steps that bring the codes of a `ListaNet` near those of a solver, by Adam.

    The loss is half the mean square distance of the codes from those that `coding` gives.

    Parameters
    ----------
    net : ListaNet
        Updated in place; thresholds stay >= 0.
    coding : Coding
        The solver.
    dictionary : ndarray of shape (K, D)
        Of the solver.
    rate : float, default 1e-3
        Step size of Adam.
    state : mapping, optional
        What `state_dict` gave of the optimiser, to go on from there.

    Attributes
    ----------
    n_steps, n_rows : int
        Updates made by this trainer, and the rows they were made from.

    Notes
    -----
    Metrics: ``loss``, and ``code_energy``, half the mean square norm of the solver's codes.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise import nn
    >>> phi = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> net = nn.ListaNet.from_dictionary(phi, 0.1, n_layers=2)
    >>> trainer = nn.ListaTrainer(net, nn.LassoCoding(0.1), phi, rate=0.01)
    >>> rows = nn.Rows(np.random.default_rng(0).standard_normal((50, 2)), "float64")
    >>> history = nn.History()
    >>> nn.fit(trainer, nn.Minibatches(rows, 50, seed=0), 50, [history])
    50
    >>> history.epochs[-1]["loss"] < 0.5 * history.epochs[0]["loss"]
    True
    """

    def __init__(
        self,
        net: ListaNet,
        coding: Coding,
        dictionary: np.ndarray,
        *,
        rate: float = 1e-3,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.net = net
        self.coding = coding
        self.dictionary = dictionary
        self.optimiser = Adam(net.parameters, rate=rate, moments=state)
        self.n_steps = 0
        self.n_rows = 0
        self._workspace = Workspace()

    def step(self, batch: Batch, t: int) -> dict[str, float]:
        """Learn from a batch, the t-th ever."""
        target = self.coding.codes(batch.x, self.dictionary, workspace=self._workspace)
        codes = self.net.forward(batch.x)
        dz = codes[-1] - target
        loss = 0.5 * float(np.square(dz, dtype=np.float64).sum()) / len(batch)
        energy = 0.5 * float(np.square(target, dtype=np.float64).sum()) / len(batch)
        dz /= len(batch)
        self.optimiser.update(self.net.backward(batch.x, codes, dz), t)
        theta = self.net.parameters["theta"]
        np.maximum(theta, 0, out=theta)
        self.n_steps += 1
        self.n_rows += len(batch)
        return {"loss": loss, "code_energy": energy}

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Parameters by name; not copies."""
        return self.net.parameters

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes from step to step; not copies."""
        return {
            "parameters": self.weights,
            "moments": self.optimiser.state_dict(),
            "n_steps": self.n_steps,
            "n_rows": self.n_rows,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, in the same arrays."""
        restore_arrays(self.weights, state["parameters"])
        self.optimiser.load_state_dict(state["moments"])
        self.n_steps, self.n_rows = int(state["n_steps"]), int(state["n_rows"])
