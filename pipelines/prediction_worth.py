"""What a score says of one prediction, to stand beside its explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from cinchona.records import DOMAIN_UNKNOWN, Scores


@dataclass(frozen=True, slots=True)
class Worth:
    """A score beside its explanation: how far the prediction can be trusted."""

    value: float
    """The score's value of the endpoint; a probability for classes."""
    interval: tuple[float, float] | None
    """Its prediction interval, where the model gives one; None for classes."""
    inside: bool | None
    """Whether the compound is inside the model's domain; None if that is not known."""

    @classmethod
    def of(cls, scores: Scores, place: int, endpoint: str) -> Self:
        """What row ``place`` of ``scores`` says of ``endpoint``."""
        column = [each.name for each in scores.endpoints].index(endpoint)
        ends = [None if part is None else float(part[place, column]) for part in (scores.lower, scores.upper)]
        low, high = ends if scores.endpoints[column].kind == "regression" else (None, None)
        known = DOMAIN_UNKNOWN if scores.in_domain is None else int(scores.in_domain[place, column])
        interval = None if low is None or high is None or not np.isfinite([low, high]).all() else (low, high)
        return cls(float(scores.value[place, column]), interval, None if known == DOMAIN_UNKNOWN else bool(known))


def worth_words(worth: Worth | None, scale: str) -> str:
    """How far a prediction on ``scale`` can be trusted, as the end of a sentence; nothing where nothing is known."""
    if worth is None:
        return ""
    told = f", probability {worth.value:.2f}" if scale == "log-odds" else ""
    told += f", interval {worth.interval[0]:.2f} to {worth.interval[1]:.2f}" if worth.interval else ""
    return told + {True: ", inside the domain", False: ", outside the domain", None: ""}[worth.inside]


__all__ = ["Worth", "worth_words"]
