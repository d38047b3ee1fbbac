"""Progress on stderr: a bar on a terminal, one log line each 30 seconds elsewhere, nothing when quiet.

Progress is shown when the logger ``cinchona.progress`` lets INFO through, so ``--quiet`` silences it and a program
that uses Cinchona as a library sees none until it calls :func:`cinchona.logs.configure_logging`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from cinchona.logs import writes_json

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

logger = logging.getLogger(__name__)

Figure = float | int | str
"""A further figure shown beside the count, for example ``rejects=3`` or ``best_score=8.1``."""
LINE_SECONDS: Final = 30.0
"""Least time between two lines where there is no terminal, in seconds."""
_RATE_WINDOW: Final = 120.0
"""The rate is that of about the last two minutes, in seconds."""


class Progress(Protocol):
    """How far a piece of work has come. May be called from several threads."""

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """Count ``n`` more as done; ``figures`` replace those of the same name."""

    def update(self, *, total: int | None = None, **figures: Figure) -> None:
        """Correct the total, once it is known, or the figures alone."""


@contextmanager
def progress(total: int | None, description: str, *, unit: str = "rows") -> Iterator[Progress]:
    """Show how far the work of the block has come.

    Args:
        total: How much there is to do, in ``unit``; None if unknown.
        description: What is being done, for people: ``scoring``.
        unit: What is counted.

    Yields:
        The counter to advance.
    """
    if not logger.isEnabledFor(logging.INFO):
        yield SilentProgress()
    elif _on_terminal():
        with _bar(unit) as bar:
            yield BarProgress(bar, total, description)
    else:
        lines = LineProgress(total, description, unit=unit)
        try:
            yield lines
        except BaseException:
            lines.finish("stopped at")
            raise
        lines.finish("done")


class SilentProgress:
    """Shows nothing."""

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """Count nothing."""

    def update(self, *, total: int | None = None, **figures: Figure) -> None:
        """Change nothing."""


class LineProgress:
    """One log line each 30 seconds: done, total, rate, time left, figures."""

    def __init__(
        self, total: int | None, description: str, *, unit: str = "rows", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total, self._description, self._unit, self._clock = total, description, unit, clock
        self._lock = threading.Lock()
        self._figures: dict[str, Figure] = {}
        self._done = 0
        self._begun = self._last_line = clock()
        self._samples: deque[tuple[float, int]] = deque([(self._begun, 0)])

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """Count ``n`` more as done, and write a line if the last one is 30 seconds old."""
        with self._lock:
            self._done += n
            self._figures.update(figures)
            now = self._clock()
            if now - self._last_line < LINE_SECONDS:
                return
            self._last_line = now
            text = self._line(now)
        self._log(text)

    def update(self, *, total: int | None = None, **figures: Figure) -> None:
        """Correct the total or the figures."""
        with self._lock:
            self._total = self._total if total is None else total
            self._figures.update(figures)

    def finish(self, word: str) -> None:
        """Write the last line: what was done, in what time."""
        with self._lock:
            elapsed = self._clock() - self._begun
            rate = f", {_number(self._done / elapsed)} {self._unit}/s" if elapsed >= 1 else ""
            text = f"{self._description}: {word} {self._count()} in {_duration(elapsed)}{rate}{self._tail()}"
        self._log(text)

    def _line(self, now: float) -> str:
        rate = self._rate(now)
        left = ""
        if self._total is not None and self._total > self._done:
            left = f", {_duration((self._total - self._done) / rate)} left" if rate > 0 else ", time left unknown"
        share = f" ({100 * self._done / self._total:.1f} %)" if self._total else ""
        return f"{self._description}: {self._count()}{share}, {_number(rate)} {self._unit}/s{left}{self._tail()}"

    def _rate(self, now: float) -> float:
        while len(self._samples) > 1 and self._samples[0][0] < now - _RATE_WINDOW:
            self._samples.popleft()
        then, done = self._samples[0]
        self._samples.append((now, self._done))
        return (self._done - done) / (now - then) if now > then else 0.0

    def _count(self) -> str:
        total = "" if self._total is None else f" of {self._total:,}"
        return f"{self._done:,}{total} {self._unit}"

    def _tail(self) -> str:
        return "".join(f", {_figure(name, value)}" for name, value in self._figures.items())

    def _log(self, text: str) -> None:
        figures = {"done": self._done, "total": self._total, **self._figures}
        logger.info("%s", text, extra={"progress": figures})


class BarProgress:
    """A bar of rich, with rate, time left and figures."""

    def __init__(self, bar: RichProgress, total: int | None, description: str) -> None:
        self._bar = bar
        self._task = bar.add_task(description, total=total, figures="")
        self._figures: dict[str, Figure] = {}
        self._lock = threading.Lock()

    def advance(self, n: int = 1, **figures: Figure) -> None:
        """Move the bar by ``n``."""
        self._bar.update(self._task, advance=n, figures=self._shown(figures))

    def update(self, *, total: int | None = None, **figures: Figure) -> None:
        """Correct the total or the figures."""
        self._bar.update(self._task, total=total, figures=self._shown(figures))

    def _shown(self, figures: dict[str, Figure]) -> str:
        with self._lock:
            self._figures.update(figures)
            return ", ".join(_figure(name, value) for name, value in self._figures.items())


def _on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not writes_json()


@contextmanager
def _bar(unit: str) -> Iterator[RichProgress]:
    # rich takes a tenth of a second to import, so only those who see a bar pay for it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{_number(speed)} {unit}/s")

    figures = TextColumn("{task.fields[figures]}", markup=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), Rate(), TimeLeft())
    with Progress(*columns, figures, console=Console(stderr=True)) as bar:
        yield bar


def _figure(name: str, value: Figure) -> str:
    words = name.replace("_", " ")
    return f"{words} {_number(value)}" if isinstance(value, int | float) else f"{words} {value}"


def _number(value: float) -> str:
    """Three significant digits for fractions, thousands grouped for whole numbers.

    >>> _number(12345), _number(0.01234), _number(8.125)
    ('12,345', '0.0123', '8.12')
    """
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _duration(seconds: float) -> str:
    """Whole units for people.

    >>> _duration(4), _duration(75), _duration(7380)
    ('4 s', '1 min 15 s', '2 h 3 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds != whole else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
