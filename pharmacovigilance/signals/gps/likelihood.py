"""Negative log-likelihoods of the three prior fits, with analytic gradients.

With f_c(n) = NB(n; alpha_c, beta_c / (beta_c + E)), c = 1, 2, and P = weight, a cell (n, E) adds

* all cells:             -log( P f_1(n) + (1 - P) f_2(n) ), for n = 0 too;
* truncated mixture:     -log( P f_1(n) + (1 - P) f_2(n) ) + log( 1 - P f_1(0) - (1 - P) f_2(0) );
* mixture of truncated:  -log( P f_1(n) / (1 - f_1(0)) + (1 - P) f_2(n) / (1 - f_2(0)) ).

Parameters are in the coordinates (log alpha1, log beta1, log alpha2, log beta2, logit P), so that every vector is
allowed and all have similar scale.

References:
    DuMouchel W. Am Stat 1999;53:177-190. doi:10.1080/00031305.1999.10474456
    DuMouchel W, Pregibon D. KDD 2001:67-76. doi:10.1145/502512.502526
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numba import njit
from scipy.special import digamma, expit, gammaln, logit

from cinchona.pharmacovigilance.signals.gps.cells import CellGroups
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture, PriorLikelihood

_CODE: Final = {
    PriorLikelihood.ALL_CELLS: 0,
    PriorLikelihood.TRUNCATED_MIXTURE: 1,
    PriorLikelihood.MIXTURE_OF_TRUNCATED: 2,
}

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""From coordinates, shape (5,), to value and gradient."""


def to_coordinates(prior: GammaMixture) -> np.ndarray:
    """Coordinates of a prior, float64, shape (5,)."""
    return np.array([*np.log(prior.vector[:4]), logit(prior.weight)])


def from_coordinates(coordinates: np.ndarray) -> GammaMixture:
    """Prior at the coordinates."""
    alpha1, beta1, alpha2, beta2 = np.exp(coordinates[:4]).tolist()
    return GammaMixture(alpha1, beta1, alpha2, beta2, float(expit(coordinates[4])))


def objective(groups: CellGroups, likelihood: PriorLikelihood) -> Objective:
    """Return the negative log-likelihood of ``groups`` as a function of the coordinates."""
    counts, index = np.unique(groups.n, return_inverse=True)
    code = _CODE[likelihood]
    log_factorial = gammaln(counts + 1.0)

    def evaluate(coordinates: np.ndarray) -> tuple[float, np.ndarray]:
        theta = np.array([*np.exp(coordinates[:4]), expit(coordinates[4])])
        tables = np.empty((4, len(counts)))
        for c in (0, 1):
            alpha = theta[2 * c]
            tables[2 * c] = gammaln(alpha + counts) - gammaln(alpha) - log_factorial
            tables[2 * c + 1] = digamma(alpha + counts) - digamma(alpha)
        rest = float(expit(-coordinates[4]))
        value, gradient = _sum_cells((index, groups.n, groups.expected, groups.weight), theta, rest, tables, code)
        return float(value), gradient * np.array([*theta[:4], theta[4] * rest])

    return evaluate


def negative_log_likelihood(
    prior: GammaMixture, groups: CellGroups, likelihood: PriorLikelihood = PriorLikelihood.ALL_CELLS
) -> float:
    """Negative log-likelihood of ``prior`` for the cells ``groups``."""
    return objective(groups, likelihood)(to_coordinates(prior))[0]


_Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_Term = tuple[float, float, float, float, float, float]


@njit(cache=True, error_model="numpy")
def _sum_cells(
    cells: _Cells, theta: np.ndarray, rest: float, tables: np.ndarray, code: int
) -> tuple[float, np.ndarray]:
    """Sum value and gradient with respect to theta over the cells; ``rest`` is 1 - P without cancellation."""
    index, n, expected, weight = cells
    value, gradient = 0.0, np.zeros(5)
    for i in range(len(n)):
        e, k = expected[i], index[i]
        f1, a1, b1 = _component(n[i], e, (theta[0], theta[1]), (tables[0, k], tables[1, k]))
        f2, a2, b2 = _component(n[i], e, (theta[2], theta[3]), (tables[2, k], tables[3, k]))
        if code == 2:
            f1, a1, b1 = _truncated((f1, a1, b1), e, (theta[0], theta[1]))
            f2, a2, b2 = _truncated((f2, a2, b2), e, (theta[2], theta[3]))
        term, da1, db1, da2, db2, dp = _mixed((f1, a1, b1), (f2, a2, b2), theta[4], rest)
        if code == 1:
            seen, za1, zb1, za2, zb2, zp = _seen(e, theta, rest)
            term, dp = term - math.log(seen), dp - zp / seen
            da1, db1, da2, db2 = da1 - za1 / seen, db1 - zb1 / seen, da2 - za2 / seen, db2 - zb2 / seen
        value -= weight[i] * term
        gradient[0] -= weight[i] * da1
        gradient[1] -= weight[i] * db1
        gradient[2] -= weight[i] * da2
        gradient[3] -= weight[i] * db2
        gradient[4] -= weight[i] * dp
    return value, gradient


@njit(cache=True, error_model="numpy")
def _component(n: int, e: float, gamma: tuple[float, float], table: tuple[float, float]) -> tuple[float, float, float]:
    """Log f(n) of one negative binomial and its derivatives in alpha and beta."""
    alpha, beta = gamma
    log_share = -math.log1p(e / beta)  # log(beta / (beta + e))
    log_f, da, db = alpha * log_share, log_share, alpha * e / (beta * (beta + e))
    if n > 0:
        log_f += table[0] + n * (math.log(e / beta) + log_share)
        da += table[1]
        db -= n / (beta + e)
    return log_f, da, db


@njit(cache=True, error_model="numpy")
def _truncated(
    component: tuple[float, float, float], e: float, gamma: tuple[float, float]
) -> tuple[float, float, float]:
    """The component given n >= 1: f / (1 - f(0)), with its derivatives."""
    log_zero, dzero_a, dzero_b = _component(0, e, gamma, (0.0, 0.0))
    seen = -math.expm1(log_zero)
    odds = (1.0 - seen) / seen
    return component[0] - math.log(seen), component[1] + odds * dzero_a, component[2] + odds * dzero_b


@njit(cache=True, error_model="numpy")
def _mixed(first: tuple[float, float, float], second: tuple[float, float, float], p: float, rest: float) -> _Term:
    """Log of the mixture and its derivatives in alpha1, beta1, alpha2, beta2 and P."""
    log_1, log_2 = math.log(p) + first[0], math.log(rest) + second[0]
    top = max(log_1, log_2)
    log_mix = top + math.log(math.exp(log_1 - top) + math.exp(log_2 - top))
    q1, q2 = math.exp(log_1 - log_mix), math.exp(log_2 - log_mix)
    return log_mix, q1 * first[1], q1 * first[2], q2 * second[1], q2 * second[2], q1 / p - q2 / rest


@njit(cache=True, error_model="numpy")
def _seen(e: float, theta: np.ndarray, rest: float) -> _Term:
    """Probability of n >= 1 under the mixture and its derivatives."""
    log_1, a1, b1 = _component(0, e, (theta[0], theta[1]), (0.0, 0.0))
    log_2, a2, b2 = _component(0, e, (theta[2], theta[3]), (0.0, 0.0))
    z1, z2 = theta[4] * math.exp(log_1), rest * math.exp(log_2)
    seen = -theta[4] * math.expm1(log_1) - rest * math.expm1(log_2)
    return seen, -z1 * a1, -z1 * b1, -z2 * a2, -z2 * b2, math.exp(log_2) - math.exp(log_1)
