"""A network of DeepChem and its predictions for compounds that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.models.deepchem_bridge.config import DeepChemConfig
from cinchona.models.deepchem_bridge.scorer import DeepChemScorer
from cinchona.models.scorers import batch_of
from cinchona.records import Endpoint


def fit_crossed_deepchem(
    data: AssayTable,
    rows: np.ndarray,
    folds: np.ndarray,
    *,
    endpoints: Sequence[Endpoint],
    config: DeepChemConfig,
    seed: int,
) -> tuple[DeepChemScorer, np.ndarray]:
    """Fit to all ``rows``, and once without each fold.

    Args:
        data: Curated compounds.
        rows: Rows to fit, int64, shape (n,).
        folds: Fold of each, int, shape (n,); -1 for compounds that are always fitted.
        endpoints: The t targets.
        config: The network.
        seed: Seed of each fit.

    Returns:
        The model, and predictions by those that did not see the row, float64, shape (n, t); NaN where there is none.

    Raises:
        ConfigError: if targets of both kinds are asked for.
        MissingDependencyError: if DeepChem cannot be used.
    """
    held = np.full((len(rows), len(endpoints)), np.nan)
    for fold in range(folds.max(initial=-1) + 1):
        out = folds == fold
        scorer = DeepChemScorer.fit(data, rows[~out], endpoints=endpoints, config=config, seed=seed)
        found = scorer.score(batch_of(data, rows[out]))
        held[np.searchsorted(rows, found.row_ids)] = found.value
    return DeepChemScorer.fit(data, rows, endpoints=endpoints, config=config, seed=seed), held


__all__ = ["fit_crossed_deepchem"]
