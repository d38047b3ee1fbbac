"""LightGBM, stored as its own text and predicted without it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import numpy as np

from cinchona.models.classical.inputs import LAYOUTS, Inputs, layout_width
from cinchona.models.classical.members import Labels, Learner, Member, logistic
from cinchona.models.classical.trees import trees_of_text
from cinchona.seeds import derive

_OBJECTIVES: Final = {"regression": "regression", "classification": "binary"}
STYLES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "steady": {"learning_rate": 0.05, "feature_fraction": 0.15, "num_leaves": 31},
    "gentle": {"learning_rate": 0.025, "feature_fraction": 0.1, "num_leaves": 20, "max_depth": 6},
    "random": {"learning_rate": 0.03, "feature_fraction": 0.3, "num_leaves": 20, "max_depth": 6, "extra_trees": True},
})  # fmt: skip
"""Ways to grow: ``gentle`` takes small steps with shallow trees, ``random`` draws its thresholds, which makes trees less alike."""
_SEED_BITS: Final = 31
_FIXED: Final[Mapping[str, Any]] = {
    "verbosity": -1, "deterministic": True, "force_row_wise": True, "use_missing": False,
    "bagging_freq": 1, "bagging_fraction": 0.7, "lambda_l2": 1.0, "min_data_in_leaf": 5, "max_bin": 63,
}  # fmt: skip


class BoostedMember(Member):
    """Sum over boosted trees; of a classification its logistic function.

    Args:
        layout: Table of features.
        text: The model as LightGBM writes it; LightGBM itself can read it.
        task: Regression or classification.
    """

    kind: ClassVar[str] = "lightgbm"

    def __init__(self, layout: str, text: str, *, task: str) -> None:
        self.layout, self.text, self.task = layout, text, task
        self._trees = trees_of_text(text, width=layout_width(layout))

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Values or probabilities."""
        raw = self._trees.sums(inputs.table(self.layout))
        return raw if self.task == "regression" else logistic(raw)

    def spec(self) -> dict[str, Any]:
        """Layout and task as plain data."""
        return {"layout": self.layout, "task": self.task}

    def arrays(self) -> dict[str, np.ndarray]:
        """LightGBM's text as bytes."""
        return {"text": np.frombuffer(self.text.encode("ascii"), np.uint8)}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, references: int) -> Self:  # noqa: ARG003
        """Rebuild the model."""
        if spec["layout"] not in LAYOUTS or spec["task"] not in _OBJECTIVES or arrays["text"].dtype != np.uint8:
            raise ValueError("unknown table of features or task")
        return cls(str(spec["layout"]), arrays["text"].tobytes().decode("ascii"), task=str(spec["task"]))


class BoostingLearner(Learner):
    """Gradient boosting on histograms.

    Args:
        layout: Table of features.
        style: One of :data:`STYLES`.
        n_trees: Number of trees.
        leaves: Leaves of a tree; None: those of the style.
        refits: Final fits in a blend, see :attr:`~cinchona.models.classical.members.Learner.refits`.
        workers: Threads; they do not change the result.

    References:
        Ke et al., NIPS 2017.
    """

    def __init__(
        self,
        layout: str,
        *,
        style: str = "steady",
        n_trees: int = 500,
        leaves: int | None = None,
        refits: int = 1,
        workers: int | None = None,
    ) -> None:
        self.growth = 0.8  # the cost of a tree has a large part that does not depend on the rows
        self.layout, self.n_trees, self.refits, self.workers = layout, n_trees, refits, workers
        self.settings = {**STYLES[style], **({} if leaves is None else {"num_leaves": leaves})}
        self.name = f"LightGBM on {layout} features" + ("" if style == "steady" else f", {style}")

    def fit(self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, seed: int) -> BoostedMember:
        """Boost on ``rows``."""
        import lightgbm

        settings = {
            **_FIXED,
            **self.settings,
            "objective": _OBJECTIVES[labels.task],
            "seed": derive(seed, self.name) >> (32 - _SEED_BITS),
            "num_threads": self.workers or 0,
        }
        data = lightgbm.Dataset(inputs.table(self.layout)[rows], labels.values[rows], params=settings)
        booster = lightgbm.train(settings, data, num_boost_round=self.n_trees)
        return BoostedMember(self.layout, _plain(booster.model_to_string(importance_type="split")), task=labels.task)


def _plain(text: str) -> str:
    """The text without the list of settings, which names the machine's threads."""
    return text.partition("\nend of trees")[0] + "\nend of trees\n"
