"""How much time and memory a process may take, and what is said of one that took more."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from cinchona.records import Stage
from cinchona.screening.watch.notes import Phase, Unit

_ROW_SECONDS: Final = 0.002
"""Seconds that each row of a larger piece adds to its allowance before the pace is known."""
_MARGIN: Final = 10.0
"""Times the mean pace so far that a piece may take."""
_SECONDS_WITHOUT_ROWS: Final = 600.0
"""Seconds for opening a model, or for writing."""

STAGES: Final[Mapping[Phase, Stage]] = MappingProxyType(
    {Phase.READ: Stage.READ, Phase.STANDARDIZE: Stage.STANDARDIZE, Phase.SCORE: Stage.SCORE}
)
"""Stage of a reject by the phase in which it made trouble."""


@dataclass(frozen=True, slots=True)
class WatchRules:
    """What a molecule may take."""

    seconds: float = 30.0
    """CPU time of a molecule alone, in seconds; four times that where it takes none but the clock goes on."""
    memory: int = 4 << 30
    """Bytes by which a process may grow."""
    poison_rows: int = 50
    """Rows of one partition that may be at fault before the fault is sought elsewhere."""


class Fate(StrEnum):
    """What became of a process."""

    CRASH = "crash"
    TIME = "time"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Accident:
    """A process that did not come to its end."""

    fate: Fate
    """What became of it."""
    unit: Unit
    """What it was at."""
    text: str
    """The same for people; goes after "this row" or "partition 7"."""
    from_outside: bool = False
    """Whether somebody else may have killed it: an operator, a batch system, the kernel when memory ran out."""


@dataclass(slots=True)
class Pace:
    """What rows took so far in the mean, by phase: a slow scorer is no hanging one."""

    seconds: dict[Phase, float] = field(default_factory=dict)
    rows: dict[Phase, float] = field(default_factory=dict)

    def learn(self, phase: Phase, seconds: float, rows: float) -> None:
        """Take note that some more ``rows`` took ``seconds``."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds
        self.rows[phase] = self.rows.get(phase, 0.0) + rows

    def allowed(self, unit: Unit, rules: WatchRules) -> float:
        """Seconds that ``unit`` may take: for one row the limit, for more of them a guess on the safe side.

        A piece of several rows that is stopped wrongly costs time only: its rows are then tried alone.

        >>> pace = Pace()
        >>> pace.allowed(Unit(Phase.SCORE, 0, 1), WatchRules(seconds=10)), pace.allowed(Unit(Phase.SCORE, 0, 1000), WatchRules(seconds=10))
        (10.0, 12.0)
        """
        if unit.rows == 0:
            return max(rules.seconds, _SECONDS_WITHOUT_ROWS)
        if unit.rows == 1:
            return float(rules.seconds)
        mean = self.seconds.get(unit.phase, 0.0) / max(self.rows.get(unit.phase, 0.0), 1.0)
        return rules.seconds + unit.rows * max(_ROW_SECONDS, _MARGIN * mean)


def too_slow(unit: Unit, rules: WatchRules) -> Accident:
    """The accident of a process that was stopped because it took too long."""
    return Accident(Fate.TIME, unit, f"took longer than {rules.seconds:g} s")


def too_large(unit: Unit, rules: WatchRules) -> Accident:
    """The accident of a process that grew beyond its memory."""
    return Accident(Fate.MEMORY, unit, f"took more than {rules.memory / 2**30:.3g} GiB of memory")


def ended(unit: Unit, status: int) -> Accident:
    """The accident of a process that ended by itself.

    Args:
        unit: What it was at.
        status: Its exit code, negative for the number of a signal.
    """
    if status >= 0:
        return Accident(Fate.CRASH, unit, f"ended its process with exit code {status}")
    name = signal.strsignal(-status) or f"signal {-status}"
    return Accident(Fate.CRASH, unit, f"crashed its process ({name})", from_outside=-status == signal.SIGKILL)
