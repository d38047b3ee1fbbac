"""Which directed bonds and atoms have equal surroundings, so that training computes each only once.

After t message-passing steps the state of a directed bond depends on its surroundings up to t bonds back and on
nothing else. Drug-like molecules repeat their surroundings: among 50 analogues one directed bond in twenty is distinct
after one step. The groups come from :mod:`cinchona.models.engine.grouping`, which compares full keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cinchona.models.engine.grouping import Incidence, group_atoms, group_bonds, group_codes, incidence


@dataclass(frozen=True, slots=True)
class Environments:
    """Group numbers of E directed bonds and V atoms; an equal number means equal surroundings."""

    bonds: tuple[np.ndarray, ...]
    """One array a level t = 0 .. T-1: group of each directed bond by its surroundings of radius t, int32, (E,)."""
    atoms: np.ndarray
    """Group of each atom by its own row and the level T-1 groups of the bonds into it, int32, (V,)."""


def find_environments(atom_code: np.ndarray, bond_code: np.ndarray, edges: np.ndarray, *, depth: int) -> Environments:
    """Group directed bonds and atoms by their surroundings.

    Args:
        atom_code: Number of each atom's feature row, int32, shape (V,).
        bond_code: Number of each directed bond's feature row, int32, shape (E,).
        edges: Directed bonds as (source, target), bond 2k the reverse of 2k + 1, int32, shape (2, E).
        depth: Message-passing steps T of the network, at least 1.
    """
    source = np.ascontiguousarray(edges[0])
    into = incidence(np.ascontiguousarray(edges[1]), len(atom_code))
    own = group_codes((atom_code[source].astype(np.int64) << 32) | bond_code.astype(np.int64)).ids
    levels = [own]
    for _ in range(1, depth):
        levels.append(group_bonds(own, levels[-1], source, into).ids)
    return Environments(tuple(levels), group_atoms(atom_code, levels[-1], into).ids)


def bonds_into(atoms: np.ndarray, into: Incidence) -> tuple[np.ndarray, np.ndarray]:
    """List the directed bonds that end at each of ``atoms``.

    Args:
        atoms: Atom indices, integer, shape (k,); repeats are allowed.
        into: Incoming bonds of every atom.

    Returns:
        The bonds, and for each the position in ``atoms`` that it belongs to; integer, both of shape (L,).
    """
    first = into.start[atoms]
    count = into.start[atoms + 1] - first
    owner = np.repeat(np.arange(len(atoms)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return into.bonds[first[owner] + within], owner


def predecessors(bonds: np.ndarray, source: np.ndarray, into: Incidence) -> tuple[np.ndarray, np.ndarray]:
    """List the directed bonds that send a message to each of ``bonds``: those into its source, less its reverse.

    Args:
        bonds: Directed bonds, integer, shape (k,).
        source: Source atom of each of ``bonds``, integer, shape (k,).
        into: Incoming bonds of every atom.

    Returns:
        The sending bonds, and for each the position in ``bonds`` of the receiver; integer, both of shape (L,).
    """
    before, owner = bonds_into(source, into)
    forward = before != (bonds[owner] ^ 1)
    return before[forward], owner[forward]
