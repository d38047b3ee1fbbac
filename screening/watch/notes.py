"""What a worker is at, noted in memory that its watchdog reads even while native code holds Python's lock."""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

_LAYOUT: Final = struct.Struct("=qqqq")
_TOTAL: Final = struct.Struct("=dd")
SLACK: Final = 4.0
"""Wall time counts a quarter: a process that waits on a busy machine is no hanging one, one that sleeps for ever is."""


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
    """A note in memory that is shared with processes forked after its creation: what is at work, and what all earlier pieces took."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _LAYOUT.size + len(Phase) * _TOTAL.size)
        self._count, self._unit, self._begun = 0, NOWHERE, clock()
        self._told = dict.fromkeys(Phase, (0.0, 0.0))
        _LAYOUT.pack_into(self._memory, 0, 0, *NOWHERE)

    def note(self, phase: Phase, piece: int, rows: int) -> None:
        """Note the piece that begins now; a :data:`Note`."""
        self.finish()
        self._count += 1
        self._unit, self._begun = Unit(phase, piece, rows), clock()
        _LAYOUT.pack_into(self._memory, 0, self._count, phase, piece, rows)

    def finish(self) -> None:
        """Note that the last piece has come to its end; what it was can still be read."""
        if self._unit.rows:
            seconds, rows = self._totals(self._unit.phase)
            total = seconds + spent(self._begun, clock()), rows + self._unit.rows
            _TOTAL.pack_into(self._memory, _place(self._unit.phase), *total)
            self._unit = NOWHERE

    def read(self) -> tuple[int, Unit]:
        """Pieces begun so far, and the last of them."""
        count, phase, piece, rows = _LAYOUT.unpack_from(self._memory, 0)
        return count, Unit(Phase(phase), piece, rows)

    def news(self) -> dict[Phase, tuple[float, float]]:
        """Seconds and rows of the pieces that came to their end since the last call, by phase; for the one who watches."""
        found = {}
        for phase in Phase:
            (seconds, rows), (before, rows_before) = self._totals(phase), self._told[phase]
            if rows > rows_before:
                found[phase] = seconds - before, rows - rows_before
                self._told[phase] = seconds, rows
        return found

    def _totals(self, phase: Phase) -> tuple[float, float]:
        seconds, rows = _TOTAL.unpack_from(self._memory, _place(phase))
        return seconds, rows


def clock() -> tuple[float, float]:
    """Processor time of this process, and time by the wall."""
    return time.process_time(), time.monotonic()


def spent(begun: tuple[float, float], now: tuple[float, float]) -> float:
    """Seconds between two clocks: of processor time, or a quarter of those by the wall."""
    return max(now[0] - begun[0], (now[1] - begun[1]) / SLACK)


def _place(phase: Phase) -> int:
    return _LAYOUT.size + phase * _TOTAL.size
