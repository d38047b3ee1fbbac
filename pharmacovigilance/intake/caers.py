"""Reading CAERS (food, supplements, cosmetics): one row per report and product, reactions in one cell.

CAERS marks products as suspect or concomitant and names no primary suspect: every suspect product gets the role PS.
Rows of one report repeat its age, sex, reactions and outcomes; they are taken from its first row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cinchona.pharmacovigilance import failpoints
from cinchona.pharmacovigilance.intake.arrow_blocks import CsvBlocks, Part, parts_of_parquet
from cinchona.pharmacovigilance.intake.columns import TextKeys
from cinchona.pharmacovigilance.intake.filesets import FileSet
from cinchona.pharmacovigilance.intake.layout import FileLayout, Source, find_name
from cinchona.pharmacovigilance.intake.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cinchona.pharmacovigilance.intake.archives import Member
    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress

_COLUMNS: Final = {
    "report_id": ("report_id", "ra_report"),
    "received_date": ("caers_created_date", "ra_caers_created_date", "date_fda_first_received_case"),
    "event_date": ("date_of_event", "aec_event_start_date", "date_event"),
    "role": ("product_type", "pri_product_role"),
    "name": ("product", "pri_reported_brand_product_name", "product_name"),
    "age": ("patient_age", "ci_age_at_adverse_event"),
    "age_unit": ("age_units", "ci_age_unit"),
    "sex": ("sex", "ci_gender"),
    "terms": ("case_meddra_preferred_terms", "meddra_preferred_terms", "sym_one_row_coded_symptoms"),
    "outcomes": ("case_outcome", "outcomes", "aec_one_row_outcomes"),
}
"""Names of the columns in the public files since 2016, and in the older layout."""
_ROLES: Final = {"SUSPECT": "PS", "CONCOMITANT": "C", "": "PS"}
_OUTCOMES: Final = (
    ("DEATH", "DE"), ("LIFE THREATENING", "LT"), ("LIFE-THREATENING", "LT"), ("HOSPITALI", "HO"), ("DISABILITY", "DS"),
    ("CONGENITAL", "CA"), ("REQ. INTERVENTION", "RI"), ("REQUIRED INTERVENTION", "RI"),
)  # fmt: skip
_CASES: Final = FileLayout(
    "CAERS",
    "cases",
    (
        Source("received_date", ("received_date",), "date"),
        Source("event_date", ("event_date",), "date"),
        Source("_age", ("age",), "decimal"),
        Source("_age_unit", ("age_unit",)),
        Source("sex", ("sex",), "sex"),
    ),
    date_order="mdy",
)
_DRUGS: Final = FileLayout(
    "CAERS",
    "drugs",
    (Source("drug_seq", ("seq",), "integer"), Source("role", ("role",), "role"), Source("name", ("name",))),
)
_REACTIONS: Final = FileLayout("CAERS", "reactions", (Source("term", ("term",)),))
_OUT: Final = FileLayout("CAERS", "outcomes", (Source("outcome", ("outcome",)),))


class CaersReader:
    """Reads one CAERS file."""

    version = "caers-1"

    def new_keys(self) -> TextKeys:
        """Return an empty map of report ids."""
        return TextKeys()

    def read(self, file_set: FileSet, writer: SetWriter, bar: Progress) -> None:
        """Read the file.

        Raises:
            InputError: if it is damaged.
            ColumnError: if a column without which its rows say nothing is missing.
        """
        for member in file_set.files["CAERS"]:
            names, parts, close = _open(member)
            try:
                _Splitter(names, member.name, writer, bar).run(parts)
            finally:
                close()


def find_caers(members: Sequence[Member]) -> list[FileSet]:
    """Find CAERS files by their columns."""
    return [
        FileSet("caers", "unknown", CaersReader(), {"CAERS": [m]})
        for m in members
        if m.base.lower().endswith((".csv", ".parquet")) and "caers" in m.base.lower() and _is_caers(m)
    ]


def _open(member: Member) -> tuple[list[str], Iterator[Part], Any]:
    if member.base.lower().endswith(".parquet"):
        parts = parts_of_parquet(str(member.path))
        first = next(parts)
        return list(first.table.column_names), _again(first, parts), lambda: None
    opened = member.open()
    file = CsvBlocks(opened.__enter__(), member.name)
    return file.names, file.parts(), lambda: opened.__exit__(None, None, None)


def _again(first: Part, rest: Iterator[Part]) -> Iterator[Part]:
    yield first
    yield from rest


def _is_caers(member: Member) -> bool:
    names, _, close = _open(member)
    close()
    return all(find_name(names, _COLUMNS[c]) is not None for c in ("report_id", "name", "terms"))


class _Splitter:
    """Takes one wide file apart."""

    def __init__(self, names: list[str], name: str, writer: SetWriter, bar: Progress) -> None:
        self._given = {target: names[place] for target, wanted in _COLUMNS.items()
                       if (place := find_name(names, wanted)) is not None}  # fmt: skip
        has = [c for c in ("received_date", "event_date", "age", "age_unit", "sex") if c in self._given]
        self._cases = Sink(_CASES, name, writer, names=["report_id", *has], bar=bar)
        self._drugs = Sink(_DRUGS, name, writer, names=["report_id", "seq", "role", "name"], bar=bar)
        self._reactions = Sink(_REACTIONS, name, writer, names=["report_id", "term"], bar=bar)
        self._outcomes = Sink(_OUT, name, writer, names=["report_id", "outcome"], bar=bar)
        self._seen: dict[str, int] = {}

    def run(self, parts: Iterator[Part]) -> None:
        for part in parts:
            self._take(part)
            failpoints.reach("ingest.mid-file")
        for sink in (self._cases, self._drugs, self._reactions, self._outcomes):
            sink.close()

    def _take(self, part: Part) -> None:
        cases, drugs, terms, outcomes = [], [], [], []
        columns = {target: part.table.column(name).to_pylist() for target, name in self._given.items()}
        for i, number in enumerate(part.rows.tolist()):
            row = {target: _tidy(values[i]) for target, values in columns.items()}
            report = row["report_id"]
            if report not in self._seen or not report:
                cases.append((number, row))
                terms += [(number, {"report_id": report, "term": t}) for t in _split(row.get("terms"))]
                codes = dict.fromkeys(_outcome(o) for o in _split(row.get("outcomes")))
                outcomes += [(number, {"report_id": report, "outcome": o}) for o in codes]
            self._seen[report] = self._seen.get(report, 0) + 1
            role = _ROLES.get(row.get("role", "").upper(), row.get("role", ""))
            drugs.append((number, {**row, "role": role, "seq": self._seen[report]}))
        for sink, rows in (
            (self._cases, cases), (self._drugs, drugs), (self._reactions, terms), (self._outcomes, outcomes)
        ):  # fmt: skip
            records = len(part.rows) + len(part.broken)
            sink.add_rows([row for _, row in rows], [number for number, _ in rows], records=records)
        if part.broken:
            self._drugs.set_aside("too_few_fields", [n for n, _ in part.broken], [text for _, text in part.broken])


def _tidy(value: object) -> str:
    text = "" if value is None else str(value).strip()
    return "" if text in {"Not Available", "NA", "N/A"} else text.removesuffix(".0")


def _split(cell: str | None) -> list[str]:
    return list(dict.fromkeys(t for part in (cell or "").split(",") if (t := part.strip())))


def _outcome(text: str) -> str:
    upper = text.upper()
    return next((code for begin, code in _OUTCOMES if upper.startswith(begin)), upper)
