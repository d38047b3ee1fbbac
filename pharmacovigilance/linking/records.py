"""Current cases as arrays, the form in which they are compared."""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.analysis import AnalysisView

UNKNOWN: Final = -1
DAY, MONTH, YEAR, NO_DATE = 0, 1, 2, 3
_SAME_COUNTRY: Final = {
    "UNITED STATES": "US", "UNITED STATES OF AMERICA": "US", "USA": "US", "UNITED KINGDOM": "GB", "UK": "GB",
    "GREAT BRITAIN": "GB", "UNITED KINGDOM OF GREAT BRITAIN & NORTHERN IRELAND": "GB", "GERMANY": "DE", "FRANCE": "FR", "JAPAN": "JP", "CANADA": "CA", "ITALY": "IT", "SPAIN": "ES",
    "AUSTRALIA": "AU", "BRAZIL": "BR", "NETHERLANDS": "NL", "BELGIUM": "BE", "SWITZERLAND": "CH", "SWEDEN": "SE",
    "NORWAY": "NO", "DENMARK": "DK", "AUSTRIA": "AT", "CHINA": "CN", "INDIA": "IN", "MEXICO": "MX", "POLAND": "PL",
}  # fmt: skip
_NO_COUNTRY: Final = frozenset({"", "COUNTRY NOT SPECIFIED", "NOT SPECIFIED", "UNKNOWN", "XX", "EU"})
_QUERY: Final = """
SELECT v.report_no, v.report_key, v.sex, v.age_years, v.country, c.event_date, c.event_date_precision,
       c.manufacturer_number, c.received_date, c.case_id, c.source
FROM view_cases v JOIN cases c USING (report_key) ORDER BY v.report_no
"""


@dataclass(frozen=True, slots=True)
class TermLists:
    """Lists of codes, one a case, ascending; codes are numbered from the rarest term up."""

    offsets: np.ndarray
    """int64, shape (n + 1,)."""
    values: np.ndarray
    """int32, shape (total,)."""
    counts: np.ndarray
    """Cases of each code, int64, shape (n_codes,), ascending."""
    names: np.ndarray
    """Number of each code in the analysis view, int32, shape (n_codes,)."""


@dataclass(frozen=True, slots=True)
class Records:
    """n current cases."""

    report_key: np.ndarray
    """int64, shape (n,)."""
    sex: np.ndarray
    """0 female, 1 male, -1 unknown, int8, shape (n,)."""
    age: np.ndarray
    """Whole years, -1 unknown, int16, shape (n,)."""
    country: np.ndarray
    """Code, -1 unknown, int32, shape (n,)."""
    day: np.ndarray
    """Event date, days since 1970 (first day of the period), int32, shape (n,)."""
    precision: np.ndarray
    """0 day, 1 month, 2 year, 3 no date, int8, shape (n,)."""
    number: np.ndarray
    """Code of the manufacturer's number, -1 where it is none, int32, shape (n,)."""
    received: np.ndarray
    """Days since 1970, -1 unknown, int32, shape (n,)."""
    drugs: TermLists
    """Drugs, each once a case."""
    reactions: TermLists
    """Reactions, each once a case."""
    countries: tuple[str, ...]
    """Names of the country codes."""

    def __len__(self) -> int:
        return len(self.report_key)


def load_records(view: AnalysisView) -> Records:
    """Read the cases of ``view`` (made with ``duplicates='keep'``)."""
    connection = view.store.connection()
    connection.execute(f"CREATE OR REPLACE TEMP VIEW view_cases AS SELECT * FROM read_parquet('{_quoted(view)}')")
    table = connection.sql(_QUERY).to_arrow_table()
    country, countries = _countries(table.column("country"))
    day = pc.cast(table.column("event_date"), pa.int32())
    return Records(
        report_key=table.column("report_key").to_numpy(),
        sex=_codes(table.column("sex"), ("F", "M")).astype(np.int8),
        age=_whole_years(table.column("age_years")),
        country=country,
        day=day.fill_null(0).to_numpy(),
        precision=_precision(table),
        number=_numbers(table.column("manufacturer_number")),
        received=pc.cast(table.column("received_date"), pa.int32()).fill_null(UNKNOWN).to_numpy(),
        drugs=_lists(view, "drugs", "drug_id", table.num_rows),
        reactions=_lists(view, "reactions", "reaction_id", table.num_rows),
        countries=countries,
    )


def _quoted(view: AnalysisView) -> str:
    return str(view.path("cases")).replace("'", "''")


def _codes(column: pa.ChunkedArray, texts: tuple[str, ...]) -> np.ndarray:
    found = pc.index_in(pc.cast(column, pa.string()), value_set=pa.array(texts))
    return np.asarray(pc.fill_null(found, UNKNOWN).to_numpy())


def _whole_years(column: pa.ChunkedArray) -> np.ndarray:
    years = np.asarray(column.to_numpy(), np.float64)
    return np.where(np.isnan(years), UNKNOWN, np.floor(np.nan_to_num(years))).astype(np.int16)


def _precision(table: pa.Table) -> np.ndarray:
    codes = _codes(table.column("event_date_precision"), ("day", "month", "year"))
    missing = table.column("event_date").is_null().to_numpy()
    return np.where(missing, NO_DATE, np.where(codes < 0, DAY, codes)).astype(np.int8)


def _countries(column: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...]]:
    coded = pc.cast(column, pa.string()).combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    short = [t.split(",")[0].split("(")[0].strip().upper() for t in coded.dictionary.to_pylist()]
    spelled = [_SAME_COUNTRY.get(t, t) for t in short]
    names = tuple(sorted({t for t in spelled if t not in _NO_COUNTRY}))
    place = {t: i for i, t in enumerate(names)}
    table = np.array([*(place.get(t, UNKNOWN) for t in spelled), UNKNOWN], np.int32)
    return table[coded.indices.fill_null(UNKNOWN).to_numpy()], names


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Codes of manufacturers' numbers: letters and digits alone count; shorter than six, or with fewer than four digits, is none."""
    plain = pc.replace_substring_regex(pc.utf8_upper(pc.cast(column, pa.string())), r"[^A-Z0-9]+", "")
    digits = pc.utf8_length(pc.replace_substring_regex(plain, "[^0-9]", ""))
    usable = pc.and_(pc.greater_equal(digits, 4), pc.greater_equal(pc.utf8_length(plain), 6))
    plain = pc.if_else(usable, plain, None)
    coded = plain.combine_chunks().dictionary_encode()
    return np.asarray(coded.indices.fill_null(UNKNOWN).to_numpy())


def _lists(view: AnalysisView, name: str, column: str, n: int) -> TermLists:
    query = f"SELECT DISTINCT report_no, {column} FROM {name}"
    table = view.sql(query).arrow()
    owners = table.column("report_no").to_numpy()
    values = table.column(column).to_numpy()
    counts = np.bincount(values) if len(values) else np.zeros(1, np.int64)
    order = np.argsort(counts, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    key = np.sort(owners.astype(np.int64) << 32 | rank[values])
    owners, values = key >> 32, (key & 0xFFFFFFFF).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=n))]).astype(np.int64)
    return TermLists(offsets, values, counts[order], order.astype(np.int32))
