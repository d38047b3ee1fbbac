"""Quantiles of millions of pairs: read off checked curves.

For a given prior the quantile depends on (n, E) only, and for a given count its logarithm is a smooth curve in log E.
The curve of each frequent count is computed at nodes by exact Newton, with its slope, and the nodes are halved until
cubic Hermite interpolation meets the tolerance at every midpoint; the midpoints then join the nodes, which lowers the
error by a further factor of about 16. Pairs of rare counts are solved exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from cinchona.pharmacovigilance.signals.counting.distinct import distinct_counts
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture
from cinchona.pharmacovigilance.signals.gps.quantiles import PosteriorTable

TOLERANCE: Final = 1e-6
"""Relative error that the fast path keeps against exact Newton."""
_FIRST_STEP: Final = 0.4
"""Coarsest distance of nodes in log E."""
_FREQUENT: Final = 128
"""Counts that occur less often are solved exactly."""
_LEVELS: Final = 8
"""Largest number of halvings."""


def quantile(
    prior: GammaMixture, n: np.ndarray, expected: np.ndarray, p: float, *, tolerance: float = TOLERANCE
) -> np.ndarray:
    """Posterior ``p`` quantile of lambda for many pairs, to a relative error of ``tolerance``.

    EB05 is ``p`` = 0.05 and EB95 is ``p`` = 0.95. Range (0, inf); null value 1.

    Args:
        prior: The prior.
        n: Counts, whole numbers of at least 0, shape (n,).
        expected: Expected counts, > 0, shape (n,).
        p: Probability in (0, 1).
        tolerance: Relative error against exact Newton.

    Returns:
        Quantiles, float64, shape (n,).

    Raises:
        ConfigError: if ``p`` is not a probability.
    """
    counts, rank, sizes = distinct_counts(np.asarray(n).astype(np.int64, copy=False))
    e = np.asarray(expected, np.float64)
    table = PosteriorTable.of(prior, counts, p)
    logs = np.log(e)
    low, high = _ranges(rank, logs, len(counts))
    curves = [_Curve.begin(int(k), low[k], high[k], int(sizes[k])) for k in np.flatnonzero(sizes >= _FREQUENT)]
    kept = _refine(table, curves, tolerance)
    result = np.full(len(e), np.nan)
    if kept:
        layout, values, slopes = _joined(kept, len(counts))
        _interpolate(rank, logs, layout, (values, slopes), result)
    rest = np.flatnonzero(np.isnan(result))
    if len(rest):
        result[rest] = np.exp(table.solve(rank[rest], e[rest]))
    return result


@dataclass(frozen=True, slots=True)
class _Curve:
    """Log quantile of one count at equally spaced nodes of log E."""

    rank: int
    low: float
    step: float
    most_nodes: int
    values: np.ndarray
    slopes: np.ndarray

    @classmethod
    def begin(cls, rank: int, low: float, high: float, most_nodes: int) -> _Curve:
        n_steps = max(1, math.ceil((high - low) / _FIRST_STEP))
        step = max(high - low, 1e-9) / n_steps
        return cls(rank, low, step, most_nodes, np.empty(n_steps + 1), np.empty(n_steps + 1))

    @property
    def nodes(self) -> np.ndarray:
        return self.low + self.step * np.arange(len(self.values))

    @property
    def midpoints(self) -> np.ndarray:
        return self.low + self.step * (np.arange(len(self.values) - 1) + 0.5)

    def guess(self) -> np.ndarray:
        """Hermite interpolation at the midpoints."""
        middle = 0.5 * (self.values[:-1] + self.values[1:])
        return np.asarray(middle + self.step * (self.slopes[:-1] - self.slopes[1:]) / 8.0)

    def halved(self, values: np.ndarray, slopes: np.ndarray) -> _Curve:
        """The curve with figures of the midpoints put between the nodes."""
        size = 2 * len(self.values) - 1
        new_values, new_slopes = np.empty(size), np.empty(size)
        new_values[::2], new_values[1::2] = self.values, values
        new_slopes[::2], new_slopes[1::2] = self.slopes, slopes
        return _Curve(self.rank, self.low, self.step / 2.0, self.most_nodes, new_values, new_slopes)


def _refine(table: PosteriorTable, curves: list[_Curve], tolerance: float) -> list[_Curve]:
    """Curves whose interpolation is good enough; those that would need more nodes than they have pairs are left out."""
    figures = _solve(table, curves, [curve.nodes for curve in curves])
    open_ = [
        _Curve(c.rank, c.low, c.step, c.most_nodes, values, slopes)
        for c, (values, slopes) in zip(curves, figures, strict=True)
    ]
    kept: list[_Curve] = []
    for _ in range(_LEVELS):
        open_ = [curve for curve in open_ if 2 * len(curve.values) <= curve.most_nodes]
        figures = _solve(table, open_, [curve.midpoints for curve in open_])
        errors = [np.abs(c.guess() - values).max() for c, (values, _) in zip(open_, figures, strict=True)]
        halved = [c.halved(*figure) for c, figure in zip(open_, figures, strict=True)]
        kept += [c for c, error in zip(halved, errors, strict=True) if error <= tolerance]
        open_ = [c for c, error in zip(halved, errors, strict=True) if not error <= tolerance]
    return kept


def _solve(
    table: PosteriorTable, curves: list[_Curve], places: list[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Exact log quantiles and slopes at ``places`` of each curve, solved in one go."""
    if not curves:
        return []
    rank = np.repeat([curve.rank for curve in curves], [len(place) for place in places])
    e = np.exp(np.concatenate(places))
    u = table.solve(rank, e)
    slopes = table.slope(u, rank, e)
    cuts = np.cumsum([len(place) for place in places])[:-1]
    return list(zip(np.split(u, cuts), np.split(slopes, cuts), strict=True))


_Layout = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _joined(curves: list[_Curve], n_counts: int) -> tuple[_Layout, np.ndarray, np.ndarray]:
    first = np.full(n_counts, -1, np.int64)
    n_steps = np.zeros(n_counts, np.int64)
    low, step = np.zeros(n_counts), np.ones(n_counts)
    start = 0
    for c in curves:
        first[c.rank], low[c.rank], step[c.rank] = start, c.low, c.step
        n_steps[c.rank] = len(c.values) - 1
        start += len(c.values)
    values = np.concatenate([c.values for c in curves])
    slopes = np.concatenate([c.slopes * c.step for c in curves])
    return (first, n_steps, low, step), values, slopes


@njit(cache=True, error_model="numpy")
def _ranges(rank: np.ndarray, logs: np.ndarray, n_counts: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.full(n_counts, np.inf), np.full(n_counts, -np.inf)
    for i in range(len(rank)):
        low[rank[i]] = min(low[rank[i]], logs[i])
        high[rank[i]] = max(high[rank[i]], logs[i])
    return low, high


@njit(cache=True, error_model="numpy")
def _interpolate(
    rank: np.ndarray,
    logs: np.ndarray,
    layout: _Layout,
    figures: tuple[np.ndarray, np.ndarray],
    result: np.ndarray,
) -> None:
    first, n_steps, low, step = layout
    values, slopes = figures
    for i in range(len(rank)):
        k = rank[i]
        if first[k] < 0:
            continue
        position = (logs[i] - low[k]) / step[k]
        cell = min(max(int(position), 0), n_steps[k] - 1)
        t = position - cell
        left = first[k] + cell
        difference = values[left + 1] - values[left]
        bend = slopes[left] - difference
        other = difference - slopes[left + 1]
        inner = t * (1.0 - t) * (bend * (1.0 - t) + other * t)
        result[i] = math.exp(values[left] + t * difference + inner)
