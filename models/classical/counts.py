"""Unfolded count fingerprints as compressed rows, and their min-max similarity.

No bit is shared by two environments, as it is in folded fingerprints, and a substructure that occurs three times counts
three times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numba
import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from cinchona.errors import ConfigError

MOST: Final = 255
"""Counts above this are cut, so that a polymer stays a row like the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How often each substructure of one family occurs in n molecules."""

    start: np.ndarray
    """First entry of each molecule and the end, int64, shape (n + 1,)."""
    ids: np.ndarray
    """Which substructure (RDKit's hash), uint64, ascending in each molecule, shape (entries,)."""
    counts: np.ndarray
    """How often, 1 to :data:`MOST`, uint8, shape (entries,)."""

    def __len__(self) -> int:
        return len(self.start) - 1

    def totals(self) -> np.ndarray:
        """Sum of the counts of each molecule, float64, shape (n,)."""
        ahead = np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])
        totals: np.ndarray = (ahead[self.start[1:]] - ahead[self.start[:-1]]).astype(np.float64)
        return totals

    def take(self, rows: np.ndarray) -> Counts:
        """The molecules ``rows``, int64, in their order."""
        lengths = (self.start[1:] - self.start[:-1])[rows]
        start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        picks = np.repeat(self.start[rows] - start[:-1], lengths) + np.arange(start[-1])
        return Counts(start, self.ids[picks], self.counts[picks])

    def folded(self, size: int) -> np.ndarray:
        """Counts by substructure modulo ``size``, float32, shape (n, size)."""
        rows = np.repeat(np.arange(len(self)), np.diff(self.start))
        out = np.zeros((len(self), size), np.float32)
        np.add.at(out, (rows, (self.ids % np.uint64(size)).astype(np.int64)), self.counts.astype(np.float32))
        return out


class References:
    """Molecules that others are compared with, indexed by substructure.

    Args:
        counts: The m molecules.
    """

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self._totals = counts.totals()
        self._vocabulary, column = np.unique(counts.ids, return_inverse=True)
        order = np.argsort(column, kind="stable")
        owner = np.repeat(np.arange(len(counts)), np.diff(counts.start))
        self._rows = owner[order].astype(np.int64)
        self._counts = counts.counts[order]
        sizes = np.bincount(column, minlength=len(self._vocabulary)) if len(column) else np.zeros(0, np.int64)
        self._start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, rows: np.ndarray) -> References:
        """The molecules ``rows``, int64."""
        return References(self.counts.take(rows))

    def arrays(self) -> dict[str, np.ndarray]:
        """The counts by name."""
        return {key: getattr(self.counts, key) for key in ("start", "ids", "counts")}

    def similarity(self, queries: Counts) -> np.ndarray:
        r"""Min-max similarity of each query to each reference, the Tanimoto similarity of counts.

        .. math:: s(a, b) = \frac{\sum_k \min(a_k, b_k)}{\sum_k \max(a_k, b_k)}

        Range [0, 1]; 1 for two molecules without any substructure. It is a positive definite kernel.

        Args:
            queries: n molecules.

        Returns:
            float32, shape (n, m).

        References:
            Ralaivola et al., Neural Networks 2005, 18, 1093, https://doi.org/10.1016/j.neunet.2005.07.009
        """
        place = np.searchsorted(self._vocabulary, queries.ids)
        clipped = np.minimum(place, max(len(self._vocabulary) - 1, 0))
        known = self._vocabulary[clipped] == queries.ids if len(self._vocabulary) else np.zeros(len(place), bool)
        column = np.where(known, clipped, -1)
        shared = shared_counts(
            (queries.start, column, queries.counts), (self._start, self._rows, self._counts), len(self)
        )
        either = queries.totals()[:, None] + self._totals[None, :] - shared
        similarity = np.divide(shared, either, out=np.ones_like(shared), where=either > 0)
        found: np.ndarray = similarity.astype(np.float32)
        return found


@numba.njit(cache=True)
def shared_counts(
    queries: tuple[np.ndarray, np.ndarray, np.ndarray], postings: tuple[np.ndarray, np.ndarray, np.ndarray], m: int
) -> np.ndarray:
    """Sum of the smaller counts of each pair, float64, shape (n, m).

    Args:
        queries: First entry of each of n molecules and the end; column of each entry, -1 for one that no reference has; its count.
        postings: First entry of each column and the end; which reference has it; its count there.
        m: References.
    """
    start, column, count = queries
    first, rows, theirs = postings
    n = len(start) - 1
    out = np.zeros((n, m), np.float64)
    for q in range(n):
        for k in range(start[q], start[q + 1]):
            if column[k] >= 0:
                for p in range(first[column[k]], first[column[k] + 1]):
                    out[q, rows[p]] += min(count[k], theirs[p])
    return out


FAMILIES: Final[Mapping[str, str]] = MappingProxyType({
    "morgan2": "circular environments up to 2 bonds, with chirality",
    "morgan3": "circular environments up to 3 bonds, with chirality",
    "morgan4": "circular environments up to 4 bonds, with chirality",
    "features3": "circular environments up to 3 bonds of pharmacophoric atom types, with chirality",
    "pairs": "pairs of atoms with their topological distance",
    "torsions": "chains of four atoms",
})  # fmt: skip
"""Families of substructures: name and what is counted."""


def count_substructures(molecules: Sequence[Chem.Mol], family: str) -> Counts:
    """Count the substructures of one family in n molecules.

    Raises:
        ConfigError: if there is no such family.
    """
    if family not in FAMILIES:
        raise ConfigError(f"unknown fingerprint {family!r}", expected=f"one of {', '.join(FAMILIES)}")
    make = _generator(family)
    lengths, ids, counts = [0], [], []
    for mol in molecules:
        found = make.GetSparseCountFingerprint(mol).GetNonzeroElements()
        ordered = sorted(found)
        ids += ordered
        counts += [min(found[k], MOST) for k in ordered]
        lengths.append(len(ordered))
    return Counts(np.cumsum(lengths).astype(np.int64), np.array(ids, np.uint64), np.array(counts, np.uint8))


@cache
def _generator(family: str) -> Any:  # noqa: ANN401 - RDKit's classes have no types
    if family == "pairs":
        return rdFingerprintGenerator.GetAtomPairGenerator(includeChirality=True)
    if family == "torsions":
        return rdFingerprintGenerator.GetTopologicalTorsionGenerator(includeChirality=True)
    radius = int(family[-1])
    if family.startswith("features"):
        types = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
        return rdFingerprintGenerator.GetMorganGenerator(
            radius=radius, includeChirality=True, atomInvariantsGenerator=types
        )
    return rdFingerprintGenerator.GetMorganGenerator(radius=radius, includeChirality=True)
