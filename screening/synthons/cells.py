"""Cells: blocks of reagents within which every product is put together in the same way.

What a reagent leaves in a product can depend on its partners: a ring closes or becomes aromatic, a bond becomes
conjugated. Reagents are therefore grouped by what they show at their ports, coarsely at first; each combination of groups
is a cell, tried with real products. Where those are not what the parts promise, the cell is divided by a closer look, and
what still does not fit is left to the ordinary path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from cinchona.datasets.graphcodes import AtomField
from cinchona.datasets.parsing import Rejected
from cinchona.screening.synthons.classes import seen_classes
from cinchona.screening.synthons.fragments import Dissected, Fragments, Joints, Part, dissect, lay_out
from cinchona.screening.synthons.routes import Built, Route
from cinchona.screening.synthons.survey import Role

CLOSEST_LOOK: Final = 3
"""Bonds behind the ports that are looked at before a cell is left to the ordinary path."""
MOST_CELLS: Final = 20_000
"""Cells that one is divided into at most."""
_TRIED: Final = 8
_TRIED_DEAD: Final = 200

Members = tuple[np.ndarray, ...]
"""Positions among the picks of each role, int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Reagents whose products are put together in one way."""

    members: Members
    """Its reagents."""
    parts: tuple[Fragments, ...]
    """What they leave in products, in the order of ``members``."""
    joints: Joints
    """What joins them."""

    @property
    def products(self) -> int:
        """Number of products."""
        return _size(self.members)

    def only(self, role: int, places: np.ndarray) -> Cell:
        """The cell with only those members of ``role`` at ``places``."""
        members, parts = list(self.members), list(self.parts)
        members[role], parts[role] = members[role][places], parts[role].take(places)
        return Cell(tuple(members), tuple(parts), self.joints)


@dataclass(frozen=True, slots=True, eq=False)
class Leftover:
    """A block of combinations that no cell covers."""

    members: Members
    """Its reagents."""
    reason: str
    """Why the products do not exist; empty if they exist and have to be built one by one."""

    @property
    def products(self) -> int:
        """Number of combinations."""
        return _size(self.members)


def cells_of(route: Route, roles: Sequence[Role]) -> list[Cell | Leftover]:
    """Divide the combinations of a surveyed route; each belongs to exactly one cell or leftover."""
    groups = [_grouped([_port_key(part) for part in role.parts]) for role in roles]
    builder = CellBuilder(route, roles)
    return [one for members in product(*groups) for one in builder.settle(members, 0)]


class CellBuilder:
    """Makes cells of blocks of reagents.

    Args:
        route: How products are built.
        roles: Its surveyed roles.
    """

    def __init__(self, route: Route, roles: Sequence[Role]) -> None:
        self._route, self._roles = route, roles
        self._rng = np.random.default_rng(0)

    def settle(self, members: Members, level: int) -> Iterator[Cell | Leftover]:
        """Make a cell of ``members``, or divide them."""
        trials = self._trials(members, _TRIED)
        built = self._built(trials)
        failed = [one for one in built if isinstance(one, Rejected)]
        if len(failed) == len(built):
            more = self._built(self._trials(members, _TRIED_DEAD))
            if all(isinstance(one, Rejected) for one in more):
                yield Leftover(members, failed[0].reason)
                return
        elif not failed:
            cell = self._cell(members, trials, built)
            if cell is not None:
                yield cell
                return
        yield from self._divided(members, level)

    def _divided(self, members: Members, level: int) -> Iterator[Cell | Leftover]:
        groups = []
        for role, chosen in zip(self._roles, members, strict=True):
            classes = seen_classes(lay_out([role.parts[k] for k in chosen]), level)
            groups.append([chosen[classes.ids == g] for g in range(len(classes))])
        if level > CLOSEST_LOOK or np.prod([float(len(g)) for g in groups]) > MOST_CELLS:
            yield Leftover(members, "")
            return
        for smaller in product(*groups):
            yield from self.settle(smaller, level + 1)

    def _cell(self, members: Members, trials: np.ndarray, built: Sequence[Built | Rejected]) -> Cell | None:
        """A cell, if products are what the parts promise: as surveyed, or else as seen beside partners of the cell."""
        shown = dissect([one for one in built if isinstance(one, Built)])
        joints = shown[0].joints
        if any(not one.joints.same_as(joints) for one in shown):
            return None
        parts: list[Sequence[Part]] = [
            [role.parts[k] for k in chosen] for role, chosen in zip(self._roles, members, strict=True)
        ]
        at = np.column_stack(
            [np.searchsorted(chosen, column) for chosen, column in zip(members, trials.T, strict=True)]
        )
        for slot in range(len(members)):
            if _promised(shown, slot, parts[slot], at[:, slot]):
                continue
            seen = self._seen_again(members, slot)
            if seen is None or not _promised(shown, slot, seen, at[:, slot]):
                return None
            parts[slot] = seen
        return _in_order(members, [lay_out(p) for p in parts], joints)

    def divided(self, members: Members) -> Iterator[Cell | Leftover]:
        """Blocks of ``members`` by the closest look, for a cell that did not keep its promise."""
        yield from self._divided(members, CLOSEST_LOOK)

    def _seen_again(self, members: Members, slot: int) -> list[Part] | None:
        """What the members of a role leave beside the first members of the others."""
        rows = np.tile([chosen[0] for chosen in members], (len(members[slot]), 1))
        rows[:, slot] = members[slot]
        built = self._built(rows)
        whole = [one for one in built if isinstance(one, Built)]
        return [one.parts[slot] for one in dissect(whole)] if len(whole) == len(built) else None

    def _built(self, rows: np.ndarray) -> list[Built | Rejected]:
        return [
            self._route.build([role.picks[k] for role, k in zip(self._roles, row, strict=True)])
            for row in rows.tolist()
        ]

    def _trials(self, members: Members, count: int) -> np.ndarray:
        """Combinations to try: all of a small block, else the first, the last and random ones."""
        size = _size(members)
        if size <= count:
            return np.array(list(product(*(m.tolist() for m in members))), np.int64)
        rows = [[m[0] for m in members], [m[-1] for m in members]]
        rows += [[m[self._rng.integers(len(m))] for m in members] for _ in range(count - len(rows))]
        return np.array(rows, np.int64)


def _in_order(members: Members, parts: Sequence[Fragments], joints: Joints) -> Cell:
    """A cell whose reagents stand in the order of what they show, so that neighbours share tables."""
    orders = []
    for one in parts:
        looks = [seen_classes(one, radius).ids for radius in (2, 1, 0)]
        orders.append(np.lexsort(looks))
    chosen = tuple(m[order] for m, order in zip(members, orders, strict=True))
    return Cell(chosen, tuple(p.take(order) for p, order in zip(parts, orders, strict=True)), joints)


def _promised(shown: Sequence[Dissected], slot: int, parts: Sequence[Part], at: np.ndarray) -> bool:
    """Whether real products show the parts that were promised."""
    return all(_same_part(one.parts[slot], parts[k]) for one, k in zip(shown, at.tolist(), strict=True))


def _same_part(one: Part, other: Part) -> bool:
    pairs = ((getattr(one.codes, name), getattr(other.codes, name)) for name in ("atoms", "bonds", "ends"))
    return (
        one.ports == other.ports
        and np.array_equal(one.origin, other.origin)
        and all(np.array_equal(a, b) for a, b in pairs)
    )


def _port_key(part: Part) -> tuple[object, ...]:
    """What a part shows at its ports at first sight: labels, kind of atom, kinds of its own bonds."""
    shown = []
    for label, atom in part.ports:
        row = part.codes.atoms[atom].copy()
        row[[AtomField.CHIRALITY, AtomField.ISOTOPE]] = 0
        touching = (part.codes.ends == atom).any(axis=1)
        kinds = sorted(map(tuple, part.codes.bonds[touching].tolist()))
        shown.append((label, *row.tolist(), *kinds))
    return tuple(shown)


def _grouped(keys: Sequence[tuple[object, ...]]) -> list[np.ndarray]:
    """Positions of equal keys."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for k, key in enumerate(keys):
        groups.setdefault(key, []).append(k)
    return [np.array(group, np.int64) for group in groups.values()]


def _size(members: Members) -> int:
    size = 1
    for chosen in members:
        size *= len(chosen)
    return size


__all__ = ["CLOSEST_LOOK", "Cell", "CellBuilder", "Leftover", "Members", "cells_of"]
