"""Blocks from Arrow tables of texts, so that CSV, JSON and Parquet sources take the same road as FAERS files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from cinchona.errors import ColumnError, InputError
from cinchona.pharmacovigilance.intake.dictionary_kernels import PADDING
from cinchona.pharmacovigilance.intake.encoding import to_utf8
from cinchona.pharmacovigilance.intake.split_kernel import TOO_FEW
from cinchona.pharmacovigilance.intake.textfile import Block, tidy_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_MARK: Final = "\x1f"
_BAD_CHARS: Final = "[\x00-\x1f]+"
_ROWS: Final = 50_000
_SNIFF: Final = 1 << 20
_CSV_BLOCK: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """Some records of a file as a table."""

    table: pa.Table
    """Columns of any type, nulls allowed; they are read as texts."""
    rows: np.ndarray
    """Number of each record in its file from 1, int (n,)."""
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Number and text of records that could not be split."""

    def with_table(self, table: pa.Table) -> Part:
        """Return the same records with other columns."""
        return Part(table, self.rows, self.broken)

    def where(self, mask: np.ndarray) -> Part:
        """Return the records where ``mask`` (bool, (n,)) holds, without the broken ones."""
        return Part(self.table.filter(pa.array(mask)), self.rows[mask])


def block_of(part: Part) -> Block:
    """Lay the texts of ``part`` out as records."""
    table, rows, broken = part.table, part.rows, part.broken
    columns = [_plain(table.column(i)) for i in range(table.num_columns)]
    joined = pc.binary_join_element_wise(*columns, _MARK, null_handling="replace", null_replacement="")
    record = (joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined).cast(pa.large_string())
    offsets = np.frombuffer(record.buffers()[1], np.int64)[: len(record) + 1]
    size = int(offsets[-1])
    extra = "".join(text for _, text in broken).encode()
    data = np.zeros(size + len(extra) + PADDING, np.uint8)
    if size:
        data[:size] = np.frombuffer(record.buffers()[2], np.uint8)[:size]
    data[size : size + len(extra)] = np.frombuffer(extra, np.uint8)
    marks = np.flatnonzero(data[:size] == ord(_MARK)).reshape(len(record), table.num_columns - 1)
    ends = np.column_stack([marks, offsets[1:]]).astype(np.int32)
    return Block(
        data=data, starts=offsets[:-1].astype(np.int32), ends=ends, rows=rows.astype(np.int32), repaired=0,
        broken=_broken(broken, size), names=table.column_names,
    )  # fmt: skip


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(column.type):
        whole = pc.equal(column, pc.floor(column))
        small = pc.fill_null(pc.and_(whole, pc.less(pc.abs(column), 2**53)), fill_value=False)
        as_integer = pc.cast(pc.cast(pc.if_else(small, column, 0.0), pa.int64()), pa.string())
        column = pc.if_else(small, as_integer, pc.cast(column, pa.string()))
    texts = pc.cast(column, pa.string())
    return pc.replace_substring_regex(texts, _BAD_CHARS, " ")


def _broken(broken: list[tuple[int, str]], at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    sizes = np.array([len(text.encode()) for _, text in broken], np.int32)
    stops = at + np.cumsum(sizes, dtype=np.int32)
    reasons = np.full(len(broken), TOO_FEW, np.uint8)
    return stops - sizes, stops, reasons, np.array([row for row, _ in broken], np.int32)


def parts_of_parquet(path: str) -> Iterator[Part]:
    """Yield the rows of a Parquet file in pieces, column names in lower case.

    Raises:
        InputError: if it is no Parquet file.
    """
    try:
        with pq.ParquetFile(path) as file:
            done = 0
            for batch in file.iter_batches(_ROWS):
                table = pa.Table.from_batches([batch]).rename_columns([tidy_name(n) for n in batch.schema.names])
                yield Part(table, np.arange(done + 1, done + 1 + len(batch)))
                done += len(batch)
    except pa.ArrowInvalid as error:
        raise InputError(f"the Parquet file cannot be read: {error}", where=path.rsplit("/", 1)[-1]) from error


class CsvBlocks:
    """A quoted CSV file as blocks; lines with too few or too many fields become broken records.

    Args:
        stream: Binary stream at its begin.
        name: Name for messages.
        delimiter: Delimiter; None finds it in the header.

    Raises:
        InputError: if the file is empty or not text.
    """

    def __init__(self, stream: BinaryIO, name: str, *, delimiter: str | None = None) -> None:
        self._name = name
        head = stream.read(_SNIFF)
        if not head.strip():
            raise InputError("the file is empty", where=name, expected="a header line and rows")
        if b"\x00" in head:
            raise InputError("the file holds NUL bytes", where=name, expected="CSV text in UTF-8 or Latin-1")
        line = next(iter(_decode(head).splitlines()), "")
        self.delimiter = delimiter or max(",;\t|$", key=line.count)
        names = next(csv.reader([line], delimiter=self.delimiter), [])
        self.names = [tidy_name(n) for n in names]
        if len(set(self.names)) < len(self.names):
            raise ColumnError("the header names a column twice", where=name, expected="distinct names")
        self._stream = io.BufferedReader(_Rejoined(head, stream))
        self.records = 0

    def parts(self) -> Iterator[Part]:
        """Yield the records of the file.

        Raises:
            InputError: if quoting runs over the end of the file.
        """
        broken: list[tuple[int, str]] = []

        def keep(row: pacsv.InvalidRow) -> str:
            broken.append((row.number or 0, row.text))
            return "skip"

        try:
            reader = pacsv.open_csv(
                _Utf8(self._stream),
                read_options=pacsv.ReadOptions(column_names=self.names, skip_rows=1, block_size=_CSV_BLOCK),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=keep
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(self.names, pa.string()), strings_can_be_null=False
                ),
            )
            for batch in reader:
                mine, broken[:] = list(broken), []
                yield self._part(pa.Table.from_batches([batch]), mine)
        except pa.ArrowInvalid as error:
            raise InputError(f"the CSV cannot be read: {error}", where=self._name) from error
        if broken:
            yield self._part(pa.table({n: pa.array([], pa.string()) for n in self.names}), broken)

    def _part(self, table: pa.Table, broken: list[tuple[int, str]]) -> Part:
        total = table.num_rows + len(broken)
        numbers = np.arange(self.records + 1, self.records + total + 1)
        self.records += total
        named = [
            (int(numbers[table.num_rows + i]) if not row else row - 1, text) for i, (row, text) in enumerate(broken)
        ]
        lost = np.isin(numbers, [row for row, _ in named])
        rows = numbers[~lost][: table.num_rows] if lost.sum() == len(named) else numbers[: table.num_rows]
        nul = pc.any(pa.chunked_array([pc.match_substring(table.column(i), "\x00") for i in range(table.num_columns)]))
        if nul.as_py():
            raise InputError("the file holds NUL bytes", where=self._name, expected="CSV text in UTF-8 or Latin-1")
        return Part(table, rows, named)


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


class _Rejoined(io.RawIOBase):
    """The head that was looked at, then the rest of the stream."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head.removeprefix(b"\xef\xbb\xbf"), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data, self._head = (self._head[: len(buffer)], self._head[len(buffer) :]) if self._head else (b"", b"")
        data = data or self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Utf8(io.RawIOBase):
    """Lines as UTF-8, whatever they were."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._ready = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._ready:
            piece = self._stream.read(_SNIFF)
            if not piece:
                return b""
            piece += self._stream.readline()
            self._ready = to_utf8(piece)
        data, self._ready = (self._ready, b"") if size < 0 else (self._ready[:size], self._ready[size:])
        return data
