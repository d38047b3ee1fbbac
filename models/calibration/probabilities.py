"""Probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from cinchona.models.calibration.config import ProbabilityKind

SUREST: Final = 1e-6
"""Probabilities keep this away from 0 and 1."""
_PARAMETERS: Final = 2
_LEAST_SLOPE: Final = 1e-3
"""A model that ranks held-out compounds no better than chance keeps its order, and is believed next to nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityMap:
    r"""From a model's probability to one that held-out compounds bear out.

    ``platt``: :math:`p' = 1 / (1 + e^{-(a \operatorname{logit} p + b)})`, a > 0, fitted by maximum likelihood with Platt's
    targets :math:`(n_1 + 1) / (n_1 + 2)` and :math:`1 / (n_0 + 2)`, and then drawn to the model's own (a = 1, b = 0) by the share
    :math:`2 / \Lambda` of the way, at most all of it, with Λ twice the gain in log-likelihood: two parameters gain 2 by chance alone, so a model
    that was right already stays as it is. ``isotonic``: the rising function nearest to the labels,
    straight between its knots. ``venn-abers``: :math:`p' = p_1 / (1 - p_0 + p_1)`, with :math:`p_y` the isotonic value at p
    when p itself is added with label y (inductive Venn-Abers, combined for the least log loss), straight between knots.

    References:
        Platt, Advances in Large Margin Classifiers 1999, 61; van Houwelingen, le Cessie, Statistics in Medicine 1990, 9, 1303,
        https://doi.org/10.1002/sim.4780091109 (the share); Zadrozny, Elkan, KDD 2002, https://doi.org/10.1145/775047.775151;
        Vovk, Petej, Fedorova, NeurIPS 2015, https://arxiv.org/abs/1511.00213
    """

    slope: float = 1.0
    """a."""
    shift: float = 0.0
    """b."""
    knots: np.ndarray | None = None
    """Probabilities before and after, float64, shape (2, m), both rows rising; None for the logistic function."""

    @classmethod
    def fit(cls, probability: np.ndarray, labels: np.ndarray, kind: ProbabilityKind) -> Self:
        """Learn from held-out compounds; with a single class there is nothing to learn.

        Args:
            probability: The model's, float64, shape (n,).
            labels: 0 or 1, float64, shape (n,).
            kind: What is learnt.
        """
        if kind == "none" or len(np.unique(labels)) < 2:
            return cls()
        if kind == "platt":
            odds = log_odds(probability)
            return cls(*_borne_out(*_platt(odds, labels), odds, labels))
        if kind == "isotonic":
            from sklearn.isotonic import IsotonicRegression  # fitting needs it; a worker that only applies does without

            fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(probability, labels)
            return cls(knots=np.stack([fitted.X_thresholds_, fitted.y_thresholds_]).astype(np.float64))
        return cls(knots=_venn_abers(probability, labels))

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrated probabilities within (0, 1), float64, same shape; NaN stays."""
        if self.knots is None:
            raw = self.slope * log_odds(probability) + self.shift
            mapped = 0.5 * (1.0 + np.tanh(0.5 * raw))
        else:
            mapped = np.interp(probability, self.knots[0], self.knots[1])
        bounded: np.ndarray = np.clip(mapped, SUREST, 1 - SUREST)
        return bounded

    @property
    def changes(self) -> bool:
        """Whether it is anything but the identity."""
        return self.knots is not None or (self.slope, self.shift) != (1.0, 0.0)

    def spec(self) -> dict[str, Any]:
        """Slope and shift."""
        return {"slope": self.slope, "shift": self.shift}

    def arrays(self) -> dict[str, np.ndarray]:
        """The knots."""
        return {} if self.knots is None else {"knots": self.knots}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild it.

        Raises:
            ValueError: if it would turn the order round.
        """
        made = cls(float(spec["slope"]), float(spec["shift"]), arrays.get("knots"))
        if not made.slope > 0 or (made.knots is not None and (made.knots.ndim != 2 or (np.diff(made.knots) < 0).any())):
            raise ValueError("a map of probabilities rises")
        return made


def log_odds(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) with p kept away from 0 and 1, float64, same shape."""
    kept = np.clip(probability, SUREST, 1 - SUREST)
    odds: np.ndarray = np.log(kept) - np.log1p(-kept)
    return odds


def _platt(odds: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    positives = int(labels.sum())
    high, low = (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2)
    target = np.where(labels > 0.5, high, low)
    # Each compound counts for both classes, as its target says.
    model = LogisticRegression(C=np.inf, max_iter=1000)
    model.fit(
        np.tile(odds, 2)[:, None], np.repeat([1.0, 0.0], len(odds)), sample_weight=np.concatenate([target, 1 - target])
    )
    slope = float(model.coef_[0, 0])
    if slope >= _LEAST_SLOPE:
        return slope, float(model.intercept_[0])
    share = float(target.mean())
    return _LEAST_SLOPE, float(np.log(share) - np.log1p(-share) - _LEAST_SLOPE * odds.mean())


def _borne_out(slope: float, shift: float, odds: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and shift as far from 1 and 0 as the labels bear out beyond chance."""

    def likelihood(raw: np.ndarray) -> float:
        return float((labels * raw - np.logaddexp(0.0, raw)).sum())

    gain = 2 * (likelihood(slope * odds + shift) - likelihood(odds))
    share = max(1 - _PARAMETERS / gain, 0.0) if gain > 0 else 0.0
    return 1 + share * (slope - 1), share * shift


def _venn_abers(probability: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Knots at the distinct probabilities, and the combined probability there, float64, shape (2, m)."""
    from sklearn.isotonic import IsotonicRegression

    places = np.unique(probability)
    if len(places) > _MOST_KNOTS:
        places = np.unique(np.quantile(probability, np.linspace(0, 1, _MOST_KNOTS)))
    ends = []
    for label in (0.0, 1.0):
        values = []
        for place in places:
            x, y = np.append(probability, place), np.append(labels, label)
            values.append(float(IsotonicRegression(y_min=0.0, y_max=1.0).fit(x, y).predict([place])[0]))
        ends.append(np.array(values))
    combined = ends[1] / (1 - ends[0] + ends[1])
    return np.stack([places, np.maximum.accumulate(combined)])


_MOST_KNOTS: Final = 200


__all__ = ["log_odds", "ProbabilityMap", "SUREST"]
