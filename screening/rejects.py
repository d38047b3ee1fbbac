"""The table of rejects: every input row that has no score, with the stage and the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cinchona.files import atomic_path
from cinchona.screening.csvfile import write_csv
from cinchona.screening.folder import RunFolder
from cinchona.screening.parts import REJECTED
from cinchona.screening.receipt_book import ReceiptBook

SCHEMA: Final = pa.schema(
    [
        pa.field("row_id", pa.int64(), nullable=False),
        pa.field("compound_id", pa.string()),
        pa.field("smiles", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("reason", pa.string()),
    ]
)
"""Columns of ``rejects.parquet``; id and SMILES are null where the record could not be read."""


def write_rejects(folder: RunFolder, rejects: np.ndarray) -> None:
    """Write the rejects of a complete run in row order as Parquet and CSV, one partition in memory at a time.

    Args:
        folder: The run.
        rejects: Rejected rows of each partition, int64, shape (n_partitions,).

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    with (
        atomic_path(folder.rejects) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer,
    ):
        for batch in _rejects(folder, rejects):
            writer.write_batch(batch)
    with pq.ParquetFile(folder.rejects) as table:
        write_csv(folder.rejects.with_suffix(".csv"), table.iter_batches(), SCHEMA)


def _rejects(folder: RunFolder, rejects: np.ndarray) -> Iterator[pa.RecordBatch]:
    book = ReceiptBook(folder)
    for partition_id in np.flatnonzero(rejects).tolist():
        receipt = book.find(partition_id)
        assert receipt is not None, partition_id
        part = pq.read_table(folder.root / receipt.file, columns=[*SCHEMA.names, "status"])
        rows = part.filter(pc.equal(part["status"], REJECTED)).select(SCHEMA.names).cast(SCHEMA)
        yield from rows.combine_chunks().to_batches()
