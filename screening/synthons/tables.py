"""Tables from which products of a cell are scored: what each group of atoms contributes, by classes of reagents.

Two roles are run through in full, the inner ones; those of the others are fixed. Every group belongs to one of the two
sides, so that the score of a product needs one row of each::

    first layer of (i, j) = left(i, class of j) + right(j, class of i) + bias
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona.models.additive import AdditiveModel
from cinchona.models.engine.gemm import Gemm
from cinchona.models.engine.graphs import coded_graphs
from cinchona.models.engine.grouping import Groups
from cinchona.models.engine.kernels import molecule_sums
from cinchona.screening.synthons.assembly import ABSENT, assemble
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.classes import own_classes, seen_classes
from cinchona.screening.synthons.fragments import Fragments
from cinchona.screening.synthons.groups import BLIND, AtomGroup, atom_groups
from cinchona.screening.synthons.routes import TEMPLATE

_CHUNK_ATOMS: Final = 40_000
CACHE_BYTES: Final = 1_200_000_000
"""Tables kept for the next fixed reagents, bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """Contribution of one group to one side for given fixed reagents."""

    rows: np.ndarray
    """Rows by class of the side's reagent, then of the other side's, float32, shape (own * other, width)."""
    own: np.ndarray
    """First row of each reagent of the side, int64, shape (n,)."""
    other: np.ndarray
    """What each reagent of the other side adds to that, int64, shape (m,)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """How the table of a group is made, whatever the fixed reagents are."""

    group: AtomGroup
    side: int
    """Role whose reagents come first in the table."""
    own: Groups
    """Classes of the side's reagents."""
    other: Groups
    """Classes of the other inner role's reagents."""
    parts: tuple[Fragments | None, ...]
    """For each role the parts to choose from, cut to what matters; None if the role is not seen."""
    marks: np.ndarray
    """The group's atoms within the owner's parts as cut, bool."""
    fixed: tuple[np.ndarray | None, ...]
    """For each fixed role the class of each reagent, None if it is not seen."""


class CellTables:
    """Tables of one cell.

    Args:
        cell: The cell.
        fixed: Roles whose reagents are fixed, all but one or two, ascending.
        model: The scorer as sums over atoms.
        multiply: Matrix product to use.
    """

    def __init__(self, cell: Cell, fixed: Sequence[int], model: AdditiveModel, multiply: Gemm) -> None:
        self.cell, self.model, self._multiply = cell, model, multiply
        inner = [role for role in by_size(cell) if role not in fixed]
        self.left: int = inner[0]
        self.right: int | None = inner[1] if len(inner) > 1 else None
        self.fixed = tuple(fixed)
        self._seen: dict[tuple[int, int], Groups] = {}
        self._cache: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()
        groups = atom_groups(cell, model.reach)
        self._plans = [self._plan(group) for group in groups]
        self.left_classes = self._classes_for(self.right, self.left)
        self.right_classes = self._classes_for(self.left, self.right)

    @property
    def table_rows(self) -> int:
        """Rows of all tables for one choice of fixed reagents."""
        return sum(len(p.own) * len(p.other) for p in self._plans)

    def terms(self, fixed: Sequence[int]) -> tuple[list[Term], list[Term]]:
        """Contributions to the left and to the right side.

        Args:
            fixed: Reagent of each fixed role, by position in the cell.
        """
        left: list[Term] = []
        right: list[Term] = []
        for number, plan in enumerate(self._plans):
            rows = self._rows(number, plan, fixed)
            own = plan.own.ids.astype(np.int64) * len(plan.other)
            term = Term(rows, own, plan.other.ids.astype(np.int64))
            (left if plan.side == self.left else right).append(term)
        return left, right

    def _plan(self, group: AtomGroup) -> _Plan:
        cell, reach = self.cell, self.model.reach
        side = self._side_of(group)
        other = self.right if side == self.left else self.left
        parts: list[Fragments | None] = [None] * len(cell.parts)
        fixed: list[np.ndarray | None] = [None] * len(cell.parts)
        marks = group.marked
        for role, whole in enumerate(cell.parts):
            if role == group.owner:
                classes = own_classes(whole, group.marked, reach) if role == side else _each(len(whole))
                near = _near(whole, group.depth + reach)
                parts[role] = whole.keep(classes.representatives.astype(np.int64), near)
                marks = whole.keep_marks(classes.representatives.astype(np.int64), near, group.marked)
            elif group.sees.get(role, BLIND) == BLIND:
                continue
            else:
                classes = self._class(role, group.sees[role])
                parts[role] = whole.near(classes.representatives.astype(np.int64), group.sees[role])
            if role in self.fixed:
                fixed[role] = classes.ids
        return _Plan(group, side, self._axis(group, side), self._axis(group, other), tuple(parts), marks, tuple(fixed))

    def _axis(self, group: AtomGroup, role: int | None) -> Groups:
        """Classes of an inner role as the group needs them."""
        if role is None:
            return _each(1)
        if role == group.owner:
            return own_classes(self.cell.parts[role], group.marked, self.model.reach)
        return self._class(role, group.sees.get(role, BLIND))

    def _side_of(self, group: AtomGroup) -> int:
        """The inner role that owns the group, else the one that it sees deeper into."""
        if self.right is None or group.owner == self.left:
            return self.left
        if group.owner == self.right:
            return self.right
        return self.right if group.sees[self.right] > group.sees[self.left] else self.left

    def _class(self, role: int, radius: int) -> Groups:
        if (role, radius) not in self._seen:
            self._seen[role, radius] = seen_classes(self.cell.parts[role], radius)
        return self._seen[role, radius]

    def _classes_for(self, side: int | None, role: int | None) -> Groups:
        """Classes of ``role`` that all groups of the other ``side`` can be looked up by."""
        if role is None:
            return _each(1)
        deepest = [p.group.sees.get(role, BLIND) for p in self._plans if p.side == side and p.group.owner != role]
        return self._class(role, max(deepest, default=BLIND))

    def _rows(self, number: int, plan: _Plan, fixed: Sequence[int]) -> np.ndarray:
        chosen = {role: plan.fixed[role] for role in self.fixed}
        at = {r: None if ids is None else int(ids[k]) for (r, ids), k in zip(chosen.items(), fixed, strict=True)}
        key = (number, *(ABSENT if k is None else k for k in at.values()))
        if key not in self._cache:
            self._cache[key] = self._computed(plan, at)
            while sum(t.nbytes for t in self._cache.values()) > CACHE_BYTES and len(self._cache) > 1:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    def _computed(self, plan: _Plan, fixed: dict[int, int | None]) -> np.ndarray:
        own, other = len(plan.own), len(plan.other)
        out = np.zeros((own * other, self.model.width), np.float32)
        picks = np.full((own * other, len(self.cell.parts)), ABSENT, np.int64)
        axes = {plan.side: np.repeat(np.arange(own), other)}
        if self.right is not None:
            axes[self.right if plan.side == self.left else self.left] = np.tile(np.arange(other), own)
        parts: list[Fragments] = []
        for role, seen in enumerate(plan.parts):
            parts.append(self.cell.parts[role].take(np.empty(0, np.int64)) if seen is None else seen)
            if seen is not None:
                picks[:, role] = axes[role] if role in axes else np.full(len(picks), fixed[role])
        step = self._step(parts)
        for begin in range(0, len(picks), step):
            out[begin : begin + step] = self._sums(plan, parts, picks[begin : begin + step])
        return out

    def _step(self, parts: Sequence[Fragments]) -> int:
        atoms = sum(float(p.atom_counts.mean()) for p in parts if len(p)) + len(self.cell.joints.atoms)
        return max(1, int(_CHUNK_ATOMS / max(1.0, atoms)))

    def _sums(self, plan: _Plan, parts: Sequence[Fragments], picks: np.ndarray) -> np.ndarray:
        """Sum over the group's atoms in each assembled product, float32, shape (len(picks), width)."""
        made = assemble(parts, picks, self.cell.joints)
        owner = plan.group.owner
        column = len(parts) if owner == TEMPLATE else owner
        offsets = np.array([0, len(plan.marks)]) if owner == TEMPLATE else parts[owner].codes.atom_offsets
        chosen = np.zeros(len(picks), np.int64) if owner == TEMPLATE else picks[:, owner]
        first = made.codes.atom_offsets[:-1].astype(np.int64) + made.starts[:, column]
        places = np.flatnonzero(plan.marks)
        begin = np.searchsorted(places, offsets[:-1])
        counts = (np.searchsorted(places, offsets[1:]) - begin)[chosen]
        at = np.arange(int(counts.sum())) + np.repeat(begin[chosen] - (np.cumsum(counts) - counts), counts)
        atoms = places[at] - np.repeat(offsets[chosen], counts) + np.repeat(first, counts)
        if not len(atoms):
            return np.zeros((len(picks), self.model.width), np.float32)
        rows = self.model.rows(coded_graphs(made.codes, self.model.rows_of), atoms, self._multiply)
        ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return np.asarray(molecule_sums(rows, np.arange(len(rows), dtype=np.int32), ends), np.float32)


def by_size(cell: Cell) -> list[int]:
    """Roles, those with most reagents first."""
    return sorted(range(len(cell.members)), key=lambda role: (-len(cell.members[role]), role))


def _each(n: int) -> Groups:
    return Groups(np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32))


def _near(parts: Fragments, radius: int) -> np.ndarray:
    """Atoms within ``radius`` bonds of a port; all atoms of parts without ports."""
    if not parts.labels:
        return np.ones(len(parts.origin), bool)
    return np.asarray(parts.distance.min(axis=1) <= min(radius, 255))


__all__ = ["CACHE_BYTES", "CellTables", "Term", "by_size"]
