"""The information component in its variants; all in log2, null value 0.

References:
    Bate A, et al. Eur J Clin Pharmacol 1998;54:315-321. doi:10.1007/s002280050466
    Gould AL. Pharmacoepidemiol Drug Saf 2003;12:559-574. doi:10.1002/pds.771
    Norén GN, et al. Stat Med 2006;25:3740-3757. doi:10.1002/sim.2473
    Norén GN, et al. Stat Methods Med Res 2013;22:57-69. doi:10.1177/0962280211403604
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import digamma, gammaincinv, ndtri, polygamma

from cinchona.pharmacovigilance.signals.counting.distinct import distinct_counts
from cinchona.pharmacovigilance.signals.counting.pairs import Cells
from cinchona.pharmacovigilance.signals.measures import kernels

SHRINKAGE: Final = 0.5
"""Half a report is added to the observed and to the expected count."""

_LOG2: Final = math.log(2.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its two-sided interval, arrays of shape (n,)."""

    value: np.ndarray
    """The figure."""
    lower: np.ndarray
    """Lower end."""
    upper: np.ndarray
    """Upper end."""


def ic(n: np.ndarray, expected: np.ndarray, *, level: float = 0.95) -> Interval:
    r"""Information component with exact gamma credibility bounds.

    .. math:: IC = \log_2 \frac{n + 1/2}{E + 1/2}, \quad
              IC_p = \log_2 \frac{Q_\Gamma(p;\, n + 1/2)}{E + 1/2}

    The bounds are quantiles of the posterior Gamma(n + 1/2, rate E + 1/2) of the reporting ratio. The gamma quantile
    depends on ``n`` alone, so it is computed once per distinct count. Range (-inf, inf); null value 0. For ``n`` = 0
    the value is that of the formula and the lower bound is far below.

    Args:
        n: Observed counts, whole numbers, shape (n,).
        expected: Expected counts, at least 0, shape (n,).
        level: Credibility of the interval.
    """
    counts, rank, _ = distinct_counts(np.asarray(n).astype(np.int64, copy=False))
    lower, upper = (
        np.log2(gammaincinv(counts + SHRINKAGE, tail)) for tail in ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    )
    tables = np.log2(counts + SHRINKAGE), lower, upper
    return Interval(*kernels.information_component(rank, np.asarray(expected, np.float64), tables))


def ic_approximate(n: np.ndarray, expected: np.ndarray) -> Interval:
    r"""Information component with the closed-form 95 % bounds of Norén 2013.

    .. math:: IC_{025} \approx IC - 3.3 m^{-1/2} - 2 m^{-3/2}, \quad
              IC_{975} \approx IC + 2.4 m^{-1/2} - 0.5 m^{-3/2}, \quad m = n + 1/2

    An approximation to :func:`ic`; off by up to 0.3 at ``n`` = 1 and poor at ``n`` = 0.
    """
    m = np.asarray(n, np.float64) + SHRINKAGE
    value = np.log2(m / (np.asarray(expected, np.float64) + SHRINKAGE))
    return Interval(value, value - 3.3 * m**-0.5 - 2.0 * m**-1.5, value + 2.4 * m**-0.5 - 0.5 * m**-1.5)


def bcpnn_normal(cells: Cells, *, level: float = 0.95) -> Interval:
    r"""BCPNN information component: posterior mean and variance of independent beta priors, normal bounds.

    The form of Gould 2003, which PhViD and pharmsignal print: with p = 1 + n1., q = 1 + n.1, r = 1 + n11 and
    s = n - n11 - 1 + (n + 2)^2 / (p q),

    .. math:: E = \psi(r) - \psi(r+s) - \psi(p) + \psi(n+2) - \psi(q) + \psi(n+2)

    in units of log 2, and the variance is the sum of the trigamma terms, first and second with alternating signs.
    Range (-inf, inf); null value 0.
    """
    mean, variance = bcpnn_moments(cells)
    z = float(ndtri((1.0 + level) / 2.0))
    half = z * np.sqrt(variance)
    return Interval(mean, mean - half, mean + half)


def bcpnn_moments(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and variance of :func:`bcpnn_normal`, in log2 units, each float64, shape (n,)."""
    total = cells.total
    p, q = 1.0 + cells.a + cells.b, 1.0 + cells.a + cells.c
    r = 1.0 + cells.a
    r_and_s = total + (total + 2.0) ** 2 / (p * q)
    mean = digamma(r) - digamma(r_and_s) - digamma(p) - digamma(q) + 2.0 * digamma(total + 2.0)
    joint = polygamma(1, r) - polygamma(1, r_and_s)
    variance = joint + polygamma(1, p) + polygamma(1, q) - 2.0 * polygamma(1, total + 2.0)
    return mean / _LOG2, variance / _LOG2**2


def bcpnn_bate(cells: Cells, *, level: float = 0.95) -> Interval:
    """BCPNN information component of Bate 1998: ratio of posterior means, variance by the delta method, normal bounds.

    The joint prior has the weight g = (n + 2)^2 / ((n1. + 1)(n.1 + 1)), so that the prior ratio is 1.
    Range (-inf, inf); null value 0.
    """
    total = cells.total
    p, q = 1.0 + cells.a + cells.b, 1.0 + cells.a + cells.c
    g = (total + 2.0) ** 2 / (p * q)
    value = np.log2((cells.a + 1.0) * (total + 2.0) ** 2 / ((total + g) * p * q))
    variance = (total - cells.a + g - 1.0) / ((cells.a + 1.0) * (1.0 + total + g))
    for margin in (p, q):
        variance = variance + (total + 2.0 - margin) / (margin * (3.0 + total))
    half = float(ndtri((1.0 + level) / 2.0)) * np.sqrt(variance) / _LOG2
    return Interval(value, value - half, value + half)


def bcpnn_monte_carlo(cells: Cells, *, rng: np.random.Generator, draws: int = 100_000, level: float = 0.95) -> Interval:
    """BCPNN information component of Norén 2006: Dirichlet prior on the four cells, bounds by simulation.

    The prior has the weight 0.5 / (q1 q2) spread by independence, with q1 = (n1. + 0.5)/(n + 1) and
    q2 = (n.1 + 0.5)/(n + 1), which pulls the IC to 0 like half a report. The value is the posterior median's companion
    log2 ratio of posterior means; the bounds are simulated quantiles with a Monte Carlo error of about 0.01 at 100,000
    draws. For a few tables, not for millions.
    """
    total = cells.total
    q1, q2 = (cells.a + cells.b + 0.5) / (total + 1.0), (cells.a + cells.c + 0.5) / (total + 1.0)
    weight = 0.5 / (q1 * q2)
    alpha = np.stack([
        cells.a + weight * q1 * q2, cells.b + weight * q1 * (1.0 - q2),
        cells.c + weight * (1.0 - q1) * q2, cells.d + weight * (1.0 - q1) * (1.0 - q2),
    ])  # fmt: skip
    means = alpha / alpha.sum(axis=0)
    value = np.log2(means[0] / ((means[0] + means[1]) * (means[0] + means[2])))
    lower, upper = np.empty_like(value), np.empty_like(value)
    for i in range(alpha.shape[1]):
        share = rng.dirichlet(alpha[:, i], size=draws)
        drawn = np.log2(share[:, 0] / ((share[:, 0] + share[:, 1]) * (share[:, 0] + share[:, 2])))
        lower[i], upper[i] = np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(value, lower, upper)
