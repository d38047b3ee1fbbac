"""Where a table over pairs of classes comes apart into one over each.

The last ReLU of a directed network takes, for each atom, a sum over the bonds that lead to it, and a message never returns
the way it came. If nothing that comes to an atom over one bond has seen both roles, the sum is U(class of one role) + V(class
of the other), and a pair costs one addition of rows instead of a graph.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Final

import numba
import numpy as np

from cinchona.datasets.graphcodes import AtomField
from cinchona.models.additive import AdditiveModel
from cinchona.models.engine.gemm import Gemm
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.fragments import End
from cinchona.screening.synthons.groups import NEVER, AtomGroup, port_graph, shortest
from cinchona.screening.synthons.routes import TEMPLATE

_SMALLEST_RING: Final = 3
_IN_RING: Final = 2
_CHUNK: Final = 1_024

Way = list[tuple[int, int]]
"""Ports or own atoms of the reaction that one first comes to, and the bonds to them."""


def comes_apart(cell: Cell, group: AtomGroup, roles: tuple[int, int], reach: int) -> bool:
    """Whether no message to the atoms of ``group`` has seen both ``roles``, for a network of ``reach`` bond states."""
    gate = gate_of(cell, group)
    if gate is None:
        return False
    nodes, steps = port_graph(cell)
    at = nodes[gate]
    without = steps.copy()
    without[at], without[:, at] = NEVER, NEVER
    between = shortest(without)
    ways = ways_from(cell, gate, nodes, steps)
    if any(_circle(one, two, between) <= reach for one, two in combinations(ways.values(), 2)):
        return False
    if group.owner != TEMPLATE and reach > _SMALLEST_RING and _in_rings(cell, group):
        return False
    return not any(_sees_both(way, inside, roles, (nodes, between, gate, reach)) for inside, way in ways.items())


def gate_of(cell: Cell, group: AtomGroup) -> End | None:
    """The one atom of the reaction or the one port that the group consists of, None if it is something else."""
    if group.owner == TEMPLATE:
        places = np.flatnonzero(group.marked)
        return (TEMPLATE, int(places[0])) if len(places) == 1 else None
    parts = cell.parts[group.owner]
    places = np.flatnonzero(group.marked)
    for column, label in enumerate(parts.labels):
        if np.array_equal(places, parts.ports[:, column] + parts.codes.atom_offsets[:-1]):
            return group.owner, label
    return None


def ways_from(cell: Cell, gate: End, nodes: dict[End, int], steps: np.ndarray) -> dict[int, Way]:
    """Ways that lead away from a port or own atom of the reaction: over each bond to another part, and into its own part (-1)."""
    joined = [two if one == gate else one for one, two in cell.joints.ends if gate in (one, two)]
    ways: dict[int, Way] = {k: [(nodes[end], 1)] for k, end in enumerate(joined)}
    if gate[0] != TEMPLATE:
        own = [nodes[gate[0], label] for label in cell.parts[gate[0]].labels if label != gate[1]]
        ways[-1] = [(node, int(steps[nodes[gate], node])) for node in own]
    return ways


def _circle(one: Way, two: Way, between: np.ndarray) -> int:
    """Bonds of the smallest ring that leaves by one way and comes back by another."""
    return min((a + int(between[x, y]) + b for x, a in one for y, b in two), default=NEVER)


def _sees_both(
    way: Way, number: int, roles: tuple[int, int], graph: tuple[dict[End, int], np.ndarray, End, int]
) -> bool:
    nodes, between, gate, reach = graph
    seen = {gate[0]} if number == -1 else set()
    for (owner, label), node in nodes.items():
        if (owner, label) != gate and min((a + int(between[x, node]) for x, a in way), default=NEVER) <= reach:
            seen.add(owner)
    return set(roles) <= seen


def _in_rings(cell: Cell, group: AtomGroup) -> bool:
    atoms = cell.parts[group.owner].codes.graph.atoms[group.marked]
    return bool((atoms[:, AtomField.FLAGS] & _IN_RING).any())


def pair_rows(own: np.ndarray, other: np.ndarray, model: AdditiveModel, multiply: Gemm) -> np.ndarray:
    """Rows of all pairs, own classes outermost.

    Args:
        own: What the last ReLU takes without the other side, float32, shape (n, states_width).
        other: What each class of the other side adds to it, float32, shape (m, states_width).
        model: The scorer as sums over atoms.
        multiply: Matrix product to use.

    Returns:
        float32, shape (n * m, width).
    """
    count = len(own) * len(other)
    out = np.empty((count, model.width), np.float32)
    states = np.empty((min(_CHUNK, count), own.shape[1]), np.float32)
    for begin, end in pairwise([*range(0, count, _CHUNK), count]):
        pair_states(own, other, begin, states[: end - begin])
        out[begin:end] = model.rows_of(states[: end - begin], multiply)
    return out


@numba.njit(cache=True)
def pair_states(own: np.ndarray, other: np.ndarray, begin: int, out: np.ndarray) -> None:
    """``out`` = relu(own + other) of pairs ``begin`` to ``begin + len(out)``, own classes outermost; rows of one width."""
    m = len(other)
    for r in range(len(out)):
        one, two, target = own[(begin + r) // m], other[(begin + r) % m], out[r]
        for k in range(len(target)):
            target[k] = max(one[k] + two[k], np.float32(0.0))


__all__ = ["comes_apart", "gate_of", "pair_rows", "pair_states", "ways_from"]
