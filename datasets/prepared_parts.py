"""Parts of a prepared library, read back as if they had been read and standardized just now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.codecolumns import CODE_COLUMNS
from cinchona.datasets.parquetrows import open_parquet
from cinchona.datasets.partitions import Partition
from cinchona.datasets.standardize import FLAGS, GIVEN_SMILES, StandardizedBatch, first_equal
from cinchona.digests import digest_file
from cinchona.errors import InputError
from cinchona.records import CompoundBatch, Reject, Stage

FIELDS: Final = (
    pa.field("row_id", pa.int64(), nullable=False),
    pa.field("compound_id", pa.string()),
    pa.field(GIVEN_SMILES, pa.string()),
    pa.field("smiles", pa.string()),
    pa.field(FLAGS, pa.string()),
    pa.field("stage", pa.string()),
    pa.field("reason", pa.string()),
    *(pa.field(name, pa.large_binary()) for name in CODE_COLUMNS),
)
"""Columns of a part.

``given_smiles``: as the source gave it, null where the row could not be read. ``smiles``: SMILES of the standardized
parent as a screen of the library itself would have it, null with ``stage`` and ``reason`` where there is none. ``flags``: joined by ``;``. Then the graph
codes of ``smiles``; null for graphs beyond the limits of graph networks.
"""


CANONICAL: Final = "canonical_smiles"
"""Further column of a library whose ``smiles`` need not be canonical (:attr:`.StandardizeConfig.keeps_texts`)."""


def part_schema(descriptors: Sequence[str] = (), *, as_written: bool = False) -> pa.Schema:
    """Columns of a part with these descriptors; ``as_written`` if structures need not be canonical."""
    canonical = [pa.field(CANONICAL, pa.string())] if as_written else []
    return pa.schema([*FIELDS, *canonical, *(pa.field(name, pa.float32()) for name in descriptors)])


def read_prepared(partition: Partition) -> tuple[CompoundBatch, StandardizedBatch, tuple[Reject, ...]]:
    """Read a partition of a prepared library.

    Returns:
        What reading and standardizing its rows gave when it was prepared: rows as given, rows in standard form with
        their graph codes, and the rows that could not be read.

    Raises:
        InputError: if the part is gone or not what the header says.
    """
    table = _rows(partition)
    rows = np.arange(partition.first_row, partition.first_row + partition.n_rows)
    table = table.set_column(0, FIELDS[0], pa.array(rows, pa.int64()))
    failed = np.asarray(table.column("stage").is_valid())
    readable = np.asarray(table.column(GIVEN_SMILES).is_valid())
    stages, reasons = table.column("stage").to_pylist(), table.column("reason").to_pylist()

    def rejects(mask: np.ndarray) -> tuple[Reject, ...]:
        return tuple(Reject(int(rows[k]), Stage(stages[k]), reasons[k]) for k in np.flatnonzero(mask).tolist())

    given = _batch(table.filter(pa.array(readable)).select(["row_id", "compound_id", GIVEN_SMILES]))
    kept = table.filter(pa.array(~failed))
    standard = _batch(kept.select(["row_id", "compound_id", "smiles", GIVEN_SMILES, FLAGS, *CODE_COLUMNS]))
    duplicate_of = first_equal(standard.row_ids, standard.smiles)
    if CANONICAL in kept.column_names:
        duplicate_of = first_equal(standard.row_ids, kept.column(CANONICAL).to_pylist())
        standard = _with_first_structures(standard, duplicate_of)
    return given, StandardizedBatch(standard, duplicate_of, rejects(readable & failed)), rejects(~readable)


def _with_first_structures(batch: CompoundBatch, duplicate_of: np.ndarray) -> CompoundBatch:
    """Give duplicates the structure of the first row of their compound, as if they had been read just now."""
    rows, smiles = batch.row_ids, batch.smiles
    doubled = np.flatnonzero(duplicate_of >= 0)
    for k, first in zip(doubled.tolist(), np.searchsorted(rows, duplicate_of[doubled]).tolist(), strict=True):
        smiles[k] = smiles[first]
    data = batch.data.set_column(2, "smiles", pa.array(smiles, pa.string())) if len(doubled) else batch.data
    return CompoundBatch(data)


def _rows(partition: Partition) -> pa.Table:
    path = Path(partition.path)
    if partition.digest and (not path.is_file() or digest_file(path) != partition.digest):
        raise InputError(
            "a part of the prepared library is not what was prepared", where=str(path),
            expected=f"digest {partition.digest[:12]}", remedy="restore it, or prepare the library again",
        )  # fmt: skip
    open_parquet(path, name=path.name).close()
    names = [*(f.name for f in FIELDS), *({CANONICAL} & set(pq.read_schema(path).names))]
    table: pa.Table = pq.read_table(path, columns=names, use_threads=False)
    table = table.slice(partition.start, partition.stop - partition.start).combine_chunks()
    if table.num_rows != partition.n_rows:
        raise InputError(f"the part holds {table.num_rows} rows", where=str(path), expected=f"{partition.n_rows}")
    return table


def _batch(table: pa.Table) -> CompoundBatch:
    names = ["row_id", "compound_id", "smiles", *table.column_names[3:]]
    columns = [table.column(k).combine_chunks() for k in range(table.num_columns)]
    arrays = [c.chunk(0) if isinstance(c, pa.ChunkedArray) and c.num_chunks else c for c in columns]
    arrays = [
        pa.array([], table.schema.field(k).type) if isinstance(a, pa.ChunkedArray) else a for k, a in enumerate(arrays)
    ]
    return CompoundBatch(pa.RecordBatch.from_arrays(arrays, names=names))


__all__ = ["CANONICAL", "FIELDS", "part_schema", "read_prepared"]
