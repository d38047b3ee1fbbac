"""The report store: a folder of Parquet files and receipts, opened for reading.

::

    store.json                                                     format and schema version
    receipts/000001.json                                           one per file set; the commit
    data/source=faers/quarter=2017Q2/<set id>/<table>.parquet      the tables of :mod:`cinchona.pharmacovigilance.schema`
    derived/status-<digest>.parquet                                current, superseded, deleted or nullified
    derived/duplicates/<number>/, derived/coding/<number>/         runs of ``dedupe`` and ``code``, newest counts
    derived/analysis/<digest>/                                     integer-coded analysis tables, a cache

Everything under ``derived`` can be deleted and made again; everything else is only ever added to.
"""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cinchona.digests import digest_json
from cinchona.errors import InputError, MissingDependencyError
from cinchona.files import atomic_path, write_json
from cinchona.pharmacovigilance import schema
from cinchona.pharmacovigilance.lazy_table import LazyTable
from cinchona.pharmacovigilance.receipts import STAGING, Receipt, read_receipts
from cinchona.pharmacovigilance.sql import identifier, literal
from cinchona.pharmacovigilance.versions import STATUS_SQL

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from cinchona.pharmacovigilance.analysis import AnalysisView, DuplicatePolicy
    from cinchona.pharmacovigilance.signals.view import Names, SignalSettings

FORMAT: Final = "cinchona-report-store"
MARKER: Final = "store.json"
DERIVED: Final = "derived"


@dataclass(frozen=True)
class ReportStore:
    """A report store on disk.

    >>> store = open_store("reports")                                            # doctest: +SKIP
    >>> store.table("drugs").where("role = ?", ["PS"]).polars()                  # doctest: +SKIP
    """

    root: Path
    """Folder of the store."""
    memory_limit: str = "2GB"
    """Memory that queries may use before they spill to ``staging``, in DuckDB's spelling."""
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Threads of a query."""

    @cached_property
    def receipts(self) -> tuple[Receipt, ...]:
        """Receipts of all file sets, in the order they came; read once per opened store."""
        return read_receipts(self.root)

    @cached_property
    def content_id(self) -> str:
        """Digest of what the store holds: equal for stores of the same file sets in the same order."""
        return digest_json([r.set_id for r in self.receipts])[:16]

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = connect(self.root, memory_limit=self.memory_limit, threads=self.threads)
        for name in schema.TABLES:
            connection.execute(f"CREATE VIEW {identifier(name)} AS {self._table_sql(name)}")
        return connection

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor on an in-memory DuckDB in which every table of the schema is a view of that name."""
        return self._connection.cursor()

    def table(self, name: str) -> LazyTable:
        """Return a table of the schema, with the columns ``source`` and ``quarter`` at its end.

        Raises:
            UsageError: if the schema has no such table.
        """
        return LazyTable(self.connection, f"SELECT * FROM {identifier(schema.table(name).name)}", name)

    def sql(self, query: str) -> LazyTable:
        """Return the rows of an SQL ``query`` in which every table of the schema may be named."""
        return LazyTable(self.connection, query, "query")

    def status(self) -> LazyTable:
        """Return report_key, source, quarter, case_id and status (:class:`~.versions.Status`) of every report version.

        Computed once per content of the store and kept in ``derived``.
        """
        target = self.root / DERIVED / f"status-{self.content_id}.parquet"
        if not target.exists():
            with atomic_path(target) as temporary:
                self.connection().execute(f"COPY ({STATUS_SQL}) TO {literal(str(temporary))} (FORMAT parquet)")
        return LazyTable(self.connection, f"SELECT * FROM read_parquet({literal(str(target))})", "status")

    def analysis_view(
        self, *, duplicates: DuplicatePolicy | None = None, drug: str = "ingredient", reaction: str = "term"
    ) -> AnalysisView:
        """Return the current distinct cases with their drugs and reactions, coded as integers for counting.

        See :func:`cinchona.pharmacovigilance.analysis.analysis_view`.
        """
        from cinchona.pharmacovigilance.analysis import analysis_view

        return analysis_view(self, duplicates=duplicates, drug=drug, reaction=reaction)

    def signals(
        self, drug: Names = None, event: Names = None, by: Names = None, *, settings: SignalSettings | None = None
    ) -> pl.DataFrame:
        """Return measures of disproportionate reporting as a tidy Polars frame, one row per drug, event and stratum.

        See :class:`cinchona.pharmacovigilance.signals.view.SignalView`, which keeps the counts for further questions.

        Args:
            drug: Only these drugs; None takes all.
            event: Only these events; None takes all.
            by: Facts whose strata are scored apart: age, sex, year, quarter, country, reporter.
            settings: Roles, comparator, measures.
        """
        from cinchona.pharmacovigilance.signals.view import SignalView

        return SignalView.of_store(self, settings).signals(drug, event, by)

    def _table_sql(self, name: str) -> str:
        files = [str(self.root / r.tables[name].path) for r in self.receipts if name in r.tables]
        columns = [c.name for c in schema.TABLES[name].columns] + ["source", "quarter"]
        if not files:
            typed = ", ".join(f"CAST(NULL AS {_duckdb_type(name, c)}) AS {identifier(c)}" for c in columns)
            return f"SELECT {typed} WHERE false"
        listed = "[" + ", ".join(literal(f) for f in files) + "]"
        chosen = ", ".join(identifier(c) for c in columns)
        types = "hive_types = {'source': VARCHAR, 'quarter': VARCHAR}"
        return f"SELECT {chosen} FROM read_parquet({listed}, hive_partitioning = true, {types})"


def _duckdb_type(table: str, column: str) -> str:
    if column in {"source", "quarter"}:
        return "VARCHAR"
    names = {"int64": "BIGINT", "int32": "INTEGER", "float": "FLOAT", "bool": "BOOLEAN", "date32[day]": "DATE"}
    return names.get(str(schema.TABLES[table].column(column).type), "VARCHAR")


def connect(root: Path, *, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that spills into the store's staging folder and touches no network.

    Raises:
        MissingDependencyError: if DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingDependencyError("the report store needs DuckDB", remedy="pip install 'cinchona[pv]'") from error
    staging = root / STAGING
    with suppress(OSError):  # DuckDB makes only the last folder; a store that cannot be written to is read all the same
        staging.mkdir(exist_ok=True)
    return duckdb.connect(
        ":memory:",
        config={
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(staging / f"spill-{os.getpid()}"),
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": False,
        },
    )


def open_store(path: str | Path, *, memory_limit: str = "2GB", threads: int | None = None) -> ReportStore:
    """Open the store at ``path`` for reading.

    Raises:
        InputError: if there is no store, or its schema version is unknown.
    """
    root = Path(path)
    header = _read_marker(root)
    if header.get("schema") != schema.SCHEMA_VERSION:
        raise InputError(
            f"the store has schema version {header.get('schema')!r}",
            where=str(root),
            expected=f"version {schema.SCHEMA_VERSION}",
            remedy="ingest its sources into a new store with this version of cinchona",
        )
    return ReportStore(root, memory_limit=memory_limit, threads=threads or os.cpu_count() or 1)


def create_store(path: str | Path) -> ReportStore:
    """Open the store at ``path``, made first if the folder is missing or empty.

    Raises:
        InputError: if the folder holds something else.
    """
    root = Path(path)
    if not (root / MARKER).exists():
        if root.exists() and any(p.name != "writer.lock" for p in root.iterdir()):
            raise InputError(
                "the folder is not a report store and not empty",
                where=str(root),
                remedy="name a new folder for the store",
            )
        write_json(root / MARKER, {"format": FORMAT, "schema": schema.SCHEMA_VERSION})
    return open_store(root)


def _read_marker(root: Path) -> dict[str, Any]:
    try:
        header = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            "there is no report store here", where=str(root), remedy="make one: cinchona signals ingest STORE FILES"
        ) from None
    except ValueError as error:
        raise InputError("the store's marker is damaged", where=str(root / MARKER)) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError("the folder is not a report store", where=str(root / MARKER), expected=f"format {FORMAT}")
    return header
