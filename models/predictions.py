"""What a model says of a batch, before it is known how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cinchona.records import Reject


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model says of a batch of b rows, of which n are valid, for t endpoints."""

    kept: np.ndarray
    """Rows that have a prediction, bool, shape (b,)."""
    value: np.ndarray
    """Predictions in natural units, float, shape (n, t)."""
    uncertainty: np.ndarray | None = None
    """Standard deviations in natural units, float, shape (n, t), where the model has them."""
    rejects: tuple[Reject, ...] = field(default=())
    """The other rows, with reasons."""


__all__ = ["Predictions"]
