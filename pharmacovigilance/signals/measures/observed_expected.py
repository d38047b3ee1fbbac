"""Observed-to-expected analysis: reports against what background rates and exposure would give by chance.

References:
    Garwood F. Biometrika 1936;28:437-442.
    Mahaux O, Bauchau V, Van Holle L. Pharmacoepidemiol Drug Saf 2016;25:215-222. doi:10.1002/pds.3918
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import betainc, betaincinv, gammainc, gammaincinv

from cinchona.errors import InputError
from cinchona.pharmacovigilance.signals.counting.columns import to_arrow

DAYS_PER_YEAR = 365.25
"""Days in a year of person-time."""


@dataclass(frozen=True, slots=True)
class ObservedExpected:
    """Observed-to-expected ratios; float64 arrays of shape (n,)."""

    observed: np.ndarray
    """Cases seen."""
    expected: np.ndarray
    """Cases expected."""
    ratio: np.ndarray
    """observed / expected; range [0, inf), null value 1."""
    lower: np.ndarray
    """Exact lower bound."""
    upper: np.ndarray
    """Exact upper bound."""
    p_greater: np.ndarray
    """P(X >= observed) for X ~ Poisson(expected)."""


def expected_from_person_time(person_years: np.ndarray, rate_per_100k: np.ndarray) -> np.ndarray:
    """Expected cases from person-years at risk and a background rate per 100,000 person-years."""
    return np.asarray(person_years, np.float64) * np.asarray(rate_per_100k, np.float64) / 1e5


def expected_from_doses(doses: np.ndarray, risk_days: np.ndarray, rate_per_100k: np.ndarray) -> np.ndarray:
    """Expected cases from doses given, days at risk after each dose and a background rate per 100,000 person-years."""
    person_years = np.asarray(doses, np.float64) * np.asarray(risk_days, np.float64) / DAYS_PER_YEAR
    return expected_from_person_time(person_years, rate_per_100k)


def observed_to_expected(observed: np.ndarray, expected: np.ndarray, *, level: float = 0.95) -> ObservedExpected:
    """Ratio with the exact (Garwood) Poisson interval.

    The bounds are Gamma(observed) and Gamma(observed + 1) quantiles over ``expected``; the lower bound is 0 when
    nothing was observed. The interval takes ``expected`` as known.

    Args:
        observed: Cases seen, whole numbers, shape (n,).
        expected: Cases expected, > 0, shape (n,).
        level: Confidence of the two-sided interval.

    Raises:
        InputError: if an observed count is no count or an expected one not positive.
    """
    seen = np.array(observed, np.float64, ndmin=1)
    e = np.array(expected, np.float64, ndmin=1)
    if not ((seen >= 0).all() and (seen == np.round(seen)).all() and (e > 0).all() and np.isfinite(e).all()):
        raise InputError(
            "observed-to-expected needs whole observed counts and positive expected ones",
            expected="observed >= 0 and expected > 0",
        )
    tail = (1.0 - level) / 2.0
    lower = np.where(seen > 0, gammaincinv(np.maximum(seen, 1.0), tail), 0.0) / e
    upper = gammaincinv(seen + 1.0, 1.0 - tail) / e
    p = np.where(seen > 0, gammainc(np.maximum(seen, 1.0), e), 1.0)
    return ObservedExpected(seen, e, seen / e, lower, upper, p)


def observed_to_expected_shrunk(
    observed: np.ndarray, background_cases: np.ndarray, time_ratio: np.ndarray, *, level: float = 0.95
) -> ObservedExpected:
    """Ratio of rates when the background rate itself rests on few cases.

    ``background_cases`` were seen in the comparator's person-time, and ``time_ratio`` is the exposed person-time over
    the comparator's. Given the sum, the observed count is binomial; the interval is the exact (Clopper-Pearson) one of
    that binomial turned into a rate ratio, and the p-value its upper tail.

    Args:
        observed: Cases among the exposed, shape (n,).
        background_cases: Cases of the comparator, >= 1, shape (n,).
        time_ratio: Exposed over comparator person-time, > 0, shape (n,).
        level: Confidence of the two-sided interval.
    """
    seen, base, ratio = (np.array(x, np.float64, ndmin=1) for x in (observed, background_cases, time_ratio))
    if not ((seen >= 0).all() and (base >= 1).all() and (ratio > 0).all()):
        raise InputError("a count or a person-time is not positive", expected="background cases >= 1, time ratio > 0")
    tail = (1.0 - level) / 2.0
    positive = np.maximum(seen, 1.0)
    low = np.where(seen > 0, betaincinv(positive, base + 1.0, tail), 0.0)
    high = betaincinv(seen + 1.0, base, 1.0 - tail)
    p = np.where(seen > 0, betainc(positive, base + 1.0, ratio / (1.0 + ratio)), 1.0)  # binomial upper tail
    expected = base * ratio
    return ObservedExpected(seen, expected, seen / expected, low / (1 - low) / ratio, high / (1 - high) / ratio, p)


def observed_expected_table(
    frame: object, *, reporting_shares: Sequence[float] = (1.0,), level: float = 0.95
) -> pl.DataFrame:
    """Tidy observed-to-expected table, with a sensitivity analysis over the share of cases that get reported.

    Args:
        frame: Columns ``name``, ``observed``, ``rate_per_100k``, and either ``person_years`` or ``doses`` and
            ``risk_days``.
        reporting_shares: Assumed shares of cases that are reported; the expected count is multiplied by each.
        level: Confidence of the interval.

    Returns:
        One row a name and share: ``name``, ``reporting_share``, ``observed``, ``expected``, ``ratio``, ``lower``,
        ``upper``, ``p_greater``.

    Raises:
        ColumnError: if columns are missing.
    """
    have = set(getattr(frame, "columns", ())) if not hasattr(frame, "column_names") else set(frame.column_names)
    exposure = ["person_years"] if "person_years" in have else ["doses", "risk_days"]
    table = to_arrow(frame, ["name", "observed", "rate_per_100k", *exposure], what="exposure table")
    values = {name: table[name].to_numpy() for name in table.column_names if name != "name"}
    if exposure == ["person_years"]:
        expected = expected_from_person_time(values["person_years"], values["rate_per_100k"])
    else:
        expected = expected_from_doses(values["doses"], values["risk_days"], values["rate_per_100k"])
    parts = []
    for share in reporting_shares:
        found = observed_to_expected(values["observed"], expected * share, level=level)
        parts.append(
            pl.DataFrame({
                "name": table["name"].to_pylist(), "reporting_share": [share] * len(expected),
                "observed": found.observed, "expected": found.expected, "ratio": found.ratio,
                "lower": found.lower, "upper": found.upper, "p_greater": found.p_greater,
            })
        )  # fmt: skip
    return pl.concat(parts)
