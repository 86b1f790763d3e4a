"""Ctrl-C that waits until an update is whole."""

from __future__ import annotations

import signal
import threading
from typing import Any

__all__ = ["HeldInterrupt"]


class HeldInterrupt:
    """Holds the first Ctrl-C back until `end`; a second one is not held.

    Only in the main thread, and only where nobody else handles the signal.

    Examples
    --------
    >>> import signal
    >>> before = signal.signal(signal.SIGINT, signal.default_int_handler)
    >>> held = HeldInterrupt()
    >>> held.begin()
    >>> signal.raise_signal(signal.SIGINT)
    >>> held.pending
    True
    >>> try:
    ...     held.end()
    ... except KeyboardInterrupt:
    ...     print("stopped")
    stopped
    >>> _ = signal.signal(signal.SIGINT, before)
    """

    def __init__(self) -> None:
        self.pending = False
        self._holding = False

    def begin(self) -> None:
        """Hold from now on."""
        self.pending = False
        self._holding = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self._holding:
            signal.signal(signal.SIGINT, self._hold)

    def end(self) -> None:
        """Hold no more; what was held back comes now."""
        if self._holding:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._holding = False
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt

    def _hold(self, number: int, frame: Any) -> None:
        if self.pending:
            signal.default_int_handler(number, frame)
        self.pending = True
