"""What came of one trial of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial, for people and tables."""

    number: int
    """From 0."""
    state: str
    """``complete``, ``pruned``, ``failed`` or ``running``."""
    loss: float | None
    """Mean held-out loss over the folds that were done; None if none was."""
    folds: tuple[float, ...]
    """Held-out loss of each fold."""
    values: dict[str, Any]
    """What was drawn."""
    seconds: float
    """Time that its folds took, together."""
    reason: str
    """Why it failed; else empty."""


__all__ = ["TrialRecord"]
