"""Predictions for compounds that the predicting model was not fitted to: what calibration learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Out-of-fold predictions of the n compounds that a model was fitted to, for t endpoints."""

    rows: np.ndarray
    """Rows of the training table, int64, shape (n,)."""
    folds: np.ndarray
    """Fold of each compound, int64, shape (n,); those of one fold were predicted by models that saw none of it. -1 for
    compounds that every model saw."""
    value: np.ndarray
    """Predictions by models that did not see the row, float64, shape (n, t); NaN where none."""
    spread: np.ndarray | None = None
    """The model's own standard deviation, as the finished model would give it for such a compound, float64, (n, t), or None."""
    shrink: np.ndarray | None = None
    """By how much an error of the finished model is expected to be smaller than that of what predicted here, float64, (n, t),
    in (0, 1]; None for 1."""
    distance: np.ndarray | None = None
    """Distance from the compounds that the predicting model saw, float64, shape (n,), or None."""
    how: str = ""
    """Where the predictions come from, for people."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, kept: np.ndarray) -> Self:
        """The rows where ``kept`` (bool, shape (n,)) is true."""
        parts = {name: getattr(self, name) for name in ("spread", "shrink", "distance")}
        cut = {name: None if part is None else part[kept] for name, part in parts.items()}
        return type(self)(self.rows[kept], self.folds[kept], self.value[kept], **cut, how=self.how)


def shrinkage(errors: np.ndarray, variance: np.ndarray, *, left_out: np.ndarray, members: int) -> float:
    r"""Factor from errors of a mean of few networks to those of the mean of all.

    The expected squared error of a mean of m networks is :math:`B + v / m`, with v the variance between networks and B what
    more networks do not mend. Held-out compounds were predicted by the m networks that left them out, others will be by
    all M, so

    .. math:: f = \sqrt{\frac{B + v / M}{B + v / m}}

    with v the mean unbiased variance between the networks that left a compound out, and :math:`B = \max(\overline{r^2} - v / m, 0)`.
    Networks that left out other compounds differ more than those that are compared here, so the truth is a little better.

    Range (0, 1].

    Args:
        errors: Errors of the mean of few, float64, shape (n,).
        variance: Unbiased variance between the networks that left the compound out, float64, shape (n,); NaN for one network.
        left_out: Number m of networks that left the compound out, int64, shape (n,).
        members: Number M of all networks.
    """
    known = np.isfinite(variance) & np.isfinite(errors)
    if not known.any() or members <= 1:
        return 1.0
    between = float(variance[known].mean())
    own = float((variance[known] / left_out[known]).mean())
    total = float((errors[known] ** 2).mean())
    rest = max(total - own, 0.0)
    return float(np.sqrt((rest + between / members) / (rest + own))) if rest + own > 0 else 1.0


def as_said_by_all(odds: np.ndarray, variance: np.ndarray, *, left_out: np.ndarray, members: int) -> np.ndarray:
    r"""From log-odds that few networks give to those that all are expected to give.

    The mean of m networks scatters about what all networks together would say, so log-odds of held-out compounds lie further apart than those of the
    M networks of the finished model, and whoever calibrates by them believes that model too little (regression dilution). With v the variance
    between networks and V that of the compounds, by regression on the mean of m

    .. math:: x' = \bar x + \kappa\lambda(x - \bar x), \quad \lambda = \frac{V + v / M}{V + v / m}, \quad
        \kappa = \left(1 + \tfrac\pi 8 (1 - \lambda)(V + v / M)\right)^{-1/2}

    where κ is for what the M may say beside that expectation, and :math:`V = \max(\operatorname{var} x - v / m, 0)`.

    Args:
        odds: Log-odds by the mean of few, float64, shape (n,).
        variance: Unbiased variance of the log-odds between the networks that left the compound out, float64, shape (n,); NaN for one
            network.
        left_out: Number m of networks that left the compound out, int64, shape (n,).
        members: Number M of all networks.

    Returns:
        float64, shape (n,); as they were where nothing is known of how networks differ.

    References:
        Carroll, Ruppert, Stefanski, Crainiceanu, Measurement Error in Nonlinear Models, 2nd edition 2006, chapter 4 (regression calibration);
        MacKay, Neural Computation 1992, 4, 720, https://doi.org/10.1162/neco.1992.4.5.720 (κ)
    """
    known = np.isfinite(variance) & np.isfinite(odds)
    if known.sum() < 2 or members <= 1:
        return odds
    between, few = float(variance[known].mean()), float((variance[known] / left_out[known]).mean())
    compounds = max(float(odds[known].var()) - few, 0.0)
    all_of_them = compounds + between / members
    if all_of_them <= 0:
        return odds
    kept = all_of_them / (compounds + few)
    beside = 1.0 / np.sqrt(1.0 + np.pi / 8 * max(1.0 - kept, 0.0) * all_of_them)
    middle = float(odds[known].mean())
    said: np.ndarray = middle + min(kept, 1.0) * beside * (odds - middle)
    return said


__all__ = ["HeldOut", "as_said_by_all", "shrinkage"]
