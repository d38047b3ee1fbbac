"""Part files: one row for each input row of a partition, in input order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.standardize import FLAGS, StandardizedBatch
from cinchona.errors import ContractError
from cinchona.files import disk_errors, fsync_file, fsync_folder
from cinchona.records import CompoundBatch, Reject
from cinchona.screening.failpoints import failpoint
from cinchona.screening.layout import TableLayout
from cinchona.screening.scoring import Scored

SCORED: Final = "scored"
"""``status`` of a row with a score."""
REJECTED: Final = "rejected"
"""``status`` of a row without."""


@dataclass(frozen=True, slots=True)
class PartitionRows:
    """Everything known of the rows of one partition, from which the table is made."""

    first_row: int
    """Row id of the first row."""
    n_rows: int
    """Rows of the partition."""
    given: CompoundBatch
    """Rows that could be read, as given."""
    standardized: StandardizedBatch
    """What of them could be standardized, and what not."""
    rejects: tuple[Reject, ...]
    """Rows that could not be read."""
    scored: Scored
    """What became of the distinct compounds."""


def build_part(rows: PartitionRows, layout: TableLayout) -> pa.Table:
    """Make the table of a partition.

    Raises:
        ContractError: if some row is neither scored nor rejected, or both.
    """
    source = _source_rows(rows)
    rejects = _all_rejects(rows, source)
    reject_rows = np.fromiter(rejects, np.int64, len(rejects))
    columns = _base_columns(rows, rejects)
    if rows.scored.scores is not None:
        at = _positions(rows, rows.scored.scores.row_ids)
        taken = _index(at[source - rows.first_row])
        columns |= {n: values.take(taken) for n, values in layout.columns(rows.scored.scores).items()}
    table = pa.table(
        [_cast(columns.get(f.name), f.type, rows.n_rows) for f in layout.arrow_schema()], layout.arrow_schema()
    )
    _check(table, rows, reject_rows)
    return table


def write_part(table: pa.Table, path: Path, *, partition_id: int) -> None:
    """Write a part file that nobody has written before and force it to the disk.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
        FileExistsError: if there is such a file; part files are never overwritten.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        failpoint("part.before_write", partition_id)
        with path.open("xb") as file:
            pq.write_table(table, file, compression="zstd")
        failpoint("part.before_fsync", partition_id)
        fsync_file(path)
        fsync_folder(path.parent)
        failpoint("part.after_fsync", partition_id)


def _source_rows(rows: PartitionRows) -> np.ndarray:
    """Row whose score each row takes: itself, or for a duplicate the first equal one; int64, shape (n_rows,)."""
    source = np.arange(rows.first_row, rows.first_row + rows.n_rows, dtype=np.int64)
    duplicate_of = rows.standardized.duplicate_of
    doubled = duplicate_of >= 0
    source[rows.standardized.batch.row_ids[doubled] - rows.first_row] = duplicate_of[doubled]
    return source


def _all_rejects(rows: PartitionRows, source: np.ndarray) -> dict[int, Reject]:
    """Rejects by row, those of duplicates of rejected compounds included."""
    rejects = {r.row_id: r for r in (*rows.rejects, *rows.standardized.rejects, *rows.scored.rejects)}
    for row in np.flatnonzero(source != np.arange(rows.first_row, rows.first_row + rows.n_rows)) + rows.first_row:
        first = rejects.get(int(source[row - rows.first_row]))
        if first is not None:
            rejects[int(row)] = Reject(int(row), first.stage, f"{first.reason} (same compound as row {first.row_id})")
    return rejects


def _base_columns(rows: PartitionRows, rejects: Mapping[int, Reject]) -> dict[str, pa.Array]:
    given = _index(_positions(rows, rows.given.row_ids))
    standard = rows.standardized.batch
    standardized = _index(_positions(rows, standard.row_ids))
    every = range(rows.first_row, rows.first_row + rows.n_rows)
    bad = [rejects.get(row) for row in every]
    duplicate_of = pa.array(rows.standardized.duplicate_of, pa.int64()).take(standardized)
    return {
        "row_id": pa.array(every, pa.int64()),
        "compound_id": rows.given.data.column(1).take(given),
        "smiles": rows.given.data.column(2).take(given),
        "parent_smiles": standard.data.column(2).take(standardized),
        "status": pa.array([SCORED if r is None else REJECTED for r in bad]),
        "stage": pa.array([None if r is None else str(r.stage) for r in bad], pa.string()),
        "reason": pa.array([None if r is None else r.reason for r in bad], pa.string()),
        "flags": standard.data.column(FLAGS).take(standardized).fill_null(""),
        "duplicate_of": duplicate_of.fill_null(-1),
    }


def _positions(rows: PartitionRows, row_ids: np.ndarray) -> np.ndarray:
    """Position in ``row_ids`` of each row of the partition, -1 where it is not among them; int64, shape (n_rows,)."""
    at = np.full(rows.n_rows, -1, np.int64)
    at[row_ids - rows.first_row] = np.arange(len(row_ids))
    return at


def _index(positions: np.ndarray) -> pa.Array:
    """Positions as an index for ``take`` that gives null for -1."""
    return pa.array(positions, pa.int64(), mask=positions < 0)


def _cast(values: pa.Array | None, kind: pa.DataType, n: int) -> pa.Array:
    return pa.nulls(n, kind) if values is None else values.cast(kind)


def _check(table: pa.Table, rows: PartitionRows, reject_rows: np.ndarray) -> None:
    """Hold our own promise: each row exactly once, scored or rejected."""
    is_scored = table.column("score").is_valid().to_numpy()
    is_rejected = np.zeros(rows.n_rows, bool)
    is_rejected[reject_rows - rows.first_row] = True
    wrong = np.flatnonzero(is_scored == is_rejected)
    if len(wrong):
        raise ContractError(
            f"{len(wrong)} rows are scored and rejected, or neither",
            where=f"first: row {rows.first_row + int(wrong[0])}",
            expected="each input row scored or rejected exactly once",
        )


def row_range(path: Path) -> tuple[int, int, int]:
    """First row id, last row id and number of rows of a part file, from its footer alone."""
    footer = pq.read_metadata(path)
    groups = [footer.row_group(i).column(0).statistics for i in range(footer.num_row_groups)]
    return min(g.min for g in groups), max(g.max for g in groups), footer.num_rows
