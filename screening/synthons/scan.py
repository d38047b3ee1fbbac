"""All products of a cell in order, scored from its tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona.models.additive import AdditiveModel, QuickHead
from cinchona.models.engine.gemm import Gemm
from cinchona.screening.synthons.kernels import (
    bounded_scores,
    first_layer,
    quick_scores,
    quick_scores_of_mean,
)
from cinchona.screening.synthons.tables import CellTables
from cinchona.screening.synthons.terms import Term, condensed

_ROWS: Final = 20_000
_SCORES: Final = 2_000_000
_TILE: Final = 4_096
_LEFT: Final = 1_024
"""Left reagents whose rows are made at once, so that they are used before they leave the cache."""
_ROUNDING: Final = 1e-5
"""Margin of bounds, relative to scores above 1: sums are made in another order there."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBlock:
    """Scores of some left reagents with some right reagents."""

    left: np.ndarray
    """Left reagents by position in the cell, int64, shape (n,)."""
    right: np.ndarray
    """Right reagents, int64, shape (m,)."""
    scores: np.ndarray
    """Higher is better, float32, shape (n, m); NaN where a product was skipped."""
    skipped: int = 0
    """Products that cannot reach the bar and were not scored."""


class CellScan:
    """Scores a cell, choice of fixed reagents by choice of fixed reagents.

    Args:
        tables: Tables of the cell.
        head: The score as a compiled loop; None for the general way.
        multiply: Matrix product to use.
    """

    def __init__(self, tables: CellTables, head: QuickHead | None, multiply: Gemm) -> None:
        self.tables, self._multiply = tables, multiply
        self._model: AdditiveModel = tables.model
        self._head = None if head is None else _packed(head)
        self._bias = self._model.bias
        self._sign = None if head is None else _signs(head)
        classes = tables.left_classes
        self._order = np.argsort(classes.ids, kind="stable").astype(np.int64)
        self._start = np.searchsorted(classes.ids[self._order], np.arange(len(classes) + 1)).astype(np.int64)

    def blocks(self, fixed: Sequence[int], bar: Callable[[], float] | None = None) -> Iterator[ScoredBlock]:
        """Scores of all products with these reagents of the fixed roles; each product is in one block.

        Args:
            fixed: Reagent of each fixed role, by position in the cell.
            bar: Gives the score below which products need no score, before each block; None to score all.
        """
        left, right = (condensed(terms, self._model.width) for terms in self.tables.terms(fixed))
        for chosen in self._right_blocks():
            rows_right = self._rows_right(right, chosen)
            reach = -math.inf if bar is None or self._head is None or self._model.is_mean else bar()
            reach -= _ROUNDING * max(1.0, abs(reach)) if math.isfinite(reach) else 0.0
            out, skipped = np.empty((len(self._order), len(chosen)), np.float32), 0
            atoms = self._atoms(fixed, chosen) if self._model.is_mean else None
            for begin in range(0, len(out), _LEFT):
                part = slice(begin, begin + _LEFT)
                rows_left = self._rows(left, self._order[part], int(chosen[0]))
                start = np.clip(self._start - begin, 0, len(rows_left))
                if reach > -math.inf and self._head is not None:
                    limit = (self._sign, reach)
                    skipped += bounded_scores(rows_left, rows_right, start, self._head, limit, out[part])
                else:
                    self._scores(
                        (rows_left, rows_right), start, None if atoms is None else (atoms[0][part], atoms[1]), out[part]
                    )
            yield ScoredBlock(self._order, chosen, out, skipped)

    def _right_blocks(self) -> Iterator[np.ndarray]:
        """Right reagents of one class each, few enough at a time."""
        classes = self.tables.right_classes
        most = max(1, min(_ROWS // len(self.tables.left_classes), _SCORES // max(1, len(self._order))))
        order = np.argsort(classes.ids, kind="stable").astype(np.int64)
        start = np.searchsorted(classes.ids[order], np.arange(len(classes) + 1))
        for k in range(len(classes)):
            for begin in range(start[k], start[k + 1], most):
                yield order[begin : min(begin + most, start[k + 1])]

    def _rows(self, terms: Sequence[Term], own: np.ndarray, other: int) -> np.ndarray:
        out = np.zeros((len(own), self._model.width), np.float32)
        for term in terms:
            term.add(out, own, other)
        return out

    def _rows_right(self, terms: Sequence[Term], chosen: np.ndarray) -> np.ndarray:
        """Rows of right reagents for each class of left ones, class by class."""
        first = self._order[self._start[:-1]]
        out = np.zeros((len(first) * len(chosen), self._model.width), np.float32)
        if self.tables.right is not None:
            for term in terms:
                term.add_all(out, chosen, first)
        if not self._model.is_mean:
            out += self._bias
        return out

    def _scores(
        self, rows: tuple[np.ndarray, np.ndarray], start: np.ndarray, atoms: tuple[np.ndarray, np.ndarray] | None,
        out: np.ndarray,
    ) -> None:  # fmt: skip
        """Scores of some left reagents, those of class b from ``start[b]`` to ``start[b + 1]``, into ``out`` (n, m)."""
        if self._head is None:
            self._general(rows, start, atoms, out)
        elif atoms is None:
            quick_scores(*rows, start, self._head, out)
        else:
            quick_scores_of_mean(*rows, start, self._head, (*atoms, self._bias), out)

    def _general(
        self, rows: tuple[np.ndarray, np.ndarray], start: np.ndarray, atoms: tuple[np.ndarray, np.ndarray] | None,
        out: np.ndarray,
    ) -> None:  # fmt: skip
        flat, m = out.reshape(-1), out.shape[1]
        class_of = np.repeat(np.arange(len(start) - 1), np.diff(start))
        for begin in range(0, len(flat), _TILE):
            sums = np.empty((min(_TILE, len(flat) - begin), self._model.width), np.float32)
            first_layer(*rows, class_of, begin, m, sums)
            if atoms is not None:
                at = np.arange(begin, begin + len(sums))
                sums = sums / (atoms[0][at // m] + atoms[1][at % m]).astype(np.float32)[:, None] + self._bias
            flat[begin : begin + len(sums)] = self._model.scores(sums, self._multiply)

    def _atoms(self, fixed: Sequence[int], chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Atoms of the left reagents with all that is fixed, and of the right ones."""
        cell, tables = self.tables.cell, self.tables
        rest = len(cell.joints.atoms)
        rest += sum(int(cell.parts[role].atom_counts[k]) for role, k in zip(tables.fixed, fixed, strict=True))
        right = np.zeros(1, np.int64) if tables.right is None else cell.parts[tables.right].atom_counts[chosen]
        return cell.parts[tables.left].atom_counts[self._order] + rest, right


def _signs(head: QuickHead) -> np.ndarray:
    """Sign of each hidden unit's weight in the score."""
    return np.asarray(np.sign(head.weight * np.repeat(head.factor, np.diff(head.segment))), np.float32)


def _packed(head: QuickHead) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    last = np.concatenate([head.factor, [head.constant, float(head.logistic)]]).astype(np.float32)
    return head.weight, head.segment, head.bias, last


__all__ = ["CellScan", "ScoredBlock"]
