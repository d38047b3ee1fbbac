"""Exact quantiles of the posterior: safeguarded Newton in log lambda, over many pairs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, gammainc, gammaincinv, gammaln

from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.signals.counting.distinct import distinct_counts
from cinchona.pharmacovigilance.signals.gps.posterior import log_odds_table
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture

_ITERATIONS: Final = 100
_SETTLED: Final = 1e-13
_LEAST_LOG: Final = -700.0
"""Quantiles below exp(-700) are reported as that; they occur for ``n`` = 0 and tiny shapes only."""


def quantile_exact(prior: GammaMixture, n: np.ndarray, expected: np.ndarray, p: float) -> np.ndarray:
    """Posterior ``p`` quantile of lambda, to about 1e-12 relative; the reference of the fast path.

    Args:
        prior: The prior.
        n: Counts, whole numbers of at least 0, shape (n,).
        expected: Expected counts, > 0, shape (n,).
        p: Probability in (0, 1).

    Returns:
        Quantiles, float64, shape (n,).

    Raises:
        ConfigError: if ``p`` is not a probability.
    """
    counts, rank, _ = distinct_counts(np.asarray(n).astype(np.int64, copy=False))
    table = PosteriorTable.of(prior, counts, p)
    return np.asarray(np.exp(table.solve(rank, np.asarray(expected, np.float64))))


@dataclass(frozen=True, slots=True)
class PosteriorTable:
    """What the quantile needs that depends on the count alone, for k distinct counts."""

    prior: GammaMixture
    """The prior."""
    p: float
    """Probability of the quantile."""
    counts: np.ndarray
    """The counts, float64, shape (k,)."""
    odds: np.ndarray
    """Count's part of the log odds of the first component, float64, shape (k,)."""
    shapes: np.ndarray
    """Posterior shapes of the two components, float64, shape (2, k)."""
    norms: np.ndarray
    """Log gamma of the shapes, float64, shape (2, k)."""
    quantiles: np.ndarray
    """Log quantiles of the unit-rate components, float64, shape (2, k)."""

    @classmethod
    def of(cls, prior: GammaMixture, counts: np.ndarray, p: float) -> PosteriorTable:
        """Compute the table for distinct ``counts``.

        Raises:
            ConfigError: if ``p`` is not a probability.
        """
        if not 0.0 < p < 1.0:
            raise ConfigError(f"no quantile at {p}", expected="a probability in (0, 1)")
        shapes = np.stack([prior.alpha1 + counts, prior.alpha2 + counts])
        with np.errstate(divide="ignore"):
            quantiles = np.maximum(np.log(gammaincinv(shapes, p)), _LEAST_LOG)
        return cls(
            prior, p, counts.astype(np.float64), log_odds_table(prior, counts), shapes, gammaln(shapes), quantiles
        )

    def solve(self, rank: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Log quantiles of pairs with the counts at ``rank``, float64, shape (n,)."""
        q, logs = self._weights(rank, expected), self._log_rates(expected)
        ends = self.quantiles[:, rank] - logs
        low, high = ends.min(axis=0), ends.max(axis=0)  # the mixture's quantile lies between its components'
        u = np.where(q > 0.5, ends[0], ends[1])
        left = np.flatnonzero(high > low)
        for _ in range(_ITERATIONS):
            if len(left) == 0:
                break
            at = u[left]
            value, slope = self._excess(at, rank[left], q[left], logs[:, left])
            low[left] = np.where(value < 0, at, low[left])
            high[left] = np.where(value < 0, high[left], at)
            with np.errstate(divide="ignore", invalid="ignore"):
                trial = at - value / slope
            inside = (trial >= low[left]) & (trial <= high[left])
            u[left] = np.where(inside, trial, 0.5 * (low[left] + high[left]))
            left = left[np.abs(u[left] - at) > _SETTLED * np.maximum(1.0, np.abs(at))]
        return np.asarray(u)

    def slope(self, u: np.ndarray, rank: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Derivative of the log quantile ``u`` in log E, by the implicit function theorem, float64, shape (n,)."""
        t, e = self.prior, expected
        q, logs = self._weights(rank, e), self._log_rates(e)
        _, density = self._excess(u, rank, q, logs)
        below = [gammainc(self.shapes[c, rank], np.exp(u + logs[c])) for c in (0, 1)]
        odds_slope = e * (t.alpha2 / (t.beta2 + e) - t.alpha1 / (t.beta1 + e))
        odds_slope = odds_slope + self.counts[rank] * e * (1.0 / (t.beta2 + e) - 1.0 / (t.beta1 + e))
        change = q * (1.0 - q) * odds_slope * (below[0] - below[1])
        for c, weight, beta in ((0, q, t.beta1), (1, 1.0 - q, t.beta2)):
            change = change + weight * self._log_density(c, u, rank, logs) * e / (beta + e)
        return np.asarray(-change / density)

    def _weights(self, rank: np.ndarray, e: np.ndarray) -> np.ndarray:
        t = self.prior
        odds = self.odds[rank] + t.alpha2 * np.log1p(e / t.beta2) - t.alpha1 * np.log1p(e / t.beta1)
        return np.asarray(expit(odds + self.counts[rank] * np.log((t.beta2 + e) / (t.beta1 + e))))

    def _log_rates(self, e: np.ndarray) -> np.ndarray:
        return np.log(np.stack([self.prior.beta1 + e, self.prior.beta2 + e]))

    def _excess(
        self, u: np.ndarray, rank: np.ndarray, q: np.ndarray, logs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """CDF at exp(u) less p, and its derivative in u."""
        value, slope = np.full(len(u), -self.p), np.zeros(len(u))
        for c, weight in ((0, q), (1, 1.0 - q)):
            value += weight * gammainc(self.shapes[c, rank], np.exp(u + logs[c]))
            slope += weight * self._log_density(c, u, rank, logs)
        return value, slope

    def _log_density(self, c: int, u: np.ndarray, rank: np.ndarray, logs: np.ndarray) -> np.ndarray:
        """Density of log lambda of component ``c`` at ``u``."""
        at = u + logs[c]
        return np.asarray(np.exp(self.shapes[c, rank] * at - np.exp(at) - self.norms[c, rank]))
