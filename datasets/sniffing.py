"""How the records of a text file are laid out, from its first bytes: header, delimiter, columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cinchona.datasets.columns import (
    ID_NAMES,
    find_id_column,
    find_smiles_column,
    is_known_name,
    named,
    parse_rate,
    plain,
)
from cinchona.datasets.config import FileFormat, ReaderConfig
from cinchona.datasets.parsing import parses
from cinchona.datasets.partitions import Layout
from cinchona.datasets.recordsplit import Lines, QuotedLines, SdfRecords, Splitter
from cinchona.datasets.rowbuilder import Unreadable
from cinchona.datasets.sdfrecords import split_record
from cinchona.datasets.textrecords import BLANK, split_fields
from cinchona.errors import ColumnError, InputError

HEAD_BYTES: Final = 1 << 18
"""Bytes at the beginning of a file that are looked at."""

_DELIMITERS: Final = (",", "\t", ";", "|")
_BOM: Final = b"\xef\xbb\xbf"
_ENOUGH: Final = 0.5


@dataclass(frozen=True, slots=True)
class Sniffed:
    """A text file understood."""

    layout: Layout
    """How to read its records."""
    start: int
    """Byte of the first record, after mark, comments and header."""
    decisions: tuple[str, ...]
    """What was found out, one sentence each."""


def splitter_of(layout: Layout) -> Splitter:
    """Knows where records of this layout end."""
    if layout.record == "sdf":
        return SdfRecords(layout.max_record_bytes)
    if layout.record == "smiles" or layout.delimiter == BLANK:
        return Lines(layout.max_record_bytes)
    return QuotedLines(layout.max_record_bytes, layout.delimiter.encode())


def sniff_layout(
    head: bytes, name: str, kind: FileFormat, reader: ReaderConfig, *, extra: Sequence[str] | None = ()
) -> Sniffed:
    """Find header, delimiter and columns.

    Args:
        head: First :data:`HEAD_BYTES` of the (unpacked) file.
        name: File name for messages.
        kind: A text layout.
        reader: What is known.
        extra: Columns to carry; None for all.

    Raises:
        ColumnError: if a column is missing or ambiguous.
        InputError: if the text cannot be split into lines.
    """
    _check_lines(head, name)
    start = len(_BOM) if head.startswith(_BOM) else 0
    if kind == "sdf":
        return _sdf(head, name, reader, start=start, extra=extra)
    start = _after_comments(head, start)
    table = _table(head[start:], name, kind, reader)
    if table is None:
        layout = Layout(
            record="smiles", columns=("smiles", "title"), smiles="smiles", identifier="title",
            max_record_bytes=reader.max_record_bytes, max_cell_length=reader.max_cell_length,
        )  # fmt: skip
        _check_columns(reader, layout.columns, name)
        return Sniffed(layout, start, ("structures: first word of each line; identifiers: the rest",))
    return _delimited(table, name, reader, start=start, extra=extra)


@dataclass(frozen=True, slots=True)
class _Table:
    """First records of delimited text."""

    delimiter: str
    names: tuple[str, ...]
    rows: list[list[str]]
    header_bytes: int
    """Bytes of the header line; 0 without header."""


def _table(data: bytes, name: str, kind: FileFormat, reader: ReaderConfig) -> _Table | None:
    """The text as a table, or None if it is lines of SMILES and title."""
    first_line = data.split(b"\n", 1)[0]
    first = _text(first_line)
    delimiter = reader.delimiter or _delimiter(data, first)
    rows = _rows(data, delimiter, reader.sample_rows)
    header = reader.header
    if not rows and kind == "smiles":
        return None
    if not rows:
        raise ColumnError("there is no header line", where=name, expected="the names of the columns in the first line")
    if header is None:
        header = any(is_known_name(cell) for cell in rows[0])
        words = first.split()
        is_line = kind == "smiles" or (len(words) > 1 and len(rows[0]) == 1 and parses(words[0]))
        if not header and is_line and reader.delimiter is None:
            return _untitled(data, delimiter, rows, reader.sample_rows)
        header = header or (kind == "csv" and not _is_data(rows))
    elif not header and kind == "smiles" and reader.delimiter is None:
        return None
    return _headed(delimiter, rows, first_line, header=header)


def _untitled(data: bytes, delimiter: str, rows: list[list[str]], limit: int) -> _Table | None:
    """Lines of a SMILES file without header: None if the structure comes first, a table if it is elsewhere."""
    lines = [line.split() for line in _text(data).splitlines()[:limit] if line.strip()]
    firsts = [words[0] for words in lines]
    if not lines or parse_rate(firsts) >= _ENOUGH:
        return None
    if len(rows[0]) > 1:
        return _headed(delimiter, rows, b"", header=False)
    width = min(map(len, lines))
    others = [[words[k] for words in lines] for k in range(1, width)]
    if width == max(map(len, lines)) and any(parse_rate(words) >= _ENOUGH for words in others):
        return _headed(BLANK, lines, b"", header=False)
    return None


def _headed(delimiter: str, rows: list[list[str]], first_line: bytes, *, header: bool) -> _Table:
    if not header:
        names = tuple(f"column_{k + 1}" for k in range(len(rows[0])))
        return _Table(delimiter, names, rows, 0)
    names = tuple(cell.strip().lstrip("#") or f"column_{k + 1}" for k, cell in enumerate(rows[0]))
    return _Table(delimiter, names, rows[1:], len(first_line) + 1)


def _delimited(table: _Table, name: str, reader: ReaderConfig, *, start: int, extra: Sequence[str] | None) -> Sniffed:
    _check_unique(table.names, name)
    width = len(table.names)
    whole = [row for row in table.rows if len(row) == width]
    cells = {column: [row[k].strip() for row in whole] for k, column in enumerate(table.names)}
    carried = () if extra is None else tuple(named(cells, c, where=name, setting="the column") for c in extra)
    sample = {column: texts for column, texts in cells.items() if column not in carried}
    smiles, how = find_smiles_column(sample, reader.smiles_column, where=name)
    identifier, how_id = find_id_column(sample, reader.id_column, smiles=smiles, where=name)
    if extra is None:
        carried = tuple(column for column in table.names if column not in {smiles, identifier})
    layout = Layout(
        record="csv", columns=table.names, smiles=smiles, identifier=identifier, delimiter=table.delimiter,
        extra=carried, max_record_bytes=reader.max_record_bytes, max_cell_length=reader.max_cell_length,
    )  # fmt: skip
    spelled = {"\t": "tab", BLANK: "blanks"}.get(table.delimiter, repr(table.delimiter))
    header = "first line is the header" if table.header_bytes else "no header line"
    said = (f"{width} columns between {spelled}, {header}", how, how_id)
    return Sniffed(layout, start + table.header_bytes, tuple(filter(None, said)))


def _sdf(head: bytes, name: str, reader: ReaderConfig, *, start: int, extra: Sequence[str] | None) -> Sniffed:
    cap = reader.max_sdf_record_bytes
    data = head[start:]
    ends = SdfRecords(cap).ends(data, final=True).tolist()
    bodies = [split_record(_text(data[a:b])) for a, b in zip([0, *ends], ends, strict=False)][: reader.sample_rows]
    properties = dict.fromkeys(key for _, values in bodies for key in values)
    sample = {key: [values.get(key, "") for _, values in bodies] for key in properties}
    carried = (
        tuple(properties)
        if extra is None
        else tuple(named(sample, c, where=name, setting="the property") for c in extra)
    )
    if reader.id_column is not None:
        identifier: str | None = named(sample, reader.id_column, where=name, setting="reader.id_column")
        said = ""
    else:
        identifier = next((key for names in ID_NAMES for key in properties if plain(key) in names), None)
        said = "identifiers: title line" + (f", else property {identifier!r}" if identifier else ", else row numbers")
    layout = Layout(
        record="sdf", columns=tuple(properties), identifier=identifier, title_first=reader.id_column is None,
        extra=carried, max_record_bytes=cap, max_cell_length=reader.max_cell_length,
    )  # fmt: skip
    return Sniffed(layout, start, tuple(filter(None, ("structures: molecule blocks", said))))


def _delimiter(data: bytes, first: str) -> str:
    """The delimiter that cuts the sampled lines into the same number (above one) of fields as the first line."""
    best, best_score = "", (0.0, 0)
    for candidate in _DELIMITERS:
        rows = _rows(data, candidate, 50)
        width = len(rows[0]) if rows else 1
        score = (sum(len(row) == width for row in rows) / max(len(rows), 1), width)
        if width > 1 and score > best_score:
            best, best_score = candidate, score
    if best:
        return best
    blanks = first.split()
    return BLANK if len(blanks) > 1 and any(is_known_name(cell) for cell in blanks) else ","


def _rows(data: bytes, delimiter: str, limit: int) -> list[list[str]]:
    layout = Layout(delimiter=delimiter, max_record_bytes=HEAD_BYTES)
    ends = splitter_of(layout).ends(data, final=True).tolist()
    texts = [_text(data[a:b]).rstrip("\r\n") for a, b in zip([0, *ends], ends, strict=False)]
    cut = [split_fields(text, delimiter) for text in texts[: limit + 1] if text.strip()]
    return [row for row in cut if not isinstance(row, Unreadable)]


def _is_data(rows: list[list[str]]) -> bool:
    """Whether the first row is data: one of its cells and most of that column are SMILES."""
    columns = [[row[k] for row in rows if k < len(row)] for k in range(len(rows[0]))]
    return any(
        parse_rate(column[:1]) == 1 and parse_rate(column) >= _ENOUGH and _is_wordy(column) for column in columns
    )


def _is_wordy(cells: Sequence[str]) -> bool:
    # One-letter classes such as C and N parse as SMILES.
    return sum(map(len, cells)) >= 3 * len(cells)


def _after_comments(head: bytes, start: int) -> int:
    """Skip blank lines at the beginning, lines that begin with ``#`` and name no column, and Excel's ``sep=;``."""
    while start < len(head):
        end = head.find(b"\n", start) + 1 or len(head)
        line = _text(head[start:end]).strip()
        is_comment = line.startswith("#") and not any(is_known_name(cell) for cell in re.split(r"[\t,;|\s]", line))
        if line and not is_comment and not re.fullmatch(r'"?sep=.?"?', line):
            break
        start = end
    return start


def _check_lines(head: bytes, name: str) -> None:
    if b"\n" not in head and head.count(b"\r") > 1:
        raise InputError(
            "lines end with a carriage return alone, as on old Macintoshes",
            where=name,
            remedy="convert the line ends, for example with: tr '\\r' '\\n'",
        )


def _check_unique(names: Sequence[str], where: str) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ColumnError(
            f"columns with the same name: {', '.join(map(repr, doubled))}",
            where=where,
            expected="every column named once",
            remedy="rename them in the header",
        )


def _check_columns(reader: ReaderConfig, columns: Sequence[str], name: str) -> None:
    sample: dict[str, Sequence[str]] = dict.fromkeys(columns, ())
    for wanted, setting in ((reader.smiles_column, "smiles_column"), (reader.id_column, "id_column")):
        if wanted is not None:
            named(sample, wanted, where=name, setting=f"reader.{setting}")


def is_blank(head: bytes) -> bool:
    """Whether there is nothing but a byte order mark and blanks."""
    return not head.removeprefix(_BOM).strip()


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


__all__ = ["HEAD_BYTES", "Sniffed", "is_blank", "sniff_layout", "splitter_of"]
