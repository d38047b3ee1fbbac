"""One driver at a time, or one crew of array tasks: a lease with an epoch that fences off whoever held it before.

The lease folder holds one file for each epoch: 1, 2, 3 and so on. The highest epoch holds the run. To take it over, a
driver creates the file of the next epoch, which only one can do. A holder shows that it lives by touching its file;
ages are differences of file times on the same file system, so the clocks of two hosts are never compared. A driver
that was paused and finds a higher epoch stops, and its workers commit nothing more.

The tasks of a batch system's array work side by side without a driver. The first of them takes an epoch for the crew,
the others join it, and each touches a file of its own in a folder beside the epoch's. While one of them lives, no
driver begins; a driver that begins later takes the next epoch, which fences off all of the crew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from cinchona.errors import LockedError, RetryableError
from cinchona.files import disk_errors, write_text
from cinchona.screening.lease_record import LeaseRecord, own_record, read_record
from cinchona.screening.publish import publish_first

logger = logging.getLogger(__name__)

_BEATS: Final = 6
"""Heartbeats in one lease period: five may be lost before the lease is stale."""
_JOINS: Final = 20
"""Times that a task tries to join, in case crews and drivers begin at the same moment."""


class Lease:
    """A held lease. Use :meth:`acquire` or :meth:`join`, and as a context manager, which gives it back at the end."""

    def __init__(self, folder: Path, record: LeaseRecord, path: Path, *, seconds: float) -> None:
        self._folder, self.record, self._path, self._seconds = folder, record, path, seconds
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="cinchona-lease", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(cls, folder: Path, *, seconds: float = 60.0, wait: float = 0.0) -> Lease:
        """Become the driver of the run whose leases lie in ``folder``.

        Args:
            folder: The lease folder; made if needed.
            seconds: Silence after which a holder counts as dead, in seconds. A holder that is known to be dead, since
                it ran on this machine, is succeeded at once.
            wait: How long to wait for a holder to end, in seconds; by default it is found out at once.

        Raises:
            LockedError: if another driver or a crew holds the run.
            RetryableError: if the disk is full, read-only or failing.
        """
        deadline = time.monotonic() + wait
        while True:
            try:
                return cls._take(folder, seconds)
            except LockedError as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                logger.info("%s; waiting", error.what)
                time.sleep(min(left, seconds / _BEATS))

    @classmethod
    def join(cls, folder: Path, *, seconds: float = 60.0) -> Lease:
        """Become one of the array tasks that work on the run whose leases lie in ``folder``.

        Args:
            folder: The lease folder; made if needed.
            seconds: Silence after which this task counts as dead, in seconds.

        Raises:
            LockedError: if a driver holds the run.
            RetryableError: if the disk is full, read-only or failing.
        """
        for _ in range(_JOINS):
            epoch = _crew_epoch(folder, seconds)
            record = own_record(epoch, crew=True)
            path = _crew(folder, epoch) / f"{record.owner}.json"
            write_text(path, record.model_dump_json())
            # Looked at after the file is there: a driver that began before has a higher epoch, one that begins
            # from now on sees the file.
            if is_current(folder, epoch):
                return cls(folder, record, path, seconds=seconds)
            path.unlink(missing_ok=True)
        raise _locked(folder, "drivers and array tasks take turns too quickly")

    @classmethod
    def _take(cls, folder: Path, seconds: float) -> Lease:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        previous = latest_epoch(folder)
        if previous and (reason := _why_held(folder, previous, seconds)):
            raise _locked(folder, reason)
        record = own_record(previous + 1)
        path = _file(folder, record.epoch)
        if not publish_first(path, record.model_dump_json().encode()):
            raise _locked(folder, "another driver took it at this moment")
        if previous and not _ended(folder, previous):
            logger.info("taking over the run folder from a driver that died (epoch %d)", previous)
        return cls(folder, record, path, seconds=seconds)

    @property
    def epoch(self) -> int:
        """Number of this driver, or of the crew."""
        return self.record.epoch

    def check(self) -> None:
        """Check that no other driver has taken over.

        Raises:
            LockedError: if one has; this driver must stop.
        """
        if self._lost.is_set() or not is_current(self._folder, self.epoch):
            self._lost.set()
            raise LockedError(
                "another driver took this run folder over",
                where=str(self._folder),
                expected=f"epoch {self.epoch} to be the highest",
                remedy="let the other driver finish; this one was silent for too long, perhaps paused",
            )

    def release(self) -> None:
        """Give the folder back; calling twice is allowed."""
        self._stop.set()
        self._thread.join()
        if self.record.released:
            return
        self.record = self.record.model_copy(update={"released": True})
        if self.record.crew:
            self._path.unlink(missing_ok=True)
            return
        try:
            if self._path.exists():
                write_text(self._path, self.record.model_dump_json())
        except RetryableError as error:
            logger.warning("cannot give the run folder back in writing: %s", error)
            with contextlib.suppress(OSError):
                os.utime(self._path, (0, 0))  # needs no room on a full disk; whoever comes finds it silent for long

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds / _BEATS):
            try:
                os.utime(self._path)
            except FileNotFoundError:
                self._lost.set()
            except OSError as error:
                logger.warning("cannot renew the lease of the run folder: %s", error)


def latest_epoch(folder: Path) -> int:
    """The last epoch, 0 if there was none."""
    return max((int(p.stem) for p in folder.glob("*.json") if p.stem.isdigit()), default=0)


def is_current(folder: Path, epoch: int) -> bool:
    """Whether ``epoch`` has no successor. Epochs are consecutive, so one look is enough."""
    return not _file(folder, epoch + 1).exists()


def holder(folder: Path, *, seconds: float = 60.0) -> LeaseRecord | None:
    """The driver or crew that holds the run now, or None. Writes nothing, so ages are by this machine's clock."""
    epoch = latest_epoch(folder)
    if not epoch:
        return None
    alive = _alive(folder, epoch, datetime.now(UTC).timestamp() - seconds)
    return None if next(alive, None) is None else read_record(_file(folder, epoch))


def crew_size(folder: Path, *, seconds: float = 60.0) -> int:
    """Array tasks that are at work now; 0 if a driver or nobody is."""
    epoch = latest_epoch(folder)
    if not epoch or not read_record(_file(folder, epoch)).crew:
        return 0
    return sum(1 for _ in _alive(folder, epoch, datetime.now(UTC).timestamp() - seconds))


def _crew_epoch(folder: Path, seconds: float) -> int:
    """The epoch that array tasks work in now; a new one if the last was a driver's and has ended."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    while True:
        epoch = latest_epoch(folder)
        if epoch and read_record(_file(folder, epoch)).crew:
            return epoch
        if epoch and (reason := _why_held(folder, epoch, seconds)):
            raise _locked(folder, reason)
        publish_first(_file(folder, epoch + 1), own_record(epoch + 1, crew=True).model_dump_json().encode())


def _why_held(folder: Path, epoch: int, seconds: float) -> str:
    """Why the lease of ``epoch`` stands, or an empty string if it may be taken."""
    if _ended(folder, epoch):
        return ""
    now = _now(folder)
    alive = list(_alive(folder, epoch, now - seconds))
    if not alive:
        return ""
    if alive[0].crew:
        return f"{len(alive)} array tasks are at work"
    record, age = alive[0], now - _file(folder, epoch).stat().st_mtime
    return (
        f"process {record.pid} holds it since {record.since:%Y-%m-%d %H:%M:%S} UTC, last seen {max(age, 0):.0f} s ago"
    )


def _ended(folder: Path, epoch: int) -> bool:
    """Whether the driver has given the folder back or is known to be dead; of a crew, whether no task is left."""
    record = read_record(_file(folder, epoch))
    if record.crew:
        return not any(_crew(folder, epoch).glob("*.json"))
    return record.released or record.is_known_dead()


def _alive(folder: Path, epoch: int, seen_after: float) -> Iterator[LeaseRecord]:
    """Records of those who hold ``epoch`` and were seen after that time, in seconds since 1970."""
    own = _file(folder, epoch)
    paths = _crew(folder, epoch).glob("*.json") if read_record(own).crew else iter((own,))
    for path in paths:
        record = read_record(path)
        try:
            seen = path.stat().st_mtime
        except FileNotFoundError:  # a task that ended at this moment
            continue
        if seen >= seen_after and not record.released and not record.is_known_dead():
            yield record


def _locked(folder: Path, reason: str) -> LockedError:
    return LockedError(
        f"another driver is at work in this run folder: {reason}",
        where=str(folder.parent),
        expected="one driver at a time",
        remedy="wait for it or stop it; 'cinchona status' shows how far it is",
    )


def _file(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch:08d}.json"


def _crew(folder: Path, epoch: int) -> Path:
    """Folder with one file for each array task that works in ``epoch``."""
    return folder / f"{epoch:08d}.crew"


def _now(folder: Path) -> float:
    """Time by the clock that stamps files in ``folder``, seconds since 1970."""
    probe = folder / f".clock-{uuid.uuid4().hex[:12]}.tmp"
    with disk_errors(folder):
        try:
            probe.touch()
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)
