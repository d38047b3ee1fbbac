"""Compiled loops over the bytes of delimited text: finding records, and reading fields as codes, numbers and dates.

A general CSV parser drops or refuses the rows that real agency files break (line breaks inside fields, NULs, an extra
delimiter); here every line of a file ends in a record, in a stated kind of broken record, or is blank. Fields are
addressed by where they start and stop in a block of bytes; nothing is copied until a column asks for it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

TOO_FEW: Final = 1
TOO_MANY: Final = 2
BINARY: Final = 3
"""Why a record is broken: fields missing, fields over, NUL or control bytes."""

OK: Final = 0
EMPTY: Final = 1
BAD: Final = 2
"""State of a field that was read as a number or a date."""

_MAX_JOIN: Final = 64
"""Most lines that are joined to one record."""
_SPACE, _NEWLINE, _RETURN, _TAB, _ZERO, _NINE, _DOT, _MINUS = 32, 10, 13, 9, 48, 57, 46, 45
_SLASH, _LETTER_T = 47, 84


PADDING: Final = 8
"""Bytes that must follow the last byte of a block, so that eight bytes can be read at any place."""


@intrinsic
def _load8(_context, array, index):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - the form that numba prescribes
    # Eight bytes at any address as one number; numba has no unaligned load of its own.
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.gep(data, [arguments[1]])
        value = builder.load(builder.bitcast(address, ir.IntType(64).as_pointer()))
        value.align = 1
        return value

    return types.uint64(array, types.int64), generate


@njit(cache=True, nogil=True, inline="always")
def _tail(word, length):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    # The first ``length`` (1 to 8) of eight loaded bytes, on a little-endian machine.
    return word & (np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - 8 * length))


@njit(cache=True, nogil=True, inline="always")
def _hash(block, a, b):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    h = np.uint64(b - a) * np.uint64(0x9E3779B97F4A7C15)
    while b - a > 8:
        h = (h ^ _load8(block, a)) * np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(32)
        a += 8
    h = (h ^ _tail(_load8(block, a), b - a)) * np.uint64(0xFF51AFD7ED558CCD)
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True, inline="always")
def _equal(block, a, b, data, at):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    while b - a > 8:
        if _load8(block, a) != _load8(data, at):
            return False
        a += 8
        at += 8
    return _tail(_load8(block, a), b - a) == _tail(_load8(data, at), b - a)


@njit(cache=True, nogil=True)
def _blank_breaks(block, start, stop):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    for i in range(start, stop):
        if block[i] < _SPACE:
            block[i] = _SPACE


@njit(cache=True, nogil=True)
def split_records(block, size, delimiter, width, final):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, C901, PLR0912, PLR0915 - one pass over the bytes with its state in local variables
    """Find the records in the first ``size`` bytes of ``block`` (uint8, every line ended by a newline).

    A line with too few fields is joined with the lines after it while that completes it; a line without any delimiter
    continues the last field of the record before it. ``width`` is the number of fields. Tabs, and line breaks inside
    records that were joined, are overwritten by spaces in ``block``.

    Returns:
        starts int32 (n,), ends int32 (n, width), row int32 (n,) counted from 0 in the block, breaks int32 (n,) = lines
        joined; then bad_start, bad_end, bad_reason, bad_row of broken records, the bytes consumed, and the number of
        records seen. Unless ``final``, the last record is left for the next block, since a line may still follow it.
    """
    n = size
    lines = 0
    for i in range(n):
        if block[i] == _NEWLINE:
            lines += 1
    starts, row = np.empty(lines, np.int32), np.empty(lines, np.int32)
    breaks = np.zeros(lines, np.int32)
    ends = np.empty((lines, width), np.int32)
    bad_start, bad_end = np.empty(lines, np.int32), np.empty(lines, np.int32)
    bad_reason, bad_row = np.empty(lines, np.uint8), np.empty(lines, np.int32)
    good = bad = seen = 0
    record = line = count = joined = second = 0
    binary = False
    after_good = False
    i = 0
    while True:
        if i >= n:
            if joined > 0 and final:
                bad_start[bad], bad_end[bad], bad_reason[bad], bad_row[bad] = record, second - 1, TOO_FEW, seen
                bad, seen = bad + 1, seen + 1
                i = record = line = second
                count, joined, binary, after_good = 0, 0, False, False
                continue
            break
        c = block[i]
        if c == delimiter:
            if count < width and good < lines:
                ends[good, count] = i
            count += 1
        elif c < _SPACE:
            if c == _NEWLINE:
                stop = i - 1 if i > line and block[i - 1] == _RETURN else i
                if count == width - 1 and not (count == 0 and stop == record):
                    if binary:
                        bad_start[bad], bad_end[bad], bad_reason[bad], bad_row[bad] = record, stop, BINARY, seen
                        bad, after_good = bad + 1, False
                    else:
                        ends[good, count] = stop
                        starts[good], row[good], breaks[good] = record, seen, joined
                        good, after_good = good + 1, True
                    seen += 1
                elif count == 0:
                    if stop > record and after_good and not binary:
                        ends[good - 1, width - 1] = stop
                        breaks[good - 1] += 1
                    elif stop > record:
                        reason = BINARY if binary else TOO_FEW
                        bad_start[bad], bad_end[bad], bad_reason[bad], bad_row[bad] = record, stop, reason, seen
                        bad, seen, after_good = bad + 1, seen + 1, False
                elif count < width - 1 and joined < _MAX_JOIN:
                    if joined == 0:
                        second = i + 1
                    joined += 1
                    line = i + 1
                    i += 1
                    continue
                elif joined > 0:
                    bad_start[bad], bad_end[bad], bad_reason[bad], bad_row[bad] = record, second - 1, TOO_FEW, seen
                    bad, seen, after_good = bad + 1, seen + 1, False
                    i = second - 1
                else:
                    bad_start[bad], bad_end[bad], bad_reason[bad], bad_row[bad] = record, stop, TOO_MANY, seen
                    bad, seen, after_good = bad + 1, seen + 1, False
                record = line = i + 1
                count, joined, binary = 0, 0, False
            elif c == _TAB or c == _RETURN:  # noqa: PLR1714 - clearer to the compiler
                if c == _TAB or i + 1 < n and block[i + 1] != _NEWLINE:
                    block[i] = _SPACE
            else:
                binary = True
        i += 1
    for k in range(good):
        if breaks[k] > 0:
            _blank_breaks(block, starts[k], ends[k, width - 1])
    consumed = n if final else record
    if not final and after_good:
        good, seen = good - 1, seen - 1
        consumed = starts[good]
    return (
        starts[:good], ends[:good], row[:good], breaks[:good],
        bad_start[:bad], bad_end[:bad], bad_reason[:bad], bad_row[:bad], consumed, seen,
    )  # fmt: skip


@njit(cache=True, nogil=True, inline="always")
def _bounds(block, starts, ends, column, k):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    # First byte and the byte after the last of one field, without the white space around it.
    a = starts[k] if column == 0 else ends[k, column - 1] + 1
    b = ends[k, column]
    while a < b and block[a] <= _SPACE:
        a += 1
    while b > a and block[b - 1] <= _SPACE:
        b -= 1
    return a, b


@njit(cache=True, nogil=True)
def read_integers(block, starts, ends, column):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Read a column of digits; return int64 values and uint8 states."""
    n = starts.size
    values, state = np.zeros(n, np.int64), np.zeros(n, np.uint8)
    for k in range(n):
        a, b = _bounds(block, starts, ends, column, k)
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
def read_decimals(block, starts, ends, column):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Read a column of numbers such as ``-12.5``; return float64 values and uint8 states."""
    n = starts.size
    values, state = np.zeros(n, np.float64), np.zeros(n, np.uint8)
    for k in range(n):
        a, b = _bounds(block, starts, ends, column, k)
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
            elif c >= _ZERO and c <= _NINE:  # noqa: PLR1716 - clearer to the compiler
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
def read_date_numbers(block, starts, ends, column, order):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
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
        a, b = _bounds(block, starts, ends, column, k)
        if a == b:
            state[k] = EMPTY
            continue
        group, value, digits, fine = 0, 0, 0, True
        groups[1], groups[2], sizes[1], sizes[2] = 0, 0, 0, 0
        for i in range(a, b):
            c = block[i]
            if c >= _ZERO and c <= _NINE:  # noqa: PLR1716 - clearer to the compiler
                value, digits = value * 10 + (c - _ZERO), digits + 1
            elif (c == _SPACE or c == _LETTER_T) and digits > 0:  # noqa: PLR1714
                break
            elif (c == _SLASH or c == _MINUS or c == _DOT) and digits > 0 and group < 2:  # noqa: PLR1714
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
            if digits != 4 and digits != 6 and digits != 8:  # noqa: PLR1714
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
def _days_from_civil(year, month, day):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    # Days since 1970-01-01 in the Gregorian calendar; H. Hinnant, "chrono-compatible low-level date algorithms".
    y = year - (1 if month <= 2 else 0)
    era = y // 400
    yoe = y - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


@njit(cache=True, nogil=True)
def dates_from_numbers(numbers, state, first_year, last_year):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
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
def copy_text(block, starts, ends, column):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Copy a column end to end.

    Returns:
        Arrow offsets (int32, n + 1) and bytes (uint8).
    """
    n = starts.size
    offsets = np.empty(n + 1, np.int32)
    offsets[0] = 0
    for k in range(n):
        a, b = _bounds(block, starts, ends, column, k)
        offsets[k + 1] = offsets[k] + b - a
    data = np.empty(offsets[n], np.uint8)
    for k in range(n):
        a, b = _bounds(block, starts, ends, column, k)
        at = offsets[k]
        for i in range(b - a):
            data[at + i] = block[a + i]
    return offsets, data


@njit(cache=True, nogil=True)
def encode_text(block, starts, ends, column, codes, begin, slots, offsets, data, used):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, PLR0913, PLR0917 - state of a growing dictionary, arrays of a compiled loop
    """Give each field the number of its text in a dictionary, which grows; empty fields get -1.

    Args:
        block: Bytes, uint8.
        starts: First byte of each record, int32 (n,).
        ends: Byte after each field, int32 (n, width).
        column: Number of the field.
        codes: Filled from ``begin`` on, int32 (n,).
        begin: Record to begin with.
        slots: Open-addressing table, int32, a power of two, -1 where free.
        offsets: Where each dictionary text ends in ``data``, int64; ``offsets[0]`` is 0.
        data: Bytes of the dictionary, uint8.
        used: Texts in the dictionary.

    Returns:
        (records done, texts used). Fewer records than n means that the dictionary must be made larger first.
    """
    mask = slots.size - 1
    for k in range(begin, starts.size):
        a, b = _bounds(block, starts, ends, column, k)
        if a == b:
            codes[k] = -1
            continue
        length = b - a
        slot = np.int64(_hash(block, a, b) & np.uint64(mask))
        while True:
            entry = slots[slot]
            if entry < 0:
                room = data.size - PADDING
                if 2 * (used + 1) > slots.size or used + 2 > offsets.size or offsets[used] + length > room:
                    return k, used
                at = offsets[used]
                for i in range(length):
                    data[at + i] = block[a + i]
                offsets[used + 1] = at + length
                slots[slot] = used
                codes[k] = used
                used += 1
                break
            at = offsets[entry]
            if offsets[entry + 1] - at == length and _equal(block, a, b, data, at):
                codes[k] = entry
                break
            slot = (slot + 1) & mask
    return starts.size, used


@njit(cache=True, nogil=True)
def place_texts(slots, offsets, data, used):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Fill an empty table with the texts of a dictionary, after it was made larger."""
    mask = slots.size - 1
    for entry in range(used):
        slot = np.int64(_hash(data, offsets[entry], offsets[entry + 1]) & np.uint64(mask))
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = entry


@njit(cache=True, nogil=True)
def add_ids(table, places, ids, usable, first_place):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Give new ids the next places in a hash table; ids that are in it already become unusable.

    Args:
        table: Ids, int64, a power of two, -1 where free; at most half full afterwards.
        places: Place of each id in ``table``, int32.
        ids: Ids to add, int64 (n,), not negative.
        usable: uint8 (n,); set to 0 where the id was there before.
        first_place: Place of the next new id.

    Returns:
        The place after the last one given.
    """
    mask = table.size - 1
    for k in range(ids.size):
        if not usable[k]:
            continue
        h = np.uint64(ids[k]) * np.uint64(11400714819323198485)
        slot = np.int64((h >> np.uint64(20)) & np.uint64(mask))
        while table[slot] >= 0 and table[slot] != ids[k]:
            slot = (slot + 1) & mask
        if table[slot] == ids[k]:
            usable[k] = 0
        else:
            table[slot] = ids[k]
            places[slot] = first_place
            first_place += 1
    return first_place


@njit(cache=True, nogil=True)
def find_ids(table, places, ids):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Return the place of each id (int64), -1 where absent; runs of equal ids are looked up once."""
    mask = table.size - 1
    found = np.empty(ids.size, np.int64)
    last_id, last_place = np.int64(-2), np.int64(-1)
    for k in range(ids.size):
        value = ids[k]
        if value != last_id:
            h = np.uint64(value) * np.uint64(11400714819323198485)
            slot = np.int64((h >> np.uint64(20)) & np.uint64(mask))
            while table[slot] >= 0 and table[slot] != value:
                slot = (slot + 1) & mask
            last_place = np.int64(places[slot]) if table[slot] == value and value >= 0 else np.int64(-1)
            last_id = value
        found[k] = last_place
    return found
