"""Waiting for the answer of a child while watching that it goes on and stays small."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psutil

from cinchona.screening.watch.child import Child
from cinchona.screening.watch.notes import spent
from cinchona.screening.watch.rules import Accident, Pace, WatchRules, ended, too_large, too_slow

_TICK: Final = 0.25
"""Seconds between two looks."""


@dataclass(slots=True)
class Watch:
    """Watches the children of one process, one after the other, and learns how long pieces of work take."""

    rules: WatchRules
    """What they may take."""
    pace: Pace
    """What they took so far."""
    beat: Callable[[], None] = lambda: None
    """Called at every look, to tell others that this process is alive."""

    def answer(self, child: Child) -> bytes | Accident:
        """What ``child`` sends next; a child that has an accident is ended."""
        try:
            return self._waited(child)
        except BaseException:
            child.kill()
            raise

    def _waited(self, child: Child) -> bytes | Accident:
        vigil = _Vigil(child, self.rules, self.pace)
        while not child.connection.poll(_TICK):
            self.beat()
            accident = vigil.look()
            if accident is not None:
                child.kill()
                return accident
        try:
            answer = child.connection.recv_bytes()
        except (EOFError, OSError):
            return ended(child.beacon.read()[1], child.died())
        vigil.learn()
        return answer


class _Vigil:
    """Looks at one child while it is at one answer."""

    def __init__(self, child: Child, rules: WatchRules, pace: Pace) -> None:
        self._child, self._rules, self._pace = child, rules, pace
        self._process = psutil.Process(child.pid)
        self._most = self._process.memory_info().rss + rules.memory
        self._at, self._unit = child.beacon.read()
        self._begun = self._clock()

    def look(self) -> Accident | None:
        """What is wrong, if anything is."""
        try:
            self.learn()
            if spent(self._begun, self._clock()) > self._pace.allowed(self._unit, self._rules):
                return too_slow(self._unit, self._rules)
            if self._process.memory_info().rss > self._most:
                return too_large(self._unit, self._rules)
        except psutil.Error:
            pass  # it is gone, and its pipe will say so
        return None

    def learn(self) -> None:
        """Take note of what pieces took that came to their end, and of the one that is at work."""
        for phase, (seconds, rows) in self._child.beacon.news().items():
            self._pace.learn(phase, seconds, rows)
        at, unit = self._child.beacon.read()
        if at != self._at:
            self._at, self._unit, self._begun = at, unit, self._clock()

    def _clock(self) -> tuple[float, float]:
        try:
            times = self._process.cpu_times()
            return times.user + times.system, time.monotonic()
        except psutil.Error:
            return 0.0, time.monotonic()
