"""Compiled dictionaries: texts of a column to numbers, and ids of reports to rows."""

from __future__ import annotations

# Compiled loops: arguments are typed by numba when they are called, and one pass keeps its state in local variables.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
# ruff: noqa: ANN001, ANN201, ANN202, PLR0913, PLR0917
from typing import Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from cinchona.pharmacovigilance.intake.kernels import field_bounds

PADDING: Final = 8
"""Bytes that must follow the last byte of a block, so that eight bytes can be read at any place."""


@intrinsic
def _load8(_context, array, _index):
    # Eight bytes at any address as one number; numba has no unaligned load of its own.
    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.gep(data, [arguments[1]])
        value = builder.load(builder.bitcast(address, ir.IntType(64).as_pointer()))
        value.align = 1
        return value

    return types.uint64(array, types.int64), generate


@njit(cache=True, nogil=True, inline="always")
def _tail(word, length):
    # The first ``length`` (1 to 8) of eight loaded bytes, on a little-endian machine.
    return word & (np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - 8 * length))


@njit(cache=True, nogil=True, inline="always")
def _hash(block, a, b):
    h = np.uint64(b - a) * np.uint64(0x9E3779B97F4A7C15)
    while b - a > 8:
        h = (h ^ _load8(block, a)) * np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(32)
        a += 8
    h = (h ^ _tail(_load8(block, a), b - a)) * np.uint64(0xFF51AFD7ED558CCD)
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True, inline="always")
def _equal(block, a, b, data, at):
    while b - a > 8:
        if _load8(block, a) != _load8(data, at):
            return False
        a += 8
        at += 8
    return _tail(_load8(block, a), b - a) == _tail(_load8(data, at), b - a)


@njit(cache=True, nogil=True)
def encode_text(block, starts, ends, column, codes, begin, slots, offsets, data, used):
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
        a, b = field_bounds(block, starts, ends, column, k)
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
def place_texts(slots, offsets, data, used):
    """Fill an empty table with the texts of a dictionary, after it was made larger."""
    mask = slots.size - 1
    for entry in range(used):
        slot = np.int64(_hash(data, offsets[entry], offsets[entry + 1]) & np.uint64(mask))
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = entry


@njit(cache=True, nogil=True)
def add_ids(table, places, ids, usable, first_place):
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
def find_ids(table, places, ids):
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
