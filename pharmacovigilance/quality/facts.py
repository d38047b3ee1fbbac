"""Facts of a store for its data-quality page: counts by quarter, what is missing, roles, set-aside rows, uncoded names."""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow.parquet as pq

from cinchona.pharmacovigilance import schema
from cinchona.pharmacovigilance.coding.run import UNCODED
from cinchona.pharmacovigilance.runs import Run, latest_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cinchona.pharmacovigilance.store import ReportStore

_QUARTERS: Final = """
SELECT c.source, c.quarter, count(*) AS versions,
       count(*) FILTER (status = 'current') AS current, count(*) FILTER (status = 'superseded') AS superseded,
       count(*) FILTER (status = 'deleted') AS deleted, count(*) FILTER (status = 'nullified') AS nullified,
       avg(CAST(age_years IS NULL AS INTEGER)) AS no_age, avg(CAST(sex IS NULL AS INTEGER)) AS no_sex,
       avg(CAST(coalesce(event_country, reporter_country) IS NULL AS INTEGER)) AS no_country,
       avg(CAST(event_date IS NULL AS INTEGER)) AS no_event_date, avg(CAST(weight_kg IS NULL AS INTEGER)) AS no_weight
FROM cases c JOIN status s USING (report_key) GROUP BY c.source, c.quarter ORDER BY c.source, c.quarter
"""
_ROLES: Final = """
SELECT source, coalesce(role, 'none') AS role, count(*) AS drugs, count(DISTINCT report_key) AS reports
FROM drugs GROUP BY ALL ORDER BY source, drugs DESC, role
"""
_SET_ASIDE: Final = """
SELECT source, quarter, "table", level, "column", reason, count(*) AS rows, min(content) AS example
FROM set_aside GROUP BY ALL ORDER BY rows DESC, source, quarter, "table", level, "column", reason LIMIT 200
"""
_SPREADS: Final = {
    "sex": "SELECT coalesce(sex, 'not given') AS value, count(*) AS reports FROM cases GROUP BY ALL ORDER BY 2 DESC, 1",
    "age": "SELECT CASE WHEN age_years IS NULL THEN 'not given' WHEN age_years < 2 THEN '0-1' WHEN age_years < 12 THEN "
    "'2-11' WHEN age_years < 18 THEN '12-17' WHEN age_years < 65 THEN '18-64' WHEN age_years < 85 THEN '65-84' ELSE "
    "'85 and over' END AS value, count(*) AS reports FROM cases GROUP BY ALL ORDER BY min(coalesce(age_years, 999))",
    "reporter": "SELECT coalesce(reporter_occupation, 'not given') AS value, count(*) AS reports FROM cases "
    "GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 12",
    "country": "SELECT coalesce(event_country, reporter_country, 'not given') AS value, count(*) AS reports FROM cases "
    "GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 15",
    "outcome": "SELECT coalesce(outcome, 'not given') AS value, count(*) AS reports FROM outcomes GROUP BY ALL "
    "ORDER BY 2 DESC, 1 LIMIT 12",
}
_MEANINGS: Final = {
    "sex": {"F": "female", "M": "male"},
    "reporter": {
        "MD": "physician", "PH": "pharmacist", "OT": "other professional", "HP": "health professional", "LW": "lawyer",
        "CN": "consumer", "RN": "nurse",
    },
    "outcome": {
        "DE": "death", "LT": "life-threatening", "HO": "hospital stay", "DS": "disability", "CA": "congenital anomaly",
        "RI": "intervention to prevent harm", "OT": "other serious",
    },
}  # fmt: skip
"""What the codes mean that all sources share; shown beside them."""
TOP_UNCODED: Final = 30
TOP_NAMES: Final = 15


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """Everything that the data-quality page shows."""

    content_id: str
    """Digest of what the store holds."""
    rows: dict[str, int]
    """Rows by table."""
    quarters: list[dict[str, Any]]
    """Counts and shares of missing values by source and quarter."""
    roles: list[dict[str, Any]]
    """Drug rows and reports by source and role."""
    spreads: dict[str, list[dict[str, Any]]]
    """Reports by sex, age, reporter, country and outcome."""
    set_aside: list[dict[str, Any]]
    """Rows and values put aside, by table and reason, with an example."""
    files: list[dict[str, Any]]
    """Account of every file."""
    drugs: list[dict[str, Any]]
    """Most reported names of drugs."""
    reactions: list[dict[str, Any]]
    """Most reported reactions."""
    uncoded: list[dict[str, Any]]
    """Most mentioned names without an ingredient, with the nearest known names."""
    coding: dict[str, Any]
    """Header of the newest coding run, empty without one."""
    duplicates: dict[str, Any]
    """Header of the newest duplicate run, empty without one."""
    warnings: list[str]
    """What deserves a look, one sentence each."""


def gather(store: ReportStore) -> StoreFacts:
    """Collect the facts of ``store``; one pass over each table."""
    connection = store.connection()
    connection.execute(f"CREATE OR REPLACE TEMP VIEW status AS {store.status().query}")

    def ask(query: str) -> list[dict[str, Any]]:
        found = connection.sql(query).to_arrow_table().to_pylist()
        return [dict(row) for row in found]

    rows = {name: int(ask(f'SELECT count(*) AS n FROM "{name}"')[0]["n"]) for name in schema.TABLES}
    coding, duplicates = latest_run(store.root, "coding"), latest_run(store.root, "duplicates")
    quarters = ask(_QUARTERS)
    return StoreFacts(
        content_id=store.content_id,
        rows=rows,
        quarters=quarters,
        roles=ask(_ROLES),
        spreads={name: [_with_meaning(name, row) for row in ask(query)] for name, query in _SPREADS.items()},
        set_aside=ask(_SET_ASIDE),
        files=[{"set": r.number, "source": r.source, "quarter": r.quarter, **f.model_dump()}
               for r in store.receipts for f in r.files],
        drugs=ask(_top("name", "drugs")),
        reactions=ask(_top("term", "reactions")),
        uncoded=_uncoded(coding),
        coding=coding.header if coding else {},
        duplicates=duplicates.header if duplicates else {},
        warnings=_warnings(store, quarters, coding, duplicates),
    )  # fmt: skip


def _with_meaning(name: str, row: dict[str, Any]) -> dict[str, Any]:
    meaning = _MEANINGS.get(name, {}).get(row["value"])
    return {**row, "value": f"{row['value']} {meaning}"} if meaning else row


def _top(column: str, table: str) -> str:
    return (
        f"SELECT upper({column}) AS name, count(DISTINCT report_key) AS reports FROM {table} WHERE {column} IS NOT NULL "
        f"GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT {TOP_NAMES}"
    )


def _uncoded(run: Run | None) -> list[dict[str, Any]]:
    if run is None:
        return []
    return [dict(row) for row in pq.read_table(run.folder / UNCODED).slice(0, TOP_UNCODED).to_pylist()]


_MUCH: Final = 0.05
_ALMOST_ALL: Final = 0.99


def _warnings(
    store: ReportStore, quarters: list[dict[str, Any]], coding: Run | None, duplicates: Run | None
) -> list[str]:
    return [
        *_about_runs(store, coding, duplicates),
        *(
            f"{file.name}: {file.set_aside:,} of {file.rows_in:,} rows were set aside ({file.table})."
            for receipt in store.receipts
            for file in receipt.files
            if file.set_aside > _MUCH * max(1, file.rows_in)
        ),
        *_about_values(quarters),
    ]


def _about_runs(store: ReportStore, coding: Run | None, duplicates: Run | None) -> Iterator[str]:
    for kind, run, command in (("coding", coding, "code"), ("duplicate", duplicates, "dedupe")):
        if run is None:
            yield f"There is no {kind} run yet: cinchona signals {command} STORE."
        elif run.header.get("content") != store.content_id:
            yield f"The newest {kind} run is older than the newest ingest: run cinchona signals {command} again."
    drugs = coding.header.get("drugs") if coding else None
    if drugs and drugs["mentions_coded"] < (1 - _MUCH) * drugs["mentions"]:
        share = 1 - drugs["mentions_coded"] / drugs["mentions"]
        yield f"{share:.1%} of drug mentions match no ingredient and count under their own name."


def _about_values(quarters: list[dict[str, Any]]) -> Iterator[str]:
    known = [q for q in quarters if q["versions"]]
    for field, label in (("no_age", "age"), ("no_sex", "sex"), ("no_event_date", "date of the event")):
        if known and all(q[field] > _ALMOST_ALL for q in known):
            yield f"No report has a known {label}: strata and duplicates cannot use it."
