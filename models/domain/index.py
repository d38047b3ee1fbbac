"""The nearest of many folded fingerprints, exactly."""

from __future__ import annotations

from typing import Final, Self

import numpy as np

from cinchona.errors import ShapeError
from cinchona.models.domain.bitslices import LANES, nearest_shared
from cinchona.models.domain.clustering import TOGETHER, alike_together
from cinchona.models.domain.folding import OnBits
from cinchona.models.domain.hints import make_table
from cinchona.models.domain.rarity import rare_first, rarity

_NO_TABLE: Final = (np.zeros(1, np.int32), np.zeros(0, np.int64))


class NearestIndex:
    """Fingerprints laid out for finding the nearest one: a tenth of a nanosecond for each that is compared.

    Args:
        words: Fingerprints, uint64, shape (m, size / 64), m > 0; found soonest in the order of their numbers of bits, since
            whole blocks of too few or too many bits are then left out.

    Raises:
        ShapeError: if there is none.
    """

    def __init__(self, words: np.ndarray) -> None:
        if words.ndim != 2 or not words.size:
            raise ShapeError.of("fingerprints", words.shape, "(m > 0, size / 64)")
        self.size, self._words = words.shape[1] * 64, np.ascontiguousarray(words)
        self._ranks, self._counts = rarity(words), np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        self._bits = np.argsort(self._ranks[:-1])
        order, groups = alike_together(words)
        self._blocks = self._laid_out(order, groups)
        by_count = np.argsort(self._counts, kind="stable")
        self._table = make_table(self._words, self._ranks, by_count) if groups else _NO_TABLE

    def _laid_out(self, order: np.ndarray, groups: int) -> tuple[np.ndarray, ...]:
        """The first argument of :func:`~cinchona.models.domain.bitslices.nearest_shared`."""
        cuts = range(0, len(order), LANES)
        columns = np.stack([_lacking(self._words[order[cut : cut + LANES]], self._bits) for cut in cuts])
        united = self._words[order[: groups * LANES * TOGETHER]].reshape(groups, LANES, TOGETHER, self._words.shape[1])
        unions = [_lacking(np.bitwise_or.reduce(members, axis=1), self._bits) for members in united]
        places = np.full(len(columns) * LANES, -1, np.int64)
        places[: len(order)] = order
        fewest, most = (pick.reduceat(self._counts[order], list(cuts)) for pick in (np.minimum, np.maximum))
        return columns, np.stack(unions) if unions else columns[:0], places, fewest, most

    @classmethod
    def of(cls, bits: OnBits) -> Self:
        """Index the fingerprints ``bits``."""
        return cls(bits.packed())

    def nearest(self, queries: OnBits, *, skipped: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Distance to the nearest fingerprint of the index.

        The distance is 1 minus the Tanimoto similarity (shared bits over bits in either); range [0, 1], and 1 where no bit is
        shared. The result for a query does not depend on the others.

        Args:
            queries: n fingerprints.
            skipped: Place in the index that each query must not find, such as its own, or -1; int64, shape (n,).

        Returns:
            Distances, float32, shape (n,), and the place of the nearest, the first among equals, -1 where no bit is shared;
            int64, shape (n,).

        Raises:
            ShapeError: if the fingerprints are of another size.
        """
        if queries.size != self.size:
            raise ShapeError.of("queries", (len(queries), queries.size), f"(n, {self.size})")
        n = len(queries)
        shared, either, place = np.zeros(n, np.int64), np.ones(n, np.int64), np.full(n, -1, np.int64)
        own = np.full(n, -1, np.int64) if skipped is None else np.asarray(skipped, np.int64)
        ranks = rare_first(self._ranks, queries.positions, queries.starts)
        asked = (ranks, queries.starts, queries.counts, self._bits, own)
        nearest_shared(self._blocks, (self._words, self._counts), self._table, asked, (shared, either, place))
        return (1.0 - shared / either).astype(np.float32), place


def _lacking(words: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """What up to 512 fingerprints lack, as columns in the order ``bits`` and an empty one after them; uint64, ((size + 1) * 8,)."""
    found = np.zeros((words.shape[1] * 64 + 1, LANES // 8), np.uint8)
    rows = np.zeros((LANES, words.shape[1] * 64), np.uint8)
    rows[: len(words)] = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    found[:-1] = np.packbits(1 - rows.T[bits], axis=1, bitorder="little")
    return found.view(np.uint64).reshape(-1)


__all__ = ["NearestIndex"]
