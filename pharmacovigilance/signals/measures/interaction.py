"""Omega: does a pair of drugs have more reports of an event than the two drugs' own excesses add up to?

References:
    Norén GN, Sundberg R, Bate A, Edwards IR. Stat Med 2008;27:3057-3070. doi:10.1002/sim.3247
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import polars as pl
from scipy.special import gammaincinv, ndtri

from cinchona.pharmacovigilance.signals.counting.triplets import TripletCounts
from cinchona.pharmacovigilance.signals.measures.information import SHRINKAGE, Interval

_LOG2: Final = math.log(2.0)


def expected_with_both(counts: TripletCounts) -> np.ndarray:
    r"""Expected reports with both drugs and the event, if the drugs' risks were additive; float64, shape (n,).

    With the event's odds o00, o10, o01 among reports with neither, only the first and only the second drug,

    .. math:: g_{11} = 1 - \frac{1}{\max(o_{00}, o_{10}) + \max(o_{00}, o_{01}) - o_{00} + 1}, \quad
              E_{111} = g_{11} n_{11\cdot}

    A drug that is never reported without the other has no odds of its own and counts as without excess.
    """
    none = _odds(counts.n001, counts.n00)
    one, other = (np.fmax(none, _odds(e, n)) for e, n in ((counts.n101, counts.n10), (counts.n011, counts.n01)))
    total = one + other - none + 1.0
    share = np.where(np.isfinite(total), 1.0 - 1.0 / total, 1.0)
    return np.asarray(share * counts.n11)


def omega(counts: TripletCounts, *, level: float = 0.95) -> Interval:
    r"""Interaction Omega with exact gamma credibility bounds, log2 scale.

    .. math:: \Omega = \log_2 \frac{n_{111} + 1/2}{E_{111} + 1/2}

    The bounds are quantiles of Gamma(n111 + 1/2, rate E111 + 1/2). Range (-inf, inf); null value 0; a lower bound
    above 0 is the usual sign of an interaction.
    """
    expected = expected_with_both(counts) + SHRINKAGE
    shape = counts.n111 + SHRINKAGE
    lower, upper = (np.log2(gammaincinv(shape, tail) / expected) for tail in ((1.0 - level) / 2.0, (1.0 + level) / 2.0))
    return Interval(np.log2(shape / expected), lower, upper)


def omega_normal(counts: TripletCounts, *, level: float = 0.95) -> Interval:
    """As :func:`omega` with the bounds Omega -+ z / (log(2) sqrt(n111)) of the paper; NaN bounds at ``n111`` = 0."""
    value = np.log2((counts.n111 + SHRINKAGE) / (expected_with_both(counts) + SHRINKAGE))
    with np.errstate(divide="ignore"):
        half = float(ndtri((1.0 + level) / 2.0)) / (_LOG2 * np.sqrt(counts.n111))
    half = np.where(counts.n111 > 0, half, np.nan)
    return Interval(value, value - half, value + half)


def interaction_table(counts: TripletCounts) -> pl.DataFrame:
    """Tidy table, strongest first.

    Columns: ``drug1``, ``drug2``, ``event``, ``n`` (both drugs and event), ``n_both``, ``expected``, ``omega``,
    ``omega025``, ``omega975`` (gamma), ``omega025_normal``.
    """
    found, normal = omega(counts), omega_normal(counts)
    names = {
        "drug1": pl.Series(counts.drug_labels.to_pylist(), dtype=pl.String).gather(counts.drug1),
        "drug2": pl.Series(counts.drug_labels.to_pylist(), dtype=pl.String).gather(counts.drug2),
        "event": pl.Series(counts.event_labels.to_pylist(), dtype=pl.String).gather(counts.event),
    }
    figures = {
        "n": counts.n111, "n_both": counts.n11, "expected": expected_with_both(counts), "omega": found.value,
        "omega025": found.lower, "omega975": found.upper, "omega025_normal": normal.lower,
    }  # fmt: skip
    return pl.DataFrame(names | figures).sort("omega025", "drug1", "drug2", "event", descending=[True, *[False] * 3])


def _odds(with_event: np.ndarray, reports: np.ndarray) -> np.ndarray:
    """Odds of the event; NaN where there is no report, infinite where all have it."""
    without = (reports - with_event).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = with_event / without
    return np.asarray(np.where(reports > 0, odds, np.nan))
