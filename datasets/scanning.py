"""One pass over a text file: its digest, the number of its records, and where every 1,000th begins."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from cinchona.datasets.partitions import STRIDE
from cinchona.datasets.recordsplit import CHUNK, Block, Splitter, blocks

_WHITE: Final = b" \t\r\n"
_SMALL_CHUNK: Final = 1 << 16


class Readable(Protocol):
    """Bytes, once."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; nothing at the end."""


class DigestingReader:
    """A stream that digests what is read from it."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._state = hashlib.sha256()
        self.n_bytes = 0
        """Bytes read so far."""

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes."""
        data = self._stream.read(size)
        self._state.update(data)
        self.n_bytes += len(data)
        return data

    def drain(self) -> None:
        """Read to the end."""
        while self.read(CHUNK):
            pass

    @property
    def digest(self) -> str:
        """SHA-256 of what was read so far, hex."""
        return self._state.hexdigest()


@dataclass(slots=True)
class Marks:
    """Counts records and notes where every :data:`~cinchona.datasets.partitions.STRIDE`-th begins.

    Blank records at the end of the stream are not records.
    """

    n_rows: int = 0
    """Records up to the last one that is not blank."""
    end: int = 0
    """Byte after that record."""
    starts: list[np.ndarray] = field(default_factory=list)
    """First byte of records 0, STRIDE, 2 * STRIDE, …, in pieces; may reach into the blank end."""
    _seen: int = 0

    def add(self, block: Block) -> None:
        """Count the records of the next block."""
        begins = np.concatenate([[0], block.ends[:-1]]) + block.offset
        first = -self._seen % STRIDE
        self.starts.append(begins[first::STRIDE])
        last = self._last_filled(block)
        if last >= 0:
            self.n_rows = self._seen + last + 1
            self.end = block.offset + int(block.ends[last])
        self._seen += len(block.ends)

    def trimmed(self) -> np.ndarray:
        """Those starts that are not in the blank end, int64, shape (ceil(n_rows / STRIDE),)."""
        return np.concatenate([np.empty(0, np.int64), *self.starts])[: -(-self.n_rows // STRIDE)]

    @staticmethod
    def _last_filled(block: Block) -> int:
        if block.cut:
            return 0
        content = len(block.data[: int(block.ends[-1])].rstrip(_WHITE))
        return int(np.searchsorted(block.ends, content)) if content else -1


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What one pass over a file found; fields as in :class:`~cinchona.datasets.partitions.LibraryFile`."""

    digest: str
    n_bytes: int
    n_rows: int
    end: int
    marks: np.ndarray


def scan_text(path: Path, splitter: Splitter, *, start: int) -> Scan:
    """Read ``path`` once.

    Args:
        path: A seekable file.
        splitter: Where records end.
        start: Byte of the first record.
    """
    marks = Marks()
    with path.open("rb", buffering=0) as raw:
        stream = DigestingReader(raw)
        stream.read(start)
        for block in blocks(stream.read, splitter, offset=start):
            marks.add(block)
    return Scan(stream.digest, stream.n_bytes, marks.n_rows, marks.end, marks.trimmed())


def read_blocks(path: Path, splitter: Splitter, *, start: int, stop: int, chunk: int = CHUNK) -> Iterator[Block]:
    """Blocks of the records in a byte range that begins and ends at record boundaries."""
    with path.open("rb", buffering=0) as raw:
        raw.seek(start)
        yield from blocks(limited(raw.read, stop - start), splitter, offset=start, chunk=chunk)


def record_start(path: Path, splitter: Splitter, *, mark: int, skip: int, end: int) -> int:
    """First byte of the record that comes ``skip`` records after the one at byte ``mark``."""
    if skip == 0:
        return mark
    for block in read_blocks(path, splitter, start=mark, stop=end, chunk=_SMALL_CHUNK):
        if skip <= len(block.ends):
            return block.offset + int(block.ends[skip - 1])
        skip -= len(block.ends)
    return end


def limited(read: Callable[[int], bytes], length: int) -> Callable[[int], bytes]:
    """``read`` that ends after ``length`` bytes."""
    left = length

    def bounded(size: int) -> bytes:
        nonlocal left
        data = read(min(size, left))
        left -= len(data)
        return data

    return bounded


def filled_records(found: Iterable[Block]) -> Iterator[tuple[bytes | None, int]]:
    """Records one by one with their length: bytes, or None where one is longer than the cap.

    Blank records are held back until another one follows, so those at the end do not appear.
    """
    held = 0
    for block in found:
        records: Iterable[bytes | None] = [None] if block.cut else block.records()
        for record in records:
            if record is not None and not record.strip(_WHITE):
                held += 1
                continue
            for _ in range(held):
                yield b"\n", 1
            held = 0
            yield record, len(record) if record is not None else int(block.ends[0])


__all__ = [
    "DigestingReader",
    "Marks",
    "Readable",
    "Scan",
    "filled_records",
    "limited",
    "read_blocks",
    "record_start",
    "scan_text",
]
