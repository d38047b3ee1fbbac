"""Shared bits of one fingerprint with 512 others at once: vertical counters over columns of bits.

The training fingerprints lie as columns: eight words tell which of 512 of them lack bit p. Adding up the columns of a query's own
bits by carry-save adders (Harley and Seal; see Mula, Kurz and Lemire 2018, doi:10.1093/comjnl/bxx046) counts for all in parallel
what they lack, level k of the counters holding bit k of every count. Which counts are low enough is known on the levels too,
so only fingerprints that beat the nearest one so far are ever looked at alone.

Three things save most of the work. Fingerprints of too few or too many bits cannot be nearer (Swamidass and Baldi 2007,
doi:10.1021/ci600358f). Four alike fingerprints have a *union*, and what the union lacks each of them lacks: unions are counted
first, 512 at once, and few of them leave hope. And a guess to begin with makes all bounds sharp. Where too many unions leave hope, for
queries that are unlike everything known, the columns of the fingerprints themselves are counted. Everything is whole
numbers: results are exact.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from cinchona.models.domain.clustering import TOGETHER
from cinchona.models.domain.hints import guess
from cinchona.models.domain.lanes import BITS, FEW_BITS, LEVELS, WORDS, count_lanes, count_lanes_of_few, shared_bits
from cinchona.models.domain.planes import count_slowly, first_of, richest, rule_out

LANES: Final = 64 * WORDS
"""Fingerprints, or unions of them, in one block."""
_TILE: Final = 4096
_MANY: Final = 16
"""Unions with hope in one block from which on counting all of their fingerprints is faster."""
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)


@numba.njit(cache=True)
def nearest_shared(
    index: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    known: tuple[np.ndarray, np.ndarray],
    table: tuple[np.ndarray, np.ndarray],
    query: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Find for each query the fingerprint of highest Tanimoto similarity, the lowest place among equals.

    Args:
        index: What the fingerprints of each block lack, as columns by rarity (uint64, shape (blocks, (size + 1) * 8)); the same of unions,
            for each :data:`~cinchona.models.domain.clustering.TOGETHER` blocks that have them; place of each fingerprint (int64,
            shape (512 * blocks,), -1 where there is none); the fewest and the most bits in each block (int64, shape (blocks,)).
        known: Fingerprints (uint64, shape (m, size / 64)) and their numbers of bits (int64, shape (m,)), by place.
        table: Of :func:`~cinchona.models.domain.hints.make_table`; empty where no guess is wanted.
        query: Ranks of the bits, starts and counts as :class:`~cinchona.models.domain.folding.OnBits` has them, rare bits first; the bit
            of each rank (int64, shape (size,)); the place that each must not find, or -1 (int64, shape (n,)).
        found: Filled, all int64 of shape (n,): shared bits, bits in either, place; 0, 1 and -1 before.
    """
    shared, either, place = found
    positions, starts, counts, bits, skipped = query
    room = (LEVELS + 1) * WORDS
    scratch = (np.zeros(room, np.uint64), np.zeros(room, np.uint64))
    marks = np.zeros((min(_TILE, len(counts)), known[0].shape[1]), np.uint64)
    for first in range(0, len(counts), _TILE):  # blocks stay in the cache for a whole tile of queries
        last = min(len(counts), first + _TILE)
        if len(table[1]):
            for q in range(first, last):
                own = positions[starts[q] : starts[q] + counts[q]]
                _mark(own, bits, marks[q - first])
                shared[q], either[q], place[q] = guess(
                    table, known[0], (own, marks[q - first], skipped[q]), (shared[q], either[q], place[q])
                )
        group = 0
        while group < len(index[3]):
            end = group + (TOGETHER if group < len(index[1]) * TOGETHER else 1)
            _search(index, known, query, (first, last, group, end), (scratch, marks, found))
            group = end


@numba.njit(cache=True)
def _search(
    index: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    known: tuple[np.ndarray, np.ndarray],
    query: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    where: tuple[int, int, int, int],
    state: tuple[tuple[np.ndarray, np.ndarray], np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    """Search a group of blocks for the queries of a tile: first unions, then what they leave."""
    columns, unions, places, fewest, most = index
    positions, starts, counts, _, skipped = query
    first, last, group, end = where
    (upper, planes), marks, found = state
    shared, either, _ = found
    few, many = fewest[group:end].min(), most[group:end].max()
    for q in range(first, last):
        count, span = counts[q], (starts[q], starts[q + 1])
        bound = _bound(shared[q], either[q], count, few)
        if bound > min(count, many):
            continue
        if group < len(unions) * TOGETHER:
            used = _count(unions, group // TOGETHER, positions, span, count - bound, upper)
            if not used:
                continue
            near = places[group * LANES : end * LANES]
            if _try_unions((upper, used, bound, marks[q - first]), near, known, (q, count, skipped[q], few), found):
                continue
        for b in range(group, end):
            _search_block(
                (columns, places, known[1]),
                (positions, span, skipped[q], count),
                (q, b, fewest[b], most[b]),
                planes,
                found,
            )


@numba.njit(cache=True, inline="always")
def _search_block(
    block: tuple[np.ndarray, np.ndarray, np.ndarray],
    query: tuple[np.ndarray, tuple[int, int], int, int],
    where: tuple[int, int, int, int],
    planes: np.ndarray,
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Search all fingerprints of block ``b`` for query ``q``."""
    (columns, places, set_bits), (positions, span, skipped, count), (q, b, few, many) = block, query, where
    bound = _bound(found[0][q], found[1][q], count, few)
    if bound <= min(count, many):
        used = _count(columns, b, positions, span, count - bound, planes)
        if used:
            near = places[b * LANES : (b + 1) * LANES]
            _look((planes, used, bound), near, set_bits, (q, count, skipped, few), found)


@numba.njit(cache=True)
def _mark(ranks: np.ndarray, bits: np.ndarray, own: np.ndarray) -> None:
    """Write a list of bits as words."""
    own[:] = _ZERO
    for rank in ranks:
        own[bits[rank] >> 6] |= _ONE << np.uint64(bits[rank] & 63)


@numba.njit(cache=True, error_model="numpy")
def _bound(shared: int, either: int, count: int, fewest: int) -> int:
    """Fewest bits that a query of ``count`` must share with fingerprints of ``fewest`` bits or more to be as near as ``shared / either``."""
    together = shared + either
    least: int = (shared * (count + fewest) + together - 1) // together
    return max(least, 1)


@numba.njit(cache=True, inline="always")
def _count(
    columns: np.ndarray, b: int, positions: np.ndarray, span: tuple[int, int], allowed: int, planes: np.ndarray
) -> int:
    """Count in block ``b`` what is lacking; gives the levels in use of ``planes``, 0 if all lack more than ``allowed``."""
    if allowed >> FEW_BITS == 0:
        return FEW_BITS if count_lanes_of_few(columns, positions, (b, span[0], span[1]), allowed, planes) else 0
    if allowed >> BITS == 0:
        return BITS if count_lanes(columns, positions, (b, span[0], span[1]), allowed, planes) else 0
    used: int = count_slowly(columns[b], positions[span[0] : span[1]], allowed, planes)
    return used


@numba.njit(cache=True)
def _try_unions(
    counted: tuple[np.ndarray, int, int, np.ndarray],
    places: np.ndarray,
    known: tuple[np.ndarray, np.ndarray],
    query: tuple[int, int, int, int],
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    """Compare the fingerprints of the unions that leave hope; gives whether these were all, not more than :data:`_MANY`."""
    planes, used, bound, own = counted
    words, set_bits = known
    q, count, skipped, fewest = query
    shared, either, place = found
    for tried in range(_MANY):
        lane = richest(planes, used) if tried == 0 else first_of(planes)
        if lane < 0:
            return True
        planes[LEVELS * WORDS + (lane >> 6)] &= ~(_ONE << np.uint64(lane & 63))
        nearer = False
        for row in places[lane * TOGETHER : (lane + 1) * TOGETHER]:
            both = shared_bits(words, row, own)
            union = count + set_bits[row] - both
            ahead = both * either[q] - shared[q] * union
            if row != skipped and (ahead > 0 or (ahead == 0 and both > 0 and row < place[q])):
                shared[q], either[q], place[q] = both, union, row
                nearer = True
        if nearer:
            rule_out(planes, used, _bound(shared[q], either[q], count, fewest) - bound)
    return bool(first_of(planes) < 0)


@numba.njit(cache=True)
def _look(
    counted: tuple[np.ndarray, int, int],
    places: np.ndarray,
    set_bits: np.ndarray,
    query: tuple[int, int, int, int],
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Look at the fingerprints of a block that reach the bound, the one of most shared bits first; each that is nearer rules others out.

    Among equals the first place wins: bounds let equal similarities through.
    """
    planes, used, bound = counted
    q, count, skipped, fewest = query
    shared, either, place = found
    lane = richest(planes, used)
    while lane >= 0:
        planes[LEVELS * WORDS + (lane >> 6)] &= ~(_ONE << np.uint64(lane & 63))
        row = places[lane]
        if row != skipped:
            both = np.int64(bound)
            for k in range(used):
                both += np.int64(planes[k * WORDS + (lane >> 6)] >> np.uint64(lane & 63) & _ONE) << k
            union = count + set_bits[row] - both
            ahead = both * either[q] - shared[q] * union
            if ahead > 0 or (ahead == 0 and both > 0 and row < place[q]):
                shared[q], either[q], place[q] = both, union, row
                rule_out(planes, used, _bound(both, union, count, fewest) - bound)
        lane = first_of(planes)


__all__ = ["LANES", "nearest_shared"]
