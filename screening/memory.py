"""Giving memory back to the system between partitions."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Final

import psutil
import pyarrow as pa

_TOLERATED: Final = 128 << 20
"""Bytes by which a process may be larger after a partition than after the first before it looks for free memory."""


class Trimmer:
    """Keeps a process that does partition after partition from growing by holes in its memory.

    The C library keeps freed memory for later, and one small object at the end of it keeps all. Giving it back after each
    partition would cost more than it saves, since it is needed again at once; so that is done when there is much of it.
    """

    def __init__(self, tolerated: int = _TOLERATED) -> None:
        self._tolerated = tolerated
        self._least: int | None = None

    def __call__(self) -> bool:
        """Give memory back if this process has grown; to be called after each partition. Says whether it was."""
        size = psutil.Process().memory_info().rss
        if self._least is None:
            self._least = size
        self._least = min(self._least, size)
        if size - self._least < self._tolerated:
            return False
        give_back()
        # What stays is in use; it is not to be looked for again after each partition.
        self._least = max(self._least, psutil.Process().memory_info().rss - self._tolerated // 2)
        return True


def give_back() -> None:
    """Return memory that is free to the system: of Arrow's pool, and where the C library is GNU's, of the heap."""
    pa.default_memory_pool().release_unused()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _malloc_trim() -> ctypes._NamedFuncPointer | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
