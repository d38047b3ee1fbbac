"""Bootstrap intervals of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

import numpy as np

from cinchona.models.metrics import MetricFunction
from cinchona.seeds import rng

_NORMAL: Final = NormalDist()
_MAX_JACKKNIFE: Final = 200

IntervalMethod = Literal["percentile", "bca"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its two-sided confidence interval."""

    estimate: float
    """The figure on the whole sample."""
    lower: float
    """Lower end; NaN where no interval could be made."""
    upper: float
    """Upper end."""
    level: float = 0.95
    """Intended coverage."""

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.lower:.3f}, {self.upper:.3f}]"


def bootstrap(
    function: MetricFunction,
    labels: np.ndarray,
    predictions: np.ndarray,
    *,
    seed: int,
    samples: int = 1000,
    method: IntervalMethod = "percentile",
) -> Interval:
    """95 % bootstrap interval of a metric over the rows.

    Rows are drawn with replacement; of a classification, actives and inactives are drawn apart, so that every sample has
    both. Percentile intervals are a little short on small samples; ``bca`` corrects for bias and skew.

    Args:
        function: The metric.
        labels: float64, shape (n,).
        predictions: float64, shape (n,).
        seed: Seed of the draws.
        samples: Number of bootstrap samples.
        method: ``percentile`` or ``bca``.

    Raises:
        ValueError: if the metric is not defined on the whole sample.

    References:
        Efron, J. Am. Stat. Assoc. 1987, 82, 171, https://doi.org/10.1080/01621459.1987.10478410
    """
    estimate = function(labels, predictions)
    drawn = [_or_nan(function, labels[rows], predictions[rows]) for rows in _draws(labels, seed=seed, samples=samples)]
    ends = (0.025, 0.975)
    if method == "bca":
        ends = _bca_ends(estimate, np.array(drawn), _jackknife(function, labels, predictions))
    return _interval(estimate, np.array(drawn), ends)


def paired_bootstrap(
    function: MetricFunction,
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    seed: int,
    samples: int = 1000,
) -> Interval:
    """95 % percentile interval of the difference ``function(first) - function(second)`` on the same drawn rows.

    An interval without 0 says that one model is better beyond the chance of the test compounds (not of the training).

    Args:
        function: The metric.
        labels: float64, shape (n,).
        first: Predictions of one model, float64, shape (n,).
        second: Predictions of the other, float64, shape (n,).
        seed: Seed of the draws.
        samples: Number of bootstrap samples.

    Raises:
        ValueError: if the metric is not defined on the whole sample.
    """
    estimate = function(labels, first) - function(labels, second)
    drawn = [
        _or_nan(function, labels[rows], first[rows]) - _or_nan(function, labels[rows], second[rows])
        for rows in _draws(labels, seed=seed, samples=samples)
    ]
    return _interval(estimate, np.array(drawn), (0.025, 0.975))


def mean_interval(values: np.ndarray) -> Interval:
    """95 % interval of the mean of repeated experiments (seeds), by Student's t.

    Args:
        values: One figure a repetition, float64, shape (n,).
    """
    from scipy.stats import t as student

    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return Interval(float(values.mean()), float("nan"), float("nan"))
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)


def _draws(labels: np.ndarray, *, seed: int, samples: int) -> Iterator[np.ndarray]:
    draw = rng(seed, "bootstrap")
    strata = [np.flatnonzero(labels == value) for value in np.unique(labels)] if _is_binary(labels) else None
    for _ in range(samples):
        if strata is None:
            yield draw.integers(len(labels), size=len(labels))
        else:
            yield np.concatenate([rows[draw.integers(len(rows), size=len(rows))] for rows in strata])


def _is_binary(labels: np.ndarray) -> bool:
    return bool(np.isin(labels, (0, 1)).all())


def _or_nan(function: MetricFunction, labels: np.ndarray, predictions: np.ndarray) -> float:
    try:
        return function(labels, predictions)
    except ValueError:  # for example all drawn labels equal
        return float("nan")


def _interval(estimate: float, drawn: np.ndarray, ends: tuple[float, float]) -> Interval:
    kept = drawn[np.isfinite(drawn)]
    if not len(kept):
        return Interval(estimate, float("nan"), float("nan"))
    lower, upper = np.quantile(kept, ends)
    return Interval(estimate, float(lower), float(upper))


def _jackknife(function: MetricFunction, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    groups = np.array_split(np.arange(len(labels)), min(len(labels), _MAX_JACKKNIFE))
    left_out = [_or_nan(function, np.delete(labels, rows), np.delete(predictions, rows)) for rows in groups]
    return np.array(left_out)


def _bca_ends(estimate: float, drawn: np.ndarray, left_out: np.ndarray) -> tuple[float, float]:
    kept, left = drawn[np.isfinite(drawn)], left_out[np.isfinite(left_out)]
    below = float((kept < estimate).mean() + 0.5 * (kept == estimate).mean()) if len(kept) else 0.5
    if not 0 < below < 1 or len(left) < 2:
        return 0.025, 0.975
    shift = left.mean() - left
    spread = float((shift**2).sum())
    skew = float((shift**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    bias = _NORMAL.inv_cdf(below)

    def moved(z: float) -> float:
        return _NORMAL.cdf(bias + (bias + z) / (1 - skew * (bias + z)))

    return moved(_NORMAL.inv_cdf(0.025)), moved(_NORMAL.inv_cdf(0.975))
