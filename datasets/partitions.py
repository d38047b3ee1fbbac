"""Records of a library: its files, and the partitions that worker processes read on their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np

from cinchona.digests import digest_json

STRIDE: Final = 1_000
"""Records between two marks of a :class:`LibraryFile`."""

RecordKind = Literal["csv", "smiles", "sdf", "row"]
"""What one record is: fields between delimiters, SMILES and title, an SDF record, a row of a Parquet file."""

StoredFormat = Literal["csv", "smiles", "sdf", "parquet", "staged", "prepared"]
"""Layouts on disk; ``staged`` is Parquet written by us, one raw record a row, from an input that cannot be
read in pieces; ``prepared`` is a folder of Parquet parts that ``cinchona data prepare`` wrote."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to find structure and identifier in the records of one file: all that a worker needs beside the bytes."""

    record: RecordKind = "csv"
    """What a record is."""
    columns: tuple[str, ...] = ()
    """Columns of the file in order; empty for SDF."""
    smiles: str = ""
    """Column of the structures; empty for SDF, where they come from the molecule block."""
    identifier: str | None = None
    """Column, or SDF property, of the identifiers; None for row numbers."""
    title_first: bool = False
    """SDF: the title line is the identifier, and ``identifier`` only where it is empty."""
    delimiter: str = ","
    """Character between columns of delimited text; a blank stands for any run of blanks and tabs."""
    extra: tuple[str, ...] = ()
    """Columns, or SDF properties, that a batch carries beside the base columns, as text."""
    max_record_bytes: int = 262_144
    """Longer records are rejected."""
    max_cell_length: int = 20_000
    """Longer SMILES and identifiers are rejected."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A run of consecutive records of one file: plain data that a worker can read alone."""

    partition_id: int
    """Position in the library, from 0."""
    path: str
    """File that is read."""
    format: StoredFormat
    """How it is read."""
    start: int
    """First byte (text formats) or first row (Parquet)."""
    stop: int
    """Byte or row after the last."""
    first_row: int
    """Row id of the first record: its position over all files of the library in the order given."""
    n_rows: int
    """Records, readable or not."""
    layout: Layout = field(default_factory=Layout)
    """How to read a record."""
    digest: str = ""
    """SHA-256 of the file at ``path`` that has to match, hex; empty for files that are not checked at every reading."""

    def to_json(self) -> dict[str, Any]:
        """The partition as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Partition:
        """Read what :meth:`to_json` gave, also after a round trip through JSON text."""
        fields = dict(data)
        layout = dict(fields.pop("layout"))
        for name in ("columns", "extra"):
            layout[name] = tuple(layout[name])
        return cls(**fields, layout=Layout(**layout))


@dataclass(frozen=True, slots=True, eq=False)
class LibraryFile:
    """One file of a library, scanned."""

    name: str
    """File name without folder (``stdin`` for standard input), for people."""
    path: str
    """File that is read: the input itself, or its staged copy."""
    format: StoredFormat
    """How it is read."""
    digest: str
    """SHA-256 of the input's bytes, hex; of a gzip file the packed bytes."""
    n_bytes: int
    """Bytes of the input."""
    n_rows: int
    """Records, readable or not."""
    layout: Layout
    """How to read a record."""
    decisions: tuple[str, ...] = ()
    """What was found out rather than told, one sentence each."""
    marks: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64), repr=False)
    """Byte where every :data:`STRIDE`-th record begins (text formats), int64; empty for Parquet."""
    end: int = 0
    """Byte after the last record (text formats)."""
    parts: tuple[tuple[str, int, str], ...] = ()
    """Path, rows and digest of each part of a prepared library."""
    prepared_with: Mapping[str, Any] | None = None
    """Rules that a prepared library was standardized by, as plain data; None for others."""


def library_digest(files: tuple[LibraryFile, ...]) -> str:
    """Digest of a library: content and layout of its files in order, not their names or folders."""
    return digest_json([[f.digest, asdict(f.layout)] for f in files])


__all__ = ["STRIDE", "Layout", "LibraryFile", "Partition", "RecordKind", "StoredFormat", "library_digest"]
