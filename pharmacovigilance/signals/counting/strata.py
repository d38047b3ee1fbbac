"""Strata of reports: age bands, sex, period, country, reporter, and their combinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.errors import ColumnError, ConfigError
from cinchona.pharmacovigilance.signals.counting.reports import CaseReports

MISSING: Final = "not stated"
"""Name of the stratum of cases that do not tell; they are a stratum of their own, never dropped."""

AGE_BANDS: Final = (2.0, 12.0, 18.0, 45.0, 65.0, 75.0)
"""Lower ends, in years, of the age bands after the first; the first begins at birth."""

FACTS: Final = {
    "age": ("age_years", "age"),
    "sex": ("sex",),
    "year": ("date", "received_date", "event_date"),
    "quarter": ("quarter", "date", "received_date", "event_date"),
    "country": ("country", "event_country", "reporter_country"),
    "reporter": ("reporter", "reporter_occupation"),
}
"""Columns that can supply each kind of stratum, the first that exists is taken; ``period`` means ``quarter``."""


@dataclass(frozen=True, slots=True)
class Strata:
    """A stratum for every case."""

    by: tuple[str, ...]
    """What the strata are made of, for example ``("age", "sex")``."""
    codes: np.ndarray
    """Stratum of each case, int32, shape (n_cases,)."""
    labels: tuple[str, ...]
    """Name of each stratum, ascending."""

    def mask(self, stratum: int) -> np.ndarray:
        """Cases of one stratum, bool, shape (n_cases,)."""
        return np.asarray(self.codes == stratum)


def stratify(reports: CaseReports, by: str | Sequence[str], *, age_bands: Sequence[float] = AGE_BANDS) -> Strata:
    """Put every case in a stratum.

    Args:
        reports: Reports with facts.
        by: One or more of ``age``, ``sex``, ``year``, ``quarter`` (or ``period``), ``country``, ``reporter``, or any
            column of the case table, whose values are then taken as they are.
        age_bands: Ascending lower ends of the bands after the first, in years.

    Raises:
        ColumnError: if the case table has no such column.
        ConfigError: if the age bands do not ascend.
    """
    kinds = (by,) if isinstance(by, str) else tuple(by)
    if not kinds:
        raise ConfigError("no strata are named", expected=f"some of {', '.join(FACTS)}")
    texts = [_texts(reports, kind, age_bands) for kind in kinds]
    joined = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " | ")
    encoded = joined.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    codes = rank[encoded.indices.to_numpy(zero_copy_only=False)] if len(reports) else np.zeros(0, np.int32)
    return Strata(kinds, codes, tuple(encoded.dictionary.take(pa.array(order)).to_pylist()))


def _texts(reports: CaseReports, kind: str, age_bands: Sequence[float]) -> pa.Array:
    kind = "quarter" if kind == "period" else kind
    column = _fact(reports, kind)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind == "age":
        column = _age_band(column, age_bands)
    elif kind == "year":
        column = pc.cast(pc.year(_dates(column)), pa.string())
    elif kind == "quarter" and not _is_text(column.type):
        dates = _dates(column)
        column = pc.binary_join_element_wise(pc.year(dates).cast(pa.string()), pc.quarter(dates).cast(pa.string()), "Q")
    return pc.fill_null(column.cast(pa.string()), MISSING)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _fact(reports: CaseReports, kind: str) -> pa.Array:
    candidates = FACTS.get(kind, (kind,))
    for name in candidates:
        if name in reports.facts:
            return reports.facts[name]
    raise ColumnError(
        f"the cases have no column for strata by {kind!r}",
        where=f"columns of the case table: {', '.join(reports.facts) or 'none'}",
        expected=" or ".join(candidates),
        remedy="give read_reports a case table with that column",
    )


def _dates(column: pa.Array) -> pa.Array:
    return column if pa.types.is_date(column.type) else pc.cast(column, pa.date32())


def _age_band(column: pa.Array, lower_ends: Sequence[float]) -> pa.Array:
    edges = np.asarray(lower_ends, np.float64)
    if len(edges) == 0 or (np.diff(edges) <= 0).any():
        raise ConfigError(f"age bands {list(lower_ends)} do not ascend", expected="for example 18, 65")
    names = [f"{low:02g} to <{high:g} y" for low, high in zip([0.0, *edges[:-1]], edges, strict=True)]
    names.append(f"{edges[-1]:02g} y and over")
    ages = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = np.isfinite(ages)
    band = np.searchsorted(edges, np.where(known, ages, 0.0), side="right")
    return pa.array(names).take(pa.array(band, mask=~known))
