"""Memory that the engine uses again from batch to batch.

The states of a batch take tens of megabytes. Asked of the system anew each time, they come as fresh pages that the kernel has to
clear: a quarter of the time of a screen. Kept, they cost that once, and a process does not grow by holes.
"""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

_KEPT: Final = 96 << 20
"""Bytes of one array that are kept; a larger one, of a batch where nothing repeats, is asked for anew."""


class Workspace:
    """Float32 matrices by name; what was in one of them is lost when it is asked for again."""

    def __init__(self) -> None:
        self._held: dict[str, np.ndarray] = {}

    def matrix(self, name: str, rows: int, width: int) -> np.ndarray:
        """A matrix of shape (rows, width) with arbitrary content, float32, C order."""
        size = rows * width
        held = self._held.get(name)
        if held is None or len(held) < size:
            held = np.empty(size + size // 8, np.float32)
            if held.nbytes <= _KEPT:
                self._held[name] = held
        return held[:size].reshape(rows, width)


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.space = Workspace()


_OF_THREAD: Final = _OfThread()


def workspace() -> Workspace:
    """The workspace of this thread."""
    return _OF_THREAD.space


__all__ = ["Workspace", "workspace"]
