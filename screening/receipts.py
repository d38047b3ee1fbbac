"""Receipts: the commit of a partition. What has no valid receipt has not happened.

A receipt is one small JSON file that names a part file with its size and digest. It is created once, by the first of
any number of attempts at the partition; part files without a receipt are leftovers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinchona.digests import digest_bytes, digest_file
from cinchona.files import disk_errors, fsync_folder
from cinchona.screening.failpoints import failpoint
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.plan import Plan
from cinchona.screening.publish import publish_first

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


@dataclass(frozen=True, slots=True)
class BadReceipt:
    """A receipt or its part file that cannot be trusted."""

    path: Path
    """The receipt file."""
    part: Path | None
    """The part file, if the receipt can be believed to name the right one."""
    reason: str
    """What is wrong, for people."""


def commit_receipt(folder: RunFolder, receipt: Receipt) -> Receipt:
    """Publish ``receipt`` unless another attempt was first, and return the one that counts.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    target = folder.receipt(receipt.partition_id)
    content = receipt.sealed().model_dump_json().encode() + b"\n"
    won = publish_first(target, content, before_link=lambda: failpoint("receipt.before_link", receipt.partition_id))
    failpoint("receipt.after_link", receipt.partition_id)
    return receipt.sealed() if won else read_receipt(target) or receipt.sealed()


def read_receipt(path: Path) -> Receipt | None:
    """The receipt at ``path``, or None if it is missing, torn or altered."""
    try:
        text = path.read_bytes()
        receipt = Receipt.model_validate_json(text)
    except (FileNotFoundError, ValidationError):
        return None
    return receipt if _as_written(text, receipt) or receipt.is_whole() else None


def _as_written(text: bytes, receipt: Receipt) -> bool:
    """Whether the text is byte for byte what was sealed: as sure as writing the receipt again, and three times as fast."""
    ending = f',"seal":"{receipt.seal}"}}\n'.encode()
    adds_up = receipt.rows == receipt.scored + receipt.rejected
    return adds_up and text.endswith(ending) and digest_bytes(text[: -len(ending)] + b"}") == receipt.seal


def read_receipts(folder: RunFolder) -> Iterator[Receipt]:
    """All readable receipts, in no particular order; their part files are not looked at."""
    for path in folder.receipt_files():
        receipt = read_receipt(path)
        if receipt is not None:
            yield receipt


def verify_receipt(folder: RunFolder, path: Path, plan: Plan, *, deep: bool) -> Receipt | BadReceipt:
    """Check a receipt and the part file that it names.

    Args:
        folder: The run.
        path: The receipt file.
        plan: The run's plan.
        deep: Read the whole part file and compare its digest, instead of its size alone.
    """
    receipt = read_receipt(path)
    if receipt is None:
        return BadReceipt(path, None, "the receipt is torn or altered")
    belongs = receipt.plan == plan.fingerprint and receipt.partition_id < plan.partitions
    if not belongs or folder.receipt(receipt.partition_id) != path:
        return BadReceipt(path, None, "the receipt belongs to another run or partition")
    part = folder.root / receipt.file
    if not _is_part_of(folder, part, receipt.partition_id):
        return BadReceipt(path, None, "the receipt names a file that is no part file of its partition")
    reason = _part_fault(part, receipt, deep=deep)
    return BadReceipt(path, part, reason) if reason else receipt


def quarantine(folder: RunFolder, bad: BadReceipt) -> None:
    """Move a bad receipt and its part file aside, receipt first, so that the partition counts as not done.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    for path in (bad.path, bad.part):
        if path is not None:
            set_aside(folder, path)


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
