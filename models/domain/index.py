"""The nearest of many folded fingerprints, exactly."""

from __future__ import annotations

from typing import Self

import numpy as np

from cinchona.errors import ShapeError
from cinchona.models.domain.bitslices import LANES, nearest_shared
from cinchona.models.domain.folding import OnBits
from cinchona.models.domain.lanes import WORDS


class NearestIndex:
    """Fingerprints laid out for finding the nearest one: a fraction of a nanosecond for each that is compared.

    Args:
        words: Fingerprints, uint64, shape (m, size / 64), m > 0.

    Raises:
        ShapeError: if there is none.
    """

    def __init__(self, words: np.ndarray) -> None:
        if words.ndim != 2 or not words.size:
            raise ShapeError.of("fingerprints", words.shape, "(m > 0, size / 64)")
        self.size = words.shape[1] * 64
        blocks = -(-len(words) // LANES)
        self._set = np.zeros(blocks * LANES, np.int64)
        self._fewest = np.zeros(blocks, np.int64)
        self._columns = np.zeros((blocks, (self.size + 1) * WORDS), np.uint64)
        for b in range(blocks):
            here = slice(b * LANES, min((b + 1) * LANES, len(words)))
            bits = np.zeros((LANES, self.size), np.uint8)
            rows = np.ascontiguousarray(words[here]).view(np.uint8)
            bits[: len(rows)] = np.unpackbits(rows, axis=1, bitorder="little")
            self._set[here] = bits[: len(rows)].sum(axis=1, dtype=np.int64)
            self._fewest[b] = self._set[here].min()
            lanes = np.packbits(bits.T, axis=1, bitorder="little")
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
        index = (self._columns, self._set, self._fewest)
        nearest_shared(index, (queries.positions, queries.starts, queries.counts), own, (shared, either, place))
        return (1.0 - shared / either).astype(np.float32), place


__all__ = ["NearestIndex"]
