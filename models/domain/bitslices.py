"""Shared bits of one fingerprint with 64 others at once: vertical counters over columns of bits.

The training fingerprints lie as columns: one word holds bit p of 64 of them. Adding up the columns of a query's own bits by
carry-save adders (Harley and Seal; see Mula, Kurz and Lemire 2018, doi:10.1093/comjnl/bxx046) counts the shared bits of all 64
in parallel, level k of the counters holding bit k of every count. Which counts reach a bound is decided on the levels too, so
only fingerprints that beat the nearest one so far are ever looked at alone. Everything is whole numbers: results are exact.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

LANES: Final = 64
"""Fingerprints in one block."""
LEVELS: Final = 17
"""Levels of the counters: enough for every fingerprint of up to 65,536 bits."""
_LOW: Final = 5
"""Levels that nearly always do: counts below 32."""
_TILE: Final = 256
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)


@numba.njit(cache=True, inline="always")
def _add(a: np.uint64, b: np.uint64, c: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Add three columns of bits: sum and carry."""
    either = a ^ b
    return either ^ c, (a & b) | (either & c)


@numba.njit(cache=True)
def count_shared(block: np.ndarray, positions: np.ndarray, levels: np.ndarray) -> int:
    """Count for each of 64 fingerprints how many of ``positions`` are set in it.

    Args:
        block: Columns of the 64, uint64, shape (size + 1,); the last one is 0.
        positions: Bits to look at, a multiple of eight of them, int32.
        levels: Filled with the counts: bit r of ``levels[k]`` is bit k of the count of fingerprint r; uint64, (LEVELS,).

    Returns:
        Levels in use.
    """
    c0 = c1 = c2 = c3 = c4 = _ZERO
    used = _LOW
    levels[_LOW:] = _ZERO
    for g in range(0, len(positions), 8):
        c0, a = _add(c0, block[positions[g]], block[positions[g + 1]])
        c0, b = _add(c0, block[positions[g + 2]], block[positions[g + 3]])
        c1, c = _add(c1, a, b)
        c0, a = _add(c0, block[positions[g + 4]], block[positions[g + 5]])
        c0, b = _add(c0, block[positions[g + 6]], block[positions[g + 7]])
        c1, d = _add(c1, a, b)
        c2, carry = _add(c2, c, d)
        c3, carry = c3 ^ carry, c3 & carry
        c4, carry = c4 ^ carry, c4 & carry
        k = _LOW
        while carry:
            levels[k], carry = levels[k] ^ carry, levels[k] & carry
            k += 1
        used = max(used, k)
    levels[0], levels[1], levels[2], levels[3], levels[4] = c0, c1, c2, c3, c4
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
    index: tuple[np.ndarray, np.ndarray, np.ndarray],
    query: tuple[np.ndarray, np.ndarray, np.ndarray],
    skipped: np.ndarray,
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Find for each query the fingerprint of highest Tanimoto similarity, the first among equals.

    Args:
        index: Columns of all blocks (uint64, shape (blocks, size + 1)), bits set in each fingerprint (int64, shape
            (64 * blocks,)) and the fewest in each block (int64, shape (blocks,)).
        query: Positions, starts and counts of :class:`~cinchona.models.domain.folding.OnBits`.
        skipped: Fingerprint that each query must not find, or -1; int64, shape (n,).
        found: Filled, all int64 of shape (n,): shared bits, bits in either, place; 0, 1 and -1 before.
    """
    columns, _, fewest = index
    positions, starts, counts = query
    levels = np.zeros(LEVELS, np.uint64)
    for first in range(0, len(counts), _TILE):  # a block stays in the cache for a whole tile of queries
        for b in range(len(fewest)):
            for q in range(first, min(len(counts), first + _TILE)):
                shared, either = found[0][q], found[1][q]
                bound = shared * (counts[q] + fewest[b]) // (shared + either) + 1
                if bound <= counts[q]:
                    used = count_shared(columns[b], positions[starts[q] : starts[q + 1]], levels)
                    mask = reaches(levels, used, bound)
                    if mask:
                        _take(mask, levels, b * LANES, index[1], (q, counts[q], skipped[q]), found)


@numba.njit(cache=True)
def _take(
    mask: np.uint64,
    levels: np.ndarray,
    base: int,
    set_bits: np.ndarray,
    query: tuple[int, int, int],
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Look at the fingerprints of ``mask`` one by one and keep what is nearer than before."""
    q, count, skipped = query
    shared, either, place = found
    for r in range(LANES):
        if mask >> np.uint64(r) & _ONE and base + r != skipped:
            both = np.int64(0)
            for k in range(LEVELS):
                both += np.int64(levels[k] >> np.uint64(r) & _ONE) << k
            union = count + set_bits[base + r] - both
            if both * either[q] > shared[q] * union:
                shared[q], either[q], place[q] = both, union, base + r


__all__ = ["LANES", "LEVELS", "count_shared", "nearest_shared", "reaches"]
