"""Fitting what ``choice.model`` names in place of graph networks."""

from __future__ import annotations

import logging

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.auto import fit_auto
from cinchona.models.choosing import BLEND, Choice
from cinchona.models.classical.fitting import fit_single
from cinchona.models.scorers import ArrayScorer, endpoints_of
from cinchona.models.train import check_names
from cinchona.pipelines.config import Settings

logger = logging.getLogger(__name__)


def fit_chosen(
    data: AssayTable, split: Split, settings: Settings, *, seed: int
) -> tuple[ArrayScorer, tuple[Choice, ...]]:
    """Fit the model that ``settings.choice`` asks for to the training and validation part.

    No part is needed to stop by, so both are learnt from; bounds count with their value.

    Returns:
        The model, and what ``auto`` tried.

    Raises:
        ConfigError: if a name in ``lower_is_better`` is no target.
    """
    check_names(settings.training.lower_is_better, data)
    rows = np.sort(np.concatenate([split.train, split.valid]))
    smiles, values = [data.smiles[row] for row in rows], data.values[rows]
    endpoints = endpoints_of(data.targets, settings.training.lower_is_better)
    choice, workers = settings.choice, settings.training.workers
    if choice.model != "auto":
        return fit_single(choice.model, smiles, values, endpoints=endpoints, seed=seed, workers=workers), ()
    config = choice.model_copy(update={"folds": fold_kind(choice.folds, split.kind)})
    found = fit_auto(smiles, values, endpoints=endpoints, config=config, seed=seed, workers=workers)
    for row in found.choices:
        if row.model == BLEND:
            logger.info("%s: %s", row.target, row.why)
    return found.scorer, found.choices


def fold_kind(wanted: str, split_kind: str) -> str:
    """What the folds of a cross-validation keep together: ``wanted``, or for ``auto`` what the split does where folds can."""
    if wanted != "auto":
        return wanted
    return split_kind if split_kind in {"scaffold", "cluster"} else "random"


__all__ = ["fit_chosen", "fold_kind"]
