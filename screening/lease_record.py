"""Who holds a run folder, and whether that process still lives."""

from __future__ import annotations

import hashlib
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

_DEAD_STATES: Final = frozenset("ZXx")


class LeaseRecord(BaseModel):
    """Who holds a run folder; names no person and no machine."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    epoch: int
    """Number of this driver or crew; the receipts of its workers carry it."""
    owner: str
    """Random name of the process."""
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
    crew: bool = False
    """Whether the epoch belongs to any number of array tasks side by side, each with a record of its own."""

    def is_known_dead(self) -> bool:
        """Whether the process ran on this very system and runs no more."""
        return bool(self.system) and self.system == _system() and _process_start(self.pid) != self.process_start


def own_record(epoch: int, *, crew: bool = False) -> LeaseRecord:
    """The record of this process."""
    return LeaseRecord(
        epoch=epoch,
        owner=uuid.uuid4().hex,
        pid=os.getpid(),
        process_start=_process_start(os.getpid()),
        system=_system(),
        since=datetime.now(UTC).replace(microsecond=0),
        crew=crew,
    )


def read_record(path: Path) -> LeaseRecord:
    """The record at ``path``; one of an unknown process if the file is torn or gone."""
    try:
        return LeaseRecord.model_validate_json(path.read_bytes())
    except (ValidationError, FileNotFoundError):
        # Torn by a kill on a file system without links: alive or dead is told by its age alone.
        epoch = int(path.stem) if path.stem.isdigit() else 0
        return LeaseRecord(epoch=epoch, owner="", pid=0, since=datetime.fromtimestamp(0, UTC))


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
