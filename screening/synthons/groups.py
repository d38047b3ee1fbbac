"""Which atoms of a product have to know which reagents.

An atom's state depends on what lies within the network's reach. Distances between ports say for each atom of a part how
far it sees into every other role, and atoms that see equally far form a group: its contribution is a table over classes of
reagents, with as few rows as that distance allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.fragments import FAR, End
from cinchona.screening.synthons.routes import TEMPLATE

BLIND: Final = -1
"""Radius at which nothing is seen."""
NEVER: Final = 10_000
"""Distance of what no bonds connect."""


@dataclass(frozen=True, slots=True, eq=False)
class AtomGroup:
    """Atoms of one owner that see equally far into the other roles."""

    owner: int
    """Role, or :data:`~cinchona.screening.synthons.routes.TEMPLATE`."""
    marked: np.ndarray
    """Which atoms of the owner, bool; over the atoms of all parts of the role, or over the reaction's own atoms."""
    sees: Mapping[int, int]
    """Bonds behind the ports of each other role that are seen, :data:`BLIND` for none."""
    depth: int
    """Bonds from the ports to the farthest atom of the group."""


def atom_groups(cell: Cell, reach: int) -> list[AtomGroup]:
    """Group all atoms of the products of ``cell`` for a network of ``reach``; each atom is in one group."""
    nodes, steps = port_graph(cell)
    between = shortest(steps)
    groups = []
    for role, parts in enumerate(cell.parts):
        others = [r for r in range(len(cell.parts)) if r != role]
        sees = np.full((len(parts.origin), len(cell.parts)), BLIND, np.int64)
        own = [nodes[role, label] for label in parts.labels]
        for other in others:
            away = [nodes[other, label] for label in cell.parts[other].labels]
            hop = between[np.ix_(own, away)].min(axis=1, initial=NEVER) if away else np.full(len(own), NEVER)
            steps = (parts.distance.astype(np.int64) + hop).min(axis=1, initial=NEVER)
            sees[:, other] = np.maximum(reach - steps, BLIND)
        groups += _by_sight(role, sees, parts.distance.min(axis=1, initial=FAR))
    return groups + _template_groups(cell, nodes, between, reach)


def _by_sight(owner: int, sees: np.ndarray, depth: np.ndarray) -> list[AtomGroup]:
    kinds, of = np.unique(sees, axis=0, return_inverse=True)
    groups = []
    for k, kind in enumerate(kinds):
        marked = of.ravel() == k
        seen = {role: int(radius) for role, radius in enumerate(kind) if role != owner}
        groups.append(AtomGroup(owner, marked, seen, int(depth[marked].max(initial=0))))
    return groups


def _template_groups(cell: Cell, nodes: Mapping[End, int], between: np.ndarray, reach: int) -> list[AtomGroup]:
    count = len(cell.joints.atoms)
    if not count:
        return []
    sees = np.full((count, len(cell.parts)), BLIND, np.int64)
    for atom in range(count):
        for role, parts in enumerate(cell.parts):
            away = [nodes[role, label] for label in parts.labels]
            steps = between[nodes[TEMPLATE, atom], away].min(initial=NEVER)
            sees[atom, role] = max(reach - int(steps), BLIND)
    return _by_sight(TEMPLATE, sees, np.zeros(count, np.int64))


def port_graph(cell: Cell) -> tuple[dict[End, int], np.ndarray]:
    """Ports and the reaction's own atoms by number, and the fewest bonds from one to the next in any product, int64 (n, n).

    Ports of different parts are next to each other if they are bonded; those of one part, if bonds within it connect them.
    """
    names: list[End] = [(TEMPLATE, k) for k in range(len(cell.joints.atoms))]
    names += [(role, label) for role, parts in enumerate(cell.parts) for label in parts.labels]
    nodes = {name: k for k, name in enumerate(names)}
    steps = np.full((len(names), len(names)), NEVER, np.int64)
    np.fill_diagonal(steps, 0)
    for one, two in cell.joints.ends:
        steps[nodes[one], nodes[two]] = steps[nodes[two], nodes[one]] = 1
    for role, parts in enumerate(cell.parts):
        numbers = [nodes[role, label] for label in parts.labels]
        rows = parts.ports + parts.codes.atom_offsets[:-1, None]
        for column, number in enumerate(numbers):
            if len(parts):
                within = parts.distance[rows[:, column]].min(axis=0).astype(np.int64)
                far = np.where(within >= FAR, NEVER, within)
                steps[number, numbers] = np.minimum(steps[number, numbers], far)
    return nodes, steps


def shortest(steps: np.ndarray) -> np.ndarray:
    """Fewest bonds between any two, from those between neighbours, int64, shape (n, n)."""
    between = steps
    for middle in range(len(steps)):  # Floyd and Warshall: a dozen nodes at most
        between = np.minimum(between, between[:, middle, None] + between[None, middle, :])
    return between


__all__ = ["BLIND", "NEVER", "AtomGroup", "atom_groups", "port_graph", "shortest"]
