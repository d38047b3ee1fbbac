"""How far stated uncertainties are from what they promise, as one figure."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Final

import numpy as np

_LEVELS: Final = np.arange(1, 20) / 20
_HALF_WIDTHS: Final = np.array([NormalDist().inv_cdf((1 + level) / 2) for level in _LEVELS])
_BINS: Final = 10


def miscalibration_area(labels: np.ndarray, pair: np.ndarray) -> float:
    r"""Mean gap between the promised and the found share of labels within central intervals of a normal distribution.

    .. math:: \frac1{19} \sum_{p = 0.05}^{0.95} \left| \frac1n \#\{|y - \hat y| \le z_p \sigma\} - p \right|

    Range [0, 0.5], lower is better; a perfect forecaster expects about :math:`0.3/\sqrt n`. It does not reward sharpness.

    Args:
        labels: float64, shape (n,).
        pair: Predicted value and standard deviation, float64, shape (n, 2).

    References:
        Kuleshov, Fenner, Ermon, ICML 2018, https://arxiv.org/abs/1807.00263
    """
    promised, found = reliability_curve("regression", labels, pair)
    return float(np.abs(found - promised).mean())


def expected_calibration_error(labels: np.ndarray, pair: np.ndarray) -> float:
    """Mean gap between predicted probability and share of actives, over ten bins of equal count.

    Range [0, 1], lower is better; predicting the share of actives for everything gives 0.

    Args:
        labels: 0 or 1, float64, shape (n,).
        pair: Predicted probability in the first column, float64, shape (n, 2).

    References:
        Naeini, Cooper, Hauskrecht, AAAI 2015, https://doi.org/10.1609/aaai.v29i1.9602
    """
    guess = pair[:, 0]
    place = _bins(guess)
    gaps = [np.abs((guess[place == k] - labels[place == k]).sum()) for k in np.unique(place)]
    return float(sum(gaps) / len(guess))


def reliability_curve(kind: str, labels: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What was promised and what was found, for a reliability diagram; both float64, shape (k,).

    Of a regression: shares of labels within central intervals of 5 to 95 %. Of a classification: mean predicted
    probability and share of actives in up to ten bins of equal count.

    Args:
        kind: Kind of the endpoint.
        labels: float64, shape (n,).
        pair: Predicted value and standard deviation, float64, shape (n, 2).
    """
    if kind == "regression":
        errors = np.abs(labels - pair[:, 0])
        return _LEVELS, (errors[:, None] <= _HALF_WIDTHS * pair[:, 1][:, None]).mean(axis=0)
    place = _bins(pair[:, 0])
    bins = [place == k for k in np.unique(place)]
    return np.array([pair[b, 0].mean() for b in bins]), np.array([labels[b].mean() for b in bins])


def equal_mass_bins(guess: np.ndarray) -> list[np.ndarray]:
    """Up to ten bins of equal count, lowest first; equal guesses share a bin.

    Args:
        guess: float64, shape (n,).

    Returns:
        Members of each bin, bool, shape (n,).
    """
    place = _bins(guess)
    return [place == k for k in np.unique(place)]


def _bins(guess: np.ndarray) -> np.ndarray:
    edges = np.quantile(guess, np.linspace(0, 1, _BINS + 1)[1:-1])
    return np.searchsorted(edges, guess, side="left")  # equal guesses share a bin


def calibration_error(kind: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """The measure for an endpoint of ``kind``."""
    return miscalibration_area if kind == "regression" else expected_calibration_error


__all__ = [
    "calibration_error",
    "equal_mass_bins",
    "expected_calibration_error",
    "miscalibration_area",
    "reliability_curve",
]
