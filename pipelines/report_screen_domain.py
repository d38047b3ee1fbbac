"""How much of a screened library lies inside the model's domain, counted from the run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.pipelines.report_domain import domain_notes, percent
from cinchona.records import DOMAIN_UNKNOWN
from cinchona.screening.folder import RunFolder
from cinchona.screening.layout import EndpointColumn
from cinchona.screening.plan import Plan
from cinchona.screening.receipt_book import ReceiptBook

ROWS_READ: Final = 10_000_000
"""Rows of a library whose domain is counted."""


def domain_facts(folder: RunFolder, plan: Plan, hits: pa.Table, trust: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Facts for the report: the library and its hits by endpoint, and what the domain means; nothing if the model has none.

    Args:
        folder: Folder of the run.
        plan: Its plan.
        hits: Hits.
        trust: The model's trust record, or nothing.
    """
    if "in_domain" not in plan.layout.details:
        return
    counts = _count(folder, plan)
    for endpoint in plan.layout.endpoints:
        if endpoint.column in counts:
            yield f"library, {endpoint.name}", _told(counts[endpoint.column])
        column = _column(endpoint)
        if column in hits.schema.names:
            yield f"hits, {endpoint.name}", _told(_tally(hits[column]))
    yield from domain_notes(trust.get("domain"))


def _count(folder: RunFolder, plan: Plan) -> dict[str, np.ndarray]:
    """Rows that are unknown, outside, inside, by column; the first ten million rows at most."""
    found = {e.column: np.zeros(3, np.int64) for e in plan.layout.endpoints}
    rows = 0
    for receipt in ReceiptBook(folder).receipts():
        part = folder.root / receipt.file
        if receipt.plan != plan.fingerprint or not part.is_file() or rows >= ROWS_READ:
            continue
        rows += receipt.rows
        table = pq.read_table(part, columns=[_column(e) for e in plan.layout.endpoints])
        for endpoint in plan.layout.endpoints:
            found[endpoint.column] += _tally(table[_column(endpoint)])
    return found if rows else {}


def _column(endpoint: EndpointColumn) -> str:
    return f"{endpoint.column}_in_domain"


def _tally(column: pa.ChunkedArray) -> np.ndarray:
    values = column.drop_null().to_numpy().astype(np.int64)
    counts: np.ndarray = np.bincount(np.clip(values, DOMAIN_UNKNOWN, 1) - DOMAIN_UNKNOWN, minlength=3)
    return counts


def _told(counts: np.ndarray) -> str:
    unknown, outside, inside = (int(n) for n in counts)
    known = inside + outside
    text = f"{outside:,} of {known:,} outside the domain ({percent(outside / known if known else float('nan'))})"
    return text + (f", {unknown:,} not known" if unknown else "")


__all__ = ["ROWS_READ", "domain_facts"]
