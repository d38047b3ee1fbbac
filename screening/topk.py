"""The best distinct compounds of a run, found in constant memory.

Order of hits, documented and total: higher score first; of equal scores the lower row id first. Scores that are NaN or
infinite are never hits. Rows with the same standardized parent are one hit, at the place of the best of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

COLUMNS: Final = ("row_id", "parent_smiles", "score")
"""Columns that :meth:`TopK.add` reads."""
SAME_SCORE: Final = 1e-4
"""Relative difference within which two scores may belong to one compound that was scored in two batches."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A distinct compound that may become a hit."""

    score: float
    """Best score among its rows, higher is better."""
    row_id: int
    """Row with that score; of several the first."""
    parent_smiles: str
    """What makes it distinct."""

    @property
    def order(self) -> tuple[float, int]:
        """Sort key: best first."""
        return -self.score, self.row_id


class TopK:
    """Keeps the best ``k`` distinct compounds of the rows that it is shown, in any order.

    Dropping a compound that is worse than ``k`` others is safe: should a better row of it come later, that row enters
    by itself. So at most ``k`` compounds are held between calls.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._best: dict[str, Candidate] = {}

    @property
    def bar(self) -> float:
        """Score of the last hit, minus infinity while there are fewer than ``k``."""
        if len(self._best) < self._k:
            return -np.inf
        return min(c.score for c in self._best.values())

    def add(self, part: pa.Table) -> None:
        """Look at rows of the run.

        Args:
            part: Table with :data:`COLUMNS`; ``score`` is null or NaN where there is none.
        """
        scores = part.column("score").to_numpy()
        chosen = np.flatnonzero(np.isfinite(scores) & (scores >= self.bar))
        rows = part.column("row_id").to_numpy()[chosen]
        best_first = chosen[np.lexsort((rows, -scores[chosen]))]
        self._take(part, best_first)
        kept = heapq.nsmallest(self._k, self._best.values(), key=lambda c: c.order)
        self._best = {c.parent_smiles: c for c in kept}

    def ranked(self) -> list[Candidate]:
        """The hits, best first, at most ``k``."""
        return sorted(self._best.values(), key=lambda c: c.order)

    def _take(self, part: pa.Table, best_first: np.ndarray) -> None:
        """Enter rows, best first, until ``k`` distinct compounds of this part alone have been seen."""
        seen: set[str] = set()
        for start in range(0, len(best_first), self._k):
            chunk = part.select(list(COLUMNS)).take(pa.array(best_first[start : start + self._k]))
            for row in chunk.to_pylist():
                candidate = Candidate(row["score"], row["row_id"], row["parent_smiles"])
                seen.add(candidate.parent_smiles)
                known = self._best.get(candidate.parent_smiles)
                if known is None or candidate.order < known.order:
                    self._best[candidate.parent_smiles] = candidate
            if len(seen) >= self._k:
                return


def just_below(score: float) -> float:
    """A little less than ``score``: rows of the same compound reach it whatever batch they were scored in."""
    return score - SAME_SCORE * max(1.0, abs(score))


def by_best_score(best: np.ndarray) -> Iterator[int]:
    """Positions of the finite values of ``best`` (float, shape (n,)), highest first; equal ones in order."""
    order = np.argsort(-np.where(np.isfinite(best), best, -np.inf), kind="stable")
    return (int(i) for i in order if np.isfinite(best[i]))
