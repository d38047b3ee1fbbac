"""Packs: the receipts of thousands of partitions in one file, so that a long run is not a million small files.

A pack is a text file: a header, then receipts exactly as they were written, one a line, by partition. Each line carries its
own seal, so a damaged byte costs one receipt; the header only says where each is and what they add up to, and is made
again from the lines if it is damaged.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinchona.digests import digest_bytes
from cinchona.files import write_bytes
from cinchona.screening.receipts import Place, Receipt, parse_receipt

SCHEMA: Final = "cinchona-pack-1"
"""Version of a pack's form."""

Entry = tuple[Receipt | None, Place]
"""What lies in a place where a receipt may be; None if it is torn."""


class PackHeader(BaseModel):
    """First line of a pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["cinchona-pack-1"] = SCHEMA
    """Version of this form."""
    partitions: tuple[int, ...] = ()
    """Partitions of the lines that follow, ascending."""
    lengths: tuple[int, ...] = ()
    """Length of each line in bytes, its end included."""
    scored: int = 0
    """Rows with a score in all of them."""
    rejected: int = 0
    """Rows without."""
    rejects_by_stage: dict[str, int] = Field(default_factory=dict)
    """Rejects by the stage where they ended."""
    rows_by_epoch: dict[int, int] = Field(default_factory=dict)
    """Rows by the epoch of the driver that ordered them."""
    best: float | None = None
    """Best finite score, None if there is none."""
    seal: str = ""
    """Digest of all other fields."""

    @classmethod
    def over(cls, entries: Sequence[tuple[Receipt, bytes]]) -> Self:
        """The header of these receipts and their lines, which are in the order of partitions."""
        receipts = [receipt for receipt, _ in entries]
        stages, epochs = Counter[str](), Counter[int]()
        for receipt in receipts:
            stages.update(receipt.rejects_by_stage)
            epochs[receipt.epoch] += receipt.rows
        draft = cls(
            partitions=tuple(r.partition_id for r in receipts),
            lengths=tuple(len(line) for _, line in entries),
            scored=sum(r.scored for r in receipts),
            rejected=sum(r.rejected for r in receipts),
            rejects_by_stage=dict(stages),
            rows_by_epoch=dict(epochs),
            best=max((r.best for r in receipts if r.best is not None), default=None),
        )
        return draft.model_copy(update={"seal": draft._seal()})

    def is_whole(self) -> bool:
        """Whether no field was altered since it was written."""
        return self.seal == self._seal() and len(self.partitions) == len(self.lengths)

    def _seal(self) -> str:
        return digest_bytes(self.model_dump_json(exclude={"seal"}).encode())


@dataclass(frozen=True, slots=True)
class Pack:
    """What is known of a pack: where each receipt is. Some twenty bytes of memory a partition."""

    path: Path
    """The file."""
    header: PackHeader
    """What the receipts add up to, without the lists of lines."""
    partitions: np.ndarray
    """Its partitions, ascending, int64, shape (n,)."""
    begins: np.ndarray
    """Byte at which each line begins, int64, shape (n,)."""
    lengths: np.ndarray
    """Bytes of each line, its end included, int64, shape (n,)."""
    damage: str = ""
    """What is wrong with the file as a whole, for people."""

    def place(self, partition_id: int) -> int:
        """Index of a partition's line, -1 if it is not here."""
        at = int(np.searchsorted(self.partitions, partition_id))
        return at if at < len(self.partitions) and self.partitions[at] == partition_id else -1

    def receipt(self, partition_id: int) -> Receipt | None:
        """The receipt of a partition, or None if it is not here, torn, or the file is another one by now."""
        at = self.place(partition_id)
        if at < 0:
            return None
        try:
            handle = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            line = os.pread(handle, int(self.lengths[at]), int(self.begins[at]))
        finally:
            os.close(handle)
        return _receipt_of(line, partition_id)

    def entries(self) -> Iterator[Entry]:
        """What lies in each place, None for what is torn."""
        with self.path.open("rb") as file:
            where = zip(self.partitions.tolist(), self.begins.tolist(), self.lengths.tolist(), strict=True)
            for partition_id, begin, length in where:
                file.seek(begin)
                yield _receipt_of(file.read(length), partition_id), Place(self.path, partition_id, packed=True)


def open_pack(path: Path) -> Pack:
    """Read where the receipts of a pack are; a damaged pack is read through, and gives what is whole in it."""
    with path.open("rb") as file:
        first = file.readline()
        size = os.fstat(file.fileno()).st_size
    try:
        header = PackHeader.model_validate_json(first)
    except ValidationError:
        return _read_through(path, "its header is torn")
    if not header.is_whole():
        return _read_through(path, "its header was altered")
    expected = len(first) + sum(header.lengths)
    if expected != size:
        return _read_through(path, f"it has {size} bytes, its header says {expected}")
    begins = len(first) + np.cumsum((0, *header.lengths[:-1]), dtype=np.int64)[: len(header.lengths)]
    return _pack(path, header, begins)


def pack_text(receipts: Iterable[Receipt]) -> bytes:
    """The content of a pack of these sealed receipts, each of another partition."""
    ordered = sorted(receipts, key=lambda receipt: receipt.partition_id)
    entries = [(receipt, receipt.model_dump_json().encode() + b"\n") for receipt in ordered]
    header = PackHeader.over(entries).model_dump_json().encode() + b"\n"
    return header + b"".join(line for _, line in entries)


def write_without(pack: Pack, partitions: Collection[int] = ()) -> None:
    """Write a pack again without the receipts of some partitions, and without what is torn in it.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    kept = (receipt for receipt, place in pack.entries() if place.partition_id not in partitions)
    write_bytes(pack.path, pack_text(receipt for receipt in kept if receipt is not None))


def _receipt_of(line: bytes, partition_id: int) -> Receipt | None:
    receipt = parse_receipt(line)
    return receipt if receipt is not None and receipt.partition_id == partition_id else None


def _pack(path: Path, header: PackHeader, begins: np.ndarray, damage: str = "") -> Pack:
    sums = header.model_copy(update={"partitions": (), "lengths": ()})
    return Pack(path, sums, np.array(header.partitions, np.int64), begins, np.array(header.lengths, np.int64), damage)


def _read_through(path: Path, damage: str) -> Pack:
    entries: dict[int, tuple[Receipt, bytes, int]] = {}
    at = 0
    with path.open("rb") as file:
        for line in file:
            receipt = parse_receipt(line)
            if receipt is not None:
                entries.setdefault(receipt.partition_id, (receipt, line, at))
            at += len(line)
    ordered = [entries[k] for k in sorted(entries)]
    header = PackHeader.over([(receipt, line) for receipt, line, _ in ordered])
    return _pack(path, header, np.array([begin for _, _, begin in ordered], np.int64), damage)
