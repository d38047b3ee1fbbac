"""Compiled loops over pairs of cases: weights of the hit-miss model, shared terms, and how often terms go together."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

FIELDS: Final = ("sex", "age", "country", "date", "drugs", "reactions")
"""Order of the columns of a weight table."""
_GAP1, _GAP2 = 0.4, 0.1
"""Share of deviating ages that are one and two years off, on each side."""
_WEEK: Final = 7


@njit(cache=True, nogil=True)
def weigh_pairs(left, right, sex, age, country, day, precision, day_share, month_share, year_share,
                drug_offsets, drug_values, drug_weights, reaction_offsets, reaction_values, reaction_weights,
                sex_weights, age_share, country_weights, age_rates, date_rates, misses):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0912, PLR0913, PLR0917, PLR0915 - arrays of one compiled loop
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


@njit(cache=True, nogil=True)
def _civil(day):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
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
def _month(day):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    year, month = _civil(day)
    return year * 12 + month


@njit(cache=True, nogil=True)
def _year(day):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    return _civil(day)[0]


@njit(cache=True, nogil=True)
def calendar(days):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Number of the month (year * 12 + month) and year of days since 1970, int32 each."""
    months, years = np.empty(days.size, np.int32), np.empty(days.size, np.int32)
    for k in range(days.size):
        year, month = _civil(days[k])
        months[k], years[k] = year * 12 + month, year
    return months, years


@njit(cache=True, nogil=True)
def _lists(i, j, offsets, values, weights, miss):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
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
def shared_terms(left, right, offsets, values):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Terms that both cases of each pair have: offsets int64 (n + 1,) and codes int32."""
    n = left.size
    found = np.zeros(n + 1, np.int64)
    for sweep in range(2):
        if sweep == 1:
            codes = np.empty(found[n], np.int32)
        at = 0
        for k in range(n):
            a, a_end = offsets[left[k]], offsets[left[k] + 1]
            b, b_end = offsets[right[k]], offsets[right[k] + 1]
            while a < a_end and b < b_end:
                if values[a] == values[b]:
                    if sweep == 1:
                        codes[at] = values[a]
                    at += 1
                    a += 1
                    b += 1
                elif values[a] < values[b]:
                    a += 1
                else:
                    b += 1
            if sweep == 0:
                found[k + 1] = at
    return found, codes


@njit(cache=True, nogil=True)
def pairs_of_runs(order, keys, cap):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Pairs of cases with equal keys.

    Args:
        order: Cases in the order of their keys, int32.
        keys: Keys in that order, uint64; 0 means none.
        cap: Longest run that is paired.

    Returns:
        left and right int32, and the number of cases in runs that were too long.
    """
    n = keys.size
    total = skipped = 0
    begin = 0
    for k in range(1, n + 1):
        if k == n or keys[k] != keys[begin]:
            length = k - begin
            if keys[begin] != 0 and length > 1:
                if length <= cap:
                    total += length * (length - 1) // 2
                else:
                    skipped += length
            begin = k
    left, right = np.empty(total, np.int32), np.empty(total, np.int32)
    at = begin = 0
    for k in range(1, n + 1):
        if k == n or keys[k] != keys[begin]:
            if keys[begin] != 0 and 1 < k - begin <= cap:
                for a in range(begin, k):
                    for b in range(a + 1, k):
                        left[at], right[at] = min(order[a], order[b]), max(order[a], order[b])
                        at += 1
            begin = k
    return left, right, skipped


@njit(cache=True, nogil=True)
def count_together(offsets, values, wanted_first, table, codes, counts):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917
    """Count in how many cases each wanted pair of terms stands.

    Args:
        offsets, values: Lists of all cases.
        wanted_first: uint8 by code, 1 where a term is in any wanted pair.
        table: Hash table of wanted pairs ``a << 32 | b`` (a < b), int64, -1 where free.
        codes: Place of each pair, int32.
        counts: Filled, int64.
    """
    mask = table.size - 1
    mine = np.empty(4096, np.int64)
    for k in range(offsets.size - 1):
        m = 0
        for at in range(offsets[k], offsets[k + 1]):
            if wanted_first[values[at]] and m < 4096:
                mine[m] = values[at]
                m += 1
        for x in range(m):
            for y in range(x + 1, m):
                key = mine[x] << 32 | mine[y]
                slot = np.int64((np.uint64(key) * np.uint64(11400714819323198485) >> np.uint64(20)) & np.uint64(mask))
                while table[slot] >= 0:
                    if table[slot] == key:
                        counts[codes[slot]] += 1
                        break
                    slot = (slot + 1) & mask


@njit(cache=True, nogil=True)
def fill_table(table, codes, keys):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Enter distinct ``keys`` (int64) into an empty hash table."""
    mask = table.size - 1
    for k in range(keys.size):
        slot = np.int64((np.uint64(keys[k]) * np.uint64(11400714819323198485) >> np.uint64(20)) & np.uint64(mask))
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = keys[k]
        codes[slot] = k


@njit(cache=True, nogil=True)
def union(n, left, right):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Smallest case that each of n cases is connected to, int32."""
    root = np.arange(n, dtype=np.int32)
    for k in range(left.size):
        a, b = left[k], right[k]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b:
            root[max(a, b)] = min(a, b)
    for k in range(n):
        root[k] = root[root[k]]
    return root
