"""Any CSV or Parquet layout, described by the user in a YAML file.

::

    source: registry            # becomes the partition; cases of one source share their case ids
    quarter: 2021Q3             # may be left out
    tables:
      cases:
        file: reports.csv       # beside the YAML file, or a pattern; .gz allowed
        id: report_no
        date_order: dmy         # ymd (default), mdy or dmy, for dates with marks between the parts
        repeats: first          # rows that repeat a report: aside (default) or first, when several rows share a case
        columns: {case_id: case_no, received_date: received, age: age, age_unit: unit, sex: gender}
      drugs:
        file: reports.csv
        id: report_no
        columns: {name: drug}
        constants: {role: PS}
        split: {name: ";"}      # several values in one cell
      reactions:
        file: reactions.parquet
        id: report_no
        columns: {term: pt}
"""

from __future__ import annotations

import difflib
import glob
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from cinchona.digests import digest_json
from cinchona.errors import ColumnError, ConfigError, InputError
from cinchona.pharmacovigilance import failpoints
from cinchona.pharmacovigilance.intake.archives import Member
from cinchona.pharmacovigilance.intake.arrow_blocks import CsvBlocks, Part, parts_of_parquet
from cinchona.pharmacovigilance.intake.columns import TextKeys
from cinchona.pharmacovigilance.intake.filesets import FileSet
from cinchona.pharmacovigilance.intake.layout import DateOrder, FileLayout, Kind, Source
from cinchona.pharmacovigilance.intake.sink import Sink
from cinchona.pharmacovigilance.intake.textfile import tidy_name
from cinchona.pharmacovigilance.schema import CHILD_TABLES, TABLES
from cinchona.settings import Config, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress

_MEASURES: Final = ("age", "age_unit", "weight", "weight_unit", "duration", "duration_unit")
"""Columns that become ``age_years``, ``weight_kg`` and ``duration_days``."""
_MADE: Final = frozenset(
    {"report_key", "report_id", "source_file", "source_row", "age_years", "weight_kg", "duration_days",
     "event_date_precision", "start_precision", "end_precision"}
)  # fmt: skip
_BY_TYPE: Final[dict[str, Kind]] = {"date32[day]": "date", "int32": "integer", "int64": "integer", "bool": "flag",
                                    "string": "text"}  # fmt: skip


class TableMapping(Config):
    """Where the rows of one table come from."""

    file: str
    """File beside the YAML file, or a pattern; CSV or Parquet."""
    id: str
    """Column that names the report."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of the store to column of the file."""
    constants: dict[str, str] = Field(default_factory=dict)
    """Column of the store to a value for every row."""
    split: dict[str, str] = Field(default_factory=dict)
    """Column of the store to the mark between several values of one cell; at most one column."""
    delimiter: str | None = None
    """Delimiter of a CSV file; found in the header if left out."""
    date_order: DateOrder = "ymd"
    """Order of day, month and year where they are written with marks between them."""
    repeats: Literal["aside", "first"] = "aside"
    """What happens to rows of ``cases`` that repeat a report."""


class Mapping(Config):
    """A whole mapping file."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    """Name of the partition."""
    quarter: str = Field("unknown", pattern=r"^(\d{4}(Q[1-4])?|unknown)$")
    """Quarter or year of all rows."""
    tables: dict[str, TableMapping]
    """Mappings by table; ``cases`` is needed."""


def find_mapped(path: str | Path) -> FileSet:
    """Read a mapping file and find its files.

    Raises:
        ConfigError: if it names unknown tables or columns.
        InputError: if a file is missing.
    """
    mapping = load_settings(Mapping, file=Path(path), environ={})
    _check(mapping, Path(path).name)
    files: dict[str, list[Member]] = {}
    for name, table in mapping.tables.items():
        pattern = str(Path(path).parent / table.file)
        found = sorted(glob.glob(pattern))  # noqa: PTH207 - the pattern may be absolute
        if not found:
            raise InputError(f"table {name}: no file {table.file!r}", where=str(path))
        files[name] = [Member(Path(p)) for p in found]
    return FileSet(mapping.source, mapping.quarter, MappedReader(mapping), files)


def _check(mapping: Mapping, where: str) -> None:
    known_tables = ("cases", *CHILD_TABLES, "deletions")
    if "cases" not in mapping.tables and "deletions" not in mapping.tables:
        raise ConfigError("the mapping has no table 'cases'", where=where, expected="cases, and tables that hang on it")
    for name, table in mapping.tables.items():
        if name not in known_tables:
            raise ConfigError(f"unknown table {name!r}", where=where, expected=", ".join(known_tables))
        known = [*_known(name)]
        for column in (*table.columns, *table.constants, *table.split):
            if column not in known:
                near = difflib.get_close_matches(column, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else ""
                raise ConfigError(
                    f"table {name} has no column {column!r}", where=where, expected=", ".join(known), remedy=hint
                )
        if len(table.split) > 1 or set(table.split) - set(table.columns):
            raise ConfigError(f"table {name}: split takes one of its columns", where=where)


def _known(table: str) -> Iterator[str]:
    given = {c.name for c in TABLES[table].columns}
    yield from (c.name for c in TABLES[table].columns if c.name not in _MADE)
    measures = {"age_years": ("age", "age_unit"), "weight_kg": ("weight", "weight_unit"),
                "duration_days": ("duration", "duration_unit")}  # fmt: skip
    for made, names in measures.items():
        if made in given:
            yield from names


class MappedReader:
    """Reads files as a mapping says."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self.version = f"mapping-1-{digest_json(mapping.model_dump(mode='json'))[:12]}"

    def new_keys(self) -> TextKeys:
        """Return an empty map of report ids."""
        return TextKeys()

    def read(self, file_set: FileSet, writer: SetWriter, bar: Progress) -> None:
        """Read the tables, cases first.

        Raises:
            InputError: if a file is damaged.
            ColumnError: if a mapped column is missing.
        """
        for name in ("cases", *CHILD_TABLES, "deletions"):
            for member in file_set.files.get(name, []):
                _read_table(member, name, self._mapping.tables[name], writer, bar)
                failpoints.reach("ingest.between-files")


def _read_table(member: Member, name: str, table: TableMapping, writer: SetWriter, bar: Progress) -> None:
    layout = _layout(name, table)
    names = ["report_id", *(s.target for s in layout.columns)]
    sink = Sink(layout, member.name, writer, names=names, bar=bar)
    seen: set[str] = set()
    for part in _parts(member, table):
        chosen = _renamed(part, table, member.name)
        if table.repeats == "first":
            chosen = _first_rows(chosen, seen)
        for column, mark in table.split.items():
            chosen = _split(chosen, column, mark)
        sink.add(chosen, records=len(part.rows) + len(part.broken))
        failpoints.reach("ingest.mid-file")
    sink.close()


def _parts(member: Member, table: TableMapping) -> Iterator[Part]:
    if member.base.lower().endswith(".parquet"):
        yield from parts_of_parquet(str(member.path))
        return
    with member.open() as stream:
        yield from CsvBlocks(stream, member.name, delimiter=table.delimiter).parts()


def _layout(name: str, table: TableMapping) -> FileLayout:
    sources = []
    for column in (*table.columns, *table.constants):
        target = f"_{column}" if column in _MEASURES else column
        sources.append(Source(target, (target,), _kind(name, column)))
    return FileLayout("mapped", name, tuple(sources), date_order=table.date_order)


def _kind(table: str, column: str) -> Kind:
    if column in _MEASURES:
        return "category" if column.endswith("_unit") else "decimal"
    if column == "sex":
        return "sex"
    if column == "role":
        return "role"
    return _BY_TYPE.get(str(TABLES[table].column(column).type), "category")


def _renamed(part: Part, table: TableMapping, where: str) -> Part:
    wanted = {"report_id": table.id, **table.columns}
    columns = {}
    for target, given in wanted.items():
        if tidy_name(given) not in part.table.column_names:
            raise ColumnError(
                f"the file has no column {given!r}", where=where, expected=", ".join(part.table.column_names)
            )
        columns[f"_{target}" if target in _MEASURES else target] = part.table.column(tidy_name(given))
    for target, text in table.constants.items():
        columns[f"_{target}" if target in _MEASURES else target] = pa.array([text] * len(part.rows), pa.string())
    return part.with_table(pa.table(columns))


def _first_rows(part: Part, seen: set[str]) -> Part:
    fresh = []
    for report in pc.cast(part.table.column("report_id"), pa.string()).to_pylist():
        fresh.append(not report or report not in seen)
        seen.add(report or "")
    kept = part.where(np.array(fresh, bool))
    return Part(kept.table, kept.rows, part.broken)


def _split(part: Part, column: str, mark: str) -> Part:
    cells = pc.split_pattern(pc.cast(part.table.column(column), pa.string()).fill_null(""), mark).combine_chunks()
    parents = pc.list_parent_indices(cells).to_numpy()
    values = pc.utf8_trim_whitespace(pc.list_flatten(cells))
    filled = pc.not_equal(values, "").to_numpy(zero_copy_only=False)
    single = np.bincount(parents, minlength=len(part.rows))[parents] == 1
    keep = filled | single  # a cell that is empty as a whole stays one row without content
    table = part.table.take(pa.array(parents[keep]))
    table = table.set_column(table.column_names.index(column), column, values.filter(pa.array(keep)))
    return Part(table, part.rows[parents[keep]], part.broken)
