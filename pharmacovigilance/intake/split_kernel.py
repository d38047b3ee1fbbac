"""A compiled loop over the bytes of delimited text that ends every line in a record or a named kind of broken one.

A general CSV parser drops or refuses the rows that real agency files break (line breaks inside fields, NULs, an extra
delimiter). Fields are addressed by where they start and stop in a block of bytes; nothing is copied until a column
asks for it.
"""

from __future__ import annotations

# Compiled loops: arguments are typed by numba when they are called, and one pass keeps its state in local variables.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: ANN001, ANN201, ANN202, C901, PLR0912, PLR0915, PLR1714, SIM109
from typing import Final

import numpy as np
from numba import njit

TOO_FEW: Final = 1
TOO_MANY: Final = 2
BINARY: Final = 3
"""Why a record is broken: fields missing, fields over, NUL or control bytes."""

_MAX_JOIN: Final = 64
"""Most lines that are joined to one record."""
_SPACE, _NEWLINE, _RETURN, _TAB = 32, 10, 13, 9


@njit(cache=True, nogil=True)
def _blank_breaks(block, start, stop):
    for i in range(start, stop):
        block[i] = max(block[i], _SPACE)


@njit(cache=True, nogil=True)
def split_records(block, size, delimiter, width, final):
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
            elif c == _TAB or c == _RETURN:
                if c == _TAB or (i + 1 < n and block[i + 1] != _NEWLINE):
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
