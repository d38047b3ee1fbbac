"""Shared bits of one fingerprint with 512 others at once: vertical counters over columns of bits.

The training fingerprints lie as columns: eight words hold bit p of 512 of them. Adding up the columns of a query's own bits by
carry-save adders (Harley and Seal; see Mula, Kurz and Lemire 2018, doi:10.1093/comjnl/bxx046) counts the shared bits of all
in parallel, level k of the counters holding bit k of every count. Which counts reach a bound is decided on the levels too, so
only fingerprints that beat the nearest one so far are ever looked at alone. Two bounds save most of the work: a block whose
fingerprints all have too few or too many bits cannot hold a nearer one (Swamidass and Baldi 2007, doi:10.1021/ci600358f), and
counting ends once the bits still to come cannot make up for what is missing. Everything is whole numbers: results are exact.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from cinchona.models.domain.lanes import BITS, WORDS, count_lanes, lowest_bit

LANES: Final = 64 * WORDS
"""Fingerprints in one block."""
LEVELS: Final = 17
"""Levels of the counters of :func:`count_shared`: enough for every fingerprint of up to 65,536 bits."""
_TILE: Final = 4096
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)


@numba.njit(cache=True)
def count_shared(block: np.ndarray, positions: np.ndarray, word: int, levels: np.ndarray) -> int:
    """Count for 64 of the fingerprints of a block how many of ``positions`` are set in each, whatever their number.

    Args:
        block: As :func:`~cinchona.models.domain.lanes.count_lanes` takes.
        positions: Bits to look at, int32.
        word: Which 64, from 0 to 7.
        levels: Filled with the counts: bit r of ``levels[k]`` is bit k of the count of fingerprint r; uint64, (LEVELS,).

    Returns:
        Levels in use.
    """
    levels[:] = _ZERO
    used = 0
    for position in positions:
        carry, k = block[position * WORDS + word], 0
        while carry:
            levels[k], carry = levels[k] ^ carry, levels[k] & carry
            k += 1
        used = max(used, k)
    return used


@numba.njit(cache=True)
def reaches(levels: np.ndarray, used: int, bound: int) -> np.uint64:
    """Which of 64 counts are at least ``bound``, as bits of a word."""
    if bound >> used:
        return _ZERO
    above, equal = _ZERO, ~_ZERO
    for k in range(used - 1, -1, -1):
        if bound >> k & 1:
            equal &= levels[k]
        else:
            above |= equal & levels[k]
            equal &= ~levels[k]
    return above | equal


@numba.njit(cache=True)
def nearest_shared(
    index: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    query: tuple[np.ndarray, np.ndarray, np.ndarray],
    skipped: np.ndarray,
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Find for each query the fingerprint of highest Tanimoto similarity, the first among equals.

    Args:
        index: Columns of all blocks (uint64, shape (blocks, (size + 1) * 8)), bits set in each fingerprint (int64, shape
            (512 * blocks,)), the fewest and the most in each block (int64, shape (blocks,)).
        query: Positions, starts and counts of :class:`~cinchona.models.domain.folding.OnBits`; soonest with rare bits first.
        skipped: Fingerprint that each query must not find, or -1; int64, shape (n,).
        found: Filled, all int64 of shape (n,): shared bits, bits in either, place; 0, 1 and -1 before.
    """
    columns, _, fewest, most = index
    positions, starts, counts = query
    out, planes = np.zeros((BITS + 1) * WORDS, np.uint64), np.zeros((LEVELS + 1) * WORDS, np.uint64)
    for first in range(0, len(counts), _TILE):  # a block stays in the cache for a whole tile of queries
        for b in range(len(fewest)):
            block = columns[b]
            for q in range(first, min(len(counts), first + _TILE)):
                bound = found[0][q] * (counts[q] + fewest[b]) // (found[0][q] + found[1][q]) + 1
                if bound > min(counts[q], most[b]):
                    continue
                who = (q, counts[q], skipped[q], fewest[b])
                if counts[q] >> BITS:
                    _count_block(block, positions[starts[q] : starts[q + 1]], bound, planes)
                    _look(planes, b * LANES, index[1], who, found)
                elif count_lanes(block, positions, (starts[q], starts[q + 1], counts[q]), bound, out):
                    _look(out, b * LANES, index[1], who, found)


@numba.njit(cache=True)
def _count_block(block: np.ndarray, positions: np.ndarray, bound: int, planes: np.ndarray) -> None:
    """What :func:`~cinchona.models.domain.lanes.count_lanes` does, for queries of more than 255 bits."""
    levels = np.zeros(LEVELS, np.uint64)
    for word in range(WORDS):
        used = count_shared(block, positions, word, levels)
        for k in range(LEVELS):
            planes[k * WORDS + word] = levels[k]
        planes[LEVELS * WORDS + word] = reaches(levels, used, bound)


@numba.njit(cache=True)
def _look(
    planes: np.ndarray,
    base: int,
    set_bits: np.ndarray,
    query: tuple[int, int, int, int],
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Look at the fingerprints of a block that reach the bound, most shared bits first; each one that is nearer rules others out.

    Among equals the first place wins: bounds within a block let equal similarities through.
    """
    q, count, skipped, fewest = query
    shared, either, place = found
    used = 0
    while count >> used:  # no count is larger than the query's own bits
        used += 1
    mask, left = planes[-WORDS:], np.empty(WORDS, np.uint64)
    while True:
        lane = _richest(planes, used, mask, left)
        if lane < 0:
            return
        mask[lane >> 6] &= ~(_ONE << np.uint64(lane & 63))
        if base + lane == skipped:
            continue
        both = np.int64(0)
        for k in range(used):
            both += np.int64(planes[k * WORDS + (lane >> 6)] >> np.uint64(lane & 63) & _ONE) << k
        union = count + set_bits[base + lane] - both
        ahead = both * either[q] - shared[q] * union
        if ahead > 0 or (ahead == 0 and both > 0 and base + lane < place[q]):
            shared[q], either[q], place[q] = both, union, base + lane
            least = (both * (count + fewest) + both + union - 1) // (both + union)
            _rule_out(planes, used, mask, least)


@numba.njit(cache=True)
def _richest(planes: np.ndarray, used: int, mask: np.ndarray, left: np.ndarray) -> int:
    """First fingerprint of ``mask`` with the largest count, or -1 if there is none; ``left`` is room for a mask."""
    some = _ZERO
    for word in range(WORDS):
        left[word] = mask[word]
        some |= mask[word]
    if not some:
        return -1
    for k in range(used - 1, -1, -1):
        some = _ZERO
        for word in range(WORDS):
            some |= left[word] & planes[k * WORDS + word]
        if some:
            for word in range(WORDS):
                left[word] &= planes[k * WORDS + word]
    word = 0
    while not left[word]:
        word += 1
    lane: int = 64 * word + lowest_bit(left[word])
    return lane


@numba.njit(cache=True)
def _rule_out(planes: np.ndarray, used: int, mask: np.ndarray, bound: int) -> None:
    """Take from ``mask`` what has counts below ``bound``."""
    for word in range(WORDS):
        if mask[word]:
            above, equal = _ZERO, ~_ZERO
            for k in range(used - 1, -1, -1):
                level = planes[k * WORDS + word]
                if bound >> k & 1:
                    equal &= level
                else:
                    above |= equal & level
                    equal &= ~level
            mask[word] &= above | equal


__all__ = ["LANES", "LEVELS", "count_shared", "nearest_shared", "reaches"]
