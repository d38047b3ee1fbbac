"""Bits from the rarest to the most frequent: rare ones tell soonest that two fingerprints are unlike."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from cinchona.models.domain.lanes import lowest_bit

_ONE: Final = np.uint64(1)
_AT_ONCE: Final = 4_096


def rarity(words: np.ndarray) -> np.ndarray:
    """Rank of each bit by how many fingerprints have it, the rarest first, the lower place first among equals.

    Args:
        words: Fingerprints, uint64, shape (m, size / 64).

    Returns:
        int32, shape (size + 1,); ``size``, which is no place of a bit, ranks last.
    """
    size = words.shape[1] * 64
    often = np.zeros(size, np.int64)
    for start in range(0, len(words), _AT_ONCE):
        rows = np.ascontiguousarray(words[start : start + _AT_ONCE]).view(np.uint8)
        often += np.unpackbits(rows, axis=1, bitorder="little").sum(axis=0, dtype=np.int64)
    ranks = np.full(size + 1, size, np.int32)
    ranks[np.argsort(often, kind="stable")] = np.arange(size)
    return ranks


def rare_first(ranks: np.ndarray, positions: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The lists of :class:`~cinchona.models.domain.folding.OnBits` as ranks of :func:`rarity`, ascending, filled up as they were.

    Sorting by marks in words, since comparing takes four times as long.

    Returns:
        Of the shape of ``positions``; uint16 where that holds them, since they are read again for each block, int32 otherwise.
    """
    size = len(ranks) - 1
    found = np.full(positions.shape, size, np.uint16 if size <= np.iinfo(np.uint16).max else np.int32)
    _sort(ranks, positions, starts, found)
    return found


@numba.njit(cache=True)
def _sort(ranks: np.ndarray, positions: np.ndarray, starts: np.ndarray, found: np.ndarray) -> None:
    size = len(ranks) - 1
    marks = np.zeros(size // 64, np.uint64)
    for q in range(len(starts) - 1):
        for place in range(starts[q], starts[q + 1]):
            rank = ranks[positions[place]]
            if rank < size:
                marks[rank >> 6] |= _ONE << np.uint64(rank & 63)
        at = starts[q]
        for word in range(len(marks)):
            left = marks[word]
            marks[word] = 0
            while left:
                found[at] = 64 * word + lowest_bit(left)
                left &= left - _ONE
                at += 1


__all__ = ["rare_first", "rarity"]
