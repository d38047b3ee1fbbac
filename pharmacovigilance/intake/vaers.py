"""Reading VAERS: three CSV files a year (DATA, VAX, SYMPTOMS), one to many symptom rows a report.

Layout: "VAERS Data Use Guide" (CDC and FDA). VAERS names no primary suspect: every vaccine gets the role PS.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.errors import InputError
from cinchona.pharmacovigilance import failpoints
from cinchona.pharmacovigilance.intake.arrow_blocks import CsvBlocks, Part
from cinchona.pharmacovigilance.intake.columns import TextKeys
from cinchona.pharmacovigilance.intake.filesets import FileSet
from cinchona.pharmacovigilance.intake.layout import FileLayout, Source
from cinchona.pharmacovigilance.intake.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinchona.pharmacovigilance.intake.archives import Member
    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress

_ID: Final = ("vaers_id",)
_NAME: Final = re.compile(r"^(\d{4}|NonDomestic|Non_Domestic)?VAERS(DATA|VAX|SYMPTOMS)\w*\.csv$", re.I)
_OUTCOMES: Final = {
    "died": "DE", "l_threat": "LT", "hospital": "HO", "x_stay": "HO", "disable": "DS", "birth_defect": "CA",
}  # fmt: skip
"""Columns that hold Y, and the outcome they mean; all of them make a report serious."""
_TERMS: Final = tuple(f"symptom{i}" for i in range(1, 6))
_SILENT: Final = frozenset({*_OUTCOMES, "vax_date"})

_CASES: Final = FileLayout(
    "DATA",
    "cases",
    (
        Source("received_date", ("recvdate",), "date", required=True),
        Source("report_date", ("rpt_date",), "date"),
        Source("event_date", ("onset_date",), "date"),
        Source("death_date", ("datedied",), "date"),
        Source("_age", ("age_yrs",), "decimal"),
        Source("sex", ("sex",), "sex"),
        Source("manufacturer_number", ("splttype",), "text"),
        Source("serious", ("serious_",), "flag"),
        Source("event_country", ("country_",)),
        Source("narrative", ("symptom_text",), "text"),
    ),
    _ID,
    date_order="mdy",
    silent=_SILENT,
)
_DRUGS: Final = FileLayout(
    "VAX",
    "drugs",
    (
        Source("drug_seq", ("seq_",), "integer"),
        Source("role", ("role_",), "role"),
        Source("name", ("vax_name",), required=True),
        Source("substance", ("vax_type",), required=True),
        Source("maker", ("vax_manu",)),
        Source("lot", ("vax_lot",), "text"),
        Source("dose_amount", ("vax_dose_series", "vax_dose")),
        Source("route", ("vax_route",)),
    ),
    _ID,
)
_REACTIONS: Final = FileLayout(
    "SYMPTOMS", "reactions", (Source("term", ("term",)), Source("term_version", ("term_version",))), _ID
)
_OUT: Final = FileLayout("DATA", "outcomes", (Source("outcome", ("outcome",)),), _ID)
_THERAPIES: Final = FileLayout(
    "DATA", "therapies", (Source("start_date", ("vax_date",), "date"),), _ID, date_order="mdy"
)


class VaersReader:
    """Reads one year, or the foreign reports."""

    version = "vaers-1"

    def new_keys(self) -> TextKeys:
        """Return an empty map of report ids."""
        return TextKeys()

    def read(self, file_set: FileSet, writer: SetWriter, bar: Progress) -> None:
        """Read the three files.

        Raises:
            InputError: if the DATA file is missing or a file is damaged.
            ColumnError: if a file lacks a column without which its rows say nothing.
        """
        if "DATA" not in file_set.files:
            raise InputError("the VAERS DATA file is missing", where=file_set.label, expected="DATA, VAX and SYMPTOMS")
        for kind, read in (("DATA", _read_data), ("VAX", _read_vax), ("SYMPTOMS", _read_symptoms)):
            for member in file_set.files.get(kind, []):
                with member.open() as stream:
                    read(CsvBlocks(stream, member.name), member, writer, bar)
                failpoints.reach("ingest.between-files")


def find_vaers(members: Sequence[Member]) -> list[FileSet]:
    """Group the three files of each year."""
    years: dict[str, dict[str, list[Member]]] = {}
    for member in members:
        if match := _NAME.match(member.base):
            label = match[1] if match[1] and match[1].isdigit() else "unknown"
            years.setdefault(label, {}).setdefault(match[2].upper(), []).append(member)
    return [FileSet("vaers", year, VaersReader(), files) for year, files in sorted(years.items())]


def _upper(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        return pa.chunked_array([pa.array([""] * table.num_rows, pa.string())])
    return pc.utf8_upper(pc.utf8_trim_whitespace(table.column(name)))


def _constant(table: pa.Table, name: str, text: str) -> pa.Table:
    return table.append_column(name, pa.array([text] * table.num_rows, pa.string()))


def _read_data(file: CsvBlocks, member: Member, writer: SetWriter, bar: Progress) -> None:
    foreign = "nondomestic" in member.base.lower().replace("_", "")
    cases = Sink(_CASES, member.name, writer, names=[*file.names, "serious_", "country_"], bar=bar)
    outcomes = Sink(_OUT, member.name, writer, names=["vaers_id", "outcome"], bar=bar)
    therapies = Sink(_THERAPIES, member.name, writer, names=["vaers_id", "vax_date"], bar=bar)
    for part in file.parts():
        table = part.table
        flags = {name: pc.equal(_upper(table, name), "Y").to_numpy() for name in _OUTCOMES}
        serious = np.where(np.any(list(flags.values()), axis=0), "Y", "N")
        table = table.append_column("serious_", pa.array(serious))
        cases.add(part.with_table(_constant(table, "country_", "" if foreign else "US")))
        # A report that stayed longer in hospital was in hospital: one HO, not two.
        flags["hospital"], flags["x_stay"] = flags["hospital"] | flags["x_stay"], np.zeros(len(serious), bool)
        for name, code in _OUTCOMES.items():
            outcomes.add(part.with_table(_constant(table, "outcome", code)).where(flags[name]))
        if "vax_date" in table.column_names:
            given = pc.not_equal(_upper(table, "vax_date"), "").to_numpy()
            therapies.add(part.where(given))
        failpoints.reach("ingest.mid-file")
    for sink in (cases, outcomes, therapies):
        sink.close()


def _read_vax(file: CsvBlocks, member: Member, writer: SetWriter, bar: Progress) -> None:
    sink = Sink(_DRUGS, member.name, writer, names=[*file.names, "seq_", "role_"], bar=bar)
    seen: dict[str | None, int] = {}
    for part in file.parts():
        numbers = []
        for report in part.table.column("vaers_id").to_pylist():
            seen[report] = seen.get(report, 0) + 1
            numbers.append(str(seen[report]))
        table = part.table.append_column("seq_", pa.array(numbers, pa.string()))
        sink.add(part.with_table(_constant(table, "role_", "PS")))
    sink.close()


def _read_symptoms(file: CsvBlocks, member: Member, writer: SetWriter, bar: Progress) -> None:
    sink = Sink(_REACTIONS, member.name, writer, names=["vaers_id", "term", "term_version"], bar=bar)
    for part in file.parts():
        filled = {t: pc.not_equal(_upper(part.table, t), "").to_numpy() for t in _TERMS}
        none = ~np.any(list(filled.values()), axis=0)
        for index, term in enumerate(_TERMS, start=1):
            where = filled[term] | none if index == 1 else filled[term]
            names = [term, f"symptomversion{index}"]
            if not set(names) <= set(part.table.column_names):
                continue
            table = part.table.select(["vaers_id", *names]).rename_columns(["vaers_id", "term", "term_version"])
            chosen = part.with_table(table).where(where)
            sink.add(chosen, records=len(part.rows) if index == 1 else 0)
        empty = part.table.slice(0, 0).select(["vaers_id"])
        for name in ("term", "term_version"):
            empty = _constant(empty, name, "")
        sink.add(Part(empty, part.rows[:0], part.broken))
    sink.close()
