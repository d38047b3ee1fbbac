"""Fisher's exact test over many tables: hypergeometric tails to full precision, also in logarithms.

Point probabilities follow Loader's saddle-point form, which keeps about 14 digits whatever the size of the table;
differences of log-gamma values would lose half of them at national scale.

References:
    Loader C. Fast and accurate computation of binomial probabilities. 2000.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

_HALF_LOG_2PI: Final = 0.9189385332046727
_TINY: Final = 1e-17
_TIES: Final = 1e-7
"""Relative slack within which a table counts as equally likely in the two-sided test, as in R."""
_SMALL_N: Final = 16
_STIRLING: Final = np.array(
    [0.0] + [math.lgamma(n + 1.0) - ((n + 0.5) * math.log(n) - n + _HALF_LOG_2PI) for n in range(1, _SMALL_N)]
)


@njit(cache=True, error_model="numpy")
def fisher_tails(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P-values of each table given its margins.

    Args:
        a: Cells as in :class:`~cinchona.pharmacovigilance.signals.counting.pairs.Cells`, whole numbers, shape (n,).
        b: As ``a``.
        c: As ``a``.
        d: As ``a``.

    Returns:
        log10 of P(A >= a); mid-P of the same, P(A > a) + P(A = a) / 2; each float64, shape (n,); and log10 P(A = a).
    """
    log10_upper, mid, log10_point = np.empty_like(a), np.empty_like(a), np.empty_like(a)
    for i in range(len(a)):
        row, column = a[i] + b[i], a[i] + c[i]
        total = row + c[i] + d[i]
        log_point = _log_point(a[i], row, column, total)
        point = math.exp(log_point)
        if a[i] > row * column / total:
            tail_ratio = _upper_ratio(a[i], row, column, total)
            log10_upper[i] = min((log_point + math.log(tail_ratio)) / math.log(10.0), 0.0)
            mid[i] = point * (tail_ratio - 0.5)
        else:
            below = point * (_lower_ratio(a[i], row, column, total) - 1.0)
            log10_upper[i] = math.log10(max(1.0 - below, _TINY))
            mid[i] = 1.0 - below - 0.5 * point
        log10_point[i] = log_point / math.log(10.0)
    return log10_upper, mid, log10_point


@njit(cache=True, error_model="numpy")
def fisher_two_sided(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Two-sided p-value: the probability of all tables at most as likely as the one seen, float64, shape (n,)."""
    p = np.empty_like(a)
    for i in range(len(a)):
        row, column = a[i] + b[i], a[i] + c[i]
        total = row + c[i] + d[i]
        low, high = max(0.0, row + column - total), min(row, column)
        log_point = _log_point(a[i], row, column, total)
        mode = math.floor((row + 1.0) * (column + 1.0) / (total + 2.0))
        if a[i] >= mode:
            near = math.exp(log_point) * _upper_ratio(a[i], row, column, total)
            far = _far_tail(log_point, (low, min(mode, a[i] - 1.0), 1.0), row, column, total)
        else:
            near = math.exp(log_point) * _lower_ratio(a[i], row, column, total)
            far = _far_tail(log_point, (high, max(mode, a[i] + 1.0), -1.0), row, column, total)
        p[i] = min(near + far, 1.0)
    return p


@njit(cache=True, error_model="numpy")
def _far_tail(log_point: float, walk: tuple[float, float, float], row: float, column: float, total: float) -> float:
    """Probability of the tail on the other side of the mode, from its end to the last value as unlikely as seen.

    ``walk`` holds the end of the support, the value next to the mode, and the step from the one to the other.
    """
    limit = log_point + _TIES
    end, start, step = walk
    if (start - end) * step < 0.0 or _log_point(end, row, column, total) > limit:
        return 0.0
    near, far = end, start  # near is unlikely enough, far may not be
    if _log_point(far, row, column, total) <= limit:
        near = far
    while abs(far - near) > 1.0:
        middle = near + step * math.floor(abs(far - near) / 2.0)
        if _log_point(middle, row, column, total) <= limit:
            near = middle
        else:
            far = middle
    point = math.exp(_log_point(near, row, column, total))
    ratio = _lower_ratio(near, row, column, total) if step > 0 else _upper_ratio(near, row, column, total)
    return float(point * ratio)


@njit(cache=True, error_model="numpy")
def _upper_ratio(x: float, row: float, column: float, total: float) -> float:
    """Sum of P(k) / P(x) for k >= x."""
    term, ratio = 1.0, 1.0
    while x < min(row, column) and term > _TINY * ratio:
        term *= (row - x) * (column - x) / ((x + 1.0) * (total - row - column + x + 1.0))
        ratio += term
        x += 1.0
    return ratio


@njit(cache=True, error_model="numpy")
def _lower_ratio(x: float, row: float, column: float, total: float) -> float:
    """Sum of P(k) / P(x) for k <= x."""
    term, ratio = 1.0, 1.0
    while x > max(0.0, row + column - total) and term > _TINY * ratio:
        term *= x * (total - row - column + x) / ((row - x + 1.0) * (column - x + 1.0))
        ratio += term
        x -= 1.0
    return ratio


@njit(cache=True, error_model="numpy")
def _log_point(x: float, row: float, column: float, total: float) -> float:
    """Log of the hypergeometric probability of ``x`` given the margins."""
    p = column / total
    if p <= 0.0 or p >= 1.0:
        return 0.0
    return float(_log_binomial(x, row, p) + _log_binomial(column - x, total - row, p) - _log_binomial(column, total, p))


@njit(cache=True, error_model="numpy")
def _log_binomial(x: float, n: float, p: float) -> float:
    if x <= 0.0:
        return n * math.log1p(-p)
    if x >= n:
        return n * math.log(p)
    correction = _stirling(n) - _stirling(x) - _stirling(n - x)
    deviance = _deviance(x, n * p) + _deviance(n - x, n * (1.0 - p))
    return float(correction - deviance + 0.5 * math.log(n / (2.0 * math.pi * x * (n - x))))


@njit(cache=True, error_model="numpy")
def _stirling(n: float) -> float:
    """Log of n! less Stirling's formula."""
    if n < _SMALL_N:
        return float(_STIRLING[int(n)])
    square = n * n
    series = 1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0) / square) / square) / square
    return series / n


@njit(cache=True, error_model="numpy")
def _deviance(x: float, mean: float) -> float:
    """Return x log(x / mean) + mean - x without cancellation when x is near mean."""
    if abs(x - mean) > 0.1 * (x + mean):
        return x * math.log(x / mean) + mean - x
    v = (x - mean) / (x + mean)
    total, term = (x - mean) * v, 2.0 * x * v
    for k in range(1, 1000):
        term *= v * v
        new = total + term / (2 * k + 1)
        if new == total:
            break
        total = new
    return total
