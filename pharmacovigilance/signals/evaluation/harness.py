"""The harness: every measure and every baseline on the same labelled pairs, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from cinchona.errors import ConfigError, NoUsableRowsError
from cinchona.pharmacovigilance.signals.evaluation.ranking import (
    RESAMPLES,
    RankingFigure,
    grouped_auc,
    pooled_auc,
    precision_at,
)
from cinchona.pharmacovigilance.signals.measures.catalogue import COLUMNS
from cinchona.seeds import rng
from cinchona.settings import Config

BASELINES: Final[Mapping[str, str]] = {
    "n": "count of the pair",
    "n_drug": "frequency of the drug",
    "n_event": "frequency of the event",
}
"""Columns that any measure has to beat, with their names for people."""
LOWER_IS_STRONGER: Final = frozenset(
    {"fisher_p", "fisher_mid_p", "fisher_two_sided_p", "fisher_fdr", "fisher_bh", "bcpnn_null", "bcpnn_fdr",
     "gps_fdr", "gps_null"}
)  # fmt: skip
"""Columns in which small figures speak for a signal; they are ranked by their negative."""
DEFAULT_COLUMNS: Final = ("prr", "ror", "ror025", "chi2_yates", "ic", "ic025", "ebgm", "eb05")
"""Columns that are judged when none are named and the table has them."""
METRICS: Final = ("auc_within_event", "auc_within_drug", "precision")
"""Metrics; ``precision`` is given at each k."""


class EvaluationConfig(Config):
    """What is judged, and how."""

    columns: tuple[str, ...] | None = None
    """Columns to judge; None takes those of :data:`DEFAULT_COLUMNS` that the table has."""
    metrics: tuple[str, ...] = METRICS
    """Some of :data:`METRICS`."""
    at: tuple[int, ...] = (100, 500)
    """The k of precision."""
    resamples: int = RESAMPLES
    """Bootstrap resamples."""


def evaluate(
    frame: pl.DataFrame, labels: np.ndarray, *, config: EvaluationConfig | None = None, seed: int = 0
) -> pl.DataFrame:
    """Judge columns of a signal table on labelled pairs, beside the naive baselines.

    Args:
        frame: Signal table with ``drug``, ``event``, ``n``, ``n_drug``, ``n_event`` and the columns to judge.
        labels: 1 known association, 0 known absence, -1 (or NaN) unknown and left out, shape (n,).
        config: Columns, metrics, k and resamples.
        seed: Seed of the bootstrap.

    Returns:
        One row a column and metric: ``column``, ``kind`` (measure or baseline), ``title``, ``metric``, ``value``,
        ``lower``, ``upper``, ``groups``, ``pairs``, ``positives``; strongest first within a metric.

    Raises:
        PooledAucRefusedError: if a pooled AUC is among the metrics.
        NoUsableRowsError: if no pair is labelled.
        ConfigError: if a metric does not exist.
    """
    wanted = config or EvaluationConfig()
    _check_metrics(wanted.metrics)
    known, truth = _labelled(labels, frame.height)
    chosen = wanted.columns or tuple(c for c in DEFAULT_COLUMNS if c in frame.columns)
    part = frame.filter(pl.Series(known))
    drug, event = (part[name].rank("dense").to_numpy() for name in ("drug", "event"))
    rows = []
    for name in [*chosen, *(b for b in BASELINES if b not in chosen)]:
        scores = part[name].to_numpy().astype(np.float64) * (-1.0 if name in LOWER_IS_STRONGER else 1.0)
        stream = rng(seed, "evaluate")  # the same resamples for every column, so that differences are paired
        figures = _figures(_Labelled(truth, scores, event, drug), wanted, stream)
        rows += [_row(name, metric, figure) for metric, figure in figures]
    table = pl.DataFrame(rows, infer_schema_length=None)
    return table.sort("metric", "value", "column", descending=[False, True, False], nulls_last=True)


@dataclass(frozen=True, slots=True)
class _Labelled:
    truth: np.ndarray
    scores: np.ndarray
    event: np.ndarray
    drug: np.ndarray


def _check_metrics(metrics: Sequence[str]) -> None:
    if any("pooled" in metric for metric in metrics):
        pooled_auc()
    unknown = sorted(set(metrics) - set(METRICS))
    if unknown:
        raise ConfigError(f"no metric is called {', '.join(unknown)}", expected=", ".join(METRICS))


def _figures(
    data: _Labelled, config: EvaluationConfig, stream: np.random.Generator
) -> Iterator[tuple[str, RankingFigure]]:
    for metric, groups in (("auc_within_event", data.event), ("auc_within_drug", data.drug)):
        if metric in config.metrics:
            yield metric, grouped_auc(data.truth, data.scores, groups, rng=stream, resamples=config.resamples)
    for k in config.at if "precision" in config.metrics else ():
        yield (
            f"precision_at_{k}",
            precision_at(data.truth, data.scores, k, groups=data.drug, rng=stream, resamples=config.resamples),
        )


def _labelled(labels: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(labels, np.float64)
    if len(values) != n:
        raise ConfigError(f"{len(values)} labels for {n} pairs", expected="one label a pair")
    known = np.isfinite(values) & (values >= 0)
    if not known.any():
        raise NoUsableRowsError("no pair of the table is labelled", expected="labels 1 and 0, -1 for unknown")
    return known, values[known] > 0


def _row(name: str, metric: str, figure: RankingFigure) -> dict[str, object]:
    return {
        "column": name,
        "kind": "baseline" if name in BASELINES else "measure",
        "title": BASELINES.get(name) or (COLUMNS[name].title if name in COLUMNS else name),
        "metric": metric,
        "value": figure.value,
        "lower": figure.lower,
        "upper": figure.upper,
        "groups": figure.groups,
        "pairs": figure.pairs,
        "positives": figure.positives,
    }
