"""The nearest of many folded fingerprints, exactly."""

from __future__ import annotations

from typing import Self

import numpy as np

from cinchona.errors import ShapeError
from cinchona.models.domain.bitslices import LANES, nearest_shared
from cinchona.models.domain.folding import OnBits
from cinchona.models.domain.lanes import WORDS
from cinchona.models.domain.rarity import rare_first, rarity


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
        self.size = words.shape[1] * 64
        self._ranks = rarity(words)
        order = np.argsort(self._ranks[:-1])
        blocks = -(-len(words) // LANES)
        self._set = np.zeros(blocks * LANES, np.int64)
        self._fewest, self._most = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
        self._columns = np.zeros((blocks, (self.size + 1) * WORDS), np.uint64)
        for b in range(blocks):
            here = slice(b * LANES, min((b + 1) * LANES, len(words)))
            bits = np.zeros((LANES, self.size), np.uint8)
            rows = np.ascontiguousarray(words[here]).view(np.uint8)
            bits[: len(rows)] = np.unpackbits(rows, axis=1, bitorder="little")
            self._set[here] = counts = bits[: len(rows)].sum(axis=1, dtype=np.int64)
            self._fewest[b], self._most[b] = counts.min(), counts.max()
            lanes = np.packbits(bits.T[order], axis=1, bitorder="little")
            self._columns[b, : self.size * WORDS] = np.ascontiguousarray(lanes).view(np.uint64).reshape(-1)

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
        index = (self._columns, self._set, self._fewest, self._most)
        positions = rare_first(self._ranks, queries.positions, queries.starts)
        nearest_shared(index, (positions, queries.starts, queries.counts), own, (shared, either, place))
        return (1.0 - shared / either).astype(np.float32), place


__all__ = ["NearestIndex"]
