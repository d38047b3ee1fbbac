"""The cells of a drug x event table for a prior fit, grouped: exactly, or by moments with a stated error.

The likelihood needs only (n, E) and how often they occur. Two groupings exist:

* exact: cells with equal (n, E) become one weighted point; zero cells are grouped by equal margins, so that a table of
  millions of zero cells needs one point for each pair of distinct margins;
* by moments: within one count, cells are put into narrow bins of log E, and each bin is replaced by the two points
  that keep its weight, mean, variance and third moment. The error falls with the fourth power of the bin's width. It is
  measured, not assumed: see :func:`cinchona.pharmacovigilance.signals.gps.fit.fit_prior`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from cinchona.errors import InputError
from cinchona.pharmacovigilance.signals.counting.distinct import distinct_counts
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts, Stratified

EXACT_POINTS: Final = 20_000
"""Up to so many distinct (n, E) the grouping is exact."""
BIN_WIDTH: Final = 0.1
"""Width of a bin of log E when cells are grouped by moments."""
_FREQUENT: Final = 64
"""Counts that occur less often are not binned: their cells stay as they are."""
_POINT_VARIANCE: Final = 1e-13
"""Bins narrower than this, in squared log E, hold one point."""
_BLOCK_CELLS: Final = 4_000_000
"""Cells of a stratified table whose expected counts are held at one time."""


@dataclass(frozen=True, slots=True)
class CellGroups:
    """Weighted cells (n, E)."""

    n: np.ndarray
    """Count of each group, int64, shape (k,)."""
    expected: np.ndarray
    """Expected count, float64, shape (k,), > 0."""
    weight: np.ndarray
    """Cells that the group stands for, float64, shape (k,)."""
    exact: bool = True
    """True when no cell was moved."""

    def __len__(self) -> int:
        return len(self.n)

    @property
    def n_cells(self) -> float:
        """Number of cells that the groups stand for."""
        return float(self.weight.sum())

    def joined(self, other: CellGroups) -> CellGroups:
        """The groups of both."""
        return CellGroups(
            np.concatenate([self.n, other.n]),
            np.concatenate([self.expected, other.expected]),
            np.concatenate([self.weight, other.weight]),
            exact=self.exact and other.exact,
        )


def raw_cells(n: np.ndarray, expected: np.ndarray, weight: np.ndarray | None = None) -> CellGroups:
    """One group a cell.

    Raises:
        InputError: if an expected count is not positive, or a count is negative.
    """
    counts = np.asarray(n).astype(np.int64)
    e = np.asarray(expected, np.float64)
    if len(e) and not (np.isfinite(e).all() and e.min() > 0 and counts.min() >= 0):
        raise InputError("a cell has no positive expected count or a negative count", expected="E > 0 and n >= 0")
    return CellGroups(counts, e, np.ones(len(e)) if weight is None else np.asarray(weight, np.float64))


def seen_cells(
    n: np.ndarray, expected: np.ndarray, *, exact_points: int = EXACT_POINTS, width: float = BIN_WIDTH
) -> CellGroups:
    """Group cells with ``n`` >= 1: exactly up to ``exact_points`` cells, by moments above."""
    cells = raw_cells(n, expected)
    if len(cells) > exact_points:
        return _by_moments(cells, width)
    pairs = np.stack([cells.n.astype(np.float64), cells.expected], axis=1)
    distinct, weight = np.unique(pairs, axis=0, return_counts=True)
    return CellGroups(distinct[:, 0].astype(np.int64), distinct[:, 1].copy(), weight.astype(np.float64))


def zero_cells(counts: PairCounts, *, exact_points: int = EXACT_POINTS, width: float = BIN_WIDTH) -> CellGroups:
    """Group all cells with ``n`` = 0 of the table, without holding them.

    Cells with an expected count of 0 (an empty margin, or no common stratum) cannot be other than 0 and are left out.

    Raises:
        InputError: if ``counts`` does not hold all seen pairs.
    """
    if not counts.complete:
        raise InputError(
            "zero cells of a selection of pairs are not known", expected="counts of the whole table",
            remedy="fit the prior before selecting pairs",
        )  # fmt: skip
    if counts.stratified is not None:
        return _zero_stratified(counts, counts.stratified, width)
    return _zero_crude(counts, exact_points, width)


def _zero_crude(counts: PairCounts, exact_points: int, width: float) -> CellGroups:
    drug_values, drug_group, drug_sizes = _groups(counts.drug_margin)
    event_values, event_group, event_sizes = _groups(counts.event_margin)
    n_events = len(event_values)
    key = drug_group[counts.drug].astype(np.int64) * n_events + event_group[counts.event]
    weight = np.outer(drug_sizes, event_sizes).ravel()
    weight -= np.bincount(key, minlength=len(weight))
    expected = np.outer(drug_values.astype(np.float64) / counts.total, event_values).ravel()
    kept = (weight > 0) & (expected > 0)
    cells = raw_cells(np.zeros(int(kept.sum()), np.int64), expected[kept], weight[kept])
    return cells if len(cells) <= exact_points else _by_moments(cells, width)


def _groups(margin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.unique(margin, return_inverse=True, return_counts=True)


def _zero_stratified(counts: PairCounts, margins: Stratified, width: float) -> CellGroups:
    share = (margins.event_margin / margins.totals).T
    reports = margins.drug_margin
    smallest = reports[reports > 0].min(initial=1.0) * share[share > 0].min(initial=1.0)
    bins = _Bins.of(1, width, np.array([smallest, reports.sum(axis=1).max()]))
    step = max(1, _BLOCK_CELLS // max(share.shape[1], 1))
    starts = np.searchsorted(counts.drug, np.arange(len(counts.drug_labels) + 1))
    for first in range(0, len(reports), step):
        block = reports[first : first + step] @ share
        last = min(first + step, len(reports))
        seen = slice(starts[first], starts[last])
        block[counts.drug[seen] - first, counts.event[seen]] = 0.0
        flat = block.ravel()
        bins.add(np.zeros(flat.size, np.int64), flat, np.ones(flat.size))
    return bins.points(np.zeros(1, np.int64))


def _by_moments(cells: CellGroups, width: float) -> CellGroups:
    counts, rank, sizes = distinct_counts(cells.n)
    frequent = sizes >= _FREQUENT
    binned = frequent[rank]
    row = np.cumsum(frequent) - 1
    bins = _Bins.of(int(frequent.sum()), width, cells.expected)
    bins.add(row[rank[binned]], cells.expected[binned], cells.weight[binned])
    rare = CellGroups(cells.n[~binned], cells.expected[~binned], cells.weight[~binned])
    return bins.points(counts[frequent]).joined(rare)


@dataclass(frozen=True, slots=True)
class _Bins:
    """Power sums of log E about the bin's centre, for each count and bin."""

    width: float
    low: float
    sums: np.ndarray
    """Weight and first three moments, float64, shape (n_counts, n_bins, 4)."""

    @classmethod
    def of(cls, n_counts: int, width: float, expected: np.ndarray) -> _Bins:
        positive = expected[expected > 0]
        low, high = math.log(positive.min(initial=1e300)), math.log(positive.max(initial=1e-300))
        return cls(width, low, np.zeros((n_counts, max(math.ceil((high - low) / width), 0) + 1, 4)))

    def add(self, rank: np.ndarray, expected: np.ndarray, weight: np.ndarray) -> None:
        _add_to_bins(rank, expected, weight, self.sums, (self.low, self.width))

    def points(self, counts: np.ndarray) -> CellGroups:
        """Two points for each filled bin, with the bin's weight and first three moments."""
        rank, place = np.nonzero(self.sums[:, :, 0] > 0)
        weight, first, second, third = self.sums[rank, place].T
        mean = first / weight
        variance = np.maximum(second / weight - mean**2, 0.0)
        skew = third / weight - 3.0 * mean * variance - mean**3
        single = variance < _POINT_VARIANCE
        s = np.where(single, 0.0, skew / np.where(single, 1.0, variance))
        root = np.sqrt(0.25 * s**2 + np.where(single, 1.0, variance))
        high, low = 0.5 * s + root, 0.5 * s - root  # roots of x^2 - s x - variance
        share = -low / (high - low)
        n, base = counts[rank], self.low + (place + 0.5) * self.width + mean
        logs = np.concatenate([np.where(single, base, base + high), (base + low)[~single]])
        weights = np.concatenate([np.where(single, weight, weight * share), (weight * (1.0 - share))[~single]])
        return CellGroups(np.concatenate([n, n[~single]]), np.exp(logs), weights, exact=False)


@njit(cache=True, error_model="numpy")
def _add_to_bins(
    rank: np.ndarray, expected: np.ndarray, weight: np.ndarray, sums: np.ndarray, grid: tuple[float, float]
) -> None:
    low, width = grid
    n_bins = sums.shape[1]
    for i in range(len(rank)):
        if expected[i] <= 0.0:
            continue
        position = (math.log(expected[i]) - low) / width
        place = min(max(math.floor(position), 0), n_bins - 1)
        t = (position - place - 0.5) * width
        w = weight[i]
        sums[rank[i], place, 0] += w
        sums[rank[i], place, 1] += w * t
        sums[rank[i], place, 2] += w * t * t
        sums[rank[i], place, 3] += w * t * t * t
