"""What the report of an evaluation shows: metrics, pictures, nearness to training, activity cliffs, largest errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.fingerprints import morgan_packed, nearest
from cinchona.errors import CinchonaError
from cinchona.models.cliffs import CliffReport, cliff_report, find_cliffs
from cinchona.models.evaluation import Evaluation
from cinchona.models.folder import is_model_folder, open_scorer
from cinchona.models.metrics import METRICS
from cinchona.models.neighbours import NearestNeighbourScorer
from cinchona.pipelines.leakage import Audit
from cinchona.pipelines.reliability import Reliability, reliabilities
from cinchona.pipelines.report_leakage import LeakageView, leakage_view
from cinchona.pipelines.report_metrics import MetricsTable, metrics_tables
from cinchona.pipelines.report_training import Miss, Picture, largest_misses, target_pictures
from cinchona.records import Endpoint

BANDS: Final = (0.999, 0.7, 0.5, 0.3, 0.0)
"""Lower ends of the bands of similarity to the nearest training compound."""
_MOST_FOR_CLIFFS: Final = 5_000
"""Compounds beyond which cliffs are not looked for: all pairs would take minutes."""
_FEWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Band:
    """Compounds that are about as near to training."""

    name: str
    """Range of the similarity."""
    compounds: int
    """Compounds with a label and a prediction."""
    figure: str
    """RMSE or ROC AUC there; a dash where it is not defined or fewer than five compounds would make it."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """How good the predictions of one target are, by similarity to training."""

    target: str
    metric: str
    bands: list[Band]


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """Everything that the template of an evaluation shows; texts are plain and escaped there."""

    title: str
    subtitle: str
    tables: list[MetricsTable]
    reliabilities: list[Reliability]
    pictures: list[Picture]
    leakage: LeakageView | None
    """None where the training compounds are not known."""
    nearness: list[Nearness]
    cliffs: list[tuple[str, CliffReport]]
    misses: list[Miss]
    facts: list[tuple[str, str]]


def evaluation_view(  # noqa: PLR0913 - what a report shows
    data: AssayTable,
    predicted: np.ndarray,
    *,
    endpoints: Sequence[Endpoint],
    figures: Sequence[Evaluation],
    facts: Sequence[tuple[str, str]],
    known: np.ndarray | None = None,
    leaks: Audit | None = None,
    promises: Sequence[Mapping[str, Any]] = (),
) -> EvaluationView:
    """Put a report together.

    Args:
        data: Measured compounds.
        predicted: Predictions, float64, shape (n, t); NaN where there is none.
        endpoints: The t targets.
        figures: Metrics of the model.
        facts: Name and value of what a reader wants to know of model and data; ``model`` and ``data`` among them.
        known: Packed Morgan fingerprints of the training compounds, uint8, shape (m, b); None where they are not known.
        leaks: What the compounds have in common with training; None where that is not known.
        promises: How far intervals and probabilities keep their promise, as
            :func:`~cinchona.models.calibration.checking.check_trust` tells.
    """
    long, told = long_table(data, predicted, endpoints), dict(facts)
    return EvaluationView(
        title=f"Evaluation of {told.get('model', 'a model')}",
        subtitle=f"on {told.get('data', 'a table')}",
        tables=metrics_tables({"metrics": [figure.to_json() for figure in figures]}, of="compounds of this table"),
        reliabilities=list(reliabilities({"calibration": {"endpoints": promises}})),
        pictures=list(target_pictures(long, of="predicted and measured")),
        leakage=None if leaks is None else leakage_view(data, leaks, figures),
        nearness=[] if known is None or not len(known) else list(_nearness(data, predicted, endpoints, known)),
        cliffs=list(_cliffs(data, predicted, endpoints)),
        misses=list(largest_misses(long)),
        facts=list(facts),
    )


def training_fingerprints(model: object) -> np.ndarray | None:
    """Fingerprints of the compounds that a model folder was trained on, from its nearest-neighbour baseline.

    Args:
        model: Path of the folder; anything else gives None, and so does a folder without a usable baseline.
    """
    place = Path(model) / "baselines" / "nearest-neighbour" if isinstance(model, str | Path) else None
    if place is None or not is_model_folder(place):
        return None
    try:
        baseline = open_scorer(place)
    except CinchonaError:
        return None
    return baseline.references if isinstance(baseline, NearestNeighbourScorer) else None


def long_table(data: AssayTable, predicted: np.ndarray, endpoints: Sequence[Endpoint]) -> pa.Table:
    """One row a compound and target with an exact label: what the pictures and the largest errors are made from."""
    exact = ~np.isnan(data.values) & (data.censor == 0)
    rows, columns = (found.tolist() for found in np.nonzero(exact))
    return pa.table({
        "compound_id": pa.array([data.compound_ids[row] for row in rows], pa.string()),
        "smiles": pa.array([data.smiles[row] for row in rows], pa.string()),
        "target": pa.array([endpoints[column].name for column in columns], pa.string()),
        "kind": pa.array([endpoints[column].kind for column in columns], pa.string()),
        "measured": pa.array(data.values[exact], pa.float64()),
        "predicted": pa.array(predicted[exact].astype(np.float64), pa.float64()),
    })  # fmt: skip


def _nearness(
    data: AssayTable, predicted: np.ndarray, endpoints: Sequence[Endpoint], known: np.ndarray
) -> Iterator[Nearness]:
    similarity = nearest(morgan_packed(data.smiles), known)[0]
    band = np.array([next(k for k, low in enumerate(BANDS) if value >= low) for value in similarity], np.int64)
    for column, endpoint in enumerate(endpoints):
        metric = METRICS["roc_auc" if endpoint.kind == "classification" else "rmse"]
        truth, guess = data.values[:, column], predicted[:, column]
        usable = np.isfinite(truth) & np.isfinite(guess) & (data.censor[:, column] == 0)
        bands = []
        for k in range(len(BANDS)):
            rows = usable & (band == k)
            bands.append(Band(_band_name(k), int(rows.sum()), _figure(metric.name, truth[rows], guess[rows])))
        yield Nearness(endpoint.name, metric.title, bands)


def _band_name(k: int) -> str:
    if k == 0:
        return "the same fingerprint"
    upper = "1" if k == 1 else f"{BANDS[k - 1]:g}"
    return f"{BANDS[k]:g} to {upper}"


def _figure(name: str, truth: np.ndarray, guess: np.ndarray) -> str:
    if len(truth) < _FEWEST:
        return "–"
    try:
        return f"{METRICS[name].function(truth, guess):.3f}"
    except ValueError:
        return "–"


def _cliffs(
    data: AssayTable, predicted: np.ndarray, endpoints: Sequence[Endpoint]
) -> Iterator[tuple[str, CliffReport]]:
    """Cliffs of the targets whose values are logarithms of concentrations, or have no unit and may be."""
    if len(data) > _MOST_FOR_CLIFFS:
        return
    for column, endpoint in enumerate(endpoints):
        if endpoint.kind == "classification" or not ("log" in endpoint.unit or endpoint.unit == ""):
            continue
        exact = np.where(data.censor[:, column] == 0, data.values[:, column], math.nan)
        yield endpoint.name, cliff_report(find_cliffs(data.smiles, exact), exact, predicted[:, column])


__all__ = ["BANDS", "Band", "EvaluationView", "Nearness", "evaluation_view", "long_table", "training_fingerprints"]
