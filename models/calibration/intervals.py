"""Intervals of all endpoints of a model, as a part of its trust."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from cinchona.errors import ConfigError
from cinchona.models.calibration.config import CalibrationConfig
from cinchona.models.calibration.endpoint import (
    FEWEST,
    ClassTrust,
    EndpointTrust,
    RegressionTrust,
    restore_endpoint,
)
from cinchona.models.calibration.held_out import HeldOut
from cinchona.models.predictions import Predictions
from cinchona.models.trusting import Judged
from cinchona.records import Endpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class ConformalIntervals:
    """Calibrates each endpoint and draws its intervals.

    An endpoint with too few held-out labels keeps its values, and its interval holds everything.

    The interval of an endpoint holds the label of a new compound with probability ``level`` if it is to the training
    compounds as the held-out ones were. What lies farther away is not covered by that promise; the applicability domain
    says which compounds do.
    """

    endpoints: tuple[EndpointTrust | None, ...]
    """What is known of each endpoint."""
    level: float
    """Level of the intervals."""
    how: str
    """Where the held-out predictions come from, for people."""
    classes: np.ndarray
    """Which endpoints are classes, bool, shape (t,)."""

    @classmethod
    def fit(
        cls, held: HeldOut, truth: np.ndarray, *, endpoints: Sequence[Endpoint], config: CalibrationConfig
    ) -> Self | None:
        """Learn from held-out predictions; None where that gives nothing.

        Args:
            held: Predictions of n compounds.
            truth: Their exact labels, float64, shape (n, t); NaN where missing or a bound.
            endpoints: The t endpoints.
            config: How.
        """
        if config.intervals == "none":
            return None
        known = [_endpoint(held, truth, column, endpoint, config) for column, endpoint in enumerate(endpoints)]
        return cls(tuple(known), config.level, held.how, _classes(endpoints)) if any(known) else None

    def at_level(self, level: float) -> Self:
        """The same with intervals of another level.

        Raises:
            ConfigError: if its quantiles are not kept.
        """
        levels = next(found.levels for found in self.endpoints if found is not None)
        if level not in levels:
            raise ConfigError(
                f"no quantiles are kept for intervals of level {level}",
                expected=f"one of {', '.join(f'{each:g}' for each in levels)}",
                remedy="train with calibration.level, or calibrate the model again: cinchona calibrate",
            )
        return replace(self, level=level)

    def calibrated(self, value: np.ndarray) -> np.ndarray:
        """Calibrated values of n predictions, float64, shape (n, t): probabilities of classes are mapped, others stay."""
        mapped = np.array(value, np.float64)
        for column, known in enumerate(self.endpoints):
            if isinstance(known, ClassTrust):
                mapped[:, column] = known.probability(mapped[:, column])
        return mapped

    def judge(self, found: Predictions, distance: np.ndarray | None) -> Judged:
        """Calibrated values with standard deviations and intervals; deviations are 0 where neither model nor calibration has one."""
        value = np.array(found.value, np.float64)
        spread = None if found.uncertainty is None else np.array(found.uncertainty, np.float64)
        sigma = np.zeros(value.shape) if spread is None else spread.copy()
        lower, upper = np.full(value.shape, -np.inf), np.full(value.shape, np.inf)
        lower[:, self.classes], upper[:, self.classes] = 0.0, 1.0
        for column, known in enumerate(self.endpoints):
            if known is not None:
                own = None if spread is None else spread[:, column]
                told = known.judge(value[:, column], own, distance, self.level)
                value[:, column], sigma[:, column], lower[:, column], upper[:, column] = told
        silent = spread is None and not any(isinstance(known, RegressionTrust) for known in self.endpoints)
        return Judged(value, None if silent else sigma, lower, upper)

    def spec(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON data."""
        known = [None if each is None else each.spec() for each in self.endpoints]
        return {"level": self.level, "how": self.how, "endpoints": known}

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of each endpoint by its number, ``<k>.<array>``."""
        return {
            f"{column}.{name}": array
            for column, known in enumerate(self.endpoints)
            if known is not None
            for name, array in known.arrays().items()
        }

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]) -> Self:
        """Rebuild the intervals.

        Raises:
            ValueError: if they are of other endpoints, or the level is none of those kept.
        """
        listed = spec["endpoints"]
        if len(listed) != len(endpoints) or not any(listed):
            raise ValueError(f"intervals of {len(listed)} endpoints, expected {len(endpoints)}")
        made = []
        for column, one in enumerate(listed):
            own = {n.removeprefix(f"{column}."): a for n, a in arrays.items() if n.startswith(f"{column}.")}
            made.append(None if one is None else restore_endpoint(one, own))
        level = float(spec["level"])
        if any(known is not None and level not in known.levels for known in made):
            raise ValueError(f"no quantiles of level {level}")
        return cls(tuple(made), level, str(spec["how"]), _classes(endpoints))


def _classes(endpoints: Sequence[Endpoint]) -> np.ndarray:
    return np.array([endpoint.kind == "classification" for endpoint in endpoints], bool)


def _endpoint(
    held: HeldOut, truth: np.ndarray, column: int, endpoint: Endpoint, config: CalibrationConfig
) -> EndpointTrust | None:
    kept = np.isfinite(truth[:, column]) & np.isfinite(held.value[:, column])
    if kept.sum() < FEWEST:
        logger.warning(
            "%s gets no intervals: %d held-out labels, %d are needed", endpoint.name, int(kept.sum()), FEWEST
        )
        return None
    part = held.take(kept)
    labels, value = truth[kept, column], part.value[:, column]
    if endpoint.kind == "classification":
        return ClassTrust.fit(labels, value, config=config)
    spread = None if part.spread is None else part.spread[:, column]
    if spread is not None and not np.isfinite(spread).all():
        spread = None
    shrink = None if part.shrink is None else part.shrink[:, column]
    more = {"shrink": shrink, "distance": part.distance}
    return RegressionTrust.fit(labels, value, spread, more=more, config=config)


__all__ = ["ConformalIntervals"]
