"""Where everything of a run lies in its folder."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cinchona.errors import InputError

SHARDS: Final = 256
"""Sub-folders of ``data`` and ``receipts``; a run of a million partitions has about four thousand files in each."""

STAGING_PREFIX: Final = ".staged-"
"""Folders that hold copies of inputs only to compare them with what was planned."""

_OURS: Final = frozenset({
    "plan.json", "partitions.parquet", "staged", "data", "receipts", "quarantine", "lease", "manifest.json", "_SUCCESS",
    "hits.parquet", "hits.csv", "hits.sdf", "rejects.parquet", "rejects.csv", "report.html", "explanations.json",
    "cascade.json", "cascade.safetensors", "slurm", "audit.json", "reagents.parquet", "reagents.csv",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one screening run; knows no content."""

    root: Path
    """The folder that the user named."""

    @property
    def plan(self) -> Path:
        """Header of the plan; written last, so a folder with it is planned."""
        return self.root / "plan.json"

    @property
    def partitions(self) -> Path:
        """Table of partitions, immutable."""
        return self.root / "partitions.parquet"

    @property
    def staged(self) -> Path:
        """Inputs that could not be read at random positions, as Parquet."""
        return self.root / "staged"

    @property
    def data(self) -> Path:
        """Part files, finished or abandoned."""
        return self.root / "data"

    @property
    def receipts(self) -> Path:
        """Receipts; only what they name counts."""
        return self.root / "receipts"

    @property
    def packs(self) -> Path:
        """Receipts that were packed together."""
        return self.receipts / "packs"

    def pack(self, number: int) -> Path:
        """One pack of receipts, numbered from 1."""
        return self.packs / f"{number:06d}.jsonl"

    @property
    def quarantine(self) -> Path:
        """Part files and receipts that no longer match."""
        return self.root / "quarantine"

    @property
    def lease(self) -> Path:
        """One file for each driver that ever held this folder; the highest epoch holds it."""
        return self.root / "lease"

    @property
    def manifest(self) -> Path:
        """What went in, what ran, what came out."""
        return self.root / "manifest.json"

    @property
    def cascade(self) -> Path:
        """What was decided about a first stage; ``cascade.safetensors`` beside it holds the stage."""
        return self.root / "cascade.json"

    @property
    def success(self) -> Path:
        """Marker of a finished run; written last."""
        return self.root / "_SUCCESS"

    @property
    def hits(self) -> Path:
        """Ranked hits; ``hits.csv`` and ``hits.sdf`` lie beside."""
        return self.root / "hits.parquet"

    @property
    def rejects(self) -> Path:
        """Rejected rows with stage and reason; ``rejects.csv`` lies beside."""
        return self.root / "rejects.parquet"

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.root / "report.html"

    @property
    def slurm(self) -> Path:
        """Scripts and logs of a SLURM array."""
        return self.root / "slurm"

    def new_part(self, partition_id: int) -> Path:
        """A part file name that nobody has used before."""
        name = f"part-{partition_id:08d}-{uuid.uuid4().hex[:12]}.parquet"
        return self.data / shard(partition_id) / name

    def receipt(self, partition_id: int) -> Path:
        """The one receipt file of a partition, until it is packed."""
        return self.receipts / shard(partition_id) / f"{partition_id:08d}.json"

    def receipt_files(self) -> Iterator[Path]:
        """All receipts that have a file of their own. One sub-folder is listed at a time, so they may be moved while iterating."""
        for i in range(SHARDS):
            yield from sorted((self.receipts / shard(i)).glob("*.json"))

    def part_files(self) -> Iterator[Path]:
        """All part files there are, with or without a receipt. May be moved while iterating."""
        for i in range(SHARDS):
            yield from sorted((self.data / shard(i)).glob("*.parquet"))

    def temporary_files(self) -> Iterator[Path]:
        """Files and folders that a killed driver or worker began and never finished."""
        yield from self.root.glob(".*.tmp")
        yield from self.root.glob(f"{STAGING_PREFIX}*")
        yield from self.packs.glob(".*.tmp")
        for i in range(SHARDS):
            yield from (self.receipts / shard(i)).glob(".*.tmp")

    def relative(self, path: Path) -> str:
        """``path`` as it is written into records: relative to the run folder, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def is_planned(self) -> bool:
        """Whether the plan is complete."""
        return self.plan.is_file()

    def require_fresh_or_ours(self) -> None:
        """Check that planning here can destroy nothing of the user's.

        Raises:
            InputError: if the folder is a file, or holds something that no screening run makes.
        """
        if self.root.exists() and not self.root.is_dir():
            raise InputError(
                f"{self.root} is a file", expected="a folder for the results", remedy="choose another --out"
            )
        entries = self.root.iterdir() if self.root.exists() else iter(())
        strangers = sorted(p.name for p in entries if p.name not in _OURS and not p.name.endswith(".tmp"))
        if strangers and not self.is_planned():
            raise InputError(
                f"the folder is not empty: it holds {', '.join(strangers[:3])}",
                where=str(self.root),
                expected="a new or empty folder, or the folder of an earlier screen",
                remedy="choose another --out",
            )


def partition_of(part: Path) -> int:
    """Partition that a part file belongs to, by its name.

    >>> partition_of(Path("part-00000012-0123456789ab.parquet"))
    12
    """
    return int(part.name.split("-")[1])


def is_part_name(name: str) -> bool:
    """Whether this is the name of a part file.

    >>> is_part_name("part-00000012-0123456789ab.parquet"), is_part_name("notes.parquet")
    (True, False)
    """
    return re.fullmatch(r"part-\d{8,}-[0-9a-f]{12}\.parquet", name) is not None


def shard(partition_id: int) -> str:
    """Sub-folder of a partition: two hex digits.

    >>> shard(0), shard(255), shard(256)
    ('00', 'ff', '00')
    """
    return f"{partition_id % SHARDS:02x}"
