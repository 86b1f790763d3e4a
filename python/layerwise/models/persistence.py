"""Estimators in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from layerwise.storage import read_document, write_document

from ._fitted import Check, check_fitted

__all__ = ["Persistent", "load"]


class Persistent:
    """Mixin of estimators that can be saved.

    A class has only to be given to `layerwise.storage.register`, and to have the table `_fitted` of
    its fitted attributes. What is not in the table is not saved.
    """

    _fitted: ClassVar[Mapping[str, Check]] = {}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator into a file: hyper-parameters and everything that `fit` learnt.

        Parameters
        ----------
        path : path
            An existing file is replaced at the very end, so that it is there whole if anything
            goes wrong before.

        Raises
        ------
        TypeError
            If a hyper-parameter cannot be stored: lambdas, NumPy Generators and objects of classes
            that were not given to `layerwise.storage.register`.
        ValueError
            If a fitted attribute has been set to something that `load` would refuse.
        OSError
            If the file cannot be written.

        See Also
        --------
        layerwise.load : The way back.

        Notes
        -----
        The file is in the safetensors format: any program can read the arrays by their names. All
        else is JSON in its metadata, nothing is pickled. A ``random_state`` that is an int or None
        is stored as such, a RandomState with its state.
        """
        write_document("save", path, "model", self)

    def _stored_state(self) -> dict[str, Any]:
        fitted = {name: vars(self)[name] for name in self._fitted if name in vars(self)}
        check_fitted(self._fitted, fitted)
        return {"parameters": self.get_params(deep=False), **fitted}  # type: ignore[attr-defined]

    @classmethod
    def _from_stored_state(
        cls, state: dict[str, Any], known: Callable[[Mapping[str, Any], Any, str], dict[str, Any]]
    ) -> Self:
        parameters = state.pop("parameters", None)
        if not isinstance(parameters, dict):
            raise ValueError(f"parameters must be a dict; got {parameters!r}")
        names = cls._get_param_names()  # type: ignore[attr-defined]
        estimator = cls(**known(parameters, names, f"{cls.__name__}'s parameters"))
        fitted = known(state, cls._fitted, cls.__name__)
        check_fitted(cls._fitted, fitted)
        vars(estimator).update(fitted)
        return estimator


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that was saved.

    Parameters
    ----------
    path : path
        What its method ``save`` wrote, on any machine.

    Returns
    -------
    estimator
        Of the class that was saved, fitted if that was. Arrays have the same bits, and
        ``partial_fit`` goes on as it would have gone on there.

    Raises
    ------
    OSError
        If the file is not there or cannot be read.
    ValueError
        If it is no model, is damaged, names a class that is not registered, or was written by a
        version of layerwise whose files cannot be read here.
    MemoryError
        If it does not fit into memory.

    Warns
    -----
    UserWarning
        If the writer was newer and what this version does not know was left out.

    Notes
    -----
    Nothing in a file is run: objects are made from registered classes alone, by their constructors.
    So files of unknown origin may be loaded.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import layerwise
    >>> x = np.eye(4)
    >>> rbm = layerwise.RBM(2, n_iter=1, random_state=0).fit(x)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "rbm.safetensors")
    ...     rbm.save(path)
    ...     same = layerwise.load(path)
    >>> np.array_equal(same.transform(x), rbm.transform(x))
    True
    """
    model = read_document("load", path, "model").content
    if not isinstance(model, Persistent):
        raise ValueError(
            f"load: {os.fsdecode(path)} must be a layerwise model; it has a {type(model).__name__}"
        )
    return model
