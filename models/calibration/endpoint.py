"""What is known of the worth of one endpoint's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from cinchona.models.calibration.config import CalibrationConfig, IntervalKind
from cinchona.models.calibration.probabilities import ProbabilityMap
from cinchona.models.calibration.quantiles import LEVELS, conformal_quantiles
from cinchona.models.calibration.variance import VarianceModel

FEWEST: Final = 10
"""Held-out labels below which an endpoint gets neither calibration nor intervals."""


@dataclass(frozen=True, slots=True, eq=False)
class RegressionTrust:
    r"""Standard deviation and interval of a measured endpoint.

    ``normalised``: :math:`\hat y \pm q\,\sigma(x)` with q the conformal quantile of :math:`|r| / \sigma`; ``split``:
    :math:`\hat y \pm q` with that of :math:`|r|`; ``mondrian``: the same for each bin of :math:`\hat y`.

    References:
        Papadopoulos, Gammerman, Vovk, AIA 2008 (normalised); Boström, Johansson, COPA 2020,
        https://proceedings.mlr.press/v128/bostrom20a.html (Mondrian regression)
    """

    kind: IntervalKind
    """How intervals are drawn."""
    variance: VarianceModel
    """Of the error."""
    levels: tuple[float, ...]
    """The L levels that are kept, rising."""
    quantiles: np.ndarray
    """Conformal quantiles, float64, shape (bins, L)."""
    edges: np.ndarray
    """Values between the bins, rising, float64, shape (bins - 1,)."""
    n: int
    """Held-out compounds."""

    @classmethod
    def fit(
        cls, truth: np.ndarray, value: np.ndarray, spread: np.ndarray | None, *, more: Mapping[str, np.ndarray | None],
        config: CalibrationConfig,
    ) -> Self:  # fmt: skip
        """Learn from n held-out compounds with exact labels.

        Args:
            truth: Labels, float64, shape (n,).
            value: Predictions, float64, shape (n,).
            spread: The model's own standard deviations, float64, shape (n,), or None.
            more: ``shrink`` and ``distance`` of :class:`~cinchona.models.calibration.held_out.HeldOut`, float64, shape (n,), or None.
            config: How.
        """
        shrink, distance = more.get("shrink"), more.get("distance")
        errors = (truth - value) * (1.0 if shrink is None else shrink)
        variance = VarianceModel.fit(errors, spread, distance, config.spread)
        unit = variance.sigma(spread, distance, len(errors)) if config.intervals == "normalised" else 1.0
        scores, levels = np.abs(errors) / unit, tuple(sorted({*LEVELS, config.level}))
        edges = _edges(value, config.bins) if config.intervals == "mondrian" else np.zeros(0)
        place = np.searchsorted(edges, value, side="right")
        quantiles = [conformal_quantiles(scores[place == k], levels) for k in range(len(edges) + 1)]
        return cls(config.intervals, variance, levels, np.stack(quantiles), edges, len(errors))

    def judge(
        self, value: np.ndarray, spread: np.ndarray | None, distance: np.ndarray | None, level: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Value, standard deviation, lower and upper end of n predictions, float64, each of shape (n,).

        Ends are infinite where no finite interval keeps the level.
        """
        sigma = self.variance.sigma(spread, distance, len(value))
        q = self.quantiles[np.searchsorted(self.edges, value, side="right"), self.levels.index(level)]
        reach = q * (sigma if self.kind == "normalised" else 1.0)
        return value, sigma, value - reach, value + reach

    def spec(self) -> dict[str, Any]:
        """Everything but the arrays."""
        return {
            "endpoint": "regression", "intervals": self.kind, "levels": list(self.levels), "n": self.n,
            "variance": self.variance.spec(),
        }  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Quantiles, edges and what the variance has."""
        return {"quantiles": self.quantiles, "edges": self.edges, **self.variance.arrays()}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild it.

        Raises:
            ValueError: if the parts do not fit.
        """
        quantiles, edges = arrays["quantiles"], arrays["edges"]
        levels = tuple(float(level) for level in spec["levels"])
        if quantiles.shape != (len(edges) + 1, len(levels)) or not (quantiles >= 0).all():
            raise ValueError(f"quantiles of shape {quantiles.shape} for {len(edges) + 1} bins and {len(levels)} levels")
        variance = VarianceModel.restore(spec["variance"], arrays)
        return cls(spec["intervals"], variance, levels, quantiles, edges, int(spec["n"]))


@dataclass(frozen=True, slots=True, eq=False)
class ClassTrust:
    r"""Probability of a class, and the set of labels that a compound may have.

    A label belongs to the set if its probability is at least :math:`1 - q`, with q the conformal quantile of 1 - probability of the
    true label, over the held-out compounds of that label (``split``: over all). Where no label does, the likelier one is taken.
    As an interval the set is the smallest that holds its labels and the probability: 0 at the lower end says that "no" is
    possible, 1 at the upper end that "yes" is. So for both kinds of endpoints, the label lies in the interval with the
    level's probability.

    References:
        Sadinle, Lei, Wasserman, JASA 2019, 114, 223, https://doi.org/10.1080/01621459.2017.1395341; Vovk, ACML 2012,
        https://proceedings.mlr.press/v25/vovk12.html (conditional on the label)
    """

    kind: IntervalKind
    """``split`` for one quantile, else one for each label."""
    probability: ProbabilityMap
    """Calibration."""
    levels: tuple[float, ...]
    """The L levels that are kept, rising."""
    quantiles: np.ndarray
    """Of label 0 and label 1, float64, shape (2, L)."""
    n: int
    """Held-out compounds."""

    @classmethod
    def fit(cls, truth: np.ndarray, value: np.ndarray, *, config: CalibrationConfig) -> Self:
        """Learn from n held-out compounds: labels 0 or 1 and probabilities, float64, shape (n,)."""
        mapped = ProbabilityMap.fit(value, truth, config.probabilities)
        probability, levels = mapped(value), tuple(sorted({*LEVELS, config.level}))
        wrong = np.where(truth > 0.5, 1 - probability, probability)
        parts = [truth <= 0.5, truth > 0.5] if config.intervals != "split" else [np.ones(len(truth), bool)] * 2
        quantiles = np.stack([conformal_quantiles(wrong[part], levels) for part in parts])
        return cls(config.intervals, mapped, levels, quantiles, len(truth))

    def judge(
        self, value: np.ndarray, spread: np.ndarray | None, distance: np.ndarray | None, level: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Probability, the model's own standard deviation (0 without one), lower and upper end, float64, each of shape (n,)."""
        del distance
        probability = self.probability(value)
        q = self.quantiles[:, self.levels.index(level)]
        may_be_one, may_be_zero = 1 - probability <= q[1], probability <= q[0]
        neither = ~(may_be_one | may_be_zero)
        may_be_one |= neither & (probability >= 0.5)
        may_be_zero |= neither & (probability < 0.5)
        lower, upper = np.where(may_be_zero, 0.0, probability), np.where(may_be_one, 1.0, probability)
        missing = np.isnan(probability)
        lower[missing], upper[missing] = np.nan, np.nan
        return probability, np.zeros(len(value)) if spread is None else spread, lower, upper

    def spec(self) -> dict[str, Any]:
        """Everything but the arrays."""
        return {
            "endpoint": "classification", "intervals": self.kind, "levels": list(self.levels), "n": self.n,
            "probability": self.probability.spec(),
        }  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Quantiles and knots."""
        return {"quantiles": self.quantiles, **self.probability.arrays()}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild it.

        Raises:
            ValueError: if the parts do not fit.
        """
        levels, quantiles = tuple(float(level) for level in spec["levels"]), arrays["quantiles"]
        if quantiles.shape != (2, len(levels)) or not (quantiles >= 0).all():
            raise ValueError(f"quantiles of shape {quantiles.shape} for 2 labels and {len(levels)} levels")
        probability = ProbabilityMap.restore(spec["probability"], arrays)
        return cls(spec["intervals"], probability, levels, quantiles, int(spec["n"]))


EndpointTrust = RegressionTrust | ClassTrust
"""What calibration knows of one endpoint."""


def restore_endpoint(spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> EndpointTrust:
    """Rebuild what :meth:`spec` and :meth:`arrays` of either class gave.

    Raises:
        ValueError: if the parts do not fit.
    """
    kinds: dict[str, type[RegressionTrust | ClassTrust]] = {
        "regression": RegressionTrust,
        "classification": ClassTrust,
    }
    return kinds[spec["endpoint"]].restore(spec, arrays)


def _edges(value: np.ndarray, bins: int) -> np.ndarray:
    """Values that cut ``value`` (n,) into equally full bins; fewer where many are equal."""
    cuts: np.ndarray = np.unique(np.quantile(value, np.linspace(0, 1, bins + 1)[1:-1]))
    return cuts


__all__ = ["ClassTrust", "EndpointTrust", "FEWEST", "RegressionTrust", "restore_endpoint"]
