"""Several finished runs as one: the best of all, all rejects, and which identifiers stand in more than one.

Scores are not copied: they stay where they are, and ``parts.parquet`` names their files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.errors import InputError, RetryableError
from cinchona.files import atomic_path, write_text
from cinchona.manifest import InputFile, Manifest
from cinchona.screening.csvfile import write_csv
from cinchona.screening.folder import RunFolder
from cinchona.screening.hits import MAX_DUPLICATE_IDS
from cinchona.screening.identity import differences, mismatch
from cinchona.screening.plan import Plan, load_plan
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.sdffile import write_sdf
from cinchona.screening.totals import Totals, check_complete

logger = logging.getLogger(__name__)

REPEATED_LISTED: Final = 100_000
"""Identifiers that ``repeated_ids.csv`` lists at most; their number is exact beyond that."""
_OWN_TO_A_RUN: Final = frozenset({"library", "reader"})
"""Parts of a plan's identity in which merged runs may differ."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Several runs as one. Always ``rows == scored + rejected``."""

    folder: Path
    """Where the results are."""
    runs: int
    """Runs merged."""
    rows: int
    """Rows of all libraries."""
    scored: int
    """Rows with a score."""
    rejected: int
    """Rows without."""
    hits: int
    """Distinct compounds in the hit list."""
    repeated_ids: int
    """Identifiers that stand in more than one run."""


@dataclass(frozen=True, slots=True)
class _Run:
    folder: RunFolder
    plan: Plan
    totals: Totals


def merge_runs(runs: Sequence[Path], out: Path) -> Merged:
    """Merge finished runs of one model and one configuration.

    Hits are those of screening all libraries as one: distinct compounds, higher score first, then the earlier run,
    then the lower row id; a compound that is a hit of several runs is one hit, and its other rows are its duplicates.

    Args:
        runs: Folders of finished runs, in the order that ranks equal scores.
        out: New or empty folder for ``hits``, ``rejects``, ``repeated_ids.csv``, ``parts.parquet``, ``manifest.json``.

    Raises:
        InputError: if a run is not finished or given twice, or ``out`` holds something.
        PlanMismatchError: if model or configuration differ.
        RetryableError: if a run was damaged, or the disk is full, read-only or failing.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(
            f"the folder {out} is not empty", expected="a new or empty folder", remedy="choose another --out"
        )
    opened = [_opened(RunFolder(path.absolute())) for path in runs]
    _require_alike(opened)
    out.mkdir(parents=True, exist_ok=True)
    target = RunFolder(out)
    hits = _merged_hits(opened)
    with atomic_path(target.hits) as temporary:
        pq.write_table(hits, temporary, compression="zstd")
    write_csv(target.hits.with_suffix(".csv"), hits.to_batches(), hits.schema)
    write_sdf(target.hits.with_suffix(".sdf"), hits, smiles_column="parent_smiles", title_column="compound_id")
    _write_rejects(target, opened)
    _write_parts(out / "parts.parquet", opened)
    repeated = _write_repeated(out, opened)
    merged = Merged(
        folder=out,
        runs=len(opened),
        rows=sum(r.totals.rows for r in opened),
        scored=sum(r.totals.scored for r in opened),
        rejected=sum(r.totals.rejected for r in opened),
        hits=hits.num_rows,
        repeated_ids=repeated,
    )
    _write_manifest(target, opened, merged)
    write_text(target.success, "".join(f"{r.totals.scores_digest}\n" for r in opened))
    return merged


def _opened(folder: RunFolder) -> _Run:
    plan = load_plan(folder)
    if not folder.success.is_file():
        raise InputError(
            "the run is not finished", where=str(folder.root), remedy=f"finish it with: cinchona resume {folder.root}"
        )
    totals = check_complete(folder, plan)
    if folder.success.read_text("utf-8").strip() != totals.scores_digest:
        raise RetryableError(
            "the scores are not those that were marked as finished",
            where=str(folder.root),
            remedy=f"cinchona fsck {folder.root}",
        )
    return _Run(folder, plan, totals)


def _require_alike(runs: Sequence[_Run]) -> None:
    first = runs[0]
    for n, run in enumerate(runs):
        if any(run.folder.root.samefile(other.folder.root) for other in runs[:n]):
            raise InputError(f"the run {run.folder.root} is given twice", remedy="give each run once")
        lines = differences(_shared(first.plan), _shared(run.plan))
        if lines:
            raise mismatch(run.folder, [f"{line} (planned: in {first.folder.root})" for line in lines])
    seen: dict[str, str] = {}
    for run in runs:
        for file in run.plan.inputs:
            if file.digest in seen:
                logger.warning("%s and %s are the same file: its rows count twice", seen[file.digest], file.name)
            seen[file.digest] = f"{run.folder.root.name}: {file.name}"


def _shared(plan: Plan) -> dict[str, Any]:
    return {name: value for name, value in plan.identity.items() if name not in _OWN_TO_A_RUN}


def _merged_hits(runs: Sequence[_Run]) -> pa.Table:
    tables = []
    for n, run in enumerate(runs):
        table = pq.read_table(run.folder.hits)
        tables.append(table.add_column(1, "run", pa.array([n] * table.num_rows, pa.int64())))
    every = pa.concat_tables(tables).combine_chunks()
    scores, rows, of_run = (every[name].to_numpy() for name in ("score", "row_id", "run"))
    order = np.lexsort((rows, of_run, -scores))
    parents = every["parent_smiles"].to_pylist()
    copies: dict[str, list[int]] = {}
    for position in order.tolist():
        copies.setdefault(parents[position], []).append(position)
    kept = list(copies.values())[: runs[0].plan.screen.top_k]
    hits = every.take(pa.array([group[0] for group in kept], pa.int64()))
    columns = {name: hits[name] for name in hits.schema.names}
    columns["rank"] = pa.array(range(1, len(kept) + 1), pa.int64())
    duplicates = every.select(["compound_id", "n_duplicates", "duplicate_ids"]).to_pylist()
    joined = [_joined([duplicates[i] for i in group]) for group in kept]
    columns["n_duplicates"] = pa.array([n for n, _ in joined], pa.int64())
    columns["duplicate_ids"] = pa.array([ids for _, ids in joined], pa.string())
    return pa.table(columns)


def _joined(group: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """Number of further rows of a hit over all runs, and the first of their identifiers."""
    first, *others = group
    ids = first["duplicate_ids"].split(";") if first["duplicate_ids"] else []
    for other in others:
        ids += [other["compound_id"] or "", *(other["duplicate_ids"].split(";") if other["duplicate_ids"] else [])]
    return sum(row["n_duplicates"] for row in group) + len(others), ";".join(ids[:MAX_DUPLICATE_IDS])


def _write_rejects(target: RunFolder, runs: Sequence[_Run]) -> None:
    schema = pq.read_schema(runs[0].folder.rejects).insert(0, pa.field("run", pa.int64()))
    with atomic_path(target.rejects) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for n, run in enumerate(runs):
            with pq.ParquetFile(run.folder.rejects) as table:
                for batch in table.iter_batches():
                    column = pa.array([n] * batch.num_rows, pa.int64())
                    writer.write_batch(pa.RecordBatch.from_arrays([column, *batch.columns], schema=schema))
    with pq.ParquetFile(target.rejects) as table:
        write_csv(target.rejects.with_suffix(".csv"), table.iter_batches(), schema)


def _write_parts(path: Path, runs: Sequence[_Run]) -> None:
    """The files of the scores: run, its partition, first row and rows, and the file's absolute path."""
    schema = pa.schema(
        [("run", pa.int64()), ("partition_id", pa.int64()), ("first_row", pa.int64()), ("rows", pa.int64()),
         ("path", pa.string())]
    )  # fmt: skip
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for batch in _parts(runs, schema):
            writer.write_batch(batch)


def _parts(runs: Sequence[_Run], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for n, run in enumerate(runs):
        rows = []
        for r in ReceiptBook(run.folder).receipts():
            place = str(run.folder.root / r.file)
            rows.append(
                {"run": n, "partition_id": r.partition_id, "first_row": r.first_row, "rows": r.rows, "path": place}
            )
            if len(rows) == 10_000:
                yield pa.RecordBatch.from_pylist(rows, schema)
                rows = []
        yield pa.RecordBatch.from_pylist(rows, schema)


def _write_repeated(out: Path, runs: Sequence[_Run]) -> int:
    """List identifiers of more than one run; DuckDB counts them, on disk if need be. Returns their exact number."""
    import duckdb

    with duckdb.connect(config={"temp_directory": str(out / ".spill.tmp"), "threads": 1}) as database:
        database.execute("create table ids (id varchar, run integer)")
        for n, run in enumerate(runs):
            pattern = str(run.folder.data / "*" / "*.parquet")
            database.execute(
                "insert into ids select distinct compound_id, ? from read_parquet(?) where compound_id is not null",
                [n, pattern],
            )
        database.execute(
            "create table repeated as select id, string_agg(run, ';' order by run) as runs from ids group by id having count(*) > 1"
        )
        (count,) = database.execute("select count(*) from repeated").fetchall()[0]
        listed = database.execute("select id, runs from repeated order by id limit ?", [REPEATED_LISTED]).fetchall()
    schema = pa.schema([("compound_id", pa.string()), ("runs", pa.string())])
    table = pa.table([[row[i] for row in listed] for i in range(2)], schema=schema)
    write_csv(out / "repeated_ids.csv", table.to_batches(), schema)
    if count:
        logger.warning("%s identifiers stand in more than one run; see repeated_ids.csv", f"{count:,}")
    return int(count)


def _write_manifest(target: RunFolder, runs: Sequence[_Run], merged: Merged) -> None:
    inputs = tuple(InputFile(name=r.folder.root.name, bytes=0, digest=r.totals.scores_digest) for r in runs)
    counts = {name: getattr(merged, name) for name in ("runs", "rows", "scored", "rejected", "hits", "repeated_ids")}
    shared = _shared(runs[0].plan)
    Manifest(kind="merge", seed=0, config=shared, inputs=inputs, counts=counts).write(target.manifest)
