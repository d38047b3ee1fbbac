"""Watching and disturbing jobs of the SLURM that tests start."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from local_slurm import LocalSlurm

from cinchona.screening.folder import RunFolder


def until(ready: Callable[[], bool], what: str, *, seconds: float = 200.0) -> None:
    """Wait for ``ready``, and say what was waited for if it never comes."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def submit(slurm: LocalSlurm, script: Path) -> tuple[str, str]:
    """Submit a run as a user does; ids of the array and of the job that finishes it."""
    words = slurm.run("bash", str(script)).split()
    return words[1].rstrip(","), words[-1]


def states(slurm: LocalSlurm, job: str) -> dict[str, str]:
    """State of each task that is waiting, running or ending, by its name such as ``12_0``."""
    lines = slurm.run("squeue", "-h", "-r", "-o", "%i %T", "-j", job).splitlines() if is_known(slurm, job) else []
    return dict(line.split() for line in lines)


def is_known(slurm: LocalSlurm, job: str) -> bool:
    """Whether the queue still lists the job."""
    return job in slurm.run("squeue", "-h", "-r", "-o", "%A %F").split()


def ending(slurm: LocalSlurm, job: str) -> dict[str, str]:
    """What SLURM remembers of a job that has ended: ``JobState``, ``ExitCode``, ``Restarts`` and so on."""
    words = slurm.run("scontrol", "show", "job", "-o", job).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def logs(folder: Path) -> str:
    """What the jobs of a run wrote."""
    return "\n".join(f"--- {p.name}\n{p.read_text()}" for p in sorted((folder / "slurm" / "logs").glob("*.log")))


def receipts(folder: Path) -> dict[str, int]:
    """Receipts of a run with the time of each."""
    return {p.name: p.stat().st_mtime_ns for p in RunFolder(folder).receipt_files()}
