"""An order in which alike fingerprints stand together, so that a union of neighbours stays small."""

from __future__ import annotations

from typing import Final

import numpy as np

TOGETHER: Final = 4
"""Fingerprints in one union: of two, unions are as many as half of what they save; of eight, too many leave hope."""
FEWEST: Final = 25_000
"""From so many fingerprints on unions pay: among fewer, neighbours are less alike."""
_GROUP: Final = 512 * TOGETHER
_LOOKED_AT: Final = 128


def alike_together(words: np.ndarray) -> tuple[np.ndarray, int]:
    """Order fingerprints by their number of bits, and within each 2,048 of them so that alike ones are neighbours.

    Args:
        words: Fingerprints, uint64, shape (m, size / 64).

    Returns:
        The order, int64, shape (m,), and how many groups of 2,048 were ordered within: none if there are fewer than
        :data:`FEWEST` fingerprints; the rest, with most bits, never is.
    """
    order = np.argsort(np.bitwise_count(words).sum(axis=1), kind="stable")
    groups = len(words) // _GROUP if len(words) >= FEWEST else 0
    for start in range(0, groups * _GROUP, _GROUP):
        here = order[start : start + _GROUP]
        order[start : start + _GROUP] = here[_halved(words[here])]
    return order, groups


def _halved(words: np.ndarray) -> np.ndarray:
    """Order fingerprints by halving, again and again, each part by the bit that nearly half of it has, down to :data:`TOGETHER`."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    order, often = np.arange(len(bits)), bits.mean(axis=0)
    bits = np.ascontiguousarray(bits[:, np.argsort(np.abs(often - 0.5), kind="stable")[:_LOOKED_AT]])
    parts = 1
    while len(bits) // parts > TOGETHER:
        split = bits.reshape(parts, -1, bits.shape[1])
        chosen = np.abs(split.mean(axis=1) - 0.5).argmin(axis=1)
        marks = np.take_along_axis(split, chosen[:, None, None], axis=2)[:, :, 0]
        moved = (np.argsort(1 - marks, axis=1, kind="stable") + np.arange(parts)[:, None] * split.shape[1]).reshape(-1)
        order, bits, parts = order[moved], bits[moved], parts * 2
    return order


__all__ = ["FEWEST", "TOGETHER", "alike_together"]
