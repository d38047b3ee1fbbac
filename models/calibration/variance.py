"""Standard deviations that mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from cinchona.models.calibration.config import SpreadKind

_FEWEST: Final = 30
"""Compounds below which a single standard deviation is all that can be learnt."""
_FLOOR: Final = 1e-3
"""Smallest standard deviation, as a share of that of all errors."""
_FLAT: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class VarianceModel:
    r"""Variance of the error of a prediction from what is known of it.

    ``variance``: :math:`\sigma^2(x) = a + b\,s^2(x) + c\,d^2(x)` with the model's own standard deviation s, the distance d from the
    training compounds, and :math:`a, b, c \ge 0` that maximize the Gaussian likelihood of held-out errors. It can fall back
    on a constant, on a scaled spread, or rise with distance alone. ``scale``: :math:`\sigma = k s`. ``isotonic``: the rising
    function of s whose square is nearest to the squared errors. What is not known counts as 0.

    References:
        Levi, Gispan, Giladi, Fetaya, Sensors 2022, 22, 5540, https://doi.org/10.3390/s22155540 (scaling); Janet, Duan, Yang, Nandy, Kulik,
        Chem. Sci. 2019, 10, 7913, https://doi.org/10.1039/C9SC02298H (variance from distance)
    """

    constant: float
    """a, in squared units of the endpoint, above 0."""
    own: float = 0.0
    """b."""
    far: float = 0.0
    """c."""
    steps: np.ndarray | None = None
    """Own standard deviations and variances of ``isotonic``, float64, shape (2, m), the first row rising; None otherwise."""

    @classmethod
    def fit(cls, errors: np.ndarray, spread: np.ndarray | None, distance: np.ndarray | None, kind: SpreadKind) -> Self:
        """Learn from held-out errors.

        Args:
            errors: Finite, float64, shape (n,).
            spread: The model's own standard deviations, float64, shape (n,), or None.
            distance: Distances from the training compounds, float64, shape (n,), or None.
            kind: What is learnt; without a spread that varies, a constant and the distance.
        """
        square = errors**2
        mean = float(square.mean()) if len(square) else 1.0
        mean = mean if mean > _FLAT else 1.0
        floor = mean * _FLOOR**2
        varies = spread is not None and len(spread) >= _FEWEST and float(np.ptp(spread)) > _FLAT
        if varies and kind == "scale":
            assert spread is not None
            return cls(floor, own=float(np.mean(square / np.maximum(spread**2, floor))))
        if varies and kind == "isotonic":
            assert spread is not None
            from sklearn.isotonic import IsotonicRegression  # what only applies a model does without these libraries

            fitted = IsotonicRegression(increasing=True, y_min=floor).fit(spread, square)
            return cls(floor, steps=np.stack([fitted.X_thresholds_, fitted.y_thresholds_]).astype(np.float64))
        columns = {"own": spread if varies else None, "far": distance if len(errors) >= _FEWEST else None}
        used = {name: column**2 for name, column in columns.items() if column is not None and np.ptp(column) > _FLAT}
        weights = _likeliest(square, np.column_stack([np.ones(len(square)), *used.values()]), mean)
        return cls(max(float(weights[0]), floor), **dict(zip(used, weights[1:].tolist(), strict=True)))

    def sigma(self, spread: np.ndarray | None, distance: np.ndarray | None, n: int) -> np.ndarray:
        """Standard deviation of each of ``n`` predictions, above 0, float64, shape (n,)."""
        if self.steps is not None:
            known = np.zeros(n) if spread is None else spread
            rising: np.ndarray = np.sqrt(np.maximum(np.interp(known, self.steps[0], self.steps[1]), self.constant))
            return rising
        variance = np.full(n, self.constant)
        if spread is not None:
            variance += self.own * spread**2
        if distance is not None:
            variance += self.far * distance**2
        sigma: np.ndarray = np.sqrt(variance)
        return sigma

    def spec(self) -> dict[str, Any]:
        """The weights."""
        return {"constant": self.constant, "own": self.own, "far": self.far}

    def arrays(self) -> dict[str, np.ndarray]:
        """Steps of ``isotonic``."""
        return {} if self.steps is None else {"steps": self.steps}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild it.

        Raises:
            ValueError: if a variance could be 0 or less.
        """
        made = cls(float(spec["constant"]), float(spec["own"]), float(spec["far"]), arrays.get("steps"))
        if not (made.constant > 0 and made.own >= 0 and made.far >= 0 and np.isfinite([made.own, made.far]).all()):
            raise ValueError("weights of a variance are finite, none is below 0, and the constant is above 0")
        if made.steps is not None and (made.steps.ndim != 2 or (np.diff(made.steps) < 0).any()):
            raise ValueError("the steps of a variance rise")
        return made


def _likeliest(square: np.ndarray, columns: np.ndarray, mean: float) -> np.ndarray:
    """Weights >= 0 of ``columns`` (n, k) whose sum is the likeliest variance of ``square`` (n,), float64, shape (k,)."""
    if columns.shape[1] == 1:
        return np.array([mean])
    from scipy.optimize import minimize

    unit = columns.mean(axis=0)
    scaled = columns / unit

    def cost(logs: np.ndarray) -> tuple[float, np.ndarray]:
        weights = np.exp(logs)
        variance = scaled @ weights
        slope = scaled.T @ (1 / variance - square / variance**2) / len(square)
        return float(np.mean(np.log(variance) + square / variance)), slope * weights

    k = columns.shape[1]
    bounds = [(np.log(mean) - 9.0, np.log(mean) + 3.0)] * k
    found = minimize(cost, np.full(k, np.log(mean / k)), jac=True, method="L-BFGS-B", bounds=bounds)
    weights: np.ndarray = np.exp(found.x) / unit
    return weights


__all__ = ["VarianceModel"]
