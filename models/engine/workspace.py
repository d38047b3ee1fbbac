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

_HEADROOM: Final = 1.25


class Workspace:
    """Float32 matrices by name; what was in one of them is lost when it is asked for again.

    Args:
        lasting: Whether room is taken for later batches too, and written to so that it is there: batches differ, and a process is not to
            grow by each that is larger than all before.
    """

    def __init__(self, *, lasting: bool = False) -> None:
        self._lasting = lasting
        self._held: dict[str, np.ndarray] = {}

    def matrix(self, name: str, rows: int, width: int, *, expected: int = 0) -> np.ndarray:
        """A matrix of shape (rows, width) with arbitrary content, float32, C order.

        Args:
            name: Which one.
            rows: Its rows.
            width: Its columns.
            expected: Rows that a batch of this size may need at most as far as one can tell; room for them is taken at once.
        """
        size = rows * width
        held = self._held.get(name)
        if held is None or len(held) < size:
            held = self._new(size, expected * width)
            if held.nbytes <= _KEPT:
                self._held[name] = held
        return held[:size].reshape(rows, width)

    def _new(self, size: int, expected: int) -> np.ndarray:
        wanted = max(int(size * _HEADROOM), expected) if self._lasting else size
        made = np.empty(max(size, min(wanted, _KEPT // np.dtype(np.float32).itemsize)), np.float32)
        made[size:] = 0  # a page that nobody has written to is not there yet
        return made


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.space = Workspace(lasting=True)


_OF_THREAD: Final = _OfThread()


def workspace() -> Workspace:
    """The workspace of this thread."""
    return _OF_THREAD.space


__all__ = ["Workspace", "workspace"]
