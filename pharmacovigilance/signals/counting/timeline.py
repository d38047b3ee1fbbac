"""One pair over time: counts and information component by period and cumulated."""

from __future__ import annotations

import numpy as np
import polars as pl

from cinchona.pharmacovigilance.signals.counting.count import CountConfig, universe_of
from cinchona.pharmacovigilance.signals.counting.reports import CaseReports
from cinchona.pharmacovigilance.signals.counting.strata import MISSING, stratify


def timeline(
    reports: CaseReports, drug: str, event: str, *, period: str = "quarter", config: CountConfig | None = None
) -> pl.DataFrame:
    """Counts of one pair in each period and up to its end, with the information component of both.

    Periods without any report are filled in between the first and the last, so that the time axis is even. Cases
    without a date are left out.

    Args:
        reports: The reports.
        drug: Name of the drug.
        event: Name of the event.
        period: ``quarter`` or ``year``.
        config: Roles and universe; counting is by reports.

    Returns:
        One row a period: ``period``, ``n``, ``n_drug``, ``n_event``, ``n_total``, ``expected``, ``ic``, ``ic025``,
        ``ic975`` (within the period, 95 % gamma credibility), and the same with the suffix ``_cumulative``.

    Raises:
        UnknownNameError: if drug or event does not occur.
        ColumnError: if the cases have no date.
    """
    inside = universe_of(reports, config or CountConfig())
    with_drug = inside.drugs.cases_of(inside.drug_code(drug))
    with_event = inside.events.cases_of(inside.event_code(event))
    strata = stratify(inside, period)
    masks = {
        "n": with_drug & with_event, "n_drug": with_drug, "n_event": with_event,
        "n_total": np.ones(len(inside), bool),
    }  # fmt: skip
    size = len(strata.labels)
    counts = {name: np.bincount(strata.codes[mask], minlength=size) for name, mask in masks.items()}
    frame = pl.DataFrame({"period": strata.labels, **counts}).filter(pl.col("period") != MISSING)
    every = _all_periods(frame["period"].to_list())
    filled = pl.DataFrame({"period": every}).join(frame, on="period", how="left").fill_null(0)
    cumulated = filled.select("period", *(pl.col(name).cum_sum() for name in masks))
    joined = _with_ic(filled).join(_with_ic(cumulated), on="period", suffix="_cumulative")
    return joined.sort("period")


def _with_ic(frame: pl.DataFrame) -> pl.DataFrame:
    from cinchona.pharmacovigilance.signals.measures.information import ic

    n, drug, event, total = (frame[name].to_numpy().astype(np.float64) for name in frame.columns[1:5])
    expected = np.divide(drug * event, total, out=np.zeros(len(n)), where=total > 0)
    found = ic(n, expected)
    return frame.with_columns(
        expected=pl.Series(expected),
        ic=pl.Series(found.value),
        ic025=pl.Series(found.lower),
        ic975=pl.Series(found.upper),
    )


def _all_periods(names: list[str]) -> list[str]:
    """Every quarter (2020Q1) or year (2020) between the first and the last."""
    if not names or not all(name[:4].isdigit() and name[4:] in {"", "Q1", "Q2", "Q3", "Q4"} for name in names):
        return names
    if all(len(name) == 4 for name in names):
        return [f"{year}" for year in range(int(names[0]), int(names[-1]) + 1)]
    first, last = (4 * int(name[:4]) + int(name[5:] or 1) - 1 for name in (names[0], names[-1]))
    return [f"{k // 4}Q{k % 4 + 1}" for k in range(first, last + 1)]
