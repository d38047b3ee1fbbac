"""Metrics with intervals, of several models on the same held-out compounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from cinchona.models.intervals import Interval, bootstrap
from cinchona.models.metrics import METRICS, Metric
from cinchona.records import Endpoint

_SAMPLES: Final = 1000
_FEWER_SAMPLES: Final = 200
_MANY_ROWS: Final = 5000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One metric of one model for one target."""

    model: str
    """Name of the model."""
    target: str
    """Name of the target."""
    metric: str
    """Key in :data:`~cinchona.models.metrics.METRICS`."""
    interval: Interval | None
    """Figure with its 95 % bootstrap interval over the compounds; None where the metric is not defined."""
    n: int
    """Compounds with an exact label and a prediction."""
    note: str = ""
    """Why there is no figure."""

    def to_json(self) -> dict[str, Any]:
        """The record as plain data; what is not a number becomes null."""
        found = self.interval
        figures = (None, None, None) if found is None else (found.estimate, found.lower, found.upper)
        estimate, lower, upper = (x if x is not None and math.isfinite(x) else None for x in figures)
        return {
            "model": self.model, "target": self.target, "metric": self.metric, "estimate": estimate, "lower": lower,
            "upper": upper, "n": self.n, "note": self.note,
        }  # fmt: skip


def evaluate_predictions(
    values: np.ndarray,
    censor: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    *,
    endpoints: Sequence[Endpoint],
    seed: int,
) -> tuple[Evaluation, ...]:
    """Compare models on the compounds that have an exact label; bounds are left out of every metric.

    Args:
        values: Labels in natural units, float64, shape (n, t); NaN where missing.
        censor: 0 where the label is exact, int8, shape (n, t).
        predictions: Values of each model, float, shape (n, t); NaN where it rejected the compound.
        endpoints: The t targets. Rankings of a classification follow its good direction.
        seed: Seed of the bootstrap.
    """
    rows = []
    for position, endpoint in enumerate(endpoints):
        metrics = [metric for metric in METRICS.values() if metric.kind == endpoint.kind]
        known = ~np.isnan(values[:, position]) & (censor[:, position] == 0)
        for model, guess in predictions.items():
            kept = known & np.isfinite(guess[:, position])
            labels, guessed = values[kept, position], guess[kept, position].astype(np.float64)
            rows += [_evaluate(metric, model, endpoint.name, (labels, guessed), seed) for metric in metrics]
    return tuple(rows)


def evaluations_table(evaluations: Sequence[Evaluation]) -> pa.Table:
    """The figures as a table for reports: target, model, metric, estimate, lower, upper, n, note."""
    names = ("target", "model", "metric", "estimate", "lower", "upper", "n", "note")
    rows = [evaluation.to_json() for evaluation in evaluations]
    types = {"estimate": pa.float64(), "lower": pa.float64(), "upper": pa.float64(), "n": pa.int64()}
    return pa.table({
        name: pa.array([row[name] for row in rows], types.get(name, pa.string())) for name in names
    })  # fmt: skip


def find(evaluations: Sequence[Evaluation], *, model: str, metric: str, target: str | None = None) -> Interval | None:
    """The figure of one metric of one model; of the first target unless one is named."""
    for evaluation in evaluations:
        if (evaluation.model, evaluation.metric) == (model, metric) and target in {None, evaluation.target}:
            return evaluation.interval
    return None


def _evaluate(metric: Metric, model: str, target: str, pair: tuple[np.ndarray, np.ndarray], seed: int) -> Evaluation:
    labels, guessed = pair
    samples = _SAMPLES if len(labels) <= _MANY_ROWS else _FEWER_SAMPLES
    try:
        interval = bootstrap(metric.function, labels, guessed, seed=seed, samples=samples)
    except ValueError as error:
        return Evaluation(model, target, metric.name, None, len(labels), str(error))
    return Evaluation(model, target, metric.name, interval, len(labels))
