"""A first guess of the nearest fingerprint: one that shares two of the three rarest bits.

A guess need not be right, since the search goes on from it; the better it is, the more the search can leave out. Near neighbours
share most of their bits, the rare ones among them, and few fingerprints share a pair of these.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from cinchona.models.atom_hashes import mix
from cinchona.models.domain.lanes import lowest_bit, shared_bits

PAIRS: Final = 3
"""Pairs of the three rarest bits, and buckets a fingerprint is in."""
_TRIED: Final = 4
_STEPS: Final = 64


@numba.njit(cache=True)
def rarest_pairs(ranks: np.ndarray, buckets: int) -> np.ndarray:
    """Buckets of the pairs of the three rarest bits of a fingerprint, -1 where it has no such pair; int64, shape (3,).

    Args:
        ranks: Its bits by rarity, ascending, at least as many as it has up to three; int32.
        buckets: How many there are.
    """
    found = np.full(PAIRS, -1, np.int64)
    for k in range(PAIRS):
        low, high = (0, 1) if k == 0 else (0, 2) if k == 1 else (1, 2)
        if high < len(ranks):
            found[k] = np.int64(
                mix(np.uint64(ranks[low]) << np.uint64(32) | np.uint64(ranks[high])) % np.uint64(buckets)
            )
    return found


@numba.njit(cache=True)
def make_table(words: np.ndarray, ranks: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprints by bucket.

    Args:
        words: Fingerprints, uint64, shape (m, size / 64).
        ranks: Rank of each bit, the rarest first, int32, shape (size + 1,).
        order: Places by number of bits, int64, shape (m,).

    Returns:
        First entry of each bucket and the end, int64, shape (4 * m + 1,), and the places, within a bucket by number of bits,
        int32, shape (at most 3 * m,).
    """
    m, buckets = len(words), 4 * len(words)
    chosen, starts = np.empty((m, PAIRS), np.int64), np.zeros(buckets + 1, np.int64)
    for row in range(m):
        chosen[row] = rarest_pairs(_rarest(words[row], ranks), buckets)
        for bucket in chosen[row]:
            starts[bucket + 1] += bucket >= 0
    starts = np.cumsum(starts)
    filled, entries = starts[:-1].copy(), np.empty(starts[-1], np.int32)
    for row in order:
        for bucket in chosen[row]:
            if bucket >= 0:
                entries[filled[bucket]] = row
                filled[bucket] += 1
    return starts, entries


@numba.njit(cache=True)
def _rarest(words: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Ranks of up to three rarest bits, ascending."""
    best = np.full(PAIRS, len(ranks), np.int32)
    for word in range(len(words)):
        left = words[word]
        while left:
            rank = ranks[64 * word + lowest_bit(left)]
            left &= left - np.uint64(1)
            for k in range(PAIRS):
                if rank < best[k]:
                    rank, best[k] = best[k], rank
    return best[best < len(ranks)]


@numba.njit(cache=True)
def guess(
    table: tuple[np.ndarray, np.ndarray],
    known: tuple[np.ndarray, np.ndarray],
    query: tuple[np.ndarray, np.ndarray, int],
    best: tuple[int, int, int],
) -> tuple[int, int, int]:
    """Nearest of a few fingerprints that are in a bucket of the query's, if any is nearer than ``best``.

    Args:
        table: As :func:`make_table` gives it.
        known: Fingerprints (uint64, shape (m, size / 64)) and their numbers of bits (int64, shape (m,)).
        query: Its bits by rarity (int32, ascending), the query as words (uint64, shape (size / 64,)), and the place that it must not
            find, or -1.
        best: Shared bits, bits in either and place of the nearest so far.
    """
    (starts, entries), (words, set_bits), (ranks, own, skipped) = table, known, query
    count = len(ranks)
    for bucket in rarest_pairs(ranks, len(starts) - 1):
        if bucket < 0:
            continue
        at, end = starts[bucket], min(starts[bucket + 1], starts[bucket] + _STEPS)
        while at < end and set_bits[entries[at]] < count:
            at += 1
        for k in range(max(starts[bucket], at - _TRIED // 2), min(end, at + _TRIED // 2)):
            row = int(entries[k])
            both = shared_bits(words, row, own)
            union = count + set_bits[row] - both
            if row != skipped and both * best[1] > best[0] * union:
                best = (int(both), int(union), row)
    return best


__all__ = ["PAIRS", "guess", "make_table", "rarest_pairs"]
