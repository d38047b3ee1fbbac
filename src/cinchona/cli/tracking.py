"""The tracker of a command: MLflow's where it is wanted and installed, else the one that keeps nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cinchona.pipelines.config import TrackingConfig
    from cinchona.protocols import Tracker

logger = logging.getLogger(__name__)


def open_tracker(config: TrackingConfig) -> Tracker:
    """Open the tracker that the settings ask for and say where runs are recorded."""
    from cinchona.tracking import NullTracker

    if not config.enabled:
        return NullTracker()
    from cinchona.experiments.tracker import open_tracker as open_store

    tracker = open_store(config)
    logger.info("%s", tracker.describe())
    return tracker
