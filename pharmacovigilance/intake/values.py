"""Values as sources spell them, turned into the store's: ages in years, weights in kilograms, durations, sexes."""

from __future__ import annotations

from typing import Final

import numpy as np

MAX_AGE: Final = 120.0
"""Oldest age that is believed, in years."""
MIN_WEIGHT: Final = 0.2
MAX_WEIGHT: Final = 650.0
"""Weights that are believed, in kilograms."""
MAX_DURATION: Final = 120 * 365.25
"""Longest therapy that is believed, in days."""
FIRST_YEAR: Final = 1900
"""Earliest year of any date that is believed."""

AGE_UNITS: Final = {
    "": 1.0, "YR": 1.0, "YRS": 1.0, "YEAR": 1.0, "YEARS": 1.0, "YEAR(S)": 1.0, "801": 1.0,
    "DEC": 10.0, "DECADE": 10.0, "DECADES": 10.0, "DECADE(S)": 10.0, "800": 10.0,
    "MON": 1 / 12, "MONTH": 1 / 12, "MONTHS": 1 / 12, "MONTH(S)": 1 / 12, "802": 1 / 12,
    "WK": 7 / 365.25, "WEEK": 7 / 365.25, "WEEKS": 7 / 365.25, "WEEK(S)": 7 / 365.25, "803": 7 / 365.25,
    "DY": 1 / 365.25, "DAY": 1 / 365.25, "DAYS": 1 / 365.25, "DAY(S)": 1 / 365.25, "804": 1 / 365.25,
    "HR": 1 / 8766, "HOUR": 1 / 8766, "HOURS": 1 / 8766, "805": 1 / 8766,
    "MIN": 1 / 525960, "SEC": 1 / 31557600,
}  # fmt: skip
"""Years in one unit, by FAERS code, CAERS word and E2B number; no unit is taken for years."""

WEIGHT_UNITS: Final = {
    "": 1.0, "KG": 1.0, "KGS": 1.0, "KILOGRAM": 1.0, "LBS": 0.45359237, "LB": 0.45359237, "POUND": 0.45359237,
    "GMS": 0.001, "G": 0.001, "GM": 0.001, "OZ": 0.028349523125,
}  # fmt: skip
"""Kilograms in one unit; no unit is taken for kilograms."""

DURATION_UNITS: Final = {
    "YR": 365.25, "MON": 30.4375, "WK": 7.0, "DAY": 1.0, "DY": 1.0, "HR": 1 / 24, "MIN": 1 / 1440, "SEC": 1 / 86400,
    "DEC": 3652.5, "801": 365.25, "802": 30.4375, "803": 7.0, "804": 1.0, "805": 1 / 24, "806": 1 / 1440,
}  # fmt: skip
"""Days in one unit."""

SEXES: Final = ("F", "M")
SEX_CODES: Final = {
    "F": 0, "FEMALE": 0, "FEM": 0, "2": 0, "M": 1, "MALE": 1, "1": 1,
    "": -1, "UNK": -1, "U": -1, "NS": -1, "YR": -2, "UNKNOWN": -1, "NOT AVAILABLE": -1, "NOT REPORTED": -1, "0": -1,
    "NONE": -1, "NULL": -1, "X": -1, "I": -1, "P": -1, "T": -1,
}  # fmt: skip
"""Code into :data:`SEXES`; -1 unknown. Anything else is not a sex and is set aside."""

ROLES: Final = ("PS", "SS", "C", "I")
ROLE_CODES: Final = {
    "PS": 0, "SS": 1, "C": 2, "I": 3, "PRIMARY SUSPECT": 0, "SECONDARY SUSPECT": 1, "CONCOMITANT": 2, "INTERACTING": 3,
    "DN": -1, "": -1,
}  # fmt: skip
"""Code into :data:`ROLES`; DN (drug not administered) has no role here."""

PRECISIONS: Final = ("day", "month", "year")


def scaled(
    values: np.ndarray, state: np.ndarray, factors: np.ndarray, *, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Convert measured values to the store's unit.

    Args:
        values: As given, float64 (n,).
        state: 0 given, 1 empty, 2 not a number, uint8 (n,).
        factors: Size of each value's unit, NaN for unknown units, float64 (n,).
        low: Least value that is believed, after conversion.
        high: Greatest.

    Returns:
        float32 (n,) with NaN where missing, and uint8 (n,): 0 fine or missing, 1 not a number, 2 unknown unit,
        3 out of range.
    """
    given = state == 0
    converted = np.where(given, values * factors, np.nan)
    problem = np.zeros(len(values), np.uint8)
    problem[state == 2] = 1
    problem[given & np.isnan(factors)] = 2
    problem[given & ((converted < low) | (converted > high))] = 3
    converted[problem > 0] = np.nan
    return converted.astype(np.float32), problem


SCALED_REASONS: Final = {1: "unparsable_number", 2: "unknown_unit", 3: "impossible_{0}"}
"""Reason codes for the problems of :func:`scaled`; ``{0}`` is the quantity."""
