"""Tables from which products of a cell are scored: what each group of atoms contributes, by classes of reagents.

Two roles are run through in full, the inner ones; those of the others are fixed. Every group belongs to one of the two
sides, so that the score of a product needs one row of each::

    first layer of (i, j) = left(i, class of j) + right(j, class of i) + bias
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona.models.additive import AdditiveModel
from cinchona.models.engine.gemm import Gemm
from cinchona.models.engine.graphs import coded_graphs
from cinchona.models.engine.grouping import Groups
from cinchona.models.engine.kernels import molecule_sums
from cinchona.screening.synthons.assembly import ABSENT, Assembled, assemble
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.classes import own_classes, seen_classes
from cinchona.screening.synthons.fragments import Fragments, Joints
from cinchona.screening.synthons.gates import comes_apart, pair_rows
from cinchona.screening.synthons.groups import BLIND, AtomGroup, atom_groups
from cinchona.screening.synthons.routes import TEMPLATE
from cinchona.screening.synthons.store import TableStore, digest_of
from cinchona.screening.synthons.terms import PairTerm, TableTerm, Term

_CHUNK_ATOMS: Final = 8_000
"""Atoms of products that are put together at once: their states stay near the processor."""


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
    parts: tuple[Fragments, ...]
    """For each role the parts to choose from, cut to what matters; none if the role is not seen."""
    marks: np.ndarray
    """The group's atoms within the owner's parts as cut, bool."""
    fixed: tuple[np.ndarray | None, ...]
    """For each fixed role the class of each reagent, None if it is not seen."""
    parted: bool
    """Whether what the last ReLU takes is a sum of one part for each axis."""
    digest: str
    """Digest of all that decides the table but the fixed reagents."""

    @property
    def rows(self) -> int:
        """Rows of the table."""
        own, other = len(self.own), len(self.other)
        return own + other if self.parted else own * other


class CellTables:
    """Tables of one cell.

    Args:
        cell: The cell.
        fixed: Roles whose reagents are fixed, all but one or two, ascending.
        model: The scorer as sums over atoms.
        multiply: Matrix product to use.
        store: Tables of the same model that were made before; None for none.
    """

    def __init__(
        self, cell: Cell, fixed: Sequence[int], model: AdditiveModel, multiply: Gemm, store: TableStore | None = None
    ) -> None:
        self._store = TableStore() if store is None else store
        self.cell, self.model, self._multiply = cell, model, multiply
        inner = [role for role in by_size(cell) if role not in fixed]
        self.left: int = inner[0]
        self.right: int | None = inner[1] if len(inner) > 1 else None
        self.fixed = tuple(fixed)
        self._seen: dict[tuple[int, int], Groups] = {}
        self._cut: dict[tuple[int, int], Fragments] = {}
        self._nothing = [whole.take(np.empty(0, np.int64)) for whole in cell.parts]
        groups = atom_groups(cell, model.reach)
        self._plans = [self._plan(group) for group in groups]
        self.left_classes = self._classes_for(self.right, self.left)
        self.right_classes = self._classes_for(self.left, self.right)

    @property
    def table_rows(self) -> int:
        """Rows of all tables for one choice of fixed reagents."""
        return sum(p.rows for p in self._plans)

    @property
    def classes(self) -> int:
        """Classes of reagents that the tables tell apart, of both inner roles together."""
        return len(self.left_classes) + len(self.right_classes)

    def terms(self, fixed: Sequence[int]) -> tuple[list[Term], list[Term]]:
        """Contributions to the left and to the right side.

        Args:
            fixed: Reagent of each fixed role, by position in the cell.
        """
        left: list[Term] = []
        right: list[Term] = []
        for plan in self._plans:
            (left if plan.side == self.left else right).append(self._term(plan, fixed))
        return left, right

    def _plan(self, group: AtomGroup) -> _Plan:
        cell, reach = self.cell, self.model.reach
        side = self._side_of(group)
        other = self.right if side == self.left else self.left
        parts = list(self._nothing)
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
                parts[role] = self._seen_parts(role, group.sees[role])
            if role in self.fixed:
                fixed[role] = classes.ids
        axes = self._axis(group, side), self._axis(group, other)
        parted = min(map(len, axes)) > 1 and self._comes_apart(group, side, other)
        digest = _digest(parts, cell.joints, (group.owner, side, other, parted, *map(len, axes)), marks)
        return _Plan(group, side, *axes, tuple(parts), marks, tuple(fixed), parted, digest)

    def _comes_apart(self, group: AtomGroup, side: int, other: int | None) -> bool:
        """Whether the table of a group is made from one part for each side."""
        if other is None or group.owner not in (side, TEMPLATE) or not self.model.is_one_way:
            return False
        return comes_apart(self.cell, group, (side, other), self.model.reach)

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

    def _seen_parts(self, role: int, radius: int) -> Fragments:
        """One part of each class, cut to what is seen of it."""
        if (role, radius) not in self._cut:
            places = self._class(role, radius).representatives.astype(np.int64)
            self._cut[role, radius] = self.cell.parts[role].near(places, radius)
        return self._cut[role, radius]

    def _classes_for(self, side: int | None, role: int | None) -> Groups:
        """Classes of ``role`` that all groups of the other ``side`` can be looked up by."""
        if role is None:
            return _each(1)
        deepest = [p.group.sees.get(role, BLIND) for p in self._plans if p.side == side and p.group.owner != role]
        return self._class(role, max(deepest, default=BLIND))

    def _term(self, plan: _Plan, fixed: Sequence[int]) -> Term:
        chosen = {role: plan.fixed[role] for role in self.fixed}
        at = {r: ABSENT if ids is None else int(ids[k]) for (r, ids), k in zip(chosen.items(), fixed, strict=True)}
        own, other = plan.own.ids.astype(np.int64), plan.other.ids.astype(np.int64)
        if plan.parted:
            return PairTerm(self._halves(plan, at), own, other, self._pairs)
        size = plan.rows * self.model.width * 4
        rows = self._store.table((plan.digest, *at.values()), size, lambda: self._computed(plan, at))
        return TableTerm(rows, own * len(plan.other), other)

    def _pairs(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        return pair_rows(own, other, self.model, self._multiply)

    def _halves(self, plan: _Plan, fixed: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """What the last ReLU takes: without the other side, and what each class of the other side adds to it."""
        own, other = np.arange(len(plan.own)), np.append(ABSENT, np.arange(len(plan.other)))

        def alone() -> np.ndarray:
            return self._inputs(plan, self._picks(plan, fixed, own, np.full(len(own), ABSENT)))

        def beside() -> np.ndarray:
            rows = self._inputs(plan, self._picks(plan, fixed, np.zeros(len(other), np.int64), other))
            return np.asarray(rows[1:] - rows[0])

        width = self.model.states_width * 4
        return (
            self._store.table((plan.digest + ".own", *fixed.values()), len(own) * width, alone),
            self._store.table((plan.digest + ".other", *fixed.values()), len(other) * width, beside),
        )

    def _computed(self, plan: _Plan, fixed: dict[int, int]) -> np.ndarray:
        own, other = len(plan.own), len(plan.other)
        picks = self._picks(plan, fixed, np.repeat(np.arange(own), other), np.tile(np.arange(other), own))
        out = np.empty((len(picks), self.model.width), np.float32)
        step = self._step(plan.parts)
        for begin in range(0, len(picks), step):
            out[begin : begin + step] = self._sums(plan, picks[begin : begin + step])
        return out

    def _picks(self, plan: _Plan, fixed: dict[int, int], own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Which part of each role, for classes of the two sides, int64, shape (len(own), roles)."""
        axes = {plan.side: own}
        if self.right is not None:
            axes[self.right if plan.side == self.left else self.left] = other
        picks = np.full((len(own), len(self.cell.parts)), ABSENT, np.int64)
        for role, seen in enumerate(plan.parts):
            if len(seen):
                picks[:, role] = axes[role] if role in axes else fixed[role]
        return picks

    def _step(self, parts: Sequence[Fragments]) -> int:
        atoms = sum(float(p.atom_counts.mean()) for p in parts if len(p)) + len(self.cell.joints.atoms)
        return max(1, int(_CHUNK_ATOMS / max(1.0, atoms)))

    def _inputs(self, plan: _Plan, picks: np.ndarray) -> np.ndarray:
        """What the last ReLU takes for the one marked atom of each product, float32, shape (len(picks), states_width)."""
        made = assemble(plan.parts, picks, self.cell.joints)
        atoms, _ = _marked(plan, made, picks)
        return self.model.inputs(coded_graphs(made.codes, self.model.features), atoms, self._multiply)

    def _sums(self, plan: _Plan, picks: np.ndarray) -> np.ndarray:
        """Sum over the group's atoms in each assembled product, float32, shape (len(picks), width)."""
        made = assemble(plan.parts, picks, self.cell.joints)
        atoms, counts = _marked(plan, made, picks)
        if not len(atoms):
            return np.zeros((len(picks), self.model.width), np.float32)
        rows = self.model.rows(coded_graphs(made.codes, self.model.features), atoms, self._multiply)
        ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return np.asarray(molecule_sums(rows, np.arange(len(rows), dtype=np.int32), ends), np.float32)


def _marked(plan: _Plan, made: Assembled, picks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group's atoms in assembled products, and their number in each."""
    owner, parts = plan.group.owner, plan.parts
    column = len(parts) if owner == TEMPLATE else owner
    offsets = np.array([0, len(plan.marks)]) if owner == TEMPLATE else parts[owner].codes.atom_offsets
    chosen = np.zeros(len(picks), np.int64) if owner == TEMPLATE else picks[:, owner]
    first = made.codes.atom_offsets[:-1].astype(np.int64) + made.starts[:, column]
    places = np.flatnonzero(plan.marks)
    begin = np.searchsorted(places, offsets[:-1])
    counts = (np.searchsorted(places, offsets[1:]) - begin)[chosen]
    at = np.arange(int(counts.sum())) + np.repeat(begin[chosen] - (np.cumsum(counts) - counts), counts)
    return places[at] - np.repeat(offsets[chosen], counts) + np.repeat(first, counts), counts


def _digest(parts: Sequence[Fragments], joints: Joints, facts: tuple[object, ...], marks: np.ndarray) -> str:
    arrays = [marks, joints.atoms, joints.bonds]
    for seen in parts:
        graph = seen.codes.graph
        arrays += [graph.atoms, graph.bonds, graph.ends, seen.codes.atom_offsets, seen.codes.bond_offsets, seen.ports]
    return digest_of(arrays, [seen.labels for seen in parts], joints.ends, facts)


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


__all__ = ["CellTables", "by_size"]
