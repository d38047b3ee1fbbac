"""What a worker is at, noted in memory that its watchdog reads even while native code holds Python's lock."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

_LAYOUT: Final = struct.Struct("=qqqq")


class Phase(IntEnum):
    """Step of the work on a partition."""

    OPEN = 0
    READ = 1
    STANDARDIZE = 2
    SCORE = 3
    WRITE = 4


class Unit(NamedTuple):
    """The piece of work that a process is at."""

    phase: Phase
    """Step."""
    piece: int
    """Which piece of this step: what the process counts by."""
    rows: int
    """Rows in it; 0 where time does not depend on rows."""


Note = Callable[[Phase, int, int], None]
"""Takes phase, piece and rows of the piece that begins now; see :class:`Unit`."""

NOWHERE: Final = Unit(Phase.OPEN, -1, 0)
"""What is noted before anything is."""


def unnoted(phase: Phase, piece: int, rows: int) -> None:
    """Note nothing."""


class Beacon:
    """A note of 32 bytes shared with processes that are forked after its creation; a microsecond a note."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _LAYOUT.size)
        self._count = 0
        _LAYOUT.pack_into(self._memory, 0, 0, *NOWHERE)

    def note(self, phase: Phase, piece: int, rows: int) -> None:
        """Note the piece that begins now; a :data:`Note`."""
        self._count += 1
        _LAYOUT.pack_into(self._memory, 0, self._count, phase, piece, rows)

    def read(self) -> tuple[int, Unit]:
        """Pieces begun so far, and the last of them."""
        count, phase, piece, rows = _LAYOUT.unpack_from(self._memory, 0)
        return count, Unit(Phase(phase), piece, rows)
