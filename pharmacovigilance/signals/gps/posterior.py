"""Posterior of the reporting ratio given a count: weight, EBGM and mean.

Given the prior, lambda | n is the mixture Q Gamma(alpha1 + n, beta1 + E) + (1 - Q) Gamma(alpha2 + n, beta2 + E), with Q
from untruncated negative binomials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import digamma, gammainc, gammaln, logit

from cinchona.pharmacovigilance.signals.counting.distinct import distinct_counts
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture


@dataclass(frozen=True, slots=True)
class Posterior:
    """Posterior figures of many pairs."""

    q: np.ndarray
    """Posterior weight of the first component, float64, shape (n,), in [0, 1]."""
    ebgm: np.ndarray
    """Empirical Bayes geometric mean exp(E[log lambda]), float64, shape (n,), > 0; null value 1."""


def posterior(prior: GammaMixture, n: np.ndarray, expected: np.ndarray) -> Posterior:
    r"""Posterior weight and EBGM.

    .. math:: EBGM = \exp\left( Q (\psi(\alpha_1 + n) - \log(\beta_1 + E))
              + (1 - Q)(\psi(\alpha_2 + n) - \log(\beta_2 + E)) \right)

    Args:
        prior: The prior.
        n: Counts, whole numbers of at least 0, shape (n,).
        expected: Expected counts, > 0, shape (n,).

    References:
        DuMouchel W. Am Stat 1999;53:177-190. doi:10.1080/00031305.1999.10474456
    """
    counts, rank, _ = distinct_counts(np.asarray(n).astype(np.int64, copy=False))
    tables = np.stack([log_odds_table(prior, counts), digamma(prior.alpha1 + counts), digamma(prior.alpha2 + counts)])
    theta = np.array(prior.vector)
    q, ebgm = _posterior(counts, rank, np.asarray(expected, np.float64), theta, tables)
    return Posterior(q, ebgm)


def probability_below(prior: GammaMixture, n: np.ndarray, expected: np.ndarray, limit: float = 1.0) -> np.ndarray:
    """Posterior probability that lambda is at most ``limit``, float64, shape (n,)."""
    q = posterior(prior, n, expected).q
    n, expected = np.asarray(n, np.float64), np.asarray(expected, np.float64)
    first = gammainc(prior.alpha1 + n, limit * (prior.beta1 + expected))
    second = gammainc(prior.alpha2 + n, limit * (prior.beta2 + expected))
    return np.asarray(q * first + (1.0 - q) * second)


def log_odds_table(prior: GammaMixture, counts: np.ndarray) -> np.ndarray:
    """Part of the log odds of the first component that depends on the count alone, float64, shape (k,)."""
    first = gammaln(prior.alpha1 + counts) - gammaln(prior.alpha1)
    second = gammaln(prior.alpha2 + counts) - gammaln(prior.alpha2)
    return np.asarray(first - second + logit(prior.weight))


@njit(cache=True, error_model="numpy")
def log_odds(count: float, expected: float, theta: np.ndarray, table: float) -> float:
    """Log odds of the first component given a count; ``table`` is the part that depends on the count alone."""
    alpha1, beta1, alpha2, beta2 = theta[0], theta[1], theta[2], theta[3]
    shapes = alpha2 * math.log1p(expected / beta2) - alpha1 * math.log1p(expected / beta1)
    return float(table + shapes + count * math.log((beta2 + expected) / (beta1 + expected)))


@njit(cache=True, error_model="numpy")
def _posterior(
    counts: np.ndarray, rank: np.ndarray, expected: np.ndarray, theta: np.ndarray, tables: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    q, ebgm = np.empty_like(expected), np.empty_like(expected)
    for i in range(len(rank)):
        k = rank[i]
        q[i] = 1.0 / (1.0 + math.exp(-log_odds(float(counts[k]), expected[i], theta, tables[0, k])))
        first = tables[1, k] - math.log(theta[1] + expected[i])
        second = tables[2, k] - math.log(theta[3] + expected[i])
        ebgm[i] = math.exp(q[i] * first + (1.0 - q[i]) * second)
    return q, ebgm
