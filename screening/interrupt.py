"""Stopping in order on SIGINT and SIGTERM: what is at work is finished and committed, nothing new begins."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_ONE_WISH: Final = 1.0
"""Signals within this time of the first are the same wish, in seconds: batch systems tell each process of a job, and the
job's shell passes it on."""


class Interruption:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether the run is to stop."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Ask it to stop; it ends when the partitions at work are done."""
        self._asked.set()

    def until(self, items: Iterable[Item]) -> Iterator[Item]:
        """Hand out ``items`` until somebody asks to stop."""
        for item in items:
            if self.asked:
                return
            yield item


@contextmanager
def stops_in_order() -> Iterator[Interruption]:
    """Take SIGINT and SIGTERM inside the block as a wish to stop; a second one interrupts at once.

    In threads other than the main one signals cannot be taken, so there the block changes nothing.
    """
    interruption = Interruption()
    first = 0.0

    def on_signal(number: int, _: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if interruption.asked:
            if now - first < _ONE_WISH:
                return
            raise KeyboardInterrupt
        first = now
        logger.warning("%s: finishing the partitions at work; once more to stop at once", signal.Signals(number).name)
        interruption.ask()

    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
