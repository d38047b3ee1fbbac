"""The record of a measure: convention, formula, citation and computation in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cinchona.pharmacovigilance.signals.counting.pairs import Cells, PairCounts
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture


class Scored:
    """What a measure computes from: counts and, where needed, a prior. Cells and expected counts are made once."""

    def __init__(self, counts: PairCounts, prior: GammaMixture | None = None) -> None:
        self.counts = counts
        self._prior = prior

    @property
    def prior(self) -> GammaMixture:
        """The prior of the gamma-Poisson shrinker."""
        assert self._prior is not None, "a measure that needs a prior was computed without one"
        return self._prior

    @cached_property
    def cells(self) -> Cells:
        """The 2x2 tables."""
        return self.counts.cells

    @cached_property
    def expected(self) -> np.ndarray:
        """Expected counts, stratified if the counts are, float64, shape (n,)."""
        return self.counts.expected

    @cached_property
    def n(self) -> np.ndarray:
        """Observed counts, shape (n,)."""
        return self.counts.n


Compute = Callable[[Scored], tuple[np.ndarray, ...]]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure under one convention."""

    name: str
    """Name by which it is asked for."""
    title: str
    """Name in words."""
    columns: tuple[str, ...]
    """Columns that it adds to a table; the first is the figure, then bounds or companions."""
    formula: str
    """Formula in the cells a, b, c, d, N = a + b + c + d, n = a, E expected."""
    value_range: str
    """Range of the figure."""
    null_value: float | None
    """What no association gives; None for p-values and error rates."""
    convention: str
    """What distinguishes it from others of the same family: level, correction, prior, tail."""
    citation: str
    """Who proposed it, where."""
    doi: str
    """DOI of the citation; empty where there is none."""
    compute: Compute
    """Figures of many pairs, one array a column."""
    needs_prior: bool = False
    """True when a fitted prior of the gamma-Poisson shrinker is needed."""
