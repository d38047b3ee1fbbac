"""Numbers of 512 fingerprints as bits of levels, and a mask of those that still count: what vertical counters leave.

Word w of level k holds bit k of the numbers of fingerprints 64 w to 64 w + 63; the last eight words are the mask.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from cinchona.models.domain.lanes import LEVELS, WORDS, lowest_bit

_ZERO: Final = np.uint64(0)


@numba.njit(cache=True)
def count_slowly(block: np.ndarray, positions: np.ndarray, allowed: int, planes: np.ndarray) -> int:
    """What :func:`~cinchona.models.domain.lanes.count_lanes` does, word by word, whatever the number of bits that may be lacking.

    Args:
        block: What 512 fingerprints lack, uint64, shape ((size + 1) * 8,).
        positions: Bits of the query, int32.
        allowed: Most bits that may be lacking, below 131,072.
        planes: Filled, uint64, shape ((LEVELS + 1) * 8,), as there.

    Returns:
        Levels in use, :data:`~cinchona.models.domain.lanes.LEVELS`, or 0 if all lack more.
    """
    some = _ZERO
    for word in range(WORDS):
        for k in range(LEVELS):
            planes[k * WORDS + word] = ~_ZERO if ((1 << LEVELS) - 1 - allowed) >> k & 1 else _ZERO
        lost = _ZERO
        for position in positions:
            carry = block[position * WORDS + word]
            for k in range(LEVELS):
                value = planes[k * WORDS + word]
                planes[k * WORDS + word], carry = value ^ carry, value & carry
            lost |= carry
        for k in range(LEVELS):
            planes[k * WORDS + word] = ~planes[k * WORDS + word]
        planes[LEVELS * WORDS + word] = ~lost
        some |= ~lost
    return LEVELS if some else 0


@numba.njit(cache=True)
def first_of(planes: np.ndarray) -> int:
    """First fingerprint of the mask, or -1 if there is none."""
    for word in range(WORDS):
        if planes[LEVELS * WORDS + word]:
            lane: int = 64 * word + lowest_bit(planes[LEVELS * WORDS + word])
            return lane
    return -1


@numba.njit(cache=True)
def richest(planes: np.ndarray, used: int) -> int:
    """First fingerprint of the mask with the largest number, or -1 if there is none."""
    best, chosen = np.int64(-1), -1
    for word in range(WORDS):
        left, number = planes[LEVELS * WORDS + word], np.int64(0)
        if not left:
            continue
        for k in range(used - 1, -1, -1):
            if left & planes[k * WORDS + word]:
                left &= planes[k * WORDS + word]
                number |= 1 << k
        if number > best:
            best, chosen = number, 64 * word + lowest_bit(left)
    return chosen


@numba.njit(cache=True)
def rule_out(planes: np.ndarray, used: int, bound: int) -> None:
    """Take from the mask what has numbers below ``bound``."""
    for word in range(WORDS):
        above, equal = _ZERO, planes[LEVELS * WORDS + word]
        if equal:
            for k in range(used - 1, -1, -1):
                level = planes[k * WORDS + word]
                if bound >> k & 1:
                    equal &= level
                else:
                    above |= equal & level
                    equal &= ~level
            planes[LEVELS * WORDS + word] = above | equal


__all__ = ["count_slowly", "first_of", "richest", "rule_out"]
