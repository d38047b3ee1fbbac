"""What the report of a trained model shows: metrics beside the baselines, curves, parity or ROC, largest errors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from cinchona.models.folder import read_trust
from cinchona.pipelines.depict import structure_svg
from cinchona.pipelines.figures import curves_svg, parity_svg, roc_svg, standalone
from cinchona.pipelines.reliability import Reliability, reliabilities
from cinchona.pipelines.report_hits import printable
from cinchona.pipelines.report_metrics import MetricsTable, facts_of, metrics_tables

WORST: Final = 12
"""Compounds with the largest errors that a report shows."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with a title."""

    title: str
    svg: Markup
    note: str = ""


@dataclass(frozen=True, slots=True)
class Miss:
    """A compound that the model got wrong."""

    structure: Markup
    compound_id: str
    target: str
    measured: str
    predicted: str


@dataclass(frozen=True, slots=True)
class TrainingView:
    """Everything that the template of a training shows; texts are plain and escaped there."""

    title: str
    subtitle: str
    tables: list[MetricsTable]
    pictures: list[Picture]
    misses: list[Miss]
    facts: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    spec: str
    reliabilities: list[Reliability]
    """How far intervals and probabilities kept their promise."""
    choices: list[dict[str, Any]]
    """What an automatic choice tried, as in ``trust.json``; empty without one."""


def training_view(
    folder: Path, *, predictions: pa.Table | None = None, curves: Mapping[str, Sequence[float]] | None = None
) -> TrainingView:
    """Read a model folder.

    Args:
        folder: The model.
        predictions: Held-out compounds; see :func:`cinchona.pipelines.report.write_training_report`.
        curves: Values by epoch, by name; names with the same ending after ``/`` share a chart.

    Raises:
        ModelFileError: if the folder is damaged.
    """
    trust = read_trust(folder)
    config = json.loads((folder / "config.json").read_bytes())
    data = trust.get("data") or {}
    pictures = [*target_pictures(predictions), *_curve_pictures(curves or {})]
    return TrainingView(
        title=f"Model {folder.name}",
        subtitle=f"{config.get('kind', 'model')} trained on {data.get('name', 'unknown data')}",
        tables=metrics_tables(trust),
        pictures=pictures,
        misses=[] if predictions is None else list(largest_misses(predictions)),
        facts=[("fingerprint", str(config.get("fingerprint"))), *facts_of(trust)],
        versions=[(k, str(v)) for k, v in (config.get("versions") or {}).items()],
        reliabilities=list(reliabilities(trust)),
        choices=[row for row in trust.get("choice") or () if isinstance(row, dict)],
        spec=json.dumps(config.get("spec"), indent=2, ensure_ascii=False, default=str)[:20_000],
    )


def target_figure(predictions: pa.Table, target: str) -> str:
    """Parity plot of a measured target, or ROC curve of a classification, as an SVG file of its own."""
    return standalone(_figure(predictions, target))


def _figure(predictions: pa.Table, target: str) -> str:
    rows = predictions.filter(pc.equal(predictions["target"], target))
    measured, predicted = (rows[name].to_numpy().astype(float) for name in ("measured", "predicted"))
    known = np.isfinite(measured) & np.isfinite(predicted)
    measured, predicted = measured[known], predicted[known]
    if "kind" in rows.schema.names and "classification" in rows["kind"].to_pylist():
        return roc_svg(_roc(measured, predicted))
    return parity_svg(measured, predicted, label=target)


def target_pictures(predictions: pa.Table | None, *, of: str = "held-out compounds") -> Iterator[Picture]:
    """A parity plot or ROC curve for each target of a table as :func:`training_view` takes."""
    if predictions is None:
        return
    for target in dict.fromkeys(predictions["target"].to_pylist()):
        yield Picture(f"{target}: {of}", Markup(_figure(predictions, target)))  # noqa: S704 - ours


def _curve_pictures(curves: Mapping[str, Sequence[float]]) -> Iterator[Picture]:
    groups: dict[str, list[tuple[str, Sequence[float]]]] = {}
    for name, values in curves.items():
        member, _, measure = name.rpartition("/")
        groups.setdefault(measure, []).append((member or measure, values))
    for measure, members in groups.items():
        yield Picture(f"Training: {measure}", Markup(curves_svg(members, x_label="epoch", y_label=measure)))  # noqa: S704


def _roc(labels: np.ndarray, scores: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """ROC points of the model with equal scores as one step; nothing where there is one class only."""
    positives = labels > 0.5
    if positives.all() or not positives.any():
        return []
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, misses = (np.cumsum(side[order])[last_of_tie] for side in (positives, ~positives))
    return [("model", np.append(0, misses / misses[-1]), np.append(0, hits / hits[-1]))]


def largest_misses(predictions: pa.Table) -> Iterator[Miss]:
    """The :data:`WORST` compounds with the largest errors, largest first."""
    measured, predicted = (predictions[name].to_numpy().astype(float) for name in ("measured", "predicted"))
    error = np.abs(measured - predicted)
    worst = np.argsort(-np.where(np.isfinite(error), error, -1), kind="stable")[:WORST]
    for row in predictions.take(pa.array(worst, pa.int64())).to_pylist():
        if math.isfinite(row["measured"]) and math.isfinite(row["predicted"]):
            yield _miss(row)


def _miss(row: Mapping[str, Any]) -> Miss:
    return Miss(
        structure=Markup(structure_svg(row["smiles"] or "", size=(180, 118))),  # noqa: S704 - rebuilt by depict
        compound_id=printable(row["compound_id"] or ""),
        target=row["target"],
        measured=f"{row['measured']:.2f}",
        predicted=f"{row['predicted']:.2f}",
    )
