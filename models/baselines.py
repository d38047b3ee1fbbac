"""The simple models that every network has to stand beside, fitted on the same compounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.fingerprinting import FingerprintScorer
from cinchona.models.forest import ForestScorer
from cinchona.models.neighbours import NearestNeighbourScorer
from cinchona.models.scorers import ArrayScorer, endpoints_of
from cinchona.records import Endpoint

BASELINES = ("mean", "nearest-neighbour", "forest")
"""Names of the baselines, simplest first."""


class MeanScorer(FingerprintScorer):
    """Predicts the mean training label, or the share of actives, whatever the molecule.

    Args:
        means: float64, shape (t,).
        endpoints: The t targets.
    """

    kind: ClassVar[str] = "mean"

    def __init__(self, means: np.ndarray, *, endpoints: Sequence[Endpoint]) -> None:
        super().__init__(endpoints)
        self.means = means

    @property
    def name(self) -> str:
        """Short name for reports."""
        return "mean"

    @classmethod
    def fit(cls, values: np.ndarray, *, endpoints: Sequence[Endpoint]) -> MeanScorer:
        """Average the labels, float64, shape (n, t); NaN where missing."""
        return cls(np.nanmean(values, axis=0), endpoints=endpoints)

    def predict_packed(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The means, float64, shape (n, t); no uncertainty."""
        return np.tile(self.means, (len(packed), 1)), None

    def spec(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """The means."""
        return {"means": self.means}

    @classmethod
    def restore(
        cls,
        spec: Mapping[str, Any],  # noqa: ARG003 - a mean has none
        arrays: Mapping[str, np.ndarray],
        endpoints: Sequence[Endpoint],
    ) -> Self:
        """Rebuild the scorer."""
        return cls(arrays["means"], endpoints=endpoints)


def fit_baselines(
    table: AssayTable, split: Split, *, seed: int, n_trees: int = 300, lower_is_better: Sequence[str] = ()
) -> dict[str, ArrayScorer]:
    """Fit every baseline on all compounds that a network sees: training and validation part.

    They need no validation part to stop by, so they are given it to learn from; bounds count with their value.

    Args:
        table: Curated compounds.
        split: Which rows are held out.
        seed: Seed of the forest.
        n_trees: Trees of the forest.
        lower_is_better: Targets of which a low value is good.

    Returns:
        Scorers by their name in :data:`BASELINES`.
    """
    rows = np.sort(np.concatenate([split.train, split.valid]))
    smiles, values = [table.smiles[row] for row in rows], table.values[rows]
    endpoints = endpoints_of(table.targets, lower_is_better)
    return {
        "mean": MeanScorer.fit(values, endpoints=endpoints),
        "nearest-neighbour": NearestNeighbourScorer.fit(smiles, values, endpoints=endpoints),
        "forest": ForestScorer.fit(smiles, values, endpoints=endpoints, seed=seed, n_trees=n_trees),
    }
