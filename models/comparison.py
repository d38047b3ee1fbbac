"""Comparing models over repeated experiments: seeds, splits or data sets, with correction for many comparisons."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinchona.errors import ShapeError
from cinchona.models.intervals import Interval


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two models on the same repetitions."""

    first: str
    """Name of one model."""
    second: str
    """Name of the other."""
    difference: Interval
    """Mean of the figure of the first less that of the second, with its 95 % interval (not corrected)."""
    p: float
    """Two-sided p value of no difference; NaN with fewer than two repetitions."""
    p_adjusted: float
    """The same after Holm's correction for all pairs that were compared."""
    n: int
    """Repetitions that both have."""


def compare_repeated(
    figures: Mapping[str, Sequence[float] | np.ndarray], *, test_to_train: float = 0.0
) -> tuple[PairedComparison, ...]:
    r"""Compare every two models over the same repetitions.

    Student's t of the paired differences, with the variance that Nadeau and Bengio correct for training parts that overlap:

    .. math:: t = \frac{\bar d}{\sqrt{(1/n + n_{test} / n_{train}) \, s_d^2}}

    Repetitions in which either is NaN are left out of that pair.

    Args:
        figures: One figure a repetition for each model, all of length n, in the same order.
        test_to_train: Compounds of a test part over those of its training part, for repeated splits of one table (1/4 for
            five folds); 0 for independent data sets.

    Returns:
        All pairs, in the order of the names.

    Raises:
        ShapeError: if the models have different numbers of repetitions.

    References:
        Nadeau and Bengio, Machine Learning 2003, 52, 239, https://doi.org/10.1023/A:1024068626366
    """
    columns = {name: np.asarray(values, np.float64) for name, values in figures.items()}
    shapes = {values.shape for values in columns.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ShapeError(f"the models have figures of shapes {sorted(shapes)}", expected="one figure a repetition each")
    pairs = list(itertools.combinations(columns, 2))
    raw = [_paired(columns[a] - columns[b], test_to_train) for a, b in pairs]
    adjusted = holm([p for _, p, _ in raw])
    return tuple(
        PairedComparison(a, b, interval, p, float(q), n)
        for (a, b), (interval, p, n), q in zip(pairs, raw, adjusted, strict=True)
    )


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjust p values for the number of comparisons, so that a claim of any difference is false in 5 of 100 at most.

    The smallest is multiplied by m, the next by m - 1, and so on; none becomes smaller than one before it, or larger
    than 1. NaN stays NaN and is not counted.

    Args:
        p_values: float64, shape (m,).

    References:
        Holm, Scand. J. Stat. 1979, 6, 65, https://www.jstor.org/stable/4615733
    """
    raw = np.asarray(p_values, np.float64)
    out = np.full(len(raw), np.nan)
    known = np.flatnonzero(~np.isnan(raw))
    order = known[np.argsort(raw[known], kind="stable")]
    scaled = raw[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(scaled), 1.0) if len(order) else scaled
    return out


def _paired(differences: np.ndarray, test_to_train: float) -> tuple[Interval, float, int]:
    """Interval of the mean, p value, and repetitions that count."""
    from scipy.stats import t as student

    kept = differences[np.isfinite(differences)]
    n = len(kept)
    mean = float(kept.mean()) if n else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), float("nan")), float("nan"), n
    error = math.sqrt((1 / n + test_to_train) * float(kept.var(ddof=1)))
    half = float(student.ppf(0.975, n - 1)) * error
    if error == 0:
        return Interval(mean, mean, mean), float(mean == 0), n
    return Interval(mean, mean - half, mean + half), float(2 * student.sf(abs(mean) / error, n - 1)), n


__all__ = ["compare_repeated", "holm", "PairedComparison"]
