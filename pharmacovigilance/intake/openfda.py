"""Reading openFDA drug-event JSON.

openFDA keeps only the newest version of a case and repeats a drug for each of its indications and courses: such
entries become one drug with several indications and therapies, and the repeats are put aside. It says suspect without
saying which is primary; the first suspect of a report, which is the primary one in the reports it is made from, gets
PS, further ones SS.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from cinchona.pharmacovigilance import failpoints
from cinchona.pharmacovigilance.intake.columns import TextKeys
from cinchona.pharmacovigilance.intake.filesets import FileSet
from cinchona.pharmacovigilance.intake.json_stream import reports_in
from cinchona.pharmacovigilance.intake.layout import FileLayout, Source
from cinchona.pharmacovigilance.intake.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinchona.pharmacovigilance.intake.archives import Member
    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress

_BATCH: Final = 5000
_HEAD: Final = 1 << 20
_QUARTER: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_/]?q([1-4])(?!\d)", re.I)
_OUTCOMES: Final = {
    "seriousnessdeath": "DE", "seriousnesslifethreatening": "LT", "seriousnesshospitalization": "HO",
    "seriousnessdisabling": "DS", "seriousnesscongenitalanomali": "CA", "seriousnessother": "OT",
}  # fmt: skip
_OCCUPATIONS: Final = {"1": "MD", "2": "PH", "3": "HP", "4": "LW", "5": "CN"}
_KINDS: Final = {"1": "EXP", "2": "PER"}


def _same(table: str, *columns: tuple[str, str]) -> FileLayout:
    """Layout whose columns have the names of the store."""
    kinds = {"date": "date", "decimal": "decimal", "sex": "sex", "role": "role", "flag": "flag", "text": "text",
             "integer": "integer", "category": "category"}  # fmt: skip
    return FileLayout("JSON", table, tuple(Source(name, (name,), kinds[kind]) for name, kind in columns))  # type: ignore[arg-type]


CASES: Final = _same(
    "cases",
    ("case_id", "text"), ("version", "integer"), ("received_date", "date"), ("first_received_date", "date"),
    ("death_date", "date"), ("report_kind", "category"), ("manufacturer", "category"),
    ("manufacturer_number", "text"), ("authority_number", "text"), ("literature", "text"), ("_age", "decimal"),
    ("_age_unit", "category"), ("age_group", "category"), ("sex", "sex"), ("_weight", "decimal"),
    ("reporter_occupation", "category"), ("reporter_country", "category"), ("event_country", "category"),
    ("serious", "flag"), ("narrative", "text"),
)  # fmt: skip
DRUGS: Final = _same(
    "drugs",
    ("drug_seq", "integer"), ("role", "role"), ("name", "category"), ("substance", "category"), ("maker", "category"),
    ("route", "category"), ("dose_text", "category"), ("dose_amount", "category"), ("dose_unit", "category"),
    ("dose_form", "category"), ("cumulative_dose", "category"), ("cumulative_unit", "category"),
    ("dechallenge", "category"), ("rechallenge", "category"), ("lot", "text"), ("application", "category"),
)  # fmt: skip
REACTIONS: Final = _same("reactions", ("term", "category"), ("term_version", "category"), ("outcome", "category"))
OUTCOMES: Final = _same("outcomes", ("outcome", "category"))
INDICATIONS: Final = _same("indications", ("drug_seq", "integer"), ("term", "category"))
THERAPIES: Final = _same(
    "therapies",
    ("drug_seq", "integer"), ("start_date", "date"), ("end_date", "date"), ("_duration", "decimal"),
    ("_duration_unit", "category"),
)  # fmt: skip
_TABLES: Final = (CASES, DRUGS, REACTIONS, OUTCOMES, INDICATIONS, THERAPIES)

Row = dict[str, Any]


class OpenFdaReader:
    """Reads one JSON file."""

    version = "openfda-1"

    def new_keys(self) -> TextKeys:
        """Return an empty map of report ids."""
        return TextKeys()

    def read(self, file_set: FileSet, writer: SetWriter, bar: Progress) -> None:
        """Read the file.

        Raises:
            InputError: if it is damaged or not JSON.
        """
        for member in file_set.files["JSON"]:
            sinks = {
                layout.table: Sink(
                    layout, member.name, writer, bar=bar, names=["report_id", *(s.target for s in layout.columns)]
                )
                for layout in _TABLES
            }
            with member.open() as stream:
                _read(stream, member.name, sinks)
            for sink in sinks.values():
                sink.close()


def find_openfda(members: Sequence[Member]) -> list[FileSet]:
    """Find JSON files; each is a set of its own."""
    found = []
    for member in members:
        if member.base.lower().endswith((".json", ".jsonl", ".ndjson")) and _holds_reports(member):
            match = _QUARTER.search(f"{member.path.as_posix()}/{member.inner}")
            quarter = f"{match[1]}Q{match[2]}" if match else "unknown"
            found.append(FileSet("openfda", quarter, OpenFdaReader(), {"JSON": [member]}))
    return found


def _holds_reports(member: Member) -> bool:
    with member.open() as stream:
        head = stream.read(_HEAD)
    return b'"safetyreportid"' in head or b'"@case_number"' in head


def _read(stream: Any, name: str, sinks: dict[str, Sink]) -> None:  # noqa: ANN401 - binary stream
    waiting: dict[str, list[tuple[int, Row]]] = {table: [] for table in sinks}
    repeats: dict[str, list[tuple[int, str]]] = {table: [] for table in sinks}
    number = begun = 0
    for number, report in enumerate(reports_in(stream, name), start=1):
        for table, rows in flatten(report).items():
            kept, repeated = _distinct(table, rows)
            waiting[table] += [(number, row) for row in kept]
            repeats[table] += [(number, " | ".join(str(v) for v in row.values() if v)) for row in repeated]
        if number - begun == _BATCH:
            _hand_over(sinks, waiting, repeats, records=number - begun)
            begun = number
            failpoints.reach("ingest.mid-file")
    _hand_over(sinks, waiting, repeats, records=number - begun)


def _hand_over(
    sinks: dict[str, Sink], waiting: dict[str, list[tuple[int, Row]]], repeats: dict[str, list[tuple[int, str]]],
    *, records: int,
) -> None:  # fmt: skip
    for table, sink in sinks.items():
        sink.add_rows([row for _, row in waiting[table]], [n for n, _ in waiting[table]], records=records)
        if repeats[table]:
            sink.set_aside("repeated_entry", [n for n, _ in repeats[table]], [text for _, text in repeats[table]])
        waiting[table], repeats[table] = [], []


def _distinct(table: str, rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Split rows of one report into first ones and exact repeats; cases never repeat within a report."""
    if table in {"cases", "reactions"}:
        return rows, []
    seen: set[tuple[Any, ...]] = set()
    kept: list[Row] = []
    repeated: list[Row] = []
    for row in rows:
        key = tuple(v for k, v in row.items() if table != "drugs" or k != "_entry")
        (repeated if key in seen else kept).append({k: v for k, v in row.items() if k != "_entry"})
        seen.add(key)
    return kept, repeated


def flatten(report: object) -> dict[str, list[Row]]:
    """Turn one openFDA report into rows by table; anything else becomes a case without an id, which is put aside."""
    if not isinstance(report, dict):
        return {"cases": [{"report_id": None, "literature": str(report)[:200]}]}
    patient = _dict(report.get("patient"))
    case, version = report.get("safetyreportid") or report.get("@case_number"), report.get("safetyreportversion")
    report_id = f"{case}.{version}" if case and version else case
    drugs, indications, therapies = _drugs(_list(patient.get("drug")), report_id)
    reactions = [
        {
            "report_id": report_id,
            "term": r.get("reactionmeddrapt"),
            "term_version": r.get("reactionmeddraversionpt"),
            "outcome": r.get("reactionoutcome"),
        }
        for r in _list(patient.get("reaction"))
    ]
    outcomes = [{"report_id": report_id, "outcome": c} for k, c in _OUTCOMES.items() if str(report.get(k)) == "1"]
    return {
        "cases": [_case(report, patient, report_id, case)],
        "drugs": drugs,
        "reactions": reactions,
        "outcomes": outcomes,
        "indications": indications,
        "therapies": therapies,
    }


def _case(report: Row, patient: Row, report_id: str | None, case: str | None) -> Row:
    source = _dict(report.get("primarysource"))
    return {
        "report_id": report_id,
        "case_id": case,
        "version": report.get("safetyreportversion"),
        "received_date": report.get("receiptdate") or report.get("receivedate") or report.get("@timestamp"),
        "first_received_date": report.get("receivedate"),
        "death_date": _dict(patient.get("patientdeath")).get("patientdeathdate"),
        "report_kind": _KINDS.get(str(report.get("fulfillexpeditecriteria"))),
        "manufacturer": _dict(report.get("sender")).get("senderorganization"),
        "manufacturer_number": report.get("companynumb"),
        "authority_number": report.get("authoritynumb"),
        "literature": source.get("literaturereference"),
        "_age": patient.get("patientonsetage"),
        "_age_unit": patient.get("patientonsetageunit"),
        "age_group": patient.get("patientagegroup"),
        "sex": patient.get("patientsex"),
        "_weight": patient.get("patientweight"),
        "reporter_occupation": _OCCUPATIONS.get(str(source.get("qualification"))),
        "reporter_country": source.get("reportercountry") or report.get("primarysourcecountry"),
        "event_country": report.get("occurcountry"),
        "serious": report.get("serious"),
        "narrative": _dict(patient.get("summary")).get("narrativeincludeclinical"),
    }


def _drugs(entries: list[Row], report_id: str | None) -> tuple[list[Row], list[Row], list[Row]]:
    numbers: dict[tuple[Any, ...], int] = {}
    drugs: list[Row] = []
    indications: list[Row] = []
    therapies: list[Row] = []
    primary: int | None = None
    for place, entry in enumerate(entries):
        row = _drug(entry)
        seq = numbers.setdefault(tuple(row.values()), len(numbers) + 1)
        kind = str(entry.get("drugcharacterization"))
        if kind == "1" and primary is None:
            primary = seq
        role = {"1": "PS" if seq == primary else "SS", "2": "C", "3": "I"}.get(kind, kind if entry else "")
        drugs.append({"report_id": report_id, "drug_seq": seq, **row, "role": role, "_entry": place})
        if entry.get("drugindication"):
            indications.append({"report_id": report_id, "drug_seq": seq, "term": entry["drugindication"]})
        course = {
            "start_date": entry.get("drugstartdate"),
            "end_date": entry.get("drugenddate"),
            "_duration": entry.get("drugtreatmentduration"),
            "_duration_unit": entry.get("drugtreatmentdurationunit"),
        }
        if any(course.values()):
            therapies.append({"report_id": report_id, "drug_seq": seq, **course})
    return drugs, indications, therapies


def _drug(entry: Row) -> Row:
    units = {"001": "KG", "002": "G", "003": "MG", "004": "UG"}
    return {
        "role": str(entry.get("drugcharacterization")),
        "name": entry.get("medicinalproduct"),
        "substance": _dict(entry.get("activesubstance")).get("activesubstancename"),
        "maker": None,
        "route": entry.get("drugadministrationroute"),
        "dose_text": entry.get("drugdosagetext"),
        "dose_amount": entry.get("drugstructuredosagenumb"),
        "dose_unit": units.get(str(entry.get("drugstructuredosageunit")), entry.get("drugstructuredosageunit")),
        "dose_form": entry.get("drugdosageform"),
        "cumulative_dose": entry.get("drugcumulativedosagenumb"),
        "cumulative_unit": entry.get("drugcumulativedosageunit"),
        "dechallenge": entry.get("actiondrug"),
        "rechallenge": entry.get("drugrecurreadministration"),
        "lot": entry.get("drugbatchnumb"),
        "application": entry.get("drugauthorizationnumb"),
    }


def _dict(value: object) -> Row:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Row]:
    if isinstance(value, dict):
        return [value]
    return [v if isinstance(v, dict) else {} for v in value] if isinstance(value, list) else []
