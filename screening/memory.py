"""Memory of a process that does partition after partition: given back where it has grown by holes, and otherwise kept."""

from __future__ import annotations

import contextlib
import ctypes
from functools import cache
from typing import Final

import numpy as np
import psutil
import pyarrow as pa

_TOLERATED: Final = 128 << 20
"""Bytes by which a process may be larger after a partition than after the first before it looks for free memory."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST_KEPT: Final = 32 << 20
_KEPT_AT_THE_END: Final = 512 << 20
_BLOCK: Final = 1 << 20
_MOST_BLOCKS: Final = 1_024
_MOST_AHEAD: Final = 256 << 20
_AHEAD: Final = 0.1


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


def keep_freed() -> None:
    """Have the C library, where it is GNU's, keep memory that is freed for what comes next, up to blocks of 32 MiB.

    It learns to by itself, block by block; until then it gets each large array from the system, page by page. Arrow is to take from the same
    memory; its own keeps apart what it has once used.
    """
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        pa.set_memory_pool(pa.system_memory_pool())
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_AT_THE_END)


def take_ahead(share: float = _AHEAD, *, at_most: int = _MOST_AHEAD) -> int:
    """Grow at once by what later partitions may need beyond the first, so that a worker that fits at first fits to the end.

    The largest batches are spread over a run; without this, each that is larger than all before adds a little. Effective after
    :func:`keep_freed`.

    Args:
        share: Growth, as a share of the present size.
        at_most: The same in bytes.

    Returns:
        Bytes by which this process has grown.
    """
    process = psutil.Process()
    before = process.memory_info().rss
    wanted, blocks = before + min(before * share, at_most), list[np.ndarray]()
    with contextlib.suppress(MemoryError):
        while process.memory_info().rss < wanted and len(blocks) < _MOST_BLOCKS:
            blocks.append(np.ones(_BLOCK, np.uint8))  # holes are filled first
    return int(process.memory_info().rss - before)


def give_back() -> None:
    """Return memory that is free to the system: of Arrow's pool, and where the C library is GNU's, of the heap."""
    pa.default_memory_pool().release_unused()
    trim = _of_c_library("malloc_trim")
    if trim is not None:
        trim(0)


@cache
def _of_c_library(name: str) -> ctypes._NamedFuncPointer | None:
    try:
        found: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return found
