"""Settings of the search for settings."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from cinchona.models.choice_config import FoldKind
from cinchona.settings import Config

Choice = bool | int | float | str
"""One value of a setting that is chosen from a list."""


class SearchRange(Config):
    """Values of one setting that are tried: either ``choices``, or all from ``low`` to ``high``."""

    choices: tuple[Choice, ...] = ()
    """Values without an order. Several names of a list are joined by ``+``; an empty text is the empty list."""
    low: float | None = None
    """Smallest value."""
    high: float | None = None
    """Largest value."""
    log: bool = False
    """Whether to draw on a logarithmic scale."""
    step: float | None = Field(None, gt=0)
    """Distance between neighbouring values; whole numbers need none."""

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        bounded = self.low is not None and self.high is not None
        if bool(self.choices) == bounded or (self.low is None) != (self.high is None):
            raise ValueError("give either choices, or low and high")
        if bounded and not float(self.low or 0) < float(self.high or 0):
            raise ValueError("low must be below high")
        if self.log and (self.step is not None or float(self.low or 0) <= 0):
            raise ValueError("a logarithmic scale needs low above 0 and no step")
        return self


class TuningConfig(Config):
    """How ``cinchona tune`` looks for settings."""

    trials: int = Field(40, ge=1, le=100_000)
    """Settings to try, those of earlier calls on the same folder included."""
    seconds: float = Field(3600.0, gt=0, le=30 * 86_400)
    """Time that a call may take, the training of the model with the best settings included. Where it ends the search before
    ``trials`` are done, the result depends on the speed of the machine; the same call goes on."""
    folds: int = Field(3, ge=2, le=20)
    """Folds of the cross-validation that judges settings."""
    fold_kind: FoldKind = "auto"
    """``random``, or whole scaffolds or clusters in one fold; ``auto`` does as ``split.kind`` does, and draws at random for
    splits by time or column."""
    prune: bool = True
    """Give settings up after a fold if their loss so far is above the median of the others at that fold."""
    space: dict[str, SearchRange] = Field(default_factory=dict)
    """Settings to search, as ``network.depth`` or ``training.learning_rate``; empty for the usual ones. All others stay as
    they are set."""


__all__ = ["Choice", "SearchRange", "TuningConfig"]
