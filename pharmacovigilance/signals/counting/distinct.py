"""Distinct counts: millions of pairs share a few hundred counts, so figures of a count alone are computed once."""

from __future__ import annotations

import numpy as np


def distinct_counts(n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct values of ``n`` ascending, the position of each entry among them, and how often each occurs."""
    largest = int(n.max(initial=0))
    if largest > 4 * len(n) + 1024:
        return np.unique(n, return_inverse=True, return_counts=True)
    frequency = np.bincount(n)
    values = np.flatnonzero(frequency)
    rank = np.zeros(largest + 1, np.int64)
    rank[values] = np.arange(len(values))
    return values, rank[n], frequency[values]
