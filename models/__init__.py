"""Numbers to predictions: message-passing networks, baselines, metrics, model folders."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.models.baselines import MeanScorer, fit_baselines
    from cinchona.models.config import GraphNetConfig, TrainingConfig
    from cinchona.models.ensemble import GraphEnsemble
    from cinchona.models.evaluation import Evaluation, evaluate_predictions
    from cinchona.models.folder import model_fingerprint, open_scorer, read_trust, save_model
    from cinchona.models.forest import ForestScorer
    from cinchona.models.imported.importing import import_model, read_foreign
    from cinchona.models.imported.scorer import ImportedEnsemble
    from cinchona.models.intervals import Interval, bootstrap, paired_bootstrap
    from cinchona.models.metrics import METRICS, Metric, metric
    from cinchona.models.neighbours import NearestNeighbourScorer
    from cinchona.models.objective import ObjectiveScorer, parse_objective
    from cinchona.models.train import fit_ensemble

_LAZY: Final = {
    "bootstrap": "cinchona.models.intervals",
    "evaluate_predictions": "cinchona.models.evaluation",
    "Evaluation": "cinchona.models.evaluation",
    "fit_baselines": "cinchona.models.baselines",
    "fit_ensemble": "cinchona.models.train",
    "ForestScorer": "cinchona.models.forest",
    "GraphEnsemble": "cinchona.models.ensemble",
    "GraphNetConfig": "cinchona.models.config",
    "import_model": "cinchona.models.imported.importing",
    "ImportedEnsemble": "cinchona.models.imported.scorer",
    "Interval": "cinchona.models.intervals",
    "MeanScorer": "cinchona.models.baselines",
    "Metric": "cinchona.models.metrics",
    "metric": "cinchona.models.metrics",
    "METRICS": "cinchona.models.metrics",
    "model_fingerprint": "cinchona.models.folder",
    "NearestNeighbourScorer": "cinchona.models.neighbours",
    "open_scorer": "cinchona.models.folder",
    "ObjectiveScorer": "cinchona.models.objective",
    "paired_bootstrap": "cinchona.models.intervals",
    "parse_objective": "cinchona.models.objective",
    "read_foreign": "cinchona.models.imported.importing",
    "read_trust": "cinchona.models.folder",
    "save_model": "cinchona.models.folder",
    "TrainingConfig": "cinchona.models.config",
}

__all__ = [
    "bootstrap",
    "evaluate_predictions",
    "Evaluation",
    "fit_baselines",
    "fit_ensemble",
    "ForestScorer",
    "GraphEnsemble",
    "GraphNetConfig",
    "import_model",
    "ImportedEnsemble",
    "Interval",
    "MeanScorer",
    "Metric",
    "metric",
    "METRICS",
    "model_fingerprint",
    "NearestNeighbourScorer",
    "ObjectiveScorer",
    "open_scorer",
    "paired_bootstrap",
    "parse_objective",
    "read_foreign",
    "read_trust",
    "save_model",
    "TrainingConfig",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'cinchona.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
