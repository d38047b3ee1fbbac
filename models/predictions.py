"""What a model says of a batch, before it is known how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.records import Reject

if TYPE_CHECKING:
    from rdkit import Chem


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
    molecules: CodedMolecules | Sequence[Chem.Mol] | None = None
    """The n molecules as the model read them, so that nobody has to read them again; None if it does not tell."""
    vectors: np.ndarray | None = None
    """What a graph network makes of the n molecules before its head, float32, shape (n, hidden), where a domain asks for it."""


__all__ = ["Predictions"]
