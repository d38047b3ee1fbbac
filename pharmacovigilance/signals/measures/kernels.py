"""Compiled loops of the closed-form measures over many 2x2 tables.

Each takes float64 arrays of shape (n,) and returns arrays of shape (n,). Where a figure is undefined it is NaN, where a
ratio has a zero denominator it is infinite.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

Three = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Value, lower and upper bound."""


@njit(cache=True, error_model="numpy")
def prr(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, z: float) -> Three:
    """Proportional reporting ratio with log-normal bounds at ``z`` standard errors."""
    value, lower, upper = np.empty_like(a), np.empty_like(a), np.empty_like(a)
    for i in range(len(a)):
        exposed, rest = a[i] + b[i], c[i] + d[i]
        numerator, denominator = a[i] * rest, c[i] * exposed
        value[i] = _ratio(numerator, denominator)
        if numerator > 0.0 and denominator > 0.0:
            spread = math.exp(z * math.sqrt(max(1.0 / a[i] - 1.0 / exposed + 1.0 / c[i] - 1.0 / rest, 0.0)))
            lower[i], upper[i] = value[i] / spread, value[i] * spread
        else:
            lower[i], upper[i] = math.nan, math.nan
    return value, lower, upper


@njit(cache=True, error_model="numpy")
def ror(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, z: float) -> Three:
    """Reporting odds ratio with log-normal (Woolf) bounds at ``z`` standard errors."""
    value, lower, upper = np.empty_like(a), np.empty_like(a), np.empty_like(a)
    for i in range(len(a)):
        numerator, denominator = a[i] * d[i], b[i] * c[i]
        value[i] = _ratio(numerator, denominator)
        if numerator > 0.0 and denominator > 0.0:
            spread = math.exp(z * math.sqrt(1.0 / a[i] + 1.0 / b[i] + 1.0 / c[i] + 1.0 / d[i]))
            lower[i], upper[i] = value[i] / spread, value[i] * spread
        else:
            lower[i], upper[i] = math.nan, math.nan
    return value, lower, upper


@njit(cache=True, error_model="numpy")
def chi_squared(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, correction: float) -> np.ndarray:
    """Pearson's chi-squared; ``correction`` 0.5 is Yates's, 0 none. NaN when a margin is empty."""
    value = np.empty_like(a)
    for i in range(len(a)):
        total = a[i] + b[i] + c[i] + d[i]
        margins = (a[i] + b[i]) * (c[i] + d[i]) * (a[i] + c[i]) * (b[i] + d[i])
        if margins <= 0.0:
            value[i] = math.nan
            continue
        distance = max(abs(a[i] * d[i] - b[i] * c[i]) - correction * total, 0.0)
        value[i] = total * (distance / margins) * distance
    return value


@njit(cache=True, error_model="numpy")
def information_component(rank: np.ndarray, expected: np.ndarray, tables: Three) -> Three:
    """IC and its bounds; ``tables`` hold log2 of n + 1/2 and of the two gamma quantiles for each distinct count."""
    value, lower, upper = np.empty_like(expected), np.empty_like(expected), np.empty_like(expected)
    middle, low, high = tables
    for i in range(len(rank)):
        log_rate = math.log2(expected[i] + 0.5)
        value[i] = middle[rank[i]] - log_rate
        lower[i] = low[rank[i]] - log_rate
        upper[i] = high[rank[i]] - log_rate
    return value, lower, upper


@njit(cache=True, error_model="numpy")
def poisson_log_ratio(n: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Log likelihood ratio of a rate above 1: n log(n / E) - (n - E) where n > E, else 0."""
    value = np.zeros_like(expected)
    for i in range(len(n)):
        if n[i] > expected[i] and expected[i] > 0.0:
            ratio = n[i] / expected[i]
            value[i] = n[i] * math.log(ratio) - (ratio - 1.0) * expected[i]
    return value


@njit(cache=True, error_model="numpy")
def _ratio(numerator: float, denominator: float) -> float:
    if denominator > 0.0:
        return numerator / denominator
    return math.inf if numerator > 0.0 else math.nan
