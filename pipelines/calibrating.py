"""From predictions for compounds that a model has not seen to its trust."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.calibration.checking import check_trust
from cinchona.models.calibration.held_out import HeldOut
from cinchona.models.calibration.intervals import ConformalIntervals
from cinchona.models.domain import fitting
from cinchona.models.domain.fitting import fold_distances
from cinchona.models.scorers import ArrayScorer
from cinchona.pipelines.config import Settings
from cinchona.pipelines.train_domain import fitted_rows, folding_of, learn_domain


def learn_trust(
    model: ArrayScorer, held: HeldOut | None, data: AssayTable, split: Split, *, settings: Settings, seed: int
) -> None:
    """Give ``model`` its domain and its intervals.

    The threshold of the domain and the intervals learn from the same predictions out of fold, each at the distance that the
    compound had from what its predictor was fitted to.

    Args:
        model: The finished model; its trust is completed.
        held: Its predictions out of fold, or None where there are none.
        data: Curated compounds.
        split: Their parts; the test part is not looked at.
        settings: ``calibration`` and ``domain`` decide.
        seed: Seed of the training.
    """
    if held is not None and settings.domain.keep and (held.folds >= 0).any():
        smiles = [data.smiles[row] for row in held.rows]
        distance = fold_distances(smiles, held.folds, folding=folding_of(data, seed)).astype(np.float64)
        held = replace(held, distance=distance)
    # Networks that leave out different parts have fitted them all, each part by most of them.
    rows = held.rows if held is not None and held.folds.max() > 0 else fitted_rows(split, settings)
    learn_domain(model, data, rows, settings, seed=seed, held_out=_errors(held, data))
    if held is not None:
        truth = exact_labels(data, held.rows)
        conformal = ConformalIntervals.fit(held, truth, endpoints=model.endpoints, config=settings.calibration)
        model.trust = replace(model.trust, conformal=conformal)


def _errors(held: HeldOut | None, data: AssayTable) -> fitting.HeldOut | None:
    """Errors and distances as the domain wants them, of the compounds that were left out."""
    if held is None or held.distance is None:
        return None
    error = np.abs(exact_labels(data, held.rows) - held.value)
    told = np.isfinite(error).any(axis=1) & np.isfinite(held.distance)
    return fitting.HeldOut(held.distance[told], error[told])


def calibration_record(model: ArrayScorer, data: AssayTable, split: Split) -> dict[str, Any] | None:
    """How far the intervals of ``model`` keep their promise on the test part, JSON data; None without intervals or test part."""
    if model.trust.conformal is None or not len(split.test):
        return None
    smiles = [data.smiles[row] for row in split.test]
    return {"part": "test", "endpoints": check_trust(model, smiles, exact_labels(data, split.test))}


def exact_labels(data: AssayTable, rows: np.ndarray) -> np.ndarray:
    """Labels of ``rows`` (int64) that are no bounds, float64, shape (n, t); NaN elsewhere."""
    labels: np.ndarray = np.where(data.censor[rows] == 0, data.values[rows], np.nan)
    return labels


__all__ = ["calibration_record", "exact_labels", "learn_trust"]
