"""A cheap stand-in for a scorer: a linear model on hashed atom environments, read from graph codes without RDKit.

Its features are those of extended-connectivity fingerprints (Rogers and Hahn 2010, doi:10.1021/ci100050t): the
environment of each atom at radius 0, 1 and 2, hashed to a position, as log(1 + count).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numba
import numpy as np
from scipy import sparse

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.digests import digest_bytes
from cinchona.errors import ShapeError
from cinchona.models.atom_hashes import atom_hashes, widen

RADIUS: Final = 2
"""Bonds from the centre of an environment."""
SIZE: Final = 32_768
"""Positions that environments are hashed to."""

_PENALTIES: Final = (1.0, 3.0, 10.0, 30.0, 100.0)
_HELD_OUT: Final = 0.2
_SIZE: Final = np.uint64(SIZE)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A linear model of a score."""

    weights: np.ndarray
    """Weight of each position, float32, shape (SIZE,)."""
    intercept: float
    """Score of a molecule without any known environment."""

    @classmethod
    def fit(cls, molecules: CodedMolecules, score: np.ndarray, *, seed: int) -> Self:
        """Learn ``score`` by ridge regression; the penalty is the best of five on a fifth that is held out.

        Args:
            molecules: n molecules.
            score: What to learn, finite, float, shape (n,).
            seed: Decides which fifth is held out.

        Raises:
            ShapeError: if the lengths differ.
        """
        x, y = environment_counts(molecules), np.asarray(score, np.float64)
        if y.shape != (x.shape[0],):
            raise ShapeError.of("score", y.shape, f"({x.shape[0]},)")
        order = np.random.default_rng(seed).permutation(len(y))
        held, rest = np.split(order, [int(_HELD_OUT * len(y))])
        tried = [cls._ridge(x[rest], y[rest], penalty) for penalty in _PENALTIES]
        errors = [float(np.mean((model.of_counts(x[held]) - y[held]) ** 2)) for model in tried]
        return cls._ridge(x, y, _PENALTIES[int(np.argmin(errors))])

    @classmethod
    def _ridge(cls, x: sparse.csr_array, y: np.ndarray, penalty: float) -> Self:
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=penalty, solver="sparse_cg", tol=1e-4).fit(x, y)
        return cls(model.coef_.astype(np.float32), float(model.intercept_))

    def predict(self, molecules: CodedMolecules) -> np.ndarray:
        """Estimated scores, float32, shape (n,)."""
        return self.of_counts(environment_counts(molecules))

    def of_counts(self, counts: sparse.csr_array) -> np.ndarray:
        """Estimated scores from :func:`environment_counts`, float32, shape (n,)."""
        estimate: np.ndarray = counts @ self.weights + np.float32(self.intercept)
        return estimate.astype(np.float32)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the weights, hex."""
        return digest_bytes(self.weights.astype("<f4").tobytes() + np.float64(self.intercept).tobytes())


def environment_counts(molecules: CodedMolecules) -> sparse.csr_array:
    """Features of n molecules: log(1 + count) of each hashed environment, float32, shape (n, SIZE)."""
    graph = molecules.graph
    positions = _positions(
        graph.atoms.astype(np.int64),
        graph.bonds.astype(np.int64),
        graph.ends.astype(np.int64),
        molecules.atom_offsets.astype(np.int64),
        molecules.bond_offsets.astype(np.int64),
    )
    starts = molecules.atom_offsets.astype(np.int64) * (RADIUS + 1)
    ones = np.ones(len(positions), np.float32)
    counts = sparse.csr_array((ones, positions, starts), shape=(len(starts) - 1, SIZE))
    counts.sum_duplicates()
    counts.data = np.log1p(counts.data)
    return counts


@numba.njit(cache=True)
def _positions(
    atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, first_atom: np.ndarray, first_bond: np.ndarray
) -> np.ndarray:
    """Position of each atom's environments, int32, shape (V * (RADIUS + 1),), molecule after molecule."""
    found = np.empty(len(atoms) * (RADIUS + 1), np.int32)
    hashes = atom_hashes(atoms)
    for m in range(len(first_atom) - 1):
        low, high = first_atom[m], first_atom[m + 1]
        mine, of_bonds = hashes[low:high], slice(first_bond[m], first_bond[m + 1])
        for r in range(RADIUS + 1):
            begin = low * (RADIUS + 1) + r * (high - low)
            for v in range(high - low):
                found[begin + v] = np.int32(mine[v] % _SIZE)
            if r < RADIUS:
                widen(mine, bonds[of_bonds], ends[of_bonds], np.uint64(r + 1))
    return found


__all__ = ["RADIUS", "SIZE", "Surrogate", "environment_counts"]
