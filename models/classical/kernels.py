"""Similarities that kernel machines and neighbours learn with, as weighted sums of families."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numba
import numpy as np

DESCRIPTORS: Final = "descriptors"
"""The part of a kernel that compares descriptors in place of substructures."""

KERNELS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType({
    "environments": {"morgan3": 1.0},
    "substructures": {"morgan3": 0.4, "features3": 0.2, "pairs": 0.2, "torsions": 0.2},
    "everything": {"morgan3": 0.3, "features3": 0.15, "pairs": 0.2, "torsions": 0.15, DESCRIPTORS: 0.2},
    "rare substructures": {"rare-morgan3": 0.15, "rare-morgan4": 0.15, "rare-features3": 0.15, "rare-pairs": 0.2, "rare-torsions": 0.15,
                           DESCRIPTORS: 0.2},
    "descriptors": {DESCRIPTORS: 1.0},
})  # fmt: skip
"""Kernels by name: weights of their parts, summing to 1. A sum of positive definite kernels is one. ``rare-`` stands before families whose substructures
are weighed by how rare they are (:mod:`cinchona.models.classical.rarity`)."""


def distance_kernel(queries: np.ndarray, references: np.ndarray, width: float) -> np.ndarray:
    r"""Laplacian kernel of descriptors.

    .. math:: k(x, z) = \exp(-\lVert x - z \rVert_1 / w)

    Range (0, 1]; positive definite. Differences are taken one by one, not through a matrix product, so that neither
    the number of queries nor cancellation changes a value.

    Args:
        queries: float32, shape (n, d).
        references: float32, shape (m, d).
        width: The distance w at which it has fallen to 1/e.

    Returns:
        float32, shape (n, m).
    """
    distance = _distances(np.ascontiguousarray(queries), np.ascontiguousarray(references))
    kernel: np.ndarray = np.exp(-distance / width).astype(np.float32)
    return kernel


@numba.njit(cache=True)
def _distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    n, m = len(queries), len(references)
    out = np.empty((n, m), np.float64)
    for q in range(n):
        for r in range(m):
            total = np.float32(0.0)
            for k in range(queries.shape[1]):
                total += abs(queries[q, k] - references[r, k])
            out[q, r] = total
    return out


def median_distance(rows: np.ndarray, *, most: int = 1000) -> float:
    """Median L1 distance of different rows among the first ``most``, at least 1e-6: a width that suits the data."""
    some = np.ascontiguousarray(rows[:most])
    apart = _distances(some, some)[np.triu_indices(len(some), k=1)]
    return max(float(np.median(apart)), 1e-6) if len(apart) else 1.0
