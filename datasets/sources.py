"""Libraries of compounds from files, globs, standard input and the catalogue, read in partitions.

Opening a library scans each file once (digest and record boundaries); reading a partition touches only its bytes or
rows. Memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinchona.datasets.config import ReaderConfig
from cinchona.datasets.partitions import LibraryFile, Partition, library_digest
from cinchona.records import CompoundBatch, Reject


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
        """Cut the library into partitions of ``rows`` records; the last one of each file may be shorter."""
        raise NotImplementedError

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
    raise NotImplementedError


def read_partition(partition: Partition) -> tuple[CompoundBatch, tuple[Reject, ...]]:
    """Read one partition.

    Returns:
        The readable rows (columns ``row_id``, ``compound_id``, ``smiles``, ``flags``, then the extra columns) and the
        unreadable ones as rejects of stage READ (PARSE for SDF structures that RDKit refuses). Together they are
        exactly ``partition.n_rows`` rows.

    Raises:
        InputError: if the file is gone or no longer what was scanned.
    """
    raise NotImplementedError


__all__ = ["Library", "open_library", "read_partition"]
