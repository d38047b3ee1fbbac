"""Settings of the choice between models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cinchona.settings import Config

ModelName = Literal["network", "auto", "svm", "lightgbm", "extra-trees", "random-forest", "neighbours", "deepchem"]
"""What ``cinchona train --model`` fits."""

JudgingMetric = Literal["auto", "rmse", "mae", "r2", "spearman", "roc_auc", "pr_auc"]
"""By what ``auto`` compares models."""

FoldKind = Literal["auto", "random", "scaffold", "cluster"]
"""What a fold of the cross-validation keeps together."""


class ChoiceConfig(Config):
    """Which model is trained, and how ``auto`` finds out."""

    model: ModelName = "network"
    """``network``: an ensemble of graph networks; ``auto``: whatever cross-validation prefers, mostly a blend; ``deepchem``: a
    network of DeepChem (section ``deepchem``); else one model on fingerprints and descriptors."""
    seconds: float = Field(480.0, ge=1, le=7 * 86_400)
    """Time that ``auto`` may take, features and final fits included. Which models fit into it depends on the machine."""
    networks: bool = True
    """Whether ``auto`` tries graph networks too, where they fit into the time; they cost far more than all other models together."""
    folds: FoldKind = "auto"
    """``random``, or whole scaffolds or clusters in one fold; ``auto`` does as ``split.kind`` does, and draws at random for
    splits by time or column."""
    metric: JudgingMetric = "auto"
    """What ``auto`` compares models by; of targets of the other kind, and for ``auto``, RMSE, or ROC AUC with average precision saying the
    same. Weights within the blend always go by squared error or cross-entropy."""


__all__ = ["ChoiceConfig", "FoldKind", "JudgingMetric", "ModelName"]
