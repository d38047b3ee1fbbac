"""Similarity in which rare substructures count more than common ones, and repeats less than the first.

Two compounds of a series share nearly everything with nearly everything else in it. What only some of the training compounds have is what tells them
apart, so it gets more weight; what a single one has can not be learnt from, and gets none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from cinchona.models.classical.counts import Counts, References, shared_counts

RARE: Final = "rare-"
"""What stands before the name of a family in a kernel that weighs its substructures by rarity."""
_FEWEST: Final = 2
"""Training compounds that must have a substructure for it to count."""


@dataclass(frozen=True, slots=True, eq=False)
class Rarity:
    """What each substructure of the training compounds weighs."""

    ids: np.ndarray
    """Substructures that at least two of them have, uint64, ascending, shape (v,)."""
    weights: np.ndarray
    """Weight of each, above 0, float64, shape (v,)."""

    @classmethod
    def of(cls, counts: Counts) -> Self:
        r"""Weights from n training compounds.

        .. math:: w_k = \sqrt{\ln(1 + n / n_k)}

        where :math:`n_k` of them have the substructure: the square root of an inverse document frequency, between no weight and all of it.

        References:
            Spärck Jones, Journal of Documentation 1972, 28, 11, https://doi.org/10.1108/eb026526
        """
        ids, found = np.unique(counts.ids, return_counts=True)
        kept = found >= _FEWEST
        return cls(ids[kept], np.sqrt(np.log1p(len(counts) / found[kept])))

    def values(self, counts: Counts) -> tuple[np.ndarray, np.ndarray]:
        r"""Place of each entry of ``counts`` among :attr:`ids`, int64, -1 where it is not there, and :math:`w_k \log_2(1 + c)`, float64, 0 there."""
        if not len(self.ids):
            return np.full(len(counts.ids), -1), np.zeros(len(counts.ids))
        place = np.minimum(np.searchsorted(self.ids, counts.ids), len(self.ids) - 1)
        known = self.ids[place] == counts.ids
        values = np.where(known, self.weights[place] * np.log2(1.0 + counts.counts), 0.0)
        return np.where(known, place, -1), values


class RareReferences(References):
    """Molecules that others are compared with, by what is rare.

    Args:
        counts: The m molecules.
        rarity: What each substructure weighs; that of ``counts`` unless they are only a part of the training compounds.
    """

    def __init__(self, counts: Counts, rarity: Rarity | None = None) -> None:
        self.counts, self.rarity = counts, rarity or Rarity.of(counts)
        column, values = self.rarity.values(counts)
        owner = np.repeat(np.arange(len(counts)), np.diff(counts.start))
        order = np.argsort(column, kind="stable")
        order = order[column[order] >= 0]
        self._totals = _sums(counts, values)
        self._rows, self._counts = owner[order].astype(np.int64), values[order]
        sizes = np.bincount(column[order], minlength=len(self.rarity.ids))
        self._start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def similarity(self, queries: Counts) -> np.ndarray:
        r"""Min-max similarity of weighed logarithms of counts, each query to each reference.

        .. math:: s(a, b) = \frac{\sum_k w_k \min(\log_2(1 + a_k), \log_2(1 + b_k))}{\sum_k w_k \max(\log_2(1 + a_k), \log_2(1 + b_k))}

        Range [0, 1]; 1 for two molecules without any substructure that counts. It is a positive definite kernel, as it is the min-max kernel of other non-negative numbers.

        Args:
            queries: n molecules.

        Returns:
            float32, shape (n, m).
        """
        column, values = self.rarity.values(queries)
        shared = shared_counts((queries.start, column, values), (self._start, self._rows, self._counts), len(self))
        either = _sums(queries, values)[:, None] + self._totals[None, :] - shared
        similarity = np.divide(shared, either, out=np.ones_like(shared), where=either > 0)
        found: np.ndarray = similarity.astype(np.float32)
        return found

    def take(self, rows: np.ndarray) -> RareReferences:
        """The molecules ``rows``, int64; substructures weigh what they weighed."""
        return RareReferences(self.counts.take(rows), self.rarity)

    def arrays(self) -> dict[str, np.ndarray]:
        """Counts and weights by name."""
        return {**super().arrays(), "rarity_ids": self.rarity.ids, "rarity_weights": self.rarity.weights}


def references_of(part: str, counts: Counts) -> References:
    """What compares the part of a kernel of that name."""
    return RareReferences(counts) if part.startswith(RARE) else References(counts)


def family_of(part: str) -> str:
    """The family of substructures that the part of a kernel looks at."""
    return part.removeprefix(RARE)


def restored_references(part: str, arrays: Mapping[str, np.ndarray], size: int) -> References:
    """Rebuild what :meth:`References.arrays` gave for ``size`` molecules.

    Raises:
        ValueError: if arrays do not fit together.
    """
    counts = Counts(*(arrays[key] for key in ("start", "ids", "counts")))
    start = counts.start
    fits = start.shape == (size + 1,) and start[0] == 0 and bool((np.diff(start) >= 0).all())
    if not fits or start[-1] != len(counts.ids) or len(counts.ids) != len(counts.counts):
        raise ValueError("the counted substructures do not fit their molecules")
    if not part.startswith(RARE):
        return References(counts)
    ids, weights = arrays["rarity_ids"], arrays["rarity_weights"]
    if ids.ndim != 1 or ids.shape != weights.shape or not (ids[1:] > ids[:-1]).all() or not (weights > 0).all():
        raise ValueError("the weights of rare substructures do not fit them")
    return RareReferences(counts, Rarity(ids, weights))


def _sums(counts: Counts, values: np.ndarray) -> np.ndarray:
    """Sum of ``values`` over the entries of each molecule, float64, shape (n,); one after the other, so that it does not depend on other molecules."""
    owner = np.repeat(np.arange(len(counts)), np.diff(counts.start))
    total: np.ndarray = np.bincount(owner, weights=values, minlength=len(counts))
    return total


__all__ = ["family_of", "RARE", "RareReferences", "Rarity", "references_of", "restored_references"]
