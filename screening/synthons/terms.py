"""What groups of atoms contribute to one side of a product, by reagents of both inner roles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from cinchona.screening.synthons.kernels import add_rows


class Term(Protocol):
    """Contribution of one group to one side for given fixed reagents."""

    def add(self, out: np.ndarray, own: np.ndarray, other: int) -> None:
        """In place: add the rows of the side's reagents ``own`` (int, shape (n,)) with one of the other; out (n, width)."""

    def add_all(self, out: np.ndarray, own: np.ndarray, other: np.ndarray) -> None:
        """In place: add the rows of ``own`` (m,) with each of ``other`` (c,), these outermost; out (c * m, width)."""


@dataclass(frozen=True, slots=True, eq=False)
class TableTerm:
    """Rows from a table."""

    rows: np.ndarray
    """By class of the side's reagent, then of the other side's, float32, shape (own * other, width)."""
    own: np.ndarray
    """First row of each reagent of the side, int64, shape (n,)."""
    other: np.ndarray
    """What each reagent of the other side adds to that, int64, shape (m,)."""

    @property
    def is_alone(self) -> bool:
        """Whether the other side does not matter."""
        return not self.other.any()

    def add(self, out: np.ndarray, own: np.ndarray, other: int) -> None:
        """See :class:`Term`."""
        add_rows(out, self.rows, self.own[own] + self.other[other])

    def add_all(self, out: np.ndarray, own: np.ndarray, other: np.ndarray) -> None:
        """See :class:`Term`."""
        add_rows(out, self.rows, (self.other[other][:, None] + self.own[own][None, :]).ravel())


@dataclass(slots=True, eq=False)
class PairTerm:
    """Rows that are made when they are needed, from one part for each side: a table of them would be used once."""

    halves: tuple[np.ndarray, np.ndarray]
    """What the last ReLU takes, by class of the side's reagent and of the other side's, float32, shapes (n, d), (m, d)."""
    own: np.ndarray
    """Class of each reagent of the side, int, shape (n,)."""
    other: np.ndarray
    """Class of each reagent of the other side, int, shape (m,)."""
    pairs: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """Rows of all pairs of two such parts, the first outermost, float32, shape (n * m, width)."""
    _column: tuple[int, np.ndarray] | None = field(default=None, init=False)

    def add(self, out: np.ndarray, own: np.ndarray, other: int) -> None:
        """See :class:`Term`."""
        kind = int(self.other[other])
        if self._column is None or self._column[0] != kind:
            self._column = kind, self.pairs(self.halves[0], self.halves[1][kind : kind + 1])
        add_rows(out, self._column[1], self.own[own])

    def add_all(self, out: np.ndarray, own: np.ndarray, other: np.ndarray) -> None:
        """See :class:`Term`."""
        mine, row = np.unique(self.own[own], return_inverse=True)
        theirs, column = np.unique(self.other[other], return_inverse=True)
        rows = self.pairs(self.halves[0][mine], self.halves[1][theirs])
        add_rows(out, rows, (row[None, :] * len(theirs) + column[:, None]).ravel())


def condensed(terms: list[Term], width: int) -> list[Term]:
    """The same contributions; those to which the other side does not matter are added up beforehand."""
    alone = [term for term in terms if isinstance(term, TableTerm) and term.is_alone]
    if len(alone) < 2:
        return terms
    rows = np.zeros((len(alone[0].own), width), np.float32)
    for term in alone:
        add_rows(rows, term.rows, term.own)
    together = TableTerm(rows, np.arange(len(rows)), alone[0].other)
    return [together, *(term for term in terms if term not in alone)]


__all__ = ["PairTerm", "TableTerm", "Term", "condensed"]
