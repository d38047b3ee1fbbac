r"""Setting right how sure a member is of a class, before members are weighed against each other.

Boosted trees that rank best on a few hundred noisy labels are far too sure of what they say, neighbours too little. By their cross-entropy,
which punishes that, weights would fall to members that are modest in place of those that know. So each member gets two numbers first:
:math:`\operatorname{logit} p' = a \operatorname{logit} p + c`, of best likelihood for compounds that it was not fitted on.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cinchona.models.classical.members import logistic
from cinchona.models.classical.svm import fit_platt

_SUREST: Final = 2e-3
_FEWEST: Final = 5
"""Labels of the rarer class below which a member stays as it is: two numbers cannot be learnt from fewer."""


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) with p kept 0.002 away from 0 and 1, as a forest's vote is unsure; float64, same shape."""
    kept = np.clip(probabilities, _SUREST, 1 - _SUREST)
    odds: np.ndarray = np.log(kept) - np.log1p(-kept)
    return odds


def as_they_are(k: int) -> np.ndarray:
    """Scales that change nothing: slope 1 and shift 0 for k members, float64, shape (k, 2)."""
    return np.tile([1.0, 0.0], (k, 1))


def fit_scales(held_out: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Slope a and shift c of each member, by Platt's method from predictions out of fold.

    Args:
        held_out: Probabilities for compounds that the member was not fitted on, float64, shape (n, k).
        labels: 0 or 1, float64, shape (n,).

    Returns:
        float64, shape (k, 2); slopes are at least 0.01, so that the order stays. Slope 1 and shift 0 where a class has fewer than five labels.

    References:
        Platt, Advances in Large Margin Classifiers 1999.
    """
    k = held_out.shape[1]
    if min(np.sum(labels == 0), np.sum(labels == 1)) < _FEWEST:
        return as_they_are(k)
    return np.array([fit_platt(log_odds(held_out[:, i]), labels) for i in range(k)])


def rescaled(parts: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Probabilities of k members by their scales, float64, shape (n, k); one with slope 1 and shift 0 stays to the bit.

    Args:
        parts: Probabilities, float64, shape (n, k).
        scales: Slope and shift of each, float64, shape (k, 2).
    """
    changed = (scales != [1.0, 0.0]).any(axis=1)
    out = np.array(parts, np.float64)
    out[:, changed] = logistic(log_odds(out[:, changed]) * scales[changed, 0] + scales[changed, 1])
    return out


__all__ = ["as_they_are", "fit_scales", "log_odds", "rescaled"]
