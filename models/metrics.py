"""Metrics of regression, and the one register of all metrics.

A prediction that is not a number is an error; rows without a label are left out by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from cinchona.errors import ConfigError, ShapeError
from cinchona.models.ranking import bedroc, enrichment_factor, log_auc, power_metric, pr_auc, rie, roc_auc

MetricFunction = Callable[[np.ndarray, np.ndarray], float]
"""Labels and predictions, both of shape (n,), to one figure."""


def error_unit(unit: str) -> str:
    """Unit of the difference of two values in ``unit``: log units of logarithms, such as ``-log10(M)``, else the same."""
    return "log units" if unit.startswith(("-log10(", "log10(")) else unit


def rmse(labels: np.ndarray, predictions: np.ndarray) -> float:
    r"""Root mean squared error, :math:`\sqrt{\frac1n \sum (\hat y - y)^2}`, in the unit of the labels.

    Range [0, inf), lower is better; predicting the mean of the labels gives their standard deviation.

    Raises:
        ValueError: if there is no row or a value is not finite.
    """
    labels, predictions = _checked(labels, predictions)
    return float(np.sqrt(np.mean((predictions - labels) ** 2)))


def mae(labels: np.ndarray, predictions: np.ndarray) -> float:
    r"""Mean absolute error, :math:`\frac1n \sum |\hat y - y|`, in the unit of the labels.

    Range [0, inf), lower is better; predicting the median of the labels gives their mean absolute deviation.

    Raises:
        ValueError: if there is no row or a value is not finite.
    """
    labels, predictions = _checked(labels, predictions)
    return float(np.mean(np.abs(predictions - labels)))


def r2(labels: np.ndarray, predictions: np.ndarray) -> float:
    r"""Coefficient of determination, :math:`1 - \sum (\hat y - y)^2 / \sum (y - \bar y)^2`.

    Range (-inf, 1]; predicting the mean of these labels gives 0, the mean of other labels less. It is not the square of
    a correlation.

    Raises:
        ValueError: if there are fewer than two rows, all labels are equal, or a value is not finite.
    """
    labels, predictions = _checked(labels, predictions)
    spread = float(((labels - labels.mean()) ** 2).sum())
    if spread == 0:
        raise ValueError("all labels are equal, R2 is not defined")
    return 1.0 - float(((predictions - labels) ** 2).sum()) / spread


def spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Spearman's rank correlation: Pearson's correlation of the ranks; tied values share their mean rank.

    Range [-1, 1]; a random ranking expects 0.

    Raises:
        ValueError: if all labels or all predictions are equal, or a value is not finite.

    References:
        Spearman, Am. J. Psychol. 1904, 15, 72, https://doi.org/10.2307/1412159
    """
    labels, predictions = _checked(labels, predictions)
    left, right = mean_ranks(labels), mean_ranks(predictions)
    left, right = left - left.mean(), right - right.mean()
    size = float(np.sqrt((left**2).sum() * (right**2).sum()))
    if size == 0:
        raise ValueError("all labels or all predictions are equal, the rank correlation is not defined")
    return float(np.clip((left * right).sum() / size, -1.0, 1.0))


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, float64, shape (n,); equal values share the mean of their ranks."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: np.ndarray = ((last - count + 1 + last) / 2)[group.reshape(-1)]
    return ranks


@dataclass(frozen=True, slots=True)
class Metric:
    """Everything about one metric."""

    name: str
    """Key in reports and files."""
    title: str
    """How people write it."""
    function: MetricFunction
    """From labels and predictions, both float64 of shape (n,), to the figure; ValueError where it is not defined."""
    kind: Literal["regression", "classification"]
    """Targets it is for."""
    higher_is_better: bool
    """Which way is good."""
    chance: float | None
    """Expectation of a random guess (for :func:`bedroc` with few actives); None where it depends on the data."""


def _ef(fraction: float) -> MetricFunction:
    return lambda labels, scores: enrichment_factor(labels, scores, fraction)


_ALL: Final = (
    Metric("rmse", "RMSE", rmse, "regression", higher_is_better=False, chance=None),
    Metric("mae", "MAE", mae, "regression", higher_is_better=False, chance=None),
    Metric("r2", "R²", r2, "regression", higher_is_better=True, chance=None),
    Metric("spearman", "Spearman ρ", spearman, "regression", higher_is_better=True, chance=0.0),
    Metric("roc_auc", "ROC AUC", roc_auc, "classification", higher_is_better=True, chance=0.5),
    Metric("pr_auc", "PR AUC", pr_auc, "classification", higher_is_better=True, chance=None),
    Metric("ef1", "EF 1 %", _ef(0.01), "classification", higher_is_better=True, chance=1.0),
    Metric("ef5", "EF 5 %", _ef(0.05), "classification", higher_is_better=True, chance=1.0),
    Metric("bedroc20", "BEDROC (α = 20)", bedroc, "classification", higher_is_better=True, chance=0.05),
    Metric("rie20", "RIE (α = 20)", rie, "classification", higher_is_better=True, chance=1.0),
    Metric("log_auc", "adjusted logAUC", log_auc, "classification", higher_is_better=True, chance=0.0),
    Metric("power1", "power metric 1 %", power_metric, "classification", higher_is_better=True, chance=0.5),
)

METRICS: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in _ALL})
"""All metrics by name."""


def metric(name: str) -> Metric:
    """Look a metric up by name.

    Raises:
        ConfigError: if there is none, naming those that are.
    """
    try:
        return METRICS[name]
    except KeyError:
        raise ConfigError(f"unknown metric {name!r}", expected=f"one of {', '.join(METRICS)}") from None


def _checked(labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, predictions = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ShapeError.of("predictions", predictions.shape, f"{labels.shape}, one prediction a label")
    if not len(labels) or not np.isfinite(labels).all() or not np.isfinite(predictions).all():
        raise ValueError("labels and predictions must be finite and at least one; leave out rows without a label")
    return labels, predictions


__all__ = [
    "bedroc",
    "enrichment_factor",
    "error_unit",
    "log_auc",
    "mae",
    "mean_ranks",
    "Metric",
    "metric",
    "MetricFunction",
    "METRICS",
    "power_metric",
    "pr_auc",
    "r2",
    "rie",
    "rmse",
    "roc_auc",
    "spearman",
]
