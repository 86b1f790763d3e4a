"""Scratch memory that a caller keeps from call to call."""

from __future__ import annotations

from typing import Any

from ._arrays import NUMPY, Library, scratch

__all__ = ["Workspace"]


class Workspace:
    """Scratch memory for ops, grown to the largest request and reused.

    Without one, each call allocates its scratch and frees it. A training loop passes the same
    `Workspace` to every call (``workspace=``). What it holds between calls means nothing. One call
    at a time may use it: threads need one each, and streams of a GPU too.

    Examples
    --------
    >>> from layerwise.ops import Workspace
    >>> workspace = Workspace()
    >>> workspace.take(1000).nbytes
    1000
    >>> workspace.nbytes >= 1000
    True
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Any] = {}  # by device

    @property
    def nbytes(self) -> int:
        """Bytes held at present, on all devices."""
        return sum(int(buffer.shape[0]) for buffer in self._buffers.values())

    def take(self, nbytes: int, library: Library = NUMPY) -> Any:
        """Give the first `nbytes` of the scratch memory.

        Parameters
        ----------
        nbytes : int
            Bytes needed.
        library : Library
            Library and device that the memory is for; one buffer is kept for each device.

        Returns
        -------
        ndarray of shape (nbytes,), uint8
            Uninitialised. The next `take` hands out the same memory.
        """
        buffer = self._buffers.get(library.device)
        if buffer is None or buffer.shape[0] < nbytes:
            # Dropped first, so that the old buffer and the new are never held together.
            self._buffers.pop(library.device, None)
            buffer = scratch("workspace", library, nbytes)
            self._buffers[library.device] = buffer
        return buffer[:nbytes]

    def release(self) -> None:
        """Free what is held."""
        self._buffers.clear()
