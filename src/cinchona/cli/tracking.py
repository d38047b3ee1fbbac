"""The tracker of a command: MLflow's where it is wanted and installed, else the one that keeps nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

    from cinchona.cli.common import Common
    from cinchona.pipelines.config import TrackingConfig
    from cinchona.protocols import Tracker

logger = logging.getLogger(__name__)

_STORED: Final = "models:/"


def open_tracker(config: TrackingConfig) -> Tracker:
    """Open the tracker that the settings ask for and say where runs are recorded."""
    from cinchona.tracking import NullTracker

    if not config.enabled:
        return NullTracker()
    from cinchona.experiments.tracker import open_tracker as open_store

    tracker = open_store(config)
    logger.info("%s", tracker.describe())
    return tracker


def local_model(model: str, common: Common) -> str:
    """A model folder; ``models:/NAME@champion`` and its like are fetched from the store first."""
    if not model.startswith(_STORED):
        return model
    from cinchona.experiments.doors import local_folder

    return local_folder(model, common.settings().tracking)


def heldout_of_model(model: str, common: Common) -> pa.Table | None:
    """Held-out predictions that the record keeps of a registered model; None for a folder, which may hold its own."""
    if not model.startswith(_STORED):
        return None
    from cinchona.experiments.doors import heldout_of_model as stored

    return stored(model, common.settings().tracking)


def registered_facts(model: str, common: Common) -> dict[str, Any]:
    """What the registry knows of ``models:/NAME…``; nothing for a folder or a model that has no name."""
    if not model.startswith(_STORED):
        return {}
    from cinchona.experiments.doors import open_registry
    from cinchona.experiments.modeluri import ModelUri
    from cinchona.experiments.registering import describe

    uri = ModelUri.parse(model)
    return describe(open_registry(common.settings().tracking), uri) if uri.name else {}
