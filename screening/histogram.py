"""A small histogram of scores of unknown range that merges exactly, in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

MAX_BINS: Final = 128
"""Bins of one histogram at most; receipts hold one each, so it stays small."""
_FINEST: Final = -20
"""Exponent of the finest bin width, 2**-20, about 1e-6."""


class ScoreHistogram(BaseModel):
    """Counts of scores in bins whose width is a power of two and whose edges are multiples of it.

    The width is the finest that needs at most 128 bins. Since coarser bins are exact unions of finer ones, merging
    loses nothing: the histogram of a whole is equal to the merged histograms of its parts, however it is cut.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    exponent: int = _FINEST
    """The bin width is ``2**exponent``, in the unit of the score."""
    first: int = 0
    """Bin ``i`` covers ``[(first + i) * width, (first + i + 1) * width)``."""
    counts: tuple[int, ...] = Field((), max_length=MAX_BINS)
    """Scores in each bin; neither the first nor the last is zero."""
    not_finite: int = Field(0, ge=0)
    """Scores that are NaN or infinite, which are in no bin."""

    @classmethod
    def of(cls, scores: np.ndarray) -> Self:
        """Count ``scores`` (float, shape (n,))."""
        finite = scores[np.isfinite(scores)].astype(np.float64)
        missing = int(len(scores) - len(finite))
        if len(finite) == 0:
            return cls(not_finite=missing)
        exponent = _exponent(float(finite.min()), float(finite.max()))
        bins = np.floor(np.ldexp(finite, -exponent)).astype(np.int64)
        first = int(bins.min())
        counts = np.bincount(bins - first)
        return cls(exponent=exponent, first=first, counts=tuple(counts.tolist()), not_finite=missing)

    @classmethod
    def merge(cls, parts: Iterable[ScoreHistogram]) -> ScoreHistogram:
        """Join the histograms of parts."""
        total = ScoreHistogram()
        for part in parts:
            total = total._plus(part)
        return total

    @property
    def width(self) -> float:
        """Width of a bin, in the unit of the score."""
        return math.ldexp(1.0, self.exponent)

    @property
    def edges(self) -> np.ndarray:
        """Edges of the bins, float64, shape (n_bins + 1,); empty without bins."""
        if not self.counts:
            return np.empty(0)
        return (self.first + np.arange(len(self.counts) + 1)) * self.width

    @property
    def total(self) -> int:
        """Finite scores counted."""
        return sum(self.counts)

    def _plus(self, other: ScoreHistogram) -> ScoreHistogram:
        missing = self.not_finite + other.not_finite
        filled = [h for h in (self, other) if h.counts]
        if len(filled) < 2:
            return (filled[0] if filled else self).model_copy(update={"not_finite": missing})
        exponent = max(h.exponent for h in filled)
        while _span(filled, exponent) > MAX_BINS:
            exponent += 1
        first = min(h.first >> (exponent - h.exponent) for h in filled)
        counts = np.zeros(_span(filled, exponent), np.int64)
        for h in filled:
            bins = (h.first + np.arange(len(h.counts))) >> (exponent - h.exponent)
            np.add.at(counts, bins - first, np.array(h.counts, np.int64))
        return ScoreHistogram(exponent=exponent, first=first, counts=tuple(counts.tolist()), not_finite=missing)


def _span(histograms: list[ScoreHistogram], exponent: int) -> int:
    first = min(h.first >> (exponent - h.exponent) for h in histograms)
    last = max((h.first + len(h.counts) - 1) >> (exponent - h.exponent) for h in histograms)
    return last - first + 1


def _exponent(low: float, high: float) -> int:
    """Finest exponent whose bins from ``low`` to ``high`` are at most :data:`MAX_BINS`."""
    exponent = _FINEST
    if (size := max(abs(low), abs(high))) > 0:
        exponent = max(exponent, math.frexp(size / 2**52)[1])  # bins are counted in 52 bits
    if high > low:
        exponent = max(exponent, math.frexp((high - low) / MAX_BINS)[1] - 2)
    while math.floor(math.ldexp(high, -exponent)) - math.floor(math.ldexp(low, -exponent)) + 1 > MAX_BINS:
        exponent += 1
    return exponent
