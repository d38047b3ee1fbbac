"""Fitting what ``choice.model`` names in place of graph networks."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.auto import fit_auto
from cinchona.models.calibration.folds import FEWEST, alike_folds, groups_of, largest_tested, like_test_part
from cinchona.models.calibration.held_out import HeldOut
from cinchona.models.candidates import n_folds
from cinchona.models.choosing import BLEND, Choice
from cinchona.models.classical.crossfit import fit_crossed
from cinchona.models.scorers import ArrayScorer, endpoints_of
from cinchona.models.train import check_names
from cinchona.pipelines.config import Settings

logger = logging.getLogger(__name__)


def fit_chosen(
    data: AssayTable, split: Split, settings: Settings, *, seed: int
) -> tuple[ArrayScorer, tuple[Choice, ...], HeldOut]:
    """Fit the model that ``settings.choice`` asks for to the training and validation part.

    No part is needed to stop by, so both are learnt from; bounds count with their value. Predictions out of fold come with the
    model, of folds that resemble the test part (:mod:`cinchona.models.calibration.folds`).

    Returns:
        The model, what ``auto`` tried, and the predictions out of fold.

    Raises:
        ConfigError: if a name in ``lower_is_better`` is no target, or DeepChem is asked for targets of both kinds.
        MissingDependencyError: if DeepChem is asked for and cannot be used.
    """
    check_names(settings.training.lower_is_better, data)
    rows = np.sort(np.concatenate([split.train, split.valid]))
    smiles, values = [data.smiles[row] for row in rows], data.values[rows]
    endpoints = endpoints_of(data.targets, settings.training.lower_is_better)
    choice, workers = settings.choice, settings.training.workers
    if choice.model != "auto":
        folds, how = calibration_folds(smiles, rows, split, settings, seed=seed)
        if choice.model == "deepchem":
            from cinchona.models.deepchem_bridge.crossed import fit_crossed_deepchem

            config = settings.deepchem
            network, held = fit_crossed_deepchem(data, rows, folds, endpoints=endpoints, config=config, seed=seed)
            return network, (), HeldOut(rows, folds, held, how=how)
        model, held = fit_crossed(
            choice.model, smiles, values, endpoints=endpoints, folds=folds, seed=seed, workers=workers
        )
        return model, (), HeldOut(rows, folds, held, how=how)
    chosen = choice.model_copy(update={"folds": fold_kind(choice.folds, split.kind)})
    found = fit_auto(smiles, values, endpoints=endpoints, config=chosen, seed=seed, workers=workers)
    for row in found.choices:
        if row.model == BLEND:
            logger.info("%s: %s", row.target, row.why)
    alike = like_test_part(groups_of(smiles, split.kind), largest=largest_tested(split))
    held = np.where(alike[:, None], found.held_out, np.nan)
    how = f"out of {found.folds.max() + 1} {chosen.folds} folds of the automatic choice"
    return found.scorer, found.choices, HeldOut(rows, found.folds, held, spread=found.spread, how=how)


def calibration_folds(
    smiles: Sequence[str], rows: np.ndarray, split: Split, settings: Settings, *, seed: int
) -> tuple[np.ndarray, str]:
    """Fold of each compound of the training and validation part, and what to call them.

    Splits by time, column or a splitter of DeepChem say which compounds are alike to the test: the validation part, if it is large enough.
    """
    if settings.calibration.intervals == "none":
        return np.full(len(rows), -1), ""
    valid = np.isin(rows, split.valid)
    if split.kind in {"time", "column", "deepchem"} and valid.sum() >= FEWEST:
        return np.where(valid, 0, -1), f"the validation part, {valid.sum():,} compounds"
    kind = split.kind if split.kind in {"scaffold", "cluster"} else "random"
    k = settings.calibration.folds
    folds = alike_folds(groups_of(smiles, kind), k, largest=largest_tested(split), seed=seed)
    if n_folds(len(rows)) == 1:  # one of them says enough of a large table, and the others cost a fit each
        folds = np.where(folds == 0, 0, -1)
    return folds, f"out of {folds.max() + 1} {kind} folds, {(folds >= 0).sum():,} compounds"


def fold_kind(wanted: str, split_kind: str) -> str:
    """What the folds of a cross-validation keep together: ``wanted``, or for ``auto`` what the split does where folds can."""
    if wanted != "auto":
        return wanted
    return split_kind if split_kind in {"scaffold", "cluster"} else "random"


__all__ = ["calibration_folds", "fit_chosen", "fold_kind"]
