"""Several measurements of one compound to one label, by stated rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinchona.datasets.config import CurationConfig
from cinchona.datasets.measurements import Censor


@dataclass(frozen=True, slots=True)
class Joined:
    """The label of one compound."""

    value: float
    """NaN if the replicates give none."""
    censor: Censor
    """Whether the value is exact or a bound."""
    problem: str = ""
    """Why there is no value."""
    flag: str = ""
    """What is doubtful about it."""


NOTHING = Joined(float("nan"), Censor.EXACT)
"""No replicate has a value."""


def join_regression(values: np.ndarray, censor: np.ndarray, config: CurationConfig) -> Joined:
    """Join replicates of a regression target on the target's scale.

    Rules, in this order:

    1. One or more exact values: their median (or mean, or the first, as configured). Bounds beside them are dropped; a
       bound that contradicts the result sets the flag ``bound_conflict``.
    2. Only upper bounds (``<``): the smallest. Only lower bounds (``>``): the largest.
    3. Bounds on both sides and no exact value: no label.
    4. Exact values further apart than ``max_spread``: no label.

    Args:
        values: Replicates, float64, shape (k,); NaN is missing.
        censor: :class:`~cinchona.datasets.measurements.Censor` codes, int8, shape (k,).
        config: How exact values are joined.
    """
    present = np.isfinite(values)
    if not present.any():
        return NOTHING
    values, censor = values[present], censor[present]
    exact = values[censor == Censor.EXACT]
    if len(values) > 1 and config.replicates == "reject":
        return Joined(np.nan, Censor.EXACT, problem=f"{len(values)} replicates, and none are wanted")
    if len(exact) == 0:
        return _join_bounds(values, censor)
    spread = float(exact.max() - exact.min())
    if config.max_spread is not None and spread > config.max_spread:
        return Joined(np.nan, Censor.EXACT, problem=f"replicates differ by {spread:.3g}, at most {config.max_spread:g}")
    value = _centre(exact, config)
    below, above = values[censor == Censor.BELOW], values[censor == Censor.ABOVE]
    conflict = bool((below < value).any() or (above > value).any())
    return Joined(value, Censor.EXACT, flag="bound_conflict" if conflict else "")


def join_classification(values: np.ndarray) -> Joined:
    """Join replicates of a class target (0, 1 or NaN, float64, shape (k,)): the majority; a tie gives no label."""
    present = values[np.isfinite(values)]
    if not len(present):
        return NOTHING
    share = float(present.mean())
    if share == 0.5:
        return Joined(np.nan, Censor.EXACT, problem=f"{len(present)} replicates are split evenly between the classes")
    return Joined(float(share > 0.5), Censor.EXACT, flag="" if share in {0.0, 1.0} else "class_conflict")


def groups_of(keys: Sequence[str]) -> list[list[int]]:
    """Positions of equal keys, groups in order of their first member."""
    found: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        found.setdefault(key, []).append(position)
    return list(found.values())


def _join_bounds(values: np.ndarray, censor: np.ndarray) -> Joined:
    if (censor == Censor.BELOW).all():
        return Joined(float(values.min()), Censor.BELOW)
    if (censor == Censor.ABOVE).all():
        return Joined(float(values.max()), Censor.ABOVE)
    return Joined(np.nan, Censor.EXACT, problem="replicates are bounds on both sides and no exact value")


def _centre(exact: np.ndarray, config: CurationConfig) -> float:
    if config.replicates == "first":
        return float(exact[0])
    return float(exact.mean() if config.replicates == "mean" else np.median(exact))


__all__ = ["NOTHING", "Joined", "groups_of", "join_classification", "join_regression"]
