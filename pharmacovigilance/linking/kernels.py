"""Compiled loop that weighs pairs of cases field by field."""

from __future__ import annotations

# Compiled loops: arguments are typed by numba when they are called, and one pass keeps its state in local variables.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: ANN001, ANN201, ANN202, D417, PLR0913, PLR0917
from typing import Final

import numpy as np
from numba import njit

FIELDS: Final = ("sex", "age", "country", "date", "drugs", "reactions")
"""Order of the columns of a weight table."""
_GAP1, _GAP2 = 0.4, 0.1
"""Share of deviating ages that are one and two years off, on each side."""
_WEEK: Final = 7


@njit(cache=True, nogil=True)
def _civil(day):
    # Year and month of days since 1970; H. Hinnant, "chrono-compatible low-level date algorithms".
    z = day + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (1 if month <= 2 else 0), month


@njit(cache=True, nogil=True)
def _month(day):
    year, month = _civil(day)
    return year * 12 + month


@njit(cache=True, nogil=True)
def _year(day):
    return _civil(day)[0]


@njit(cache=True, nogil=True)
def calendar(days):
    """Number of the month (year * 12 + month) and year of days since 1970, int32 each."""
    months, years = np.empty(days.size, np.int32), np.empty(days.size, np.int32)
    for k in range(days.size):
        year, month = _civil(days[k])
        months[k], years[k] = year * 12 + month, year
    return months, years


@njit(cache=True, nogil=True)
def _lists(i, j, offsets, values, weights, miss):
    a, a_end, b, b_end = offsets[i], offsets[i + 1], offsets[j], offsets[j + 1]
    if a == a_end or b == b_end:
        return 0.0
    total = 0.0
    while a < a_end and b < b_end:
        if values[a] == values[b]:
            total += weights[values[a]]
            a += 1
            b += 1
        elif values[a] < values[b]:
            total += miss
            a += 1
        else:
            total += miss
            b += 1
    return total + miss * ((a_end - a) + (b_end - b))


@njit(cache=True, nogil=True)
def weigh_pairs(
    left,
    right,
    sex,
    age,
    country,
    day,
    precision,
    day_share,
    month_share,
    year_share,
    drug_offsets,
    drug_values,
    drug_weights,
    reaction_offsets,
    reaction_values,
    reaction_weights,
    sex_weights,
    age_share,
    country_weights,
    age_rates,
    date_rates,
    misses,
):
    """Weights of pairs of cases by field, float32, shape (n, 6), in bits; 0 where either value is unknown.

    Args:
        left, right: Cases of each pair, int32 (n,).
        sex, age, country, day, precision: Columns of the records.
        day_share, month_share, year_share: Share of each case's day, month and year among dated cases, float64.
        drug_offsets, drug_values, drug_weights: Lists and the weight of a shared drug by code.
        reaction_offsets, reaction_values, reaction_weights: The same for reactions.
        sex_weights: Weight of a shared sex by code.
        age_share: Share of each age.
        country_weights: Weight of a shared country by code.
        age_rates, date_rates: Probabilities of equal, near and random values of two reports of one event.
        misses: Weight of different sex, country, drug, reaction.
    """
    n = left.size
    out = np.zeros((n, 6), np.float32)
    for k in range(n):
        i, j = left[k], right[k]
        if sex[i] >= 0 and sex[j] >= 0:
            out[k, 0] = sex_weights[sex[i]] if sex[i] == sex[j] else misses[0]
        if age[i] >= 0 and age[j] >= 0:
            gap = abs(age[i] - age[j])
            share = np.sqrt(age_share[age[i]] * age_share[age[j]])
            near = age_rates[0] if gap == 0 else 0.0
            near += age_rates[1] * (_GAP1 if gap == 1 else _GAP2 if gap == 2 else 0.0)
            out[k, 1] = np.log2(near / share + age_rates[2])
        if country[i] >= 0 and country[j] >= 0:
            out[k, 2] = country_weights[country[i]] if country[i] == country[j] else misses[1]
        coarse = max(precision[i], precision[j])
        if coarse == 0:
            gap = abs(day[i] - day[j])
            share = np.sqrt(day_share[i] * day_share[j])
            near = date_rates[0] if gap == 0 else date_rates[1] / (2 * _WEEK) if gap <= _WEEK else 0.0
            out[k, 3] = np.log2(near / share + date_rates[2])
        elif coarse == 1:
            share = month_share[i]
            near = date_rates[0] + date_rates[1] if _month(day[i]) == _month(day[j]) else 0.0
            out[k, 3] = np.log2(near / share + date_rates[2])
        elif coarse == 2:
            near = date_rates[0] + date_rates[1] if _year(day[i]) == _year(day[j]) else 0.0
            out[k, 3] = np.log2(near / year_share[i] + date_rates[2])
        out[k, 4] = _lists(i, j, drug_offsets, drug_values, drug_weights, misses[2])
        out[k, 5] = _lists(i, j, reaction_offsets, reaction_values, reaction_weights, misses[3])
    return out
