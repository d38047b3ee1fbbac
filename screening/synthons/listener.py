"""Picking the audited products out of the scan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cinchona.screening.synthons.scan import ScoredBlock
from cinchona.screening.synthons.space import Assay
from cinchona.screening.synthons.tables import CellTables

Heard = tuple[np.ndarray, np.ndarray]
"""Audited products (int64) and their scores from tables (float32)."""


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """Picks audited products out of blocks."""

    numbers: np.ndarray
    """Audited products with these reagents of the fixed roles, int64, shape (a,)."""
    rows: np.ndarray
    """Place of each one's left reagent in the cell, -1 if it is not there."""
    columns: np.ndarray
    """Place of each one's right reagent in the cell, -1 if it is not there."""

    @classmethod
    def of(cls, numbers: np.ndarray, assay: Assay, tables: CellTables, fixed: dict[int, int]) -> Listener:
        """Listen for those of the sorted ``numbers`` that have the ``fixed`` reagents (by their place in the role)."""
        last = assay.first + assay.numbered
        mine = numbers[np.searchsorted(numbers, assay.first) : np.searchsorted(numbers, last)]
        at = [(mine - assay.first) // stride % size for stride, size in zip(assay.strides, assay.sizes, strict=True)]
        chosen = np.ones(len(mine), bool)
        for role, reagent in fixed.items():
            chosen &= at[role] == reagent
        rows = _places(at[tables.left][chosen], tables.cell.members[tables.left])
        columns = np.zeros(int(chosen.sum()), np.int64)
        if tables.right is not None:
            columns = _places(at[tables.right][chosen], tables.cell.members[tables.right])
        inside = (rows >= 0) & (columns >= 0)
        return cls(mine[chosen][inside], rows[inside], columns[inside])

    def heard(self, block: ScoredBlock) -> Iterator[Heard]:
        """The audited products of a block with their scores."""
        if not len(self.numbers):
            return
        i, j = _places(self.rows, block.left), _places(self.columns, block.right)
        here = (i >= 0) & (j >= 0)
        if here.any():
            yield self.numbers[here], block.scores[i[here], j[here]]


def _places(wanted: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Place of each of ``wanted`` in ``among`` (distinct, in any order), -1 if it is not there; int64."""
    order = np.argsort(among, kind="stable")
    at = np.minimum(np.searchsorted(among, wanted, sorter=order), len(among) - 1)
    found = order[at]
    return np.where(among[found] == wanted, found, -1)


__all__ = ["Heard", "Listener"]
