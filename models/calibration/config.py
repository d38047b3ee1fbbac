"""Settings of calibration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cinchona.settings import Config

IntervalKind = Literal["normalised", "split", "mondrian", "none"]
"""How intervals are drawn."""

SpreadKind = Literal["variance", "scale", "isotonic"]
"""How standard deviations are calibrated."""

ProbabilityKind = Literal["platt", "isotonic", "venn-abers", "none"]
"""How probabilities of a class are calibrated."""


class CalibrationConfig(Config):
    """How a model learns what its predictions are worth, from compounds that it did not see."""

    intervals: IntervalKind = "normalised"
    """``normalised``: as wide as the calibrated standard deviation says; ``split``: one width for all; ``mondrian``: one width for
    each bin of the predicted value; ``none``: nothing is calibrated. Sets of classes are drawn for each class by itself, with
    ``split`` for both together."""
    level: float = Field(0.9, gt=0, lt=1)
    """Share of new compounds, alike to training compounds as the test part is, whose label the interval shall hold."""
    spread: SpreadKind = "variance"
    """``variance``: a constant, the model's own variance and the squared distance from the training compounds, each with a weight;
    ``scale``: the model's standard deviation times a factor; ``isotonic``: any rising function of it."""
    probabilities: ProbabilityKind = "platt"
    """``platt``: a logistic function of the log-odds, which keeps the order; ``isotonic`` and ``venn-abers``: rising steps, which
    make ties; ``none``: probabilities as they are."""
    folds: int = Field(5, ge=2, le=20)
    """Folds of the out-of-fold predictions of models on fingerprints. Networks leave out a part each, ``auto`` has folds already."""
    bins: int = Field(4, ge=2, le=20)
    """Bins of ``mondrian``, equally full."""


__all__ = ["CalibrationConfig", "IntervalKind", "ProbabilityKind", "SpreadKind"]
