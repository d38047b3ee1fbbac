"""Forests on fingerprints and descriptors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from cinchona.models.classical.inputs import LAYOUTS, Inputs, layout_width
from cinchona.models.classical.members import Labels, Learner, Member
from cinchona.models.classical.trees import Trees, trees_of_forest
from cinchona.seeds import derive

_FEATURES: Final = {"regression": 1 / 3, "classification": "sqrt"}
_MANY: Final = 5_000
_GROWERS: Final = {
    ("random forest", "regression"): RandomForestRegressor,
    ("random forest", "classification"): RandomForestClassifier,
    ("extra trees", "regression"): ExtraTreesRegressor,
    ("extra trees", "classification"): ExtraTreesClassifier,
}


class ForestMember(Member):
    """Mean over trees.

    Args:
        layout: Table of features.
        trees: The trees.
    """

    kind: ClassVar[str] = "forest"

    def __init__(self, layout: str, trees: Trees) -> None:
        self.layout, self.trees = layout, trees

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Mean label, or share of class 1, over the trees."""
        return self.trees.sums(inputs.table(self.layout)) / len(self.trees.root)

    def spec(self) -> dict[str, Any]:
        """The layout as plain data."""
        return {"layout": self.layout}

    def arrays(self) -> dict[str, np.ndarray]:
        """The trees."""
        return self.trees.arrays()

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, references: int) -> Self:  # noqa: ARG003
        """Rebuild the forest."""
        layout = str(spec["layout"])
        if layout not in LAYOUTS:
            raise ValueError(f"unknown table of features {layout!r}")
        return cls(layout, Trees.restore(arrays, width=layout_width(layout)))


class ForestLearner(Learner):
    """Grows a random forest or extremely randomized trees.

    Args:
        layout: Table of features.
        grower: ``random forest`` or ``extra trees``.
        n_trees: Number of trees.
        workers: Threads; they do not change the result.

    References:
        Breiman 2001, https://doi.org/10.1023/A:1010933404324; Geurts et al. 2006,
        https://doi.org/10.1007/s10994-006-6226-1
    """

    def __init__(
        self, layout: str, *, grower: str = "random forest", n_trees: int = 300, workers: int | None = None
    ) -> None:
        self.growth = 1.2
        self.layout, self.grower, self.n_trees, self.workers = layout, grower, n_trees, workers
        self.name = f"{grower} on {layout} features"

    def fit(self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, seed: int) -> ForestMember:
        """Grow on ``rows``."""
        table, values = inputs.table(self.layout)[rows], labels.values[rows]
        columns = varied_columns(table)
        grow = _GROWERS[self.grower, labels.task]
        forest = grow(
            self.n_trees,
            max_features=_FEATURES[labels.task],
            min_samples_leaf=1 if len(rows) <= _MANY else 3,
            random_state=derive(seed, self.name),
            n_jobs=self.workers or -1,
        )
        return ForestMember(self.layout, trees_of_forest(forest.fit(table[:, columns], values), columns))


def varied_columns(table: np.ndarray) -> np.ndarray:
    """Columns of which at least two rows differ from the first quantile, int64: the others cannot split well.

    At least one column is kept, so that a table without any still fits.
    """
    lowest = table.min(axis=0)
    kept = np.flatnonzero((table != lowest).sum(axis=0) >= 2)
    return kept if len(kept) else np.zeros(1, np.int64)
