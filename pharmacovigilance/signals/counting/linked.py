"""Counting rows that link a drug to an event themselves, instead of pairing all drugs of a report with all its events."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from cinchona.errors import NoUsableRowsError
from cinchona.pharmacovigilance.signals.counting.columns import (
    ReportColumns,
    distinct_ids,
    encode_labels,
    positions,
    to_arrow,
)
from cinchona.pharmacovigilance.signals.counting.incidence import build_incidence
from cinchona.pharmacovigilance.signals.counting.pairs import Definition, PairCounts


def count_linked(frame: Any, *, columns: ReportColumns | None = None) -> PairCounts:  # noqa: ANN401 - frames of four libraries
    """Count a table whose rows say which drug goes with which event: case, drug, event.

    ``n`` is the number of distinct reports with a row of the pair; ``n_drug``, ``n_event`` and the total are distinct
    reports with any row of the drug, of the event, and with any row. A report that has the drug in one row and the
    event in another adds to both margins and not to ``n``: that is how pvda counts. Where every drug of a report is
    listed with every event, this equals :func:`~cinchona.pharmacovigilance.signals.counting.count.count_pairs`.

    Args:
        frame: Arrow, Polars or pandas table; rows with a null or blank are left out.
        columns: Names of the columns.

    Raises:
        NoUsableRowsError: if no row is complete.
    """
    names = columns or ReportColumns()
    table = to_arrow(frame, [names.case_id, names.drug, names.event], what="table of linked rows")
    ids = distinct_ids([table[names.case_id]])
    case = positions(table[names.case_id], ids) if len(ids) else np.zeros(0, np.int32)
    drug, drug_labels = encode_labels(table[names.drug])
    event, event_labels = encode_labels(table[names.event])
    usable = (case >= 0) & (drug >= 0) & (event >= 0)
    if not usable.any():
        raise NoUsableRowsError("no row has a case, a drug and an event", expected="at least one complete row")
    case, drug, event = case[usable], drug[usable], event[usable]
    linked = pl.DataFrame({"drug": drug, "event": event, "case": case}).unique()
    counts = linked.group_by("drug", "event").len().sort("drug", "event")
    bits = np.zeros(len(case), np.uint8)
    margins = [
        build_incidence(case, codes, bits, n_cases=len(ids), n_items=len(labels)).case_counts()
        for codes, labels in ((drug, drug_labels), (event, event_labels))
    ]
    definition = Definition(
        counting="reports, drug and event linked by the row", universe="reports with at least one row",
        comparator="all other reports of the table",
    )  # fmt: skip
    return PairCounts(
        drug_labels, event_labels, counts["drug"].to_numpy(), counts["event"].to_numpy(),
        counts["len"].to_numpy().astype(np.int64), margins[0], margins[1], len(np.unique(case)), definition=definition,
    )  # fmt: skip
