"""Delimited text in blocks: encoding, header, and every line in a record or in a named kind of broken record."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from cinchona.errors import InputError
from cinchona.pharmacovigilance.intake import kernels, split_kernel
from cinchona.pharmacovigilance.intake.dictionary_kernels import PADDING
from cinchona.pharmacovigilance.intake.encoding import to_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

BLOCK_BYTES: Final = 4 << 20
"""Bytes that are split at a time; the index of a block then stays near the processor."""
MAX_RECORD: Final = 64 << 20
"""Longest record, bytes."""
_SNIFF_BYTES: Final = 1 << 16
_FEW: Final = 16
REASONS: Final = {
    split_kernel.TOO_FEW: "too_few_fields",
    split_kernel.TOO_MANY: "too_many_fields",
    split_kernel.BINARY: "binary_bytes",
}


@dataclass(frozen=True, slots=True)
class Block:
    """Records of one stretch of a file."""

    data: np.ndarray
    """Bytes, uint8, UTF-8, then :data:`.dictionary_kernels.PADDING` zeros."""
    starts: np.ndarray
    """First byte of each record, int32 (n,)."""
    ends: np.ndarray
    """Byte after each field, int32 (n, width)."""
    rows: np.ndarray
    """Number of each record in the file from 1, int32 (n,)."""
    repaired: int
    """Line breaks inside fields that were taken out."""
    broken: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    """start, end, reason code and number of each broken record."""
    names: list[str]
    """Names of the columns."""

    def __len__(self) -> int:
        return len(self.starts)

    def integers(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Values (int64) and states (uint8) of a column of digits."""
        values, state = kernels.read_integers(self.data, self.starts, self.ends, column)
        return values, state

    def date_numbers(self, column: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        """Dates as yyyymmdd with zeros for parts not given (int64), and states (uint8); ``order`` 0 ymd, 1 mdy, 2 dmy."""
        numbers, state = kernels.read_date_numbers(self.data, self.starts, self.ends, column, order)
        return numbers, state

    def decimals(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Values (float64) and states (uint8) of a column of numbers."""
        values, state = kernels.read_decimals(self.data, self.starts, self.ends, column)
        return values, state

    def text(self, column: int, where: np.ndarray | None = None) -> pa.Array:
        """Texts of a column, empty ones null; only the records at ``where`` (int) if given."""
        starts, ends = (self.starts, self.ends) if where is None else (self.starts[where], self.ends[where])
        offsets, data = kernels.copy_text(self.data, starts, ends, column)
        filled = np.packbits(np.diff(offsets) > 0, bitorder="little")
        return pa.StringArray.from_buffers(
            len(starts), pa.py_buffer(offsets), pa.py_buffer(data), pa.py_buffer(filled), -1
        )

    def raw(self, where: np.ndarray) -> list[str]:
        """Whole records at ``where`` (int) as they were."""
        return [_decode(self.data[self.starts[k] : self.ends[k, -1]]) for k in where]

    def raw_broken(self) -> list[str]:
        """Broken records as they were."""
        return [_decode(self.data[a:b]) for a, b in zip(self.broken[0], self.broken[1], strict=True)]


def _decode(data: np.ndarray) -> str:
    return data.tobytes().decode("utf-8", errors="replace").strip("\r\n").replace("\x1f", "|")


@dataclass(slots=True)
class Header:
    """First line of a file."""

    names: list[str]
    """Column names, lower case, without blanks and marks."""
    delimiter: str
    """Delimiter between them."""
    notes: list[str] = field(default_factory=list)
    """What was odd."""


class DelimitedFile:
    """A delimited text file read once, from its header to its end.

    Args:
        stream: Binary stream at its begin.
        name: Name for messages.
        delimiter: Delimiter that the layout prescribes.
    """

    def __init__(self, stream: BinaryIO, name: str, *, delimiter: str = "$") -> None:
        self._stream = stream
        self.name = name
        self._left = stream.read(BLOCK_BYTES)
        self._seen = 0
        _refuse_binary(self._left, name)
        first, _, self._left = self._left.partition(b"\n")
        self.header = _read_header(first, name, delimiter)
        self._settle_width()

    def _settle_width(self) -> None:
        """Many files end each row, but not the header, with a delimiter: then the rows have one empty field more."""
        lines = [line for line in self._left[:_SNIFF_BYTES].split(b"\n")[:-1] if line.strip()]
        mark, width = self.header.delimiter.encode(), len(self.header.names)
        longer = sum(line.count(mark) == width and line.rstrip(b"\r ").endswith(mark) for line in lines)
        if longer > len(lines) / 2:
            self.header.names.append("")

    def blocks(self) -> Iterator[Block]:
        """Yield the records of the file.

        Raises:
            InputError: if a record is longer than :data:`MAX_RECORD`.
        """
        final = False
        while not final:
            piece = self._stream.read(BLOCK_BYTES)
            data, final = self._left + piece, not piece
            if final and data and not data.endswith(b"\n"):
                data += b"\n"
            self._left = data
            cut = len(data) if final else data.rfind(b"\n") + 1
            block = self._next(data, cut, final=final) if cut else None
            if block is not None:
                yield block
            elif len(data) > MAX_RECORD:
                raise InputError(f"a record is longer than {MAX_RECORD >> 20} MiB", where=self.name)

    def _next(self, data: bytes, cut: int, *, final: bool) -> Block | None:
        """Split the whole lines before ``cut``; None while no record is complete."""
        block, consumed = self._split(to_utf8(data[:cut]), final=final)
        if consumed < 0:
            return None
        self._left = block.data[consumed:-PADDING].tobytes() + data[cut:]
        return block

    def _split(self, data: bytes, *, final: bool) -> tuple[Block, int]:
        array = np.zeros(len(data) + PADDING, np.uint8)
        array[: len(data)] = np.frombuffer(data, np.uint8)
        starts, ends, row, breaks, *rest = split_kernel.split_records(
            array, len(data), ord(self.header.delimiter), len(self.header.names), final
        )
        bad_start, bad_end, bad_reason, bad_row, consumed, seen = rest
        first = self._seen + 1
        self._seen += seen
        block = Block(
            data=array,
            starts=starts,
            ends=ends,
            rows=row + np.int32(first),
            repaired=int(breaks.sum()),
            broken=(bad_start, bad_end, bad_reason, bad_row + np.int32(first)),
            names=self.header.names,
        )
        return block, -1 if consumed == 0 and not final else int(consumed)

    @property
    def records(self) -> int:
        """Records seen so far, sound and broken."""
        return self._seen


def _refuse_binary(data: bytes, name: str) -> None:
    head = data[:65536]
    if not data.strip():
        raise InputError("the file is empty", where=name, expected="a header line and rows")
    odd = sum(head.count(bytes([b])) for b in (*range(9), *range(14, 32)))
    if odd > _FEW + len(head) / 100:
        raise InputError(
            "the file is not text", where=name, expected="delimited text in ASCII, Latin-1 or UTF-8",
            remedy="unpack or convert it; UTF-16 must be converted to UTF-8",
        )  # fmt: skip


def _read_header(line: bytes, name: str, delimiter: str) -> Header:
    text = line.decode("utf-8-sig", errors="replace").strip("\r\n \x00")
    counts = {mark: text.count(mark) for mark in "$,|\t;"}
    likely = max(counts, key=lambda mark: counts[mark])
    if counts[delimiter] == 0 and counts[likely] > 0:
        raise InputError(
            f"the header is delimited by {likely!r}", where=name, expected=f"{delimiter!r} between columns",
            remedy="ingest it with a mapping file that names its delimiter and columns",
        )  # fmt: skip
    return Header([tidy_name(part) for part in text.split(delimiter)], delimiter)


def tidy_name(name: str) -> str:
    """Column name in lower case with underscores for everything but letters and digits.

    >>> tidy_name(' "RA_Report #"')
    'ra_report'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
