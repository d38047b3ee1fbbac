"""Receipts: the commit of a partition. What has no valid receipt has not happened.

A receipt is one line of JSON that names a part file with its size and digest. It is created once, in a file of its own, by
the first of any number of attempts at the partition; part files without a receipt are leftovers. As a run grows, receipts
are packed together, see :mod:`cinchona.screening.packs`; who looks for one asks a
:class:`~cinchona.screening.receipt_book.ReceiptBook`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinchona.digests import digest_bytes, digest_file
from cinchona.files import disk_errors, fsync_folder
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.plan import Plan

SCHEMA: Final = "cinchona-receipt-1"
"""Version of the receipt's form."""


class Receipt(BaseModel):
    """What was done with one partition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["cinchona-receipt-1"] = SCHEMA
    """Version of this form."""
    plan: str
    """Fingerprint of the plan."""
    partition_id: int = Field(ge=0)
    """The partition."""
    first_row: int = Field(ge=0)
    """Row id of its first row."""
    rows: int = Field(ge=0)
    """Its rows; always ``scored + rejected``."""
    scored: int = Field(ge=0)
    """Rows with a score."""
    rejected: int = Field(ge=0)
    """Rows without."""
    duplicates: int = Field(ge=0)
    """Rows that took the score of an equal compound of the partition."""
    rejects_by_stage: dict[str, int] = Field(default_factory=dict)
    """Rejects by the stage where they ended."""
    best: float | None = None
    """Best finite score, None if there is none."""
    histogram: ScoreHistogram = Field(default_factory=ScoreHistogram)
    """Scores of the partition."""
    file: str
    """Part file, relative to the run folder."""
    bytes: int = Field(ge=0)
    """Its size in bytes."""
    digest: str
    """SHA-256 of the file, hex."""
    content: str
    """Digest of the table in it, which does not depend on attempt, compression or time."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Wall time by step."""
    epoch: int = Field(ge=0)
    """Epoch of the driver that ordered the work."""
    worker: str = ""
    """Process that did it."""
    seal: str = ""
    """Digest of all other fields, which tells a damaged receipt."""

    def sealed(self) -> Receipt:
        """A copy whose seal fits."""
        return self.model_copy(update={"seal": self._seal()})

    def is_whole(self) -> bool:
        """Whether no field was altered since the receipt was sealed, and the counts add up."""
        return self.seal == self._seal() and self.rows == self.scored + self.rejected

    def _seal(self) -> str:
        return digest_bytes(self.model_dump_json(exclude={"seal"}).encode())


class Place(NamedTuple):
    """Where a receipt lies."""

    path: Path
    """Its file, or the pack that holds it."""
    partition_id: int
    """The partition whose receipt belongs there; -1 for a file where none does."""
    packed: bool = False
    """Whether it is in a pack."""


@dataclass(frozen=True, slots=True)
class BadReceipt:
    """A receipt or its part file that cannot be trusted."""

    place: Place
    """Where the receipt lies."""
    part: Path | None
    """The part file, if the receipt can be believed to name the right one."""
    reason: str
    """What is wrong, for people."""


def read_receipt(path: Path) -> Receipt | None:
    """The receipt in a file of its own, or None if it is missing, torn or altered."""
    try:
        return parse_receipt(path.read_bytes())
    except FileNotFoundError:
        return None


def parse_receipt(text: bytes) -> Receipt | None:
    """The receipt that was written as ``text``, or None if it is torn or altered."""
    try:
        receipt = Receipt.model_validate_json(text)
    except ValidationError:
        return None
    return receipt if _as_written(text, receipt) or receipt.is_whole() else None


def _as_written(text: bytes, receipt: Receipt) -> bool:
    """Whether the text is byte for byte what was sealed: as sure as writing the receipt again, and three times as fast."""
    ending = f',"seal":"{receipt.seal}"}}\n'.encode()
    adds_up = receipt.rows == receipt.scored + receipt.rejected
    return adds_up and text.endswith(ending) and digest_bytes(text[: -len(ending)] + b"}") == receipt.seal


def place_of(folder: RunFolder, path: Path) -> Place:
    """Where a receipt with a file of its own lies."""
    partition_id = int(path.stem) if path.stem.isdecimal() else -1
    return Place(path, partition_id if partition_id >= 0 and folder.receipt(partition_id) == path else -1)


def verify_receipt(
    folder: RunFolder, plan: Plan, receipt: Receipt | None, place: Place, *, deep: bool
) -> Receipt | BadReceipt:
    """Check a receipt and the part file that it names.

    Args:
        folder: The run.
        plan: The run's plan.
        receipt: The receipt; None if it is torn or altered.
        place: Where it was found.
        deep: Read the whole part file and compare its digest, instead of its size alone.
    """
    if receipt is None:
        return BadReceipt(place, None, "the receipt is torn or altered")
    belongs = receipt.plan == plan.fingerprint and receipt.partition_id < plan.partitions
    if not belongs or receipt.partition_id != place.partition_id:
        return BadReceipt(place, None, "the receipt belongs to another run or partition")
    part = folder.root / receipt.file
    if not _is_part_of(folder, part, receipt.partition_id):
        return BadReceipt(place, None, "the receipt names a file that is no part file of its partition")
    reason = _part_fault(part, receipt, deep=deep)
    return BadReceipt(place, part, reason) if reason else receipt


def set_aside(folder: RunFolder, path: Path) -> None:
    """Move a file of the run to quarantine, if it is there; nothing in quarantine is ever overwritten.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    with disk_errors(folder.quarantine):
        folder.quarantine.mkdir(exist_ok=True)
        if path.exists():
            os.replace(path, _free_name(folder.quarantine, path.name))  # noqa: PTH105 - Path.replace is the same
            fsync_folder(path.parent)


def keep_copy(folder: RunFolder, path: Path) -> None:
    """Copy a file of the run to quarantine before it is written again.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    with disk_errors(folder.quarantine):
        folder.quarantine.mkdir(exist_ok=True)
        shutil.copyfile(path, _free_name(folder.quarantine, path.name))


def _is_part_of(folder: RunFolder, part: Path, partition_id: int) -> bool:
    """Whether ``part`` is where this partition's part files lie, without climbing out or following links."""
    home = folder.new_part(partition_id)
    return part.parent == home.parent and part.name.startswith(home.name[: -len("000000000000.parquet")])


def _part_fault(part: Path, receipt: Receipt, *, deep: bool) -> str:
    """What is wrong with a part file, or an empty string."""
    try:
        size = part.stat().st_size
    except FileNotFoundError:
        return "the part file is missing"
    if size != receipt.bytes:
        return f"the part file has {size} bytes, its receipt says {receipt.bytes}"
    if deep and digest_file(part) != receipt.digest:
        return "the content of the part file has changed"
    return ""


def _free_name(folder: Path, name: str) -> Path:
    target, n = folder / name, 1
    while target.exists():
        target, n = folder / f"{name}.{n}", n + 1
    return target
