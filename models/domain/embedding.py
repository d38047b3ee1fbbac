"""Distance from the training compounds in the vectors that a graph network makes of molecules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numba
import numpy as np

from cinchona.models.domain.threshold import QUANTILE
from cinchona.seeds import rng

COMPONENTS: Final = 16
"""Principal components of the vectors that are kept."""
POINTS: Final = 2_048
"""Training compounds that distances are measured to; of more, these are drawn at random, so that the cost stays bounded."""


@dataclass(frozen=True, eq=False)
class EmbeddingSpace:
    """Training compounds as points in a few principal components of the first network's vectors.

    The distance is Euclidean, to the nearest point. It has no upper end, and its unit means nothing by itself: only
    :attr:`limit` gives it one.
    """

    mean: np.ndarray
    """Mean training vector, float32, shape (h,)."""
    basis: np.ndarray
    """Principal components as columns, float32, shape (h, k)."""
    points: np.ndarray
    """Coordinates of training compounds, float32, shape (k, m); one row a component."""
    limit: float
    """Largest distance inside."""

    @classmethod
    def fit(cls, vectors: np.ndarray, *, seed: int, quantile: float = QUANTILE) -> Self:
        """Learn the space of n > 1 training compounds.

        Args:
            vectors: Their vectors, float32, shape (n, h).
            seed: Seed of the sample.
            quantile: Share of the points that have another one within the limit.
        """
        wide = np.asarray(vectors, np.float64)
        mean = wide.mean(axis=0)
        basis = np.linalg.svd(wide - mean, full_matrices=False)[2][:COMPONENTS].T
        rows = np.arange(len(wide))
        if len(rows) > POINTS:
            rows = np.sort(rng(seed, "embedding points").choice(rows, POINTS, replace=False))
        points = np.ascontiguousarray(((wide[rows] - mean) @ basis).T.astype(np.float32))
        points = points[:, np.lexsort(points[::-1])]  # their order tells nothing of the table
        made = cls(mean.astype(np.float32), np.ascontiguousarray(basis, np.float32), np.ascontiguousarray(points), 0.0)
        own = _nearest(made.points, np.ascontiguousarray(made.points.T), np.arange(points.shape[1]))
        limit = float(np.quantile(own, quantile, method="higher"))
        return cls(made.mean, made.basis, made.points, limit)

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Distance of n vectors (float32, shape (n, h)) to the nearest point, float32, shape (n,); each by itself."""
        centred = np.asarray(vectors, np.float32) - self.mean
        found: np.ndarray = _nearest(self.points, _project(centred, self.basis), np.full(len(centred), -1))
        return found

    def spec(self) -> dict[str, Any]:
        """Everything but the arrays."""
        return {"limit": self.limit}

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {"embedding_mean": self.mean, "embedding_basis": self.basis, "embedding_points": self.points}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild the space.

        Raises:
            ValueError: if the parts do not fit together.
            KeyError: if one is missing.
        """
        mean, basis, points = (arrays[f"embedding_{name}"] for name in ("mean", "basis", "points"))
        fits = mean.ndim == 1 and basis.ndim == points.ndim == 2 and basis.shape == (len(mean), len(points))
        if not fits or not points.size or any(a.dtype != np.float32 for a in (mean, basis, points)):
            raise ValueError(f"an embedding of shapes {mean.shape}, {basis.shape}, {points.shape}")
        return cls(mean, np.ascontiguousarray(basis), np.ascontiguousarray(points), float(spec["limit"]))


@numba.njit(cache=True)
def _project(vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """``vectors @ basis`` row by row in one order of additions, so that no batch changes a bit; float32, shape (n, k)."""
    found = np.zeros((len(vectors), basis.shape[1]), np.float32)
    for i in range(len(vectors)):
        row = found[i]
        for h in range(len(basis)):
            weight, component = vectors[i, h], basis[h]
            for k in range(len(component)):
                row[k] += weight * component[k]
    return found


@numba.njit(cache=True)
def _nearest(points: np.ndarray, queries: np.ndarray, skipped: np.ndarray) -> np.ndarray:
    """Distance of each query (float32, (n, k)) to the nearest point (float32, (k, m)) that it does not skip, float32, (n,)."""
    found = np.empty(len(queries), np.float32)
    sums = np.empty(points.shape[1], np.float32)
    for i in range(len(queries)):
        sums[:] = np.float32(0)
        for k in range(len(points)):
            axis, at = points[k], queries[i, k]
            for j in range(len(axis)):
                step = axis[j] - at
                sums[j] += step * step
        if skipped[i] >= 0:
            sums[skipped[i]] = np.float32(np.inf)
        found[i] = np.sqrt(sums.min())
    return found


__all__ = ["COMPONENTS", "POINTS", "EmbeddingSpace"]
