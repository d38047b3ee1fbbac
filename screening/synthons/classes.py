"""Which reagents look alike from outside, exactly: equal surroundings of their ports up to a radius."""

from __future__ import annotations

import numpy as np

from cinchona.models.engine.directed import CodedGraphs, plan_messages
from cinchona.models.engine.grouping import Groups, group_rows
from cinchona.screening.synthons.fragments import Fragments


def environment_ids(parts: Fragments, radius: int) -> np.ndarray:
    """Number of each atom's surroundings up to ``radius`` bonds within its part, ports told apart; int32, shape (n_atoms,).

    Equal numbers mean equal message-passing states, whatever is bonded to the ports, as long as that is equal too.
    """
    graphs = _labelled(parts)
    return graphs.atom_codes if radius == 0 else plan_messages(graphs, radius).atoms.ids


def seen_classes(parts: Fragments, radius: int) -> Groups:
    """Group parts by what can be seen of them up to ``radius`` bonds behind the ports; all alike below 0."""
    if radius < 0 or not parts.labels:
        return Groups(np.zeros(len(parts), np.int32), np.zeros(min(1, len(parts)), np.int32))
    ids = environment_ids(parts, radius)
    rows = ids[parts.ports + parts.codes.atom_offsets[:-1, None]]
    return group_rows(rows.astype(np.uint32))


def own_classes(parts: Fragments, marked: np.ndarray, reach: int) -> Groups:
    """Group parts by the surroundings of their ``marked`` atoms (bool, shape (n_atoms,)), as sets with repeats."""
    ids = environment_ids(parts, reach)[marked]
    members = parts.members()[marked]
    counts = np.bincount(members, minlength=len(parts))
    order = np.lexsort((ids, members))
    place = np.arange(len(ids)) - np.repeat(np.cumsum(counts) - counts, counts)
    keys = np.full((len(parts), max(1, int(counts.max(initial=0)))), 0xFFFFFFFF, np.uint32)
    keys[members[order], place] = ids[order]
    return group_rows(keys)


def _labelled(parts: Fragments) -> CodedGraphs:
    """The parts as coded graphs in which a port's atom code says which port it is."""
    codes = parts.codes
    port = np.zeros((len(parts.origin), 2), np.int16)
    for column in range(len(parts.labels)):
        at = parts.ports[:, column]
        port[(at + codes.atom_offsets[:-1])[at >= 0], 0] = column + 1
    rows = np.ascontiguousarray(np.concatenate([codes.graph.atoms, port], axis=1)).view(np.uint32)
    atoms = group_rows(rows)
    bonds = group_rows(codes.graph.bonds.astype(np.uint32))
    first = np.repeat(codes.atom_offsets[:-1], np.diff(codes.bond_offsets))
    ends = codes.graph.ends.astype(np.int32) + first[:, None]
    nothing = np.empty((0, 0), np.float32)
    return CodedGraphs(atoms.ids, bonds.ids, ends, codes.atom_offsets, nothing, nothing)


__all__ = ["environment_ids", "own_classes", "seen_classes"]
