"""Receipts: what a store holds. A file set is in the store when its receipt is, and not a moment earlier."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from cinchona.errors import InputError, LockedError
from cinchona.files import disk_errors, fsync_file, fsync_folder
from cinchona.manifest import InputFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECEIPTS: Final = "receipts"
DATA: Final = "data"
STAGING: Final = "staging"
_LOCK: Final = "writer.lock"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileCount(_Record):
    """Account of one file (or archive member) and table: ``rows_in == stored + set_aside``."""

    name: str
    """File and member."""
    table: str
    """Table that its rows belong to."""
    records: int
    """Records of the file after repair of broken lines, the header not counted."""
    rows_in: int
    """Rows for the table. Equal to ``records``, except where one record holds several entries of a table (the five
    terms of a VAERS symptoms row, the drugs of a JSON report) or several records describe one case (CAERS)."""
    stored: int
    """Rows that are in the table."""
    set_aside: int
    """Rows that are in ``set_aside`` with ``level = 'row'``."""
    values_set_aside: int = 0
    """Single values of stored rows that are in ``set_aside`` with ``level = 'value'``."""
    repaired_lines: int = 0
    """Lines that were joined to the line before because a break stood inside a field."""
    notes: tuple[str, ...] = ()
    """Unknown and missing columns, encoding, delimiter."""


class StoredTable(_Record):
    """One Parquet file of a set."""

    path: str
    """Path relative to the store."""
    rows: int
    """Rows in it."""
    digest: str
    """SHA-256 of the file."""


class Receipt(_Record):
    """One file set that is in the store."""

    number: int
    """Number of the set, from 1; ``report_key >> 40`` of its rows."""
    set_id: str
    """Digest of inputs, reader and privacy settings; the same set is never taken twice."""
    source: str
    """Partition: faers, vaers, caers, openfda, sample, generic or the name in a mapping."""
    quarter: str
    """Partition: ``2017Q2``, or ``unknown``."""
    reader: str
    """Reader and its version."""
    inputs: tuple[InputFile, ...]
    """Files that the user gave, with digests."""
    files: tuple[FileCount, ...]
    """Account of each file and table."""
    tables: dict[str, StoredTable]
    """Parquet files by table."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Privacy settings and mapping that were used."""
    created: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    """When it was committed, UTC."""


def read_receipts(root: Path) -> tuple[Receipt, ...]:
    """Read the receipts of the store at ``root`` in the order of their numbers.

    Raises:
        InputError: if a receipt cannot be read.
    """
    found = []
    for path in sorted((root / RECEIPTS).glob("[0-9]*.json")):
        try:
            found.append(Receipt.model_validate_json(path.read_bytes()))
        except ValueError as error:
            raise InputError(
                f"the receipt is damaged: {str(error).splitlines()[0]}",
                where=str(path),
                remedy="restore the file from a backup, or build the store again from its sources",
            ) from error
    return tuple(found)


def commit(root: Path, receipt: Receipt) -> None:
    """Make ``receipt`` part of the store: written, fsynced and linked under its number, which must be free.

    Raises:
        LockedError: if another writer took the number.
        RetryableError: if the disk is full or failing.
    """
    folder = root / RECEIPTS
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".receipt.", suffix=".tmp", dir=folder)
        temporary = folder / os.path.basename(name)  # noqa: PTH119 - name is a plain string of mkstemp
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(receipt.model_dump_json(indent=2) + "\n")
        temporary.chmod(0o644)
        try:
            fsync_file(temporary)
            os.link(temporary, folder / f"{receipt.number:06d}.json")
            fsync_folder(folder)
        except FileExistsError as error:
            raise LockedError(
                f"file set number {receipt.number} was taken by another writer", remedy="run the ingest again"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Hold the store's only pen for the block.

    Raises:
        LockedError: if another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LockedError(
                "another process is writing to this store", where=str(root), remedy="wait until it has ended"
            ) from error
        yield


def sweep(root: Path, receipts: tuple[Receipt, ...]) -> int:
    """Remove what killed ingests left behind: staging folders and data folders without a receipt; return how many."""
    kept = {(root / stored.path).parent for receipt in receipts for stored in receipt.tables.values()}
    stale = [*(root / STAGING).glob("*"), *(p for p in (root / DATA).glob("source=*/quarter=*/*") if p not in kept)]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    for path in (root / RECEIPTS).glob(".receipt.*.tmp"):
        path.unlink(missing_ok=True)
    return len(stale)
