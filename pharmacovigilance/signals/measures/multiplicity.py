"""False discovery rates over many pairs: from p-values, and from posterior null probabilities.

References:
    Benjamini Y, Hochberg Y. J R Stat Soc B 1995;57:289-300.
    Dalmasso C, Broët P, Moreau T. Bioinformatics 2005;21:660-668. doi:10.1093/bioinformatics/bti063
    Pounds S, Cheng C. Bioinformatics 2006;22:1979-1987. doi:10.1093/bioinformatics/btl328
    Ahmed I, et al. Stat Med 2009;28:1774-1792. doi:10.1002/sim.3586
    Ahmed I, et al. Biometrics 2010;66:301-309. doi:10.1111/j.1541-0420.2009.01262.x
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values that control the false discovery rate under independence, float64, shape (n,), in [0, 1].

    NaN stays NaN and does not count.
    """
    return _step_up(np.asarray(p, np.float64), 1.0)


def benjamini_yekutieli(p: np.ndarray) -> np.ndarray:
    """As :func:`benjamini_hochberg`, for any dependence: multiplied by the harmonic number of the count of tests."""
    values = np.asarray(p, np.float64)
    n = int(np.isfinite(values).sum())
    return _step_up(values, float((1.0 / np.arange(1, n + 1)).sum()) if n else 1.0)


def _step_up(p: np.ndarray, factor: float) -> np.ndarray:
    result = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * factor * len(order) / np.arange(1, len(order) + 1)
    result[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return result


def null_share(p: np.ndarray, *, bound: float = 0.05) -> float:
    """Share of true null hypotheses by the location based estimator, in (0, 1].

    Mean of (-log(1 - p))^a over its expectation Gamma(a + 1) under the null, with the power a as large as keeps the
    upper bound of its standard deviation at ``bound``.
    """
    values = np.asarray(p, np.float64)

    def spread(a: float) -> float:
        return math.sqrt(math.expm1(gammaln(2 * a + 1) - 2 * gammaln(a + 1)) / len(values))

    a = 1.0 if spread(1.0) >= bound else float(brentq(lambda x: spread(x) - bound, 1.0, 100.0))
    with np.errstate(divide="ignore"):
        powers = (-np.log1p(-values)) ** a
    return float(min(1.0, powers.mean() / math.exp(gammaln(a + 1))))


def one_sided_fdr(p: np.ndarray, *, monotone: bool = True) -> np.ndarray:
    """False discovery rate when the pairs up to each one-sided p-value are called signals, float64, shape (n,).

    The null share comes from the two-sided p-values 2 min(p, 1 - p); above p = 0.5 the estimate of Pounds and Cheng
    takes over (Ahmed 2010).

    Args:
        p: One-sided p-values, shape (n,), in [0, 1].
        monotone: Make the estimates non-decreasing in p; PhViD prints them as they come.
    """
    values = np.clip(np.asarray(p, np.float64), 0.0, 1.0)
    n = len(values)
    if n == 0:
        return values
    pi0 = null_share(2.0 * np.minimum(values, 1.0 - values))
    order = np.argsort(values, kind="stable")
    low = int((values <= 0.5).sum())
    position = np.arange(1, n + 1) / n
    rate = np.empty(n)
    rate[:low] = pi0 * values[order[:low]] / position[:low]
    rate[low:] = pi0 / (2.0 * position[low:]) + 1.0 - low / np.arange(low + 1, n + 1)
    if monotone:
        rate = np.minimum.accumulate(rate[::-1])[::-1]
    result = np.empty(n)
    result[order] = np.minimum(rate, 1.0)
    return result


@dataclass(frozen=True, slots=True)
class BayesianRates:
    """Error rates if each pair and all pairs ranked above it were called signals; float64, shape (n,) each."""

    local: np.ndarray
    """Local false discovery rate: the posterior null probability of the pair itself."""
    fdr: np.ndarray
    """Expected share of false signals among those called."""
    fnr: np.ndarray
    """Expected share of true signals among those not called; 0 when all are called."""
    sensitivity: np.ndarray
    """Expected share of true signals that are called."""
    specificity: np.ndarray
    """Expected share of nulls that are not called."""


def bayesian_rates(null_probability: np.ndarray, ranking: np.ndarray | None = None) -> BayesianRates:
    """Error rates from posterior null probabilities (Ahmed 2009).

    Args:
        null_probability: P(lambda <= limit | data) of each pair, shape (n,).
        ranking: Figure that ranks the pairs, higher first; None ranks by the null probability itself.
    """
    null = np.asarray(null_probability, np.float64)
    n = len(null)
    order = np.argsort(null if ranking is None else -np.asarray(ranking, np.float64), kind="stable")
    called = np.arange(1, n + 1)
    false_called, true_called = np.cumsum(null[order]), np.cumsum(1.0 - null[order])
    all_null, all_true = null.sum(), (1.0 - null).sum()
    rates = np.empty((4, n))
    rates[0, order] = false_called / called
    rates[1, order] = np.maximum(all_true - true_called, 0.0) / np.maximum(n - called, 1)
    rates[2, order] = true_called / all_true if all_true > 0 else np.nan
    rates[3, order] = np.maximum(all_null - false_called, 0.0) / all_null if all_null > 0 else np.nan
    return BayesianRates(null, *rates)
