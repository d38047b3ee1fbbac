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

RAREST: Final = 3
"""Rare bits of a fingerprint that are looked at; each pair of them is a bucket it is in."""
_TRIED: Final = 4
_STEPS: Final = 64
_HALF: Final = np.uint64(32)
_LOW: Final = (1 << 32) - 1


@numba.njit(cache=True)
def bucket_of(low: int, high: int, buckets: int) -> int:
    """Bucket of a pair of ranks; ``buckets`` is a power of two."""
    return int(mix(np.uint64(low) << _HALF | np.uint64(high)) & np.uint64(buckets - 1))


def make_table(words: np.ndarray, ranks: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprints by bucket.

    Args:
        words: Fingerprints, uint64, shape (m, size / 64).
        ranks: Rank of each bit, the rarest first, int32, shape (size + 1,).
        order: Places by number of bits, int64, shape (m,).

    Returns:
        First entry of each bucket and the end, int32, shape (buckets + 1,), a power of two of at least 4 m buckets; and the entries,
        within a bucket by number of bits: that number in the upper 32 bits, the place in the lower; int64, shape (at most
        3 * m,).
    """
    chosen, counts = _buckets(words, ranks), np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    place, which = np.nonzero(chosen[order] >= 0)
    rows = order[place]
    bucket = chosen[rows, which]
    starts = np.zeros(_enough(len(words)) + 1, np.int32)
    np.cumsum(np.bincount(bucket, minlength=len(starts) - 1), out=starts[1:])
    by_bucket = np.argsort(bucket, kind="stable")
    return starts, (counts[rows] << 32 | rows)[by_bucket]


def _enough(n: int) -> int:
    """Buckets for n fingerprints."""
    return 1 << (4 * n - 1).bit_length()


def _buckets(words: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Buckets of each fingerprint, -1 where it has fewer bits; int64, shape (m, 3)."""
    found = np.full((len(words), RAREST * (RAREST - 1) // 2), -1, np.int64)
    _fill_in(words, ranks, _enough(len(words)), found)
    return found


@numba.njit(cache=True)
def _fill_in(words: np.ndarray, ranks: np.ndarray, buckets: int, found: np.ndarray) -> None:
    for row in range(len(words)):
        rare, k = _rarest(words[row], ranks), 0
        for high in range(len(rare)):
            for low in range(high):
                found[row, k] = bucket_of(rare[low], rare[high], buckets)
                k += 1


@numba.njit(cache=True)
def _rarest(words: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Ranks of up to three rarest bits, ascending."""
    best = np.full(RAREST, len(ranks), np.int32)
    for word in range(len(words)):
        left = words[word]
        while left:
            rank = ranks[64 * word + lowest_bit(left)]
            left &= left - np.uint64(1)
            for k in range(RAREST):
                if rank < best[k]:
                    rank, best[k] = best[k], rank
    return best[best < len(ranks)]


@numba.njit(cache=True)
def guess(
    table: tuple[np.ndarray, np.ndarray],
    words: np.ndarray,
    query: tuple[np.ndarray, np.ndarray, int],
    best: tuple[int, int, int],
) -> tuple[int, int, int]:
    """Nearest of a few fingerprints that are in a bucket of the query's, if any is nearer than ``best``.

    Args:
        table: As :func:`make_table` gives it.
        words: Fingerprints, uint64, shape (m, size / 64).
        query: Its bits by rarity (int32, ascending), the query as words (uint64, shape (size / 64,)), and the place that it must not
            find, or -1.
        best: Shared bits, bits in either and place of the nearest so far.
    """
    (starts, entries), (ranks, own, skipped) = table, query
    count = len(ranks)
    for high in range(1, min(RAREST, count)):
        for low in range(high):
            bucket = bucket_of(ranks[low], ranks[high], len(starts) - 1)
            begin = starts[bucket]
            at, end = begin, min(starts[bucket + 1], begin + _STEPS)
            while at < end and entries[at] >> 32 < count:
                at += 1
            for k in range(max(begin, at - _TRIED // 2), min(end, at + _TRIED // 2)):
                row = int(entries[k] & _LOW)
                both = shared_bits(words, row, own)
                union = count + (entries[k] >> 32) - both
                if row != skipped and both * best[1] > best[0] * union:
                    best = (int(both), int(union), row)
    return best


__all__ = ["RAREST", "bucket_of", "guess", "make_table"]
