"""One record of delimited text or of a SMILES file to a row."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Final

from cinchona.datasets.partitions import Layout
from cinchona.datasets.rowbuilder import LATIN1, Row, Unreadable

BLANK: Final = " "
"""Delimiter that stands for any run of blanks and tabs."""

RecordReader = Callable[[bytes], Row | Unreadable]
"""Turns the bytes of one record into a row, or says why it is unreadable."""


def csv_reader(layout: Layout) -> RecordReader:
    """Reader of delimited records with the columns of ``layout``."""
    width = len(layout.columns)
    smiles = layout.columns.index(layout.smiles)
    identifier = None if layout.identifier is None else layout.columns.index(layout.identifier)
    extra = [layout.columns.index(name) for name in layout.extra]

    def read(record: bytes) -> Row | Unreadable:
        decoded = decode(record, layout)
        if isinstance(decoded, Unreadable):
            return decoded
        text, flags = decoded
        fields = split_fields(text, layout.delimiter)
        if isinstance(fields, Unreadable):
            return fields
        if len(fields) != width:
            fields = fit(fields, width, text)
            if isinstance(fields, Unreadable):
                return fields
        name = "" if identifier is None else fields[identifier].strip()
        return Row(fields[smiles].strip(), name, tuple([fields[k].strip() for k in extra]) if extra else (), flags)

    return read


def smiles_reader(layout: Layout) -> RecordReader:
    """Reader of lines with a SMILES, a CX extension between bars if there is one, and a title."""

    def read(record: bytes) -> Row | Unreadable:
        decoded = decode(record, layout)
        if isinstance(decoded, Unreadable):
            return decoded
        text, flags = decoded
        smiles, title = split_title(text)
        return Row(smiles, title, (), flags)

    return read


def split_title(text: str) -> tuple[str, str]:
    r"""Split a line of a SMILES file into SMILES (with its CX extension) and title.

    The title is the rest of the line, up to the next tab.

    >>> split_title("CCO |$;;a$| ethyl alcohol\t7")
    ('CCO |$;;a$|', 'ethyl alcohol')
    """
    head, *rest = text.strip().split(None, 1)
    tail = rest[0] if rest else ""
    if tail.startswith("|") and (close := tail.find("|", 1)) > 0:
        head, tail = f"{head} {tail[: close + 1]}", tail[close + 1 :].strip()
    return head, tail.split("\t", 1)[0].strip()


def decode(record: bytes, layout: Layout) -> tuple[str, str] | Unreadable:
    """Text of a record without its line end, and its flags; or why there is none."""
    if len(record) > layout.max_record_bytes:
        return too_long(len(record), layout)
    try:
        text, flags = record.decode(), ""
    except UnicodeDecodeError:
        text, flags = record.decode("latin-1"), LATIN1
    if "\0" in text:
        return Unreadable("NUL byte in the row")
    text = text.rstrip("\r\n")
    return (text, flags) if text.strip() else Unreadable("empty row")


def too_long(length: int, layout: Layout) -> Unreadable:
    """The reject of a record beyond the cap."""
    return Unreadable(f"record of {length:,} bytes, at most {layout.max_record_bytes:,} are read")


def split_fields(text: str, delimiter: str) -> list[str] | Unreadable:
    """Fields of one record; quotes are understood as in RFC 4180, except between blanks."""
    if delimiter == BLANK:
        return text.split()
    if '"' not in text:
        return text.split(delimiter)
    try:
        rows = list(csv.reader([text], delimiter=delimiter))
    except csv.Error as error:
        return Unreadable(f"damaged row: {error}")
    return rows[0] if len(rows) == 1 else Unreadable("damaged row: line end outside quotes")


def fit(fields: list[str], width: int, text: str) -> list[str] | Unreadable:
    """Drop empty fields beyond the header's; any other difference in length is a ragged row."""
    if len(fields) > width and not any(field.strip() for field in fields[width:]):
        return fields[:width]
    lines = text.count("\n") + 1
    span = f" (the row spans {lines} lines: a quote that is not closed?)" if lines > 1 else ""
    return Unreadable(f"{len(fields)} fields, expected {width}{span}")


__all__ = [
    "BLANK",
    "RecordReader",
    "csv_reader",
    "decode",
    "fit",
    "smiles_reader",
    "split_fields",
    "split_title",
    "too_long",
]
