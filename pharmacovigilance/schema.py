"""The documented layout of a report store: eight tables, their columns, types and meanings.

One row of ``cases`` is one *version* of one report, as its source sent it; every other table hangs on it by
``report_key``. Tables are Parquet files, one file per table and file set, under
``data/source=<source>/quarter=<quarter>/<set id>/<table>.parquet``; only sets with a receipt count.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

from cinchona.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION: Final = 1
"""Raised when a column changes its name, type or meaning."""

FreeText = Literal["", "text", "citation", "label"]
_CATEGORY: Final = pa.dictionary(pa.int32(), pa.string())


class Role(StrEnum):
    """Part that the reporter gives to a drug (FAERS ``role_cod``)."""

    PRIMARY_SUSPECT = "PS"
    SECONDARY_SUSPECT = "SS"
    CONCOMITANT = "C"
    INTERACTING = "I"


class Precision(StrEnum):
    """How much of a date the source gave; the stored date is the first day of that period."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    """Name in the store."""
    type: pa.DataType
    """Arrow type; categories are dictionaries of strings."""
    doc: str
    """Meaning, unit and codes in one line."""
    free_text: FreeText = ""
    """What the privacy filter looks for here: ``text`` everything, ``citation`` authors too, ``label`` (product names)
    mails and phone numbers only; empty for columns that nobody types into."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the store."""

    name: str
    """Name of the table and of its Parquet files."""
    doc: str
    """What one row is."""
    columns: tuple[Column, ...]
    """Columns in their stored order."""

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the Parquet files."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])

    def column(self, name: str) -> Column:
        """Return the column called ``name``.

        Raises:
            UsageError: if there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise UsageError(
            f"table {self.name!r} has no column {name!r}", expected=", ".join(c.name for c in self.columns)
        )


_KEY: Final = Column("report_key", pa.int64(), "Key of the report version in this store: set number * 2**40 + row.")
_TRACE: Final = (
    Column("source_file", _CATEGORY, "File (and archive member) that the row came from."),
    Column("source_row", pa.int32(), "Row in that file, from 1, the header not counted; after repair of broken lines."),
)


def _category(name: str, doc: str, *, free: FreeText = "") -> Column:
    return Column(name, _CATEGORY, doc, free_text=free)


def _text(name: str, doc: str, *, free: FreeText = "") -> Column:
    return Column(name, pa.string(), doc, free_text=free)


CASES: Final = Table(
    "cases",
    "One version of one report.",
    (
        _KEY,
        _text("report_id", "Id of this version at the source: primaryid, ISR, VAERS_ID, safetyreportid."),
        _text("case_id", "Id that all versions of the case share: caseid, case; the report id where there is none."),
        Column("version", pa.int32(), "Version of the case at the source, higher is later; null where not given."),
        _category("initial_or_followup", "I initial, F follow-up."),
        Column("event_date", pa.date32(), "Start of the event, first day of the period that was given."),
        _category("event_date_precision", "day, month or year."),
        Column("received_date", pa.date32(), "When the agency received this version (fda_dt, RECVDATE, receiptdate)."),
        Column("first_received_date", pa.date32(), "When the agency received the first version."),
        Column("manufacturer_date", pa.date32(), "When the manufacturer received it."),
        Column("report_date", pa.date32(), "When the report was sent."),
        Column("death_date", pa.date32(), "Date of death, where given."),
        _category(
            "report_kind", "EXP expedited, PER periodic, DIR direct from a consumer or professional, 5DAY, 30DAY."
        ),
        _category("manufacturer", "Sender of the report."),
        _text("manufacturer_number", "Number of the case at the manufacturer; the rule for duplicates reads it."),
        _text("authority_number", "Number of the case at another authority."),
        _text("literature", "Reference of the publication that the report is taken from.", free="citation"),
        Column("age_years", pa.float32(), "Age at the event in years, 0 to 120; converted from the unit given."),
        _category("age_group", "N neonate, I infant, C child, T adolescent, A adult, E elderly."),
        _category("sex", "F or M; null when unknown or not given."),
        Column("weight_kg", pa.float32(), "Weight in kilograms, 0.2 to 650."),
        _category("reporter_occupation", "MD, PH, OT, LW, CN, HP: physician, pharmacist, other, lawyer, consumer."),
        _category("reporter_country", "Country of the reporter as given (FAERS: ISO code; AERS: name)."),
        _category("event_country", "Country where the event happened."),
        Column("serious", pa.bool_(), "True when the source says so; null where it does not say."),
        Column("electronic", pa.bool_(), "True when it was sent electronically."),
        Column("nullified", pa.bool_(), "True when the sender withdrew the case with this version."),
        _text("narrative", "Free text of the report where the source has one (VAERS, CAERS).", free="text"),
        *_TRACE,
    ),
)

DRUGS: Final = Table(
    "drugs",
    "One drug of one report version.",
    (
        _KEY,
        Column("drug_seq", pa.int64(), "Number of the drug within its report; links indications and therapies."),
        _category("role", "PS primary suspect, SS secondary suspect, C concomitant, I interacting."),
        _category("name", "Name as reported.", free="label"),
        _category("substance", "Active ingredients as the source coded them (prod_ai), '\\' between them."),
        _category("maker", "Maker of the product, where given."),
        _category("route", "Route as reported."),
        _category("dose_text", "Dose as reported.", free="text"),
        _category("dose_amount", "Amount of a dose, as reported."),
        _category("dose_unit", "Unit of that amount."),
        _category("dose_form", "Form as reported."),
        _category("dose_frequency", "Frequency code."),
        _category("cumulative_dose", "Dose up to the first reaction."),
        _category("cumulative_unit", "Unit of the cumulative dose."),
        _category("dechallenge", "Y abated on withdrawal, N did not, U unknown, D not applicable."),
        _category("rechallenge", "Y came back, N did not, U unknown, D not applicable."),
        _text("lot", "Lot number as reported."),
        _category("expiry", "Expiry date as reported."),
        _category("application", "Number of the marketing application."),
        _category("verbatim", "1 validated trade name, 2 verbatim name (val_vbm)."),
        *_TRACE,
    ),
)

REACTIONS: Final = Table(
    "reactions",
    "One reaction of one report version.",
    (
        _KEY,
        _category("term", "Reported term (a MedDRA preferred term in most sources), spelled as reported."),
        _category("term_version", "Version of the terminology, where given."),
        _category("recurred", "Whether the reaction came back on rechallenge."),
        _category("outcome", "Outcome of this reaction, where given."),
        *_TRACE,
    ),
)

OUTCOMES: Final = Table(
    "outcomes",
    "One outcome of one report version.",
    (
        _KEY,
        _category("outcome", "DE death, LT life-threatening, HO hospital, DS disability, CA anomaly, RI, OT."),
        *_TRACE,
    ),
)

INDICATIONS: Final = Table(
    "indications",
    "One indication of one drug.",
    (
        _KEY,
        Column("drug_seq", pa.int64(), "Drug within the report."),
        _category("term", "Indication as reported."),
        *_TRACE,
    ),
)

THERAPIES: Final = Table(
    "therapies",
    "One course of one drug.",
    (
        _KEY,
        Column("drug_seq", pa.int64(), "Drug within the report."),
        Column("start_date", pa.date32(), "Begin, first day of the period that was given."),
        _category("start_precision", "day, month or year."),
        Column("end_date", pa.date32(), "End, first day of the period that was given."),
        _category("end_precision", "day, month or year."),
        Column("duration_days", pa.float32(), "Duration in days, converted from the unit given."),
        *_TRACE,
    ),
)

REPORTERS: Final = Table(
    "reporters",
    "One kind of reporter of one report version.",
    (
        _KEY,
        _category(
            "reporter", "FGN foreign, SDY study, LIT literature, CSM consumer, HP professional, CR, UF, DT, OTH."
        ),
        *_TRACE,
    ),
)

SET_ASIDE: Final = Table(
    "set_aside",
    "A row, or one value of a stored row, that could not be stored; nothing is dropped without an entry here.",
    (
        _category("table", "Table that it was meant for."),
        _category("level", "row: the row is not stored; value: the row is stored with null in this column."),
        _category("column", "Column of the source, empty for whole rows."),
        _category("reason", "Code of the reason, see docs/reference/report-store.md."),
        _text(
            "content", "The row or value as it was, at most 2,000 characters, after the privacy filter.", free="text"
        ),
        *_TRACE,
    ),
)

DELETIONS: Final = Table(
    "deletions",
    "One case that the agency withdrew, from a deletion list.",
    (
        _text("case_id", "Case to remove: every version of it up to the quarter of the list."),
        *_TRACE,
    ),
)

TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {t.name: t for t in (CASES, DRUGS, REACTIONS, OUTCOMES, INDICATIONS, THERAPIES, REPORTERS, SET_ASIDE, DELETIONS)}
)
"""Every stored table by name; reading adds the partition columns ``source`` and ``quarter``."""

CHILD_TABLES: Final = ("drugs", "reactions", "outcomes", "indications", "therapies", "reporters")
"""Tables whose rows need a case."""

SOURCES: Final = ("faers", "vaers", "caers", "openfda", "sample", "generic")
"""Values of the partition column ``source`` that the readers make."""

KEY_SHIFT: Final = 40
"""``report_key >> KEY_SHIFT`` is the number of the file set, from 1."""


def table(name: str) -> Table:
    """Look a table up by name.

    Raises:
        UsageError: if no table is called so.
    """
    try:
        return TABLES[name]
    except KeyError:
        raise UsageError(f"the store has no table {name!r}", expected=", ".join(TABLES)) from None
