"""Between natural units and the units that a network is trained in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinchona.datasets.labels import TargetColumn
from cinchona.errors import NoUsableRowsError

_FLAT = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class TargetScaling:
    """Mean and standard deviation of each of t targets; 0 and 1 for classification."""

    mean: np.ndarray
    """Means in natural units, float64, shape (t,)."""
    scale: np.ndarray
    """Standard deviations in natural units, float64, shape (t,); 1 where all labels are equal."""
    is_class: np.ndarray
    """Whether the target is a classification, bool, shape (t,)."""

    @classmethod
    def fit(cls, values: np.ndarray, targets: Sequence[TargetColumn]) -> TargetScaling:
        """Measure the labelled rows.

        Args:
            values: Labels, float64, shape (n, t); NaN where missing. Bounds count with the value they are given by.
            targets: What the columns are.

        Raises:
            NoUsableRowsError: if a target has no label.
        """
        is_class = np.array([target.kind == "classification" for target in targets], dtype=bool)
        mean, scale = np.zeros(len(targets)), np.ones(len(targets))
        for k, target in enumerate(targets):
            known = values[~np.isnan(values[:, k]), k]
            if not len(known):
                raise NoUsableRowsError(
                    f"target {target.name!r} has no label in the training part",
                    expected="at least one labelled compound of each target",
                    remedy="leave the target out, or divide the table in another way (split.kind, split.fractions)",
                )
            if not is_class[k]:
                spread = float(known.std())
                mean[k], scale[k] = float(known.mean()), spread if spread > _FLAT else 1.0
        return cls(mean, scale, is_class)

    def to_scaled(self, values: np.ndarray) -> np.ndarray:
        """Natural labels to scaled ones, float32, shape (n, t); NaN stays."""
        scaled: np.ndarray = ((values - self.mean) / self.scale).astype(np.float32)
        return scaled

    def to_natural(self, raw: np.ndarray) -> np.ndarray:
        """Raw outputs of a network to natural units, or to probabilities for classification.

        Args:
            raw: Outputs, float, shape (..., t).

        Returns:
            Values, float64, same shape.
        """
        wide = raw.astype(np.float64)
        probability = 0.5 * (1.0 + np.tanh(0.5 * wide))  # the logistic function without overflow
        natural: np.ndarray = np.where(self.is_class, probability, wide * self.scale + self.mean)
        return natural
