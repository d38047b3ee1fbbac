"""What is kept of scores that are too many to write down: the best, a histogram, sums by reagent."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cinchona.screening.histogram import MAX_BINS, ScoreHistogram
from cinchona.screening.synthons.kernels import count_scores

BINS = 8_192
"""Bins that scores are counted in while scanning; the outer ones also take what lies beyond."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal bins whose width is a power of two and whose edges are multiples of it."""

    exponent: int
    """The width is ``2**exponent``."""
    first: int
    """The lowest edge is ``first * 2**exponent``."""

    @classmethod
    def around(cls, scores: np.ndarray) -> Bins:
        """Bins for a space of which ``scores`` (float, shape (n,)) are a sample: 16 times as wide, and fine enough."""
        finite = scores[np.isfinite(scores)].astype(np.float64)
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        spread = max(high - low, 1e-6 * max(1.0, abs(low), abs(high)))
        exponent = int(np.ceil(np.log2(spread * 16 / BINS)))
        middle = int(np.floor((low + high) / 2 / 2.0**exponent))
        return cls(exponent, middle - BINS // 2)

    @property
    def scale(self) -> np.ndarray:
        """Lowest edge and bins per unit, float64, shape (2,)."""
        return np.array([self.first * 2.0**self.exponent, 2.0**-self.exponent])

    def histogram(self, counts: np.ndarray) -> ScoreHistogram:
        """The counts (int64, shape (BINS,)) in at most 128 bins."""
        filled = np.flatnonzero(counts)
        if not len(filled):
            return ScoreHistogram()
        exponent, bins = self.exponent, self.first + filled
        while int(bins[-1]) - int(bins[0]) + 1 > MAX_BINS:
            exponent, bins = exponent + 1, bins >> 1
        first = int(bins[0])
        merged = np.zeros(int(bins[-1]) - first + 1, np.int64)
        np.add.at(merged, bins - first, counts[filled])
        return ScoreHistogram(exponent=exponent, first=first, counts=tuple(merged.tolist()))


@dataclass(slots=True, eq=False)
class Collected:
    """Sums over products that were scored, in constant memory.

    Best products stand in a total order: higher score first, of equal scores the lower number first.
    """

    k: int
    """Best products to keep."""
    sizes: tuple[int, ...]
    """Reagents of each role, for sums by reagent."""
    bins: Bins
    """Histogram bins."""
    threshold: float | None = None
    """Products that reach this score are counted."""
    filtered: int = 0
    """Products outside the filters."""
    skipped: int = 0
    """Products that provably cannot be among the best."""
    best: np.ndarray = field(init=False)
    best_ids: np.ndarray = field(init=False)
    _filled: np.ndarray = field(init=False)
    counts: np.ndarray = field(init=False)
    sums: list[np.ndarray] = field(init=False)
    """Sum of scores by reagent of each role, float64."""
    tops: list[np.ndarray] = field(init=False)
    """Best score by reagent of each role, float64; minus infinity without products."""
    seen: list[np.ndarray] = field(init=False)
    """Products with a finite score by reagent of each role, int64."""

    def __post_init__(self) -> None:
        self.best, self.best_ids = np.zeros(self.k, np.float32), np.zeros(self.k, np.int64)
        self._filled, self.counts = np.zeros(3, np.int64), np.zeros(BINS, np.int64)
        self.sums = [np.zeros(n) for n in self.sizes]
        self.tops = [np.full(n, -np.inf) for n in self.sizes]
        self.seen = [np.zeros(n, np.int64) for n in self.sizes]

    @property
    def scored(self) -> int:
        """Products counted, those whose score is not finite included."""
        return int(self.counts.sum()) + self.not_finite + self.skipped

    @property
    def not_finite(self) -> int:
        """Products whose score is not finite; they are never among the best."""
        return int(self._filled[1])

    @property
    def reached(self) -> int:
        """Products that reach the threshold; 0 without one."""
        return int(self._filled[2])

    @property
    def bar(self) -> float:
        """Score that a product must reach to be among the best; minus infinity while there are too few."""
        return float(self.best[0]) if self._filled[0] == self.k else -np.inf

    def restore(
        self, best: tuple[np.ndarray, np.ndarray], counts: np.ndarray, others: np.ndarray,
        by_reagent: tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]],
    ) -> None:  # fmt: skip
        """Take up what was written down.

        Args:
            best: Scores and numbers, best first.
            counts: Histogram.
            others: Scores that are not finite, products that reach the threshold, that were filtered, that were skipped.
            by_reagent: Sums, best scores and numbers of each role.
        """
        n = len(best[0])
        self.best[:n], self.best_ids[:n] = best[0][::-1], best[1][::-1]
        self._filled[:] = n, others[0], others[1]
        self.filtered, self.skipped = int(others[2]), int(others[3])
        self.counts, (self.sums, self.tops, self.seen) = counts, by_reagent

    def add(
        self, scores: np.ndarray, ids: tuple[np.ndarray, np.ndarray], roles: tuple[int, int | None],
        members: tuple[np.ndarray, np.ndarray], fixed: dict[int, int], left_out: tuple[int, int] = (0, 0),
    ) -> None:  # fmt: skip
        """Count a block of scores.

        Args:
            scores: Scores, float32, shape (n, m).
            ids: What each row and each column adds to the number of a product.
            roles: Role of rows and of columns; None where there is but one role.
            members: Reagent of each row and column, for the sums.
            fixed: Reagent of each other role.
            left_out: Products of the block whose score is NaN because they were filtered, and because they were skipped.
        """
        self.filtered, self.skipped = self.filtered + left_out[0], self.skipped + left_out[1]
        self._filled[1] -= sum(left_out)
        n, m = scores.shape
        left = (np.zeros(n), np.full(n, -np.inf), np.zeros(n, np.int64))
        right = (np.zeros(m), np.full(m, -np.inf), np.zeros(m, np.int64))
        if self.threshold is not None:
            self._filled[2] += int(np.count_nonzero(scores >= np.float32(self.threshold)))
        heap = (self.best, self.best_ids, self._filled)
        count_scores(scores, ids, heap, (self.counts, self.bins.scale), (*left, *right))
        self._add_sums(roles[0], members[0], left)
        if roles[1] is not None:
            self._add_sums(roles[1], members[1], right)
        total = (left[0].sum(keepdims=True), left[1].max(keepdims=True), left[2].sum(keepdims=True))
        for role, reagent in fixed.items():
            self._add_sums(role, np.array([reagent]), total)

    def merge(self, other: Collected) -> None:
        """Take over what another one counted."""
        scores, ids = merged_best([self.ranked(), other.ranked()], self.k)
        n = len(scores)
        self.best[:n], self.best_ids[:n] = scores[::-1], ids[::-1]  # ascending order is a heap
        self._filled[:] = n, self.not_finite + other.not_finite, self.reached + other.reached
        self.counts += other.counts
        self.filtered, self.skipped = self.filtered + other.filtered, self.skipped + other.skipped
        for mine, theirs in zip(self.sums, other.sums, strict=True):
            np.add(mine, theirs, out=mine)
        for mine, theirs in zip(self.tops, other.tops, strict=True):
            np.maximum(mine, theirs, out=mine)
        for mine, theirs in zip(self.seen, other.seen, strict=True):
            np.add(mine, theirs, out=mine)

    def ranked(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores (float32) and numbers (int64) of the best products, best first."""
        n = int(self._filled[0])
        order = np.lexsort((self.best_ids[:n], -self.best[:n]))
        return self.best[:n][order], self.best_ids[:n][order]

    def _add_sums(self, role: int, members: np.ndarray, figures: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        np.add.at(self.sums[role], members, figures[0])
        np.maximum.at(self.tops[role], members, figures[1])
        np.add.at(self.seen[role], members, figures[2])


def merged_best(parts: list[tuple[np.ndarray, np.ndarray]], k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best ``k`` of several rankings (scores, numbers), best first."""
    scores = np.concatenate([np.empty(0, np.float32), *(s for s, _ in parts)])
    ids = np.concatenate([np.empty(0, np.int64), *(i for _, i in parts)])
    order = np.lexsort((ids, -scores))[:k]
    return scores[order], ids[order]


__all__ = ["BINS", "Bins", "Collected", "merged_best"]
