"""The analysis view: current distinct cases with their drugs and reactions as dense integers, ready for counting.

Five small tables under ``derived/analysis/<digest>``; the digest covers the store's content, the duplicate run, the
coding run and the choices, so a view is computed once and never stale:

``cases``
    ``report_no`` int32 (0 to n-1, dense, sorted), ``report_key``, ``source``, ``quarter`` (of the file set, or of
    ``received_date`` where the set has none), ``received_date``,
    ``event_date``, ``age_years``, ``sex``, ``country``, ``reporter_occupation``, ``report_kind``, ``serious``.
``drugs``
    ``report_no``, ``drug_id`` int32, ``role``; one row per report, drug and role, sorted by the first two.
``reactions``
    ``report_no``, ``reaction_id`` int32; one row per report and reaction, sorted.
``drug_names``, ``reaction_names``
    ``drug_id``, ``drug`` and ``reaction_id``, ``reaction``; ids are dense in the order of the names.
"""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
import json
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cinchona.digests import digest_json
from cinchona.errors import UsageError
from cinchona.files import fsync_folder, write_json
from cinchona.pharmacovigilance.lazy_table import LazyTable
from cinchona.pharmacovigilance.runs import Run, latest_run
from cinchona.pharmacovigilance.sql import literal

if TYPE_CHECKING:
    import duckdb

    from cinchona.pharmacovigilance.store import ReportStore

log = logging.getLogger(__name__)

DuplicatePolicy = Literal["linked", "keep"]
"""``linked``: of each group of linked duplicates only the chosen report counts; ``keep``: all count."""

VIEW_TABLES: Final = ("cases", "drugs", "reactions", "drug_names", "reaction_names")
_VIEW_VERSION: Final = 1
_DRUG_KINDS: Final = ("ingredient", "name", "substance", "verbatim")
_REACTION_KINDS: Final = ("term", "group", "verbatim")
_TIDY: Final = r"upper(trim(regexp_replace({0}, '\s+', ' ', 'g')))"


@dataclass(frozen=True)
class AnalysisView:
    """Current distinct cases of a store, integer-coded."""

    store: ReportStore
    """Store that it was made from."""
    folder: Path
    """Folder with the five Parquet files."""
    accounting: dict[str, Any]
    """``versions`` = ``superseded`` + ``deleted`` + ``nullified`` + ``duplicates`` + ``cases``, and what coded it."""

    @property
    def n_cases(self) -> int:
        """Number of distinct cases."""
        return int(self.accounting["cases"])

    def path(self, name: str) -> Path:
        """Return the Parquet file of a table of the view."""
        return self.folder / f"{name}.parquet"

    def table(self, name: str) -> LazyTable:
        """Return one of ``cases``, ``drugs``, ``reactions``, ``drug_names``, ``reaction_names``.

        Raises:
            UsageError: for any other name.
        """
        if name not in VIEW_TABLES:
            raise UsageError(f"the analysis view has no table {name!r}", expected=", ".join(VIEW_TABLES))
        return LazyTable(self.connection, f"SELECT * FROM {name}", name)

    @property
    def cases(self) -> LazyTable:
        """One row per distinct case."""
        return self.table("cases")

    @property
    def drugs(self) -> LazyTable:
        """One row per case, drug and role."""
        return self.table("drugs")

    @property
    def reactions(self) -> LazyTable:
        """One row per case and reaction."""
        return self.table("reactions")

    @property
    def drug_names(self) -> LazyTable:
        """Names of the drug ids."""
        return self.table("drug_names")

    @property
    def reaction_names(self) -> LazyTable:
        """Names of the reaction ids."""
        return self.table("reaction_names")

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a connection in which the five tables are views (they hide the store's tables of these names)."""
        from cinchona.pharmacovigilance.store import connect

        connection = connect(self.store.root, memory_limit=self.store.memory_limit, threads=self.store.threads)
        for name in VIEW_TABLES:
            source = literal(str(self.path(name)))
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({source})")
        return connection

    def sql(self, query: str) -> LazyTable:
        """Return the rows of an SQL ``query`` over the five tables."""
        return LazyTable(self.connection, query, "query")

    def rows(self) -> LazyTable:
        """Return one row per case, drug, role and reaction with names: the long form, for small stores and exports."""
        return self.sql(
            "SELECT c.*, d.role, dn.drug, rn.reaction FROM cases c JOIN drugs d USING (report_no) "
            "JOIN drug_names dn USING (drug_id) JOIN reactions r USING (report_no) "
            "JOIN reaction_names rn USING (reaction_id)"
        )


def analysis_view(
    store: ReportStore, *, duplicates: DuplicatePolicy | None = None, drug: str = "ingredient", reaction: str = "term"
) -> AnalysisView:
    """Return the analysis view of ``store``, from the cache if it was made before.

    Args:
        store: The store.
        duplicates: ``linked`` needs a run of ``dedupe``; None means ``linked`` if there is one, else ``keep`` with
            a warning in the log.
        drug: ``ingredient`` (needs a run of ``code``; names that it could not code, and all names where there is no
            run, count under their tidied name), ``name`` (as reported, tidied: upper case, single blanks),
            ``substance`` (as the source coded it, else the name; tidied) or ``verbatim`` (as reported).
        reaction: ``term`` (as reported, tidied), ``group`` (of the newest coding run; terms outside every group count
            under themselves) or ``verbatim``.

    Raises:
        UsageError: if a choice is unknown or needs a run that the store does not have.
    """
    _check_choice("drug", drug, _DRUG_KINDS)
    _check_choice("reaction", reaction, _REACTION_KINDS)
    links = _wanted_run(store, "duplicates", wanted=duplicates != "keep", needed=duplicates == "linked")
    coding = _wanted_run(
        store, "coding", wanted=drug == "ingredient" or reaction == "group", needed=reaction == "group"
    )
    choices = {
        "version": _VIEW_VERSION,
        "content": store.content_id,
        "duplicates": links.run_id if links else None,
        "coding": coding.run_id if coding else None,
        "drug": drug,
        "reaction": reaction,
    }
    folder = store.root / "derived" / "analysis" / digest_json(choices)[:16]
    if not (folder / "view.json").exists():
        _build(store, folder, links=links, coding=coding, choices=choices)
    return AnalysisView(store, folder, json.loads((folder / "view.json").read_text(encoding="utf-8")))


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{name}={value!r} is unknown", expected=", ".join(known))


def _wanted_run(store: ReportStore, kind: str, *, wanted: bool, needed: bool) -> Run | None:
    if not wanted:
        return None
    run = latest_run(store.root, kind)
    if run is not None and run.header.get("content") != store.content_id:
        log.warning("the newest %s run is older than the newest ingest; run it again to cover all reports", kind)
    if run is None and needed:
        command = "dedupe" if kind == "duplicates" else "code"
        raise UsageError(f"the store has no {kind} run", remedy=f"run: cinchona signals {command} STORE")
    if run is None:
        log.warning("the store has no %s run; the view goes without", kind)
    return run


def _build(store: ReportStore, folder: Path, *, links: Run | None, coding: Run | None, choices: dict[str, Any]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".view-", dir=folder.parent))
    try:
        connection = store.connection()
        connection.execute(f"CREATE OR REPLACE TEMP VIEW status AS {store.status().query}")
        for name, query in _queries(links, coding, drug=choices["drug"], reaction=choices["reaction"]).items():
            target = temporary / f"{name}.parquet"
            connection.execute(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, ROW_GROUP_SIZE 500000)")
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW view_{name} AS SELECT * FROM read_parquet({literal(str(target))})"
            )
        write_json(temporary / "view.json", {**choices, **_account(connection)})
        if not folder.exists():
            os.rename(temporary, folder)  # noqa: PTH104 - rename of a folder, atomic
            fsync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _account(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    counts = dict(connection.execute("SELECT status, count(*) FROM status GROUP BY status").fetchall())
    row = connection.execute("SELECT count(*) FROM view_cases").fetchone()
    assert row is not None
    cases = int(row[0])
    return {
        "versions": sum(counts.values()),
        "superseded": counts.get("superseded", 0),
        "deleted": counts.get("deleted", 0),
        "nullified": counts.get("nullified", 0),
        "duplicates": counts.get("current", 0) - cases,
        "cases": cases,
    }


def _queries(links: Run | None, coding: Run | None, *, drug: str, reaction: str) -> dict[str, str]:
    left_out = "false"
    if links is not None:
        members = literal(str(links.folder / "members.parquet"))
        left_out = f"c.report_key IN (SELECT report_key FROM read_parquet({members}) WHERE NOT keep)"
    drug_rows = _drug_rows(coding, drug)
    reaction_rows = _reaction_rows(coding, reaction)
    return {
        "cases": f"""
            SELECT CAST(row_number() OVER (ORDER BY c.report_key) - 1 AS INTEGER) AS report_no, c.report_key, c.source,
                   CASE WHEN regexp_matches(c.quarter, '^[0-9]{4}Q[1-4]$') OR c.received_date IS NULL THEN c.quarter
                        ELSE year(c.received_date) || 'Q' || quarter(c.received_date) END AS quarter, c.received_date, c.event_date, c.age_years, c.sex,
                   coalesce(c.event_country, c.reporter_country) AS country, c.reporter_occupation, c.report_kind,
                   c.serious
            FROM cases c JOIN status s ON s.report_key = c.report_key
            WHERE s.status = 'current' AND NOT ({left_out}) ORDER BY c.report_key""",
        "drug_names": f"""
            SELECT CAST(row_number() OVER (ORDER BY drug) - 1 AS INTEGER) AS drug_id, drug
            FROM (SELECT DISTINCT drug FROM ({drug_rows}) WHERE drug IS NOT NULL) ORDER BY drug""",
        "drugs": f"""
            SELECT DISTINCT v.report_no, n.drug_id, d.role FROM ({drug_rows}) d
            JOIN view_cases v USING (report_key) JOIN view_drug_names n USING (drug) ORDER BY 1, 2, 3""",
        "reaction_names": f"""
            SELECT CAST(row_number() OVER (ORDER BY reaction) - 1 AS INTEGER) AS reaction_id, reaction
            FROM (SELECT DISTINCT reaction FROM ({reaction_rows}) WHERE reaction IS NOT NULL) ORDER BY reaction""",
        "reactions": f"""
            SELECT DISTINCT v.report_no, n.reaction_id FROM ({reaction_rows}) r
            JOIN view_cases v USING (report_key) JOIN view_reaction_names n USING (reaction) ORDER BY 1, 2""",
    }


def _drug_rows(coding: Run | None, drug: str) -> str:
    tidy = _TIDY.format("name")
    if drug == "verbatim":
        return "SELECT report_key, role, name AS drug FROM drugs"
    if drug == "name":
        return f"SELECT report_key, role, {tidy} AS drug FROM drugs"
    if drug == "substance" or coding is None:
        label = tidy if drug == "ingredient" else f"coalesce({_TIDY.format('substance')}, {tidy})"
        return f"SELECT report_key, role, {label} AS drug FROM drugs"
    coded = literal(str(coding.folder / "drug_names.parquet"))
    return f"""
        SELECT d.report_key, d.role, coalesce(m.ingredient, {_TIDY.format("d.name")}) AS drug
        FROM drugs d LEFT JOIN (
            SELECT name, substance, ingredient FROM read_parquet({coded}) WHERE ingredient IS NOT NULL
        ) m ON coalesce(d.name, '') = m.name AND coalesce(d.substance, '') = m.substance"""


def _reaction_rows(coding: Run | None, reaction: str) -> str:
    tidy = _TIDY.format("term")
    if reaction == "verbatim":
        return "SELECT report_key, term AS reaction FROM reactions"
    if reaction == "term" or coding is None:
        return f"SELECT report_key, {tidy} AS reaction FROM reactions"
    groups = literal(str(coding.folder / "reaction_groups.parquet"))
    return f"""
        SELECT r.report_key, coalesce(g.reaction_group, r.reaction) AS reaction
        FROM (SELECT report_key, {tidy} AS reaction FROM reactions) r
        LEFT JOIN read_parquet({groups}) g ON g.term = r.reaction"""
