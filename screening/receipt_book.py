"""All receipts of a run, wherever they lie: in packs, or in files of their own.

A receipt that is whole in a pack counts, and a file of its own beside it does not: whoever commits looks at the packs
again after making the link, and withdraws if the partition was packed in between. So the first writer wins for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from cinchona.screening.failpoints import failpoint
from cinchona.screening.folder import RunFolder
from cinchona.screening.packs import Entry, Pack, open_pack, write_without
from cinchona.screening.plan import Plan
from cinchona.screening.publish import publish_first
from cinchona.screening.receipts import (
    BadReceipt,
    Place,
    Receipt,
    keep_copy,
    place_of,
    read_receipt,
    set_aside,
    verify_receipt,
)


class ReceiptBook:
    """The receipts of a run. Looking again costs one question to the file system while no pack is added."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._packs: dict[int, Pack] = {}
        self._last = 0
        self.reload()

    @property
    def last(self) -> int:
        """Number of the last pack, 0 if there is none."""
        self.packs()
        return self._last

    def packs(self) -> list[Pack]:
        """The packs there are now, in order. Their numbers are consecutive, so one look tells whether there is another."""
        while (path := self.folder.pack(self._last + 1)).exists():
            self._packs = {**self._packs, self._last + 1: open_pack(path)}
            self._last += 1
        return list(self._packs.values())

    def reload(self) -> None:
        """Read where all receipts in packs are, again after a pack was written again."""
        numbers = sorted(int(path.stem) for path in self.folder.packs.glob("*.jsonl") if path.stem.isdecimal())
        self._packs = {number: open_pack(self.folder.pack(number)) for number in numbers}
        self._last = max(numbers, default=0)

    def find(self, partition_id: int) -> Receipt | None:
        """The receipt of a partition that counts, or None if there is none or it is torn or altered."""
        return (
            self.packed(partition_id)
            or read_receipt(self.folder.receipt(partition_id))
            # It may have been packed after the first look and its file deleted before the second.
            or self.packed(partition_id)
        )

    def packed(self, partition_id: int) -> Receipt | None:
        """The receipt of a partition if it is whole in a pack."""
        for pack in self.packs():
            receipt = pack.receipt(partition_id)
            if receipt is not None:
                return receipt
        return None

    def has(self, partition_id: int) -> bool:
        """Whether a partition has a receipt, whatever is in it; nothing is read."""
        return (
            self._is_packed(partition_id) or self.folder.receipt(partition_id).exists() or self._is_packed(partition_id)
        )

    def check(self, partition_id: int, plan: Plan, *, deep: bool) -> Receipt | BadReceipt:
        """Check the receipt of a partition and the part file that it names, see :func:`verify_receipt`."""
        receipt, place = self.find(partition_id), self.place(partition_id)
        return verify_receipt(self.folder, plan, receipt, place, deep=deep)

    def place(self, partition_id: int) -> Place:
        """Where the receipt of a partition lies that counts, or where it would."""
        for pack in self.packs():
            if pack.place(partition_id) >= 0:
                return Place(pack.path, partition_id, packed=True)
        return Place(self.folder.receipt(partition_id), partition_id)

    def receipts(self) -> Iterator[Receipt]:
        """All whole receipts that count, each partition once; part files are not looked at."""
        for receipt, _ in self.entries():
            if receipt is not None:
                yield receipt

    def entries(self) -> Iterator[Entry]:
        """What lies in each place where a receipt may be, None for what is torn; packs first."""
        packs = self.packs()
        for pack in packs:
            yield from pack.entries()
        yield from self.own_entries(after=len(packs))

    def own_entries(self, *, after: int) -> Iterator[Entry]:
        """The same without the first ``after`` packs; files beside a packed receipt are left out.

        Files may be set aside while iterating. Those that are packed meanwhile are found in their pack.
        """
        files: set[int] = set()
        for path in self.folder.receipt_files():
            place = place_of(self.folder, path)
            if self.packed(place.partition_id) is not None:
                continue
            receipt = read_receipt(path)
            if receipt is not None or path.exists():
                files.add(place.partition_id)
                yield receipt, place
        for pack in self.packs()[after:]:
            yield from (entry for entry in pack.entries() if entry[1].partition_id not in files)

    def quarantine(self, bad: Sequence[BadReceipt]) -> None:
        """Move bad receipts and their part files aside, receipts first, so that the partitions count as not done.

        Raises:
            RetryableError: if the disk is full, read-only or failing.
        """
        packed = [one.place for one in bad if one.place.packed]
        for pack in self.packs() if packed else []:
            gone = {place.partition_id for place in packed if place.path == pack.path}
            if gone:
                keep_copy(self.folder, pack.path)
                write_without(pack, gone)
        if packed:
            self.reload()
        for one in bad:
            set_aside(self.folder, self.folder.receipt(one.place.partition_id) if one.place.packed else one.place.path)
            if one.part is not None:
                set_aside(self.folder, one.part)

    def _is_packed(self, partition_id: int) -> bool:
        return any(pack.place(partition_id) >= 0 for pack in self.packs())


def commit_receipt(folder: RunFolder, receipt: Receipt) -> Receipt:
    """Publish ``receipt`` unless another attempt was first, and return the one that counts.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    target = folder.receipt(receipt.partition_id)
    content = receipt.sealed().model_dump_json().encode() + b"\n"
    won = publish_first(target, content, before_link=lambda: failpoint("receipt.before_link", receipt.partition_id))
    failpoint("receipt.after_link", receipt.partition_id)
    book = book_of(folder.root)
    if not won:
        return book.find(receipt.partition_id) or receipt.sealed()
    earlier = book.packed(receipt.partition_id)
    if earlier is not None:
        target.unlink(missing_ok=True)
    return earlier or receipt.sealed()


def book_of(root: Path) -> ReceiptBook:
    """A book that is kept in this process, so that workers read a pack once; another one for another run at the same place."""
    try:
        planned = RunFolder(root).plan.stat().st_mtime_ns
    except FileNotFoundError:
        planned = 0
    return _kept_book(root, planned)


@lru_cache(maxsize=4)
def _kept_book(root: Path, _planned: int) -> ReceiptBook:
    return ReceiptBook(RunFolder(root))
