"""Libraries of compounds from files, globs, standard input and the catalogue, read in partitions.

Opening a library scans each file once (digest and record boundaries); reading a partition touches only its bytes or
rows. Memory does not grow with the file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from cinchona.datasets.config import ReaderConfig
from cinchona.datasets.inputs import find_inputs
from cinchona.datasets.opening import open_input
from cinchona.datasets.parquetrows import read_rows
from cinchona.datasets.partitions import STRIDE, LibraryFile, Partition, library_digest
from cinchona.datasets.prepared_parts import read_prepared
from cinchona.datasets.rowbuilder import RowBuilder, Unreadable
from cinchona.datasets.scanning import read_blocks, record_start
from cinchona.datasets.sdfrecords import sdf_reader
from cinchona.datasets.sniffing import splitter_of
from cinchona.datasets.staging import staged_records
from cinchona.datasets.textrecords import RecordReader, csv_reader, smiles_reader, too_long
from cinchona.errors import ConfigError, InputError, NoUsableRowsError
from cinchona.records import CompoundBatch, Reject

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Library:
    """Scanned files, in the order given; rows are numbered over all of them."""

    files: tuple[LibraryFile, ...]
    """The files."""

    @property
    def n_rows(self) -> int:
        """Records of all files, readable or not."""
        return sum(file.n_rows for file in self.files)

    @property
    def digest(self) -> str:
        """Digest of contents and layouts, hex."""
        return library_digest(self.files)

    def partitions(self, rows: int) -> Iterator[Partition]:
        """Cut the library into partitions of ``rows`` records; the last one of each file may be shorter.

        The partitions do not depend on anything but the files and ``rows``.
        """
        if rows < 1:
            raise ConfigError(f"partitions of {rows} rows", expected="1 or more")
        number = first_row = 0
        for file in self.files:
            for part in _cut(file, rows):
                yield replace(part, partition_id=number, first_row=first_row)
                number, first_row = number + 1, first_row + part.n_rows

    def batches(self, rows: int = 20_000) -> Iterator[tuple[CompoundBatch, tuple[Reject, ...]]]:
        """Read the partitions one after the other."""
        return (read_partition(partition) for partition in self.partitions(rows))


def open_library(
    inputs: Sequence[str | Path],
    *,
    staging: Path,
    reader: ReaderConfig | None = None,
    extra_columns: Sequence[str] | None = (),
) -> Library:
    """Find and scan the files of a library.

    Args:
        inputs: Files, globs, ``catalogue:NAME`` or ``-`` for standard input, in the order in which rows are numbered.
        staging: Folder for copies of what cannot be read in pieces (gzip, standard input, pipes), as Parquet.
        reader: What is known of the files.
        extra_columns: Columns to carry beside id and SMILES; None for all.

    Raises:
        InputError: if a file is missing, damaged or of an unknown format, or a glob matches nothing.
        ColumnError: if a column is missing or ambiguous.
        UnsafeFileError: if a compressed file unpacks beyond the caps.
        NoUsableRowsError: if there is no record.
    """
    rules = reader or ReaderConfig()
    files = tuple(open_input(source, staging, rules, extra=extra_columns) for source in find_inputs(inputs))
    for file in files:
        for sentence in file.decisions:
            logger.info("%s: %s", file.name, sentence)
        if not file.n_rows:
            logger.warning("%s holds no record", file.name)
    library = Library(files)
    if not library.n_rows:
        raise NoUsableRowsError(
            "the input is empty" if sum(f.n_bytes for f in files) == 0 else "the input holds no record",
            where=", ".join(file.name for file in files),
            expected="at least one compound",
        )
    return library


def read_partition(
    partition: Partition,
    *,
    begin: Callable[[int], None] = lambda _: None,
    skip: Mapping[int, Reject] = MappingProxyType({}),
) -> tuple[CompoundBatch, tuple[Reject, ...]]:
    """Read one partition.

    Args:
        partition: Which records.
        begin: Called with the row id of each record of a text format before it is read.
        skip: Records of text formats that are not to be read, by row id; they come back as these rejects.

    Returns:
        The readable rows (columns ``row_id``, ``compound_id``, ``smiles``, ``flags``, then the extra columns) and the
        unreadable ones as rejects of stage READ (PARSE for SDF structures that RDKit refuses). Together they are
        exactly ``partition.n_rows`` rows.

    Raises:
        InputError: if the file is gone or no longer what was scanned.
    """
    if partition.format == "prepared":
        given, _, unreadable = read_prepared(partition)
        return given, unreadable
    builder = RowBuilder(partition.layout, partition.first_row)
    try:
        _fill(partition, builder, begin, skip)
    except FileNotFoundError as error:
        raise InputError("the file is gone", where=partition.path, remedy="put it back and run again") from error
    n_read = builder.next_row - partition.first_row
    if n_read != partition.n_rows:
        raise InputError(
            f"partition {partition.partition_id} holds {n_read} records, {partition.n_rows} when it was scanned",
            where=partition.path,
            remedy="the file has changed: plan the run again",
        )
    return builder.finish()


def raw_records(partition: Partition) -> Iterator[tuple[bytes | None, int]]:
    """Bytes of each record of a text partition with its length; None where one is longer than the cap."""
    if partition.format == "staged":
        yield from staged_records(partition)
        return
    splitter = splitter_of(partition.layout)
    for block in read_blocks(Path(partition.path), splitter, start=partition.start, stop=partition.stop):
        if block.cut:
            yield None, int(block.ends[0])
        else:
            yield from ((record, len(record)) for record in block.records())


def _fill(partition: Partition, builder: RowBuilder, begin: Callable[[int], None], skip: Mapping[int, Reject]) -> None:
    if partition.format == "parquet":
        read_rows(partition, builder)
        return
    read = record_reader(partition)
    for record, length in raw_records(partition):
        begin(builder.next_row)
        if builder.next_row in skip:
            known = skip[builder.next_row]
            builder.add(Unreadable(known.reason, known.stage))
        else:
            builder.add(too_long(length, partition.layout) if record is None else read(record))


def record_reader(partition: Partition) -> RecordReader:
    """Turns one raw record of this partition into a row."""
    if partition.layout.record == "sdf":
        return sdf_reader(partition.layout)
    return smiles_reader(partition.layout) if partition.layout.record == "smiles" else csv_reader(partition.layout)


def _cut(file: LibraryFile, rows: int) -> Iterator[Partition]:
    """Pieces of one file of at most ``rows`` records, numbers still to come; parts of prepared libraries stay whole where they can."""
    if file.format == "prepared":
        for path, n_rows, digest in file.parts:
            for start in range(0, n_rows, rows):
                n = min(rows, n_rows - start)
                yield Partition(0, path, "prepared", start, start + n, 0, n, file.layout, digest)
        return
    stop = _place(file, 0)
    for row in range(0, file.n_rows, rows):
        n = min(rows, file.n_rows - row)
        start, stop = stop, _place(file, row + n)
        yield Partition(0, file.path, file.format, start, stop, 0, n, file.layout)


def _place(file: LibraryFile, row: int) -> int:
    """First byte of record ``row``; for Parquet the row itself."""
    if file.format in {"parquet", "staged"}:
        return row
    if row >= file.n_rows:
        return file.end
    mark = int(file.marks[row // STRIDE])
    return record_start(Path(file.path), splitter_of(file.layout), mark=mark, skip=row % STRIDE, end=file.end)


__all__ = ["Library", "LibraryFile", "Partition", "open_library", "raw_records", "read_partition", "record_reader"]
