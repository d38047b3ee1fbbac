"""The health check: is what the receipts promise really there, whole and consistent?"""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.digests import digest_file
from cinchona.pharmacovigilance import schema
from cinchona.pharmacovigilance.receipts import DATA, STAGING
from cinchona.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cinchona.pharmacovigilance.receipts import Receipt
    from cinchona.pharmacovigilance.store import ReportStore

Level = Literal["damage", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the check found."""

    level: Level
    """``damage`` needs a repair; ``note`` is for information."""
    where: str
    """File or table."""
    what: str
    """What is wrong and what to do."""


def examine(store: ReportStore) -> list[Finding]:
    """Check receipts against files, files against the schema, and tables against each other.

    Every Parquet file is read once for its digest.
    """
    findings: list[Finding] = []
    with progress(len(store.receipts), "checking", unit="sets") as bar:
        for receipt in store.receipts:
            findings += _check_set(store, receipt)
            bar.advance()
    if not any(f.level == "damage" for f in findings):
        findings += _check_keys(store)
    findings += _check_leftovers(store)
    return findings


def _check_set(store: ReportStore, receipt: Receipt) -> Iterator[Finding]:
    stored: dict[str, int] = {}
    for account in receipt.files:
        stored[account.table] = stored.get(account.table, 0) + account.stored
        if account.rows_in != account.stored + account.set_aside:
            yield Finding("damage", account.name, f"{account.rows_in} rows in, {account.stored} stored, "
                          f"{account.set_aside} set aside: rows were lost")  # fmt: skip
    for name, table in receipt.tables.items():
        path = store.root / table.path
        again = f"set {receipt.number}: remove its receipt and ingest {receipt.inputs[0].name} again"
        if not path.exists():
            yield Finding("damage", table.path, f"the file is missing; {again}")
            continue
        if digest_file(path) != table.digest:
            yield Finding("damage", table.path, f"the file is not what was written; {again}")
            continue
        yield from _check_file(path, name, table.rows, stored.get(name))


def _check_file(path: object, name: str, rows: int, accounted: int | None) -> Iterator[Finding]:
    file = pq.ParquetFile(path)
    if file.metadata.num_rows != rows or (accounted is not None and name != "set_aside" and accounted != rows):
        yield Finding("damage", str(path), f"{file.metadata.num_rows} rows, receipt says {rows}, accounts {accounted}")
    if not file.schema_arrow.equals(schema.TABLES[name].schema) and file.schema_arrow.names != [
        f.name for f in _plain(schema.TABLES[name].schema)
    ]:
        yield Finding("damage", str(path), "the columns are not those of this version of the schema")


def _plain(columns: pa.Schema) -> list[pa.Field]:
    return list(columns)


def _check_keys(store: ReportStore) -> Iterator[Finding]:
    repeated = store.sql("SELECT count(*) - count(DISTINCT report_key) AS n FROM cases").arrow()[0][0].as_py()
    if repeated:
        yield Finding("damage", "cases", f"{repeated} report keys are not unique")
    for name in schema.CHILD_TABLES:
        query = f"SELECT count(*) AS n FROM {name} t ANTI JOIN cases c USING (report_key)"
        lost = store.sql(query).arrow()[0][0].as_py()
        if lost:
            yield Finding("damage", name, f"{lost} rows belong to no case")


def _check_leftovers(store: ReportStore) -> Iterator[Finding]:
    kept = {(store.root / t.path).parent for r in store.receipts for t in r.tables.values()}
    loose = [p for p in (store.root / DATA).glob("source=*/quarter=*/*") if p not in kept]
    loose += [p for p in (store.root / STAGING).glob("*") if not p.name.startswith("spill-")]
    if loose:
        yield Finding("note", STAGING, f"{len(loose)} folders of interrupted ingests; the next ingest removes them")
