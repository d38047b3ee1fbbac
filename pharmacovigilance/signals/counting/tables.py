"""Tables that hold counts already: one row a pair, with or without its margins, one row a mention, or a cross table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from cinchona.errors import ColumnError, InputError
from cinchona.pharmacovigilance.signals.counting.columns import ReportColumns, encode_labels
from cinchona.pharmacovigilance.signals.counting.linked import count_linked
from cinchona.pharmacovigilance.signals.counting.pairs import Definition, PairCounts, counts_of_pairs
from cinchona.pharmacovigilance.signals.reading import read_table
from cinchona.settings import Config

LAYOUTS: Final = (
    "one row a pair (drug, event, n), the same with n_drug, n_event, n_total, one row a report's pair (case_id, drug, "
    "event), or a cross table (events in rows, a column of counts for each drug)"
)
"""What a table of counts may look like, for messages."""
_NAMES: Final = {
    "case_id": ("caseid", "case", "primaryid", "isr", "safetyreportid", "reportid", "id"),
    "drug": ("drug", "drugname", "drugs", "ingredient", "exposure", "medicinalproduct", "var1"),
    "event": ("event", "events", "ae", "pt", "reaction", "adverseevent", "term", "var2"),
    "n": ("n", "count", "n11", "freq", "frequency", "observed", "a"),
    "n_drug": ("ndrug", "drugmargin", "n1"),
    "n_event": ("nevent", "eventmargin"),
    "n_total": ("ntotal", "total"),
}
"""Headers that are understood without being told, in small letters and digits."""


class CountColumns(Config):
    """Columns of a table of counts; None looks for a usual name."""

    case_id: str | None = None
    """Case, in a table of one row a report's pair."""
    drug: str | None = None
    """Drug."""
    event: str | None = None
    """Event; of a cross table, the column with the names of its rows."""
    n: str | None = None
    """Count of the pair."""
    n_drug: str | None = None
    """Reports with the drug."""
    n_event: str | None = None
    """Reports with the event."""
    n_total: str | None = None
    """Reports in all."""


def read_counts(path: Path, columns: CountColumns | None = None) -> PairCounts:
    """Read a table of counts from CSV, TSV or Parquet; see :func:`counts_of_table` for its layouts.

    Raises:
        InputError: if the file cannot be read or its counts are none.
        ColumnError: if its layout is not understood.
    """
    return counts_of_table(read_table(path, what="the table of counts"), columns)


def counts_of_table(frame: pl.DataFrame, columns: CountColumns | None = None) -> PairCounts:
    """Counts from a table, whose layout is told by its columns.

    ==============================================  ===================================================================
    columns                                         counts
    ==============================================  ===================================================================
    drug, event, n, n_drug, n_event, n_total        as they stand; a prior to all cells is not possible, since it is
                                                    not known whether every pair is there
    drug, event, n                                  margins and total are sums of ``n``: counts of mentions
    case_id, drug, event                            distinct reports, linked by the row
    a column of names, the others numbers           cross table: events in rows, drugs in columns; sums as margins
    ==============================================  ===================================================================

    Args:
        frame: The table.
        columns: Names of its columns, where they are not the usual ones.

    Raises:
        ColumnError: if the layout is not understood.
        InputError: if the counts are none, a pair is listed twice, or margins contradict each other.
    """
    found = _named(frame, columns or CountColumns())
    if {"drug", "event", "n", "n_drug", "n_event", "n_total"} <= found.keys():
        return _with_margins(frame, found)
    if {"drug", "event", "n"} <= found.keys():
        return counts_of_pairs(frame, drug=found["drug"], event=found["event"], n=found["n"])
    if {"drug", "event", "case_id"} <= found.keys():
        names = ReportColumns(case_id=found["case_id"], drug=found["drug"], event=found["event"])
        return count_linked(frame, columns=names)
    texts = [name for name, kind in frame.schema.items() if not kind.is_numeric()]
    rows = found.get("event") or (texts[0] if len(texts) == 1 else None)
    if rows is None or frame.width < 2 or set(texts) - {rows}:
        raise ColumnError(
            "the table of counts is of no known layout", where=f"columns {', '.join(frame.columns[:12])}",
            expected=LAYOUTS, remedy="name its columns: --set table.drug=... --set table.event=... --set table.n=...",
        )  # fmt: skip
    return counts_of_cross_table(frame, rows=rows)


def counts_of_cross_table(frame: pl.DataFrame, *, rows: str) -> PairCounts:
    """Counts from a cross table: an event in each row, a drug in each other column.

    Margins and total are sums of the cells, so a table of some drugs should hold a column of all others, and a row of
    all other events, as those of pvLRT and MDDC do.

    Args:
        frame: The table.
        rows: Column with the events.

    Raises:
        InputError: if a cell is no count or an event is listed twice.
    """
    names = [name for name in frame.columns if name != rows]
    long = pl.concat(
        [pl.DataFrame({"drug": [name] * frame.height, "event": frame[rows].cast(pl.String), "n": frame[name].cast(pl.Float64)})
         for name in names]
    )  # fmt: skip
    return counts_of_pairs(long.with_columns(pl.col("n").fill_null(0.0)))


def _with_margins(frame: pl.DataFrame, found: dict[str, str]) -> PairCounts:
    plain = counts_of_pairs(frame, drug=found["drug"], event=found["event"], n=found["n"])
    total = frame[found["n_total"]].unique()
    if len(total) != 1:
        raise InputError(
            f"column {found['n_total']!r} holds {len(total)} totals", expected="one total for all pairs",
            remedy="score each stratum or universe on its own",
        )  # fmt: skip
    drug, event = (_margin(frame, found[kind], found[f"n_{kind}"]) for kind in ("drug", "event"))
    n = plain.n
    if (n > np.minimum(drug[plain.drug], event[plain.event])).any() or max(drug.max(), event.max()) > total[0]:
        raise InputError("a margin is smaller than a count it holds", expected="n <= n_drug, n_event <= n_total")
    definition = Definition(counting="as in the table", universe="as in the table", comparator="as in the table")
    return PairCounts(
        plain.drug_labels, plain.event_labels, plain.drug, plain.event, n, drug, event, int(total[0]),
        definition=definition, complete=False,
    )  # fmt: skip


def _margin(frame: pl.DataFrame, name: str, margin: str) -> np.ndarray:
    """Margin of each label, in the order of codes, int64."""
    codes, labels = encode_labels(pa.chunked_array([frame[name].cast(pl.String).to_arrow()]))
    values = frame[margin].cast(pl.Int64).to_numpy()
    found = np.zeros(len(labels), np.int64)
    found[codes] = values
    if (found[codes] != values).any():
        wrong = labels[int(codes[np.flatnonzero(found[codes] != values)[0]])].as_py()
        raise InputError(f"column {margin!r} gives {wrong!r} several margins", expected="one margin a name")
    return found


def _named(frame: pl.DataFrame, columns: CountColumns) -> dict[str, str]:
    """Column of each role that the user named or that has a usual name."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(frame.columns)}
    given: dict[str, Any] = columns.model_dump()
    found = {}
    for role, usual in _NAMES.items():
        if given[role] is not None:
            if given[role] not in frame.columns:
                raise ColumnError(
                    f"the table of counts has no column {given[role]!r}", expected=", ".join(frame.columns)
                )
            found[role] = given[role]
            continue
        hit = next((plain[name] for name in usual if name in plain), None)
        if hit is not None:
            found[role] = hit
    return found
