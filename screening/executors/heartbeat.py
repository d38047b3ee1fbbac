"""Signs of life of the workers of a pool: one that is stopped, or held in native code that never ends, gives none."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from multiprocessing.context import SpawnContext
from typing import Final

BEAT_SECONDS: Final = 1.0
"""Time between two beats of a worker."""
_START_SECONDS: Final = 300.0
"""Silence that is granted to a worker which has not begun yet."""


class Heartbeats:
    """Counts of beats in memory that the workers of one pool share with its owner.

    Args:
        context: Way in which the workers are started.
        workers: How many there are at most.
    """

    def __init__(self, context: SpawnContext, workers: int) -> None:
        self._pids = context.RawArray("q", workers)
        self._beats = context.RawArray("q", workers)
        self._taken = context.Value("i", 0)

    def begin(self) -> None:
        """Beat from now on; called in a worker."""
        with self._taken.get_lock():
            place = self._taken.value
            self._taken.value += 1
        if place < len(self._pids):
            self._pids[place] = os.getpid()
            threading.Thread(target=self._beat, args=(place,), name="cinchona-heartbeat", daemon=True).start()

    def counts(self) -> dict[int, int]:
        """Beats so far, by process; of those that have begun."""
        pids, beats = list(self._pids), list(self._beats)
        return {pid: count for pid, count in zip(pids, beats, strict=True) if pid}

    def _beat(self, place: int) -> None:
        while True:
            self._beats[place] += 1
            time.sleep(BEAT_SECONDS)


class Listener:
    """Finds workers that have fallen silent, by the number of looks since their last beat.

    Looks are counted and no clock is read, so an owner that was itself stopped for a while (Ctrl-Z, a closed laptop) blames nobody.

    Args:
        heartbeats: The beats.
        seconds: Silence after which a worker counts as stalled.
    """

    def __init__(self, heartbeats: Heartbeats, seconds: float) -> None:
        self._heartbeats, self._seconds = heartbeats, seconds
        self._last: dict[int, tuple[int, int]] = {}

    def stalled(self, pids: Iterable[int]) -> list[int]:
        """Those of ``pids`` that are silent for too long; to be called every :data:`BEAT_SECONDS`."""
        counts = self._heartbeats.counts()
        found = []
        for pid in pids:
            count = counts.get(pid, 0)
            before, looks = self._last.get(pid, (-1, 0))
            looks = looks + 1 if count == before else 0
            self._last[pid] = count, looks
            if looks * BEAT_SECONDS > (self._seconds if count else max(self._seconds, _START_SECONDS)):
                found.append(pid)
        return found
