"""Compiled loops that read the fields of a column as numbers, dates and texts."""

from __future__ import annotations

# Compiled loops: arguments are typed by numba when they are called, and one pass keeps its state in local variables.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: ANN001, ANN201, ANN202, C901, PLR0912, PLR0915, PLR1714, SIM109
from typing import Final

import numpy as np
from numba import njit

OK: Final = 0
EMPTY: Final = 1
BAD: Final = 2
"""State of a field that was read as a number or a date."""

_SPACE, _ZERO, _NINE, _DOT, _MINUS, _SLASH, _LETTER_T = 32, 48, 57, 46, 45, 47, 84


@njit(cache=True, nogil=True, inline="always")
def field_bounds(block, starts, ends, column, k):
    """Return the first byte and the byte after the last of one field, without the white space around it."""
    a = starts[k] if column == 0 else ends[k, column - 1] + 1
    b = ends[k, column]
    while a < b and block[a] <= _SPACE:
        a += 1
    while b > a and block[b - 1] <= _SPACE:
        b -= 1
    return a, b


@njit(cache=True, nogil=True)
def read_integers(block, starts, ends, column):
    """Read a column of digits; return int64 values and uint8 states."""
    n = starts.size
    values, state = np.zeros(n, np.int64), np.zeros(n, np.uint8)
    for k in range(n):
        a, b = field_bounds(block, starts, ends, column, k)
        if a == b:
            state[k] = EMPTY
        elif b - a > 18:
            state[k] = BAD
        else:
            value = 0
            for i in range(a, b):
                c = block[i]
                if c < _ZERO or c > _NINE:
                    state[k] = BAD
                    break
                value = value * 10 + (c - _ZERO)
            values[k] = value
    return values, state


@njit(cache=True, nogil=True)
def read_decimals(block, starts, ends, column):
    """Read a column of numbers such as ``-12.5``; return float64 values and uint8 states."""
    n = starts.size
    values, state = np.zeros(n, np.float64), np.zeros(n, np.uint8)
    for k in range(n):
        a, b = field_bounds(block, starts, ends, column, k)
        if a == b:
            state[k] = EMPTY
            continue
        sign = 1.0
        if block[a] == _MINUS:
            sign = -1.0
            a += 1
        value, scale, digits, dots = 0.0, 1.0, 0, 0
        for i in range(a, b):
            c = block[i]
            if c == _DOT:
                dots += 1
            elif c >= _ZERO and c <= _NINE:
                value = value * 10.0 + (c - _ZERO)
                digits += 1
                if dots:
                    scale *= 10.0
            else:
                digits = -1000
        if digits < 1 or digits > 30 or dots > 1:
            state[k] = BAD
        else:
            values[k] = sign * value / scale
    return values, state


@njit(cache=True, nogil=True)
def read_date_numbers(block, starts, ends, column, order):
    """Read dates as numbers yyyymmdd, yyyymm or yyyy.

    Plain digits are taken as they stand. Three groups of digits with marks between them are put in order (0 ymd,
    1 mdy, 2 dmy; a first group of four digits is always the year); what follows a blank or ``T`` (a time) is ignored.

    Returns:
        int64 numbers and uint8 states.
    """
    n = starts.size
    numbers, state = np.zeros(n, np.int64), np.zeros(n, np.uint8)
    groups, sizes = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for k in range(n):
        a, b = field_bounds(block, starts, ends, column, k)
        if a == b:
            state[k] = EMPTY
            continue
        group, value, digits, fine = 0, 0, 0, True
        groups[1], groups[2], sizes[1], sizes[2] = 0, 0, 0, 0
        for i in range(a, b):
            c = block[i]
            if c >= _ZERO and c <= _NINE:
                value, digits = value * 10 + (c - _ZERO), digits + 1
            elif (c == _SPACE or c == _LETTER_T) and digits > 0:
                break
            elif (c == _SLASH or c == _MINUS or c == _DOT) and digits > 0 and group < 2:
                groups[group], sizes[group] = value, digits
                group, value, digits = group + 1, 0, 0
            else:
                fine = False
                break
        groups[group], sizes[group] = value, digits
        if not fine or sizes[0] > 8 or (group > 0 and digits == 0):
            state[k] = BAD
        elif group == 0:
            numbers[k] = value
            if digits != 4 and digits != 6 and digits != 8:
                state[k] = BAD
        elif group == 1:
            year, month = (groups[0], groups[1]) if sizes[0] == 4 else (groups[1], groups[0])
            numbers[k] = year * 100 + month
            if year < 1000:
                state[k] = BAD
        else:
            if order == 0 or sizes[0] == 4:
                year, month, day = groups[0], groups[1], groups[2]
            elif order == 1:
                year, month, day = groups[2], groups[0], groups[1]
            else:
                year, month, day = groups[2], groups[1], groups[0]
            numbers[k] = year * 10000 + month * 100 + day
            if year < 1000 or year > 9999 or month > 99 or day > 99:
                state[k] = BAD
    return numbers, state


@njit(cache=True, nogil=True)
def _days_from_civil(year, month, day):
    # Days since 1970-01-01 in the Gregorian calendar; H. Hinnant, "chrono-compatible low-level date algorithms".
    y = year - (1 if month <= 2 else 0)
    era = y // 400
    yoe = y - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


@njit(cache=True, nogil=True)
def dates_from_numbers(numbers, state, first_year, last_year):
    """Turn yyyy, yyyymm, yyyymmdd (zeros for parts not given) into days since 1970 and a precision.

    ``state`` (uint8) is changed: dates that do not exist or lie outside the years become BAD.

    Returns:
        int32 days (first day of the period), uint8 precision: 0 day, 1 month, 2 year.
    """
    n = numbers.size
    days, precision = np.zeros(n, np.int32), np.zeros(n, np.uint8)
    for k in range(n):
        if state[k] != OK:
            continue
        number = numbers[k]
        if number <= 9999:
            number *= 10000
        elif number <= 999999:
            number *= 100
        year, month, day = number // 10000, number // 100 % 100, number % 100
        if year < first_year or year > last_year or month > 12 or day > 31 or (month == 0 and day > 0):
            state[k] = BAD
            continue
        if month == 0:
            precision[k] = 2
            month = 1
        elif day == 0:
            precision[k] = 1
        if day == 0:
            day = 1
        value = _days_from_civil(year, month, day)
        next_year, next_month = (year, month + 1) if month < 12 else (year + 1, 1)
        if value >= _days_from_civil(next_year, next_month, 1):
            state[k] = BAD
            continue
        days[k] = value
    return days, precision


@njit(cache=True, nogil=True)
def copy_text(block, starts, ends, column):
    """Copy a column end to end.

    Returns:
        Arrow offsets (int32, n + 1) and bytes (uint8).
    """
    n = starts.size
    offsets = np.empty(n + 1, np.int32)
    offsets[0] = 0
    for k in range(n):
        a, b = field_bounds(block, starts, ends, column, k)
        offsets[k + 1] = offsets[k] + b - a
    data = np.empty(offsets[n], np.uint8)
    for k in range(n):
        a, b = field_bounds(block, starts, ends, column, k)
        at = offsets[k]
        for i in range(b - a):
            data[at + i] = block[a + i]
    return offsets, data
