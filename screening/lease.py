"""One driver at a time: a lease with an epoch that fences off whoever held it before.

The lease folder holds one file for each driver that ever held the run, named by its epoch: 1, 2, 3 and so on. The
highest epoch holds the run. To take it over, a driver creates the file of the next epoch, which only one can do. A
holder shows that it lives by touching its file; ages are differences of file times on the same file system, so the
clocks of two hosts are never compared. A driver that was paused and finds a higher epoch stops, and its workers
commit nothing more.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cinchona.errors import LockedError
from cinchona.files import disk_errors, write_text
from cinchona.screening.publish import publish_first

logger = logging.getLogger(__name__)

_BEATS: Final = 6
"""Heartbeats in one lease period: five may be lost before the lease is stale."""
_DEAD_STATES: Final = frozenset("ZXx")


class LeaseRecord(BaseModel):
    """Who holds a run folder; names no person and no machine."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    epoch: int
    """Number of this driver; the receipts of its workers carry it."""
    owner: str
    """Random name of the driver."""
    pid: int
    """Its process id."""
    process_start: str = ""
    """Start time of the process in the kernel's ticks, which tells a reused process id; empty if unknown."""
    system: str = ""
    """Digest of the boot and of the name space of process ids; empty if unknown."""
    since: datetime
    """When it began, UTC."""
    released: bool = False
    """Whether it has given the folder back."""

    def is_known_dead(self) -> bool:
        """Whether the process ran on this very system and runs no more."""
        return bool(self.system) and self.system == _system() and _process_start(self.pid) != self.process_start


class Lease:
    """A held lease. Use :meth:`acquire`, and as a context manager, which gives it back at the end."""

    def __init__(self, folder: Path, record: LeaseRecord, *, seconds: float) -> None:
        self._folder, self.record, self._seconds = folder, record, seconds
        self._path = _file(folder, record.epoch)
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="cinchona-lease", daemon=True)

    @classmethod
    def acquire(cls, folder: Path, *, seconds: float = 60.0) -> Lease:
        """Become the driver of the run whose leases lie in ``folder``.

        Args:
            folder: The lease folder; made if needed.
            seconds: Silence after which a holder counts as dead, in seconds. A holder that is known to be dead, since
                it ran on this machine, is succeeded at once.

        Raises:
            LockedError: if another driver holds the run. Found out at once, without waiting.
            RetryableError: if the disk is full, read-only or failing.
        """
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        previous = latest_epoch(folder)
        if previous and (reason := _why_held(folder, previous, seconds)):
            raise _locked(folder, reason)
        record = _own_record(previous + 1)
        if not publish_first(_file(folder, record.epoch), record.model_dump_json().encode()):
            raise _locked(folder, "another driver took it at this moment")
        if previous and not _read(_file(folder, previous)).released:
            logger.info("taking over the run folder from a driver that died (epoch %d)", previous)
        lease = cls(folder, record, seconds=seconds)
        lease._thread.start()
        return lease

    @property
    def epoch(self) -> int:
        """Number of this driver."""
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
        if not self.record.released:
            self.record = self.record.model_copy(update={"released": True})
            if self._path.exists():
                write_text(self._path, self.record.model_dump_json())

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
    """Epoch of the last driver, 0 if there was none."""
    return max((int(p.stem) for p in folder.glob("*.json") if p.stem.isdigit()), default=0)


def is_current(folder: Path, epoch: int) -> bool:
    """Whether the driver of ``epoch`` has no successor. Epochs are consecutive, so one look is enough."""
    return not _file(folder, epoch + 1).exists()


def holder(folder: Path, *, seconds: float = 60.0) -> LeaseRecord | None:
    """The driver that holds the run now, or None. Writes nothing, so ages are by this machine's clock."""
    epoch = latest_epoch(folder)
    if not epoch:
        return None
    path = _file(folder, epoch)
    record = _read(path)
    age = datetime.now(UTC).timestamp() - path.stat().st_mtime
    return None if record.released or record.is_known_dead() or age > seconds else record


def _why_held(folder: Path, epoch: int, seconds: float) -> str:
    """Why the lease of ``epoch`` stands, or an empty string if it may be taken."""
    path = _file(folder, epoch)
    record = _read(path)
    if record.released or record.is_known_dead():
        return ""
    age = _now(folder) - path.stat().st_mtime
    if age > seconds:
        return ""
    return (
        f"process {record.pid} holds it since {record.since:%Y-%m-%d %H:%M:%S} UTC, last seen {max(age, 0):.0f} s ago"
    )


def _locked(folder: Path, reason: str) -> LockedError:
    return LockedError(
        f"another driver is at work in this run folder: {reason}",
        where=str(folder.parent),
        expected="one driver at a time",
        remedy="wait for it or stop it; 'cinchona status' shows how far it is",
    )


def _file(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch:08d}.json"


def _read(path: Path) -> LeaseRecord:
    try:
        return LeaseRecord.model_validate_json(path.read_bytes())
    except (ValidationError, FileNotFoundError):
        # Torn by a kill on a file system without links: alive or dead is told by its age alone.
        return LeaseRecord(epoch=int(path.stem), owner="", pid=0, since=datetime.fromtimestamp(0, UTC))


def _own_record(epoch: int) -> LeaseRecord:
    return LeaseRecord(
        epoch=epoch,
        owner=uuid.uuid4().hex,
        pid=os.getpid(),
        process_start=_process_start(os.getpid()),
        system=_system(),
        since=datetime.now(UTC).replace(microsecond=0),
    )


def _now(folder: Path) -> float:
    """Time by the clock that stamps files in ``folder``, seconds since 1970."""
    probe = folder / f".clock-{uuid.uuid4().hex[:12]}.tmp"
    with disk_errors(folder):
        try:
            probe.touch()
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)


def _system() -> str:
    """Digest that two processes share exactly if one can see the other's process id."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return hashlib.sha256(f"{boot}{space}".encode()).hexdigest()[:16]


def _process_start(pid: int) -> str:
    """Start time of a running process in ticks since boot, or an empty string if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in _DEAD_STATES else fields[19]
