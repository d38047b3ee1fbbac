"""Packing receipts together while a run grows. Only the driver that holds the lease does it.

A pack is written and forced to the disk before the files that it replaces are deleted, so a kill at any point leaves each
receipt in one of the two places or in both, and readers take the packed one. Packs are numbered without gaps and published
by first-writer-wins link: a driver first takes a number of its own, so a driver before it that was paused in the middle
finds its number taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cinchona.files import disk_errors
from cinchona.screening.failpoints import failpoint
from cinchona.screening.folder import RunFolder
from cinchona.screening.lease import Lease
from cinchona.screening.packs import pack_text
from cinchona.screening.plan import Plan
from cinchona.screening.publish import publish_first
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.receipts import Receipt, place_of, read_receipt


@dataclass(frozen=True, slots=True)
class _File:
    """A receipt with a file of its own."""

    path: Path
    receipt: Receipt
    written: int
    """When it was written, nanoseconds since 1970."""


class Packer:
    """Packs receipts once there are enough of them."""

    def __init__(self, folder: RunFolder, plan: Plan, lease: Lease, *, size: int) -> None:
        """Make ready.

        Args:
            folder: The run.
            plan: Its header.
            lease: The driver's lease; array tasks, which share one, must not pack.
            size: Receipts in a pack.
        """
        self._folder, self._plan, self._lease, self._size = folder, plan, lease, size
        self._book = ReceiptBook(folder)
        self._since = 0

    def begin(self) -> None:
        """Shut out earlier drivers, and pack what lies about from before.

        Raises:
            LockedError: if another driver took over.
            RetryableError: if the disk is full, read-only or failing.
        """
        if self._plan.partitions < self._size:
            return
        if self._lease.epoch > 1:
            self._publish(())
        self.pack()

    def note(self) -> None:
        """Count a receipt that was committed; with enough of them they are packed.

        Raises:
            LockedError: if another driver took over.
            RetryableError: if the disk is full, read-only or failing.
        """
        self._since += 1
        if self._since >= self._size:
            self.pack()

    def pack(self) -> None:
        """Pack all receipts there are that fill a pack.

        Raises:
            LockedError: if another driver took over.
            RetryableError: if the disk is full, read-only or failing.
        """
        self._since = 0
        files: list[_File] = []
        for file in self._loose():
            files.append(file)
            if len(files) == self._size:
                if self._publish([file.receipt for file in files]):
                    self._delete(files)
                files = []
        self._since = len(files)

    def _loose(self) -> Iterator[_File]:
        """Receipts with a file of their own that is whole; files of packed ones, which a killed driver left, are deleted."""
        for path in self._folder.receipt_files():
            place = place_of(self._folder, path)
            with suppress(FileNotFoundError):
                written = path.stat().st_mtime_ns
                receipt = read_receipt(path)
                if (
                    receipt is None
                    or receipt.plan != self._plan.fingerprint
                    or receipt.partition_id != place.partition_id
                ):
                    continue
                file = _File(path, receipt, written)
                if self._book.packed(receipt.partition_id) is None:
                    yield file
                else:
                    self._delete([file])

    def _publish(self, receipts: Sequence[Receipt]) -> bool:
        """Write a pack under the next number; False if another driver took it, which then is about to be noticed."""
        self._lease.check()
        number = self._book.last + 1
        won = publish_first(
            self._folder.pack(number), pack_text(receipts), before_link=lambda: failpoint("pack.before_link", number)
        )
        failpoint("pack.after_link", number)
        return won

    def _delete(self, files: Sequence[_File]) -> None:
        self._lease.check()
        with disk_errors(self._folder.receipts):
            for n, file in enumerate(files):
                with suppress(FileNotFoundError):
                    if file.path.stat().st_mtime_ns == file.written:
                        file.path.unlink()
                if n == len(files) // 2:
                    failpoint("pack.between_files")
