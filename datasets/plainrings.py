"""Rings of a plain molecular graph: which bonds are in one, and whether its aromaticity is as written.

RDKit looks at each smallest ring whose atoms can all take part, counts electrons, then tries fused rings together. What
is written in lower case is what RDKit finds if

- every ring that could be looked at consists of bonds written as aromatic: with atoms of four neighbours taken out and
  open ends pruned, nothing else is left of the ring bonds;
- every such bond lies on a ring of five or six that is the only shortest one through one of its bonds, hence among the
  smallest rings whichever of them are chosen, and that has six electrons by itself;
- the atoms that need a double bond can be paired, so that the structure can be kekulized.

A molecule that fails one of these is not wrong: RDKit has to look.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from rdkit.Chem import BondType

from cinchona.datasets.graphcodes import AROMATIC, IN_RING, AtomField, BondField

MOST_NEIGHBOURS: Final = 4
AROMATIC_BOND: Final = int(BondType.AROMATIC)
_SIX_ELECTRONS: Final = 6
_SMALLEST, _LARGEST = 5, 6


@numba.njit(cache=True)
def mark_rings(atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray) -> None:
    """Flag ring bonds and ring atoms. Bonds 0 to n - 2 are those of the tree in which atom k hangs on bond k - 1."""
    for closure in range(len(atoms) - 1, len(bonds)):
        bonds[closure, BondField.FLAGS] |= IN_RING
        first, second = int(ends[closure, 0]), int(ends[closure, 1])
        while first != second:
            lower = max(first, second)
            bonds[lower - 1, BondField.FLAGS] |= IN_RING
            parent = int(ends[lower - 1, 0])
            first, second = (parent, second) if first > second else (first, parent)
    for k in range(len(bonds)):
        if bonds[k, BondField.FLAGS] & IN_RING:
            atoms[ends[k, 0], AtomField.FLAGS] |= IN_RING
            atoms[ends[k, 1], AtomField.FLAGS] |= IN_RING


@numba.njit(cache=True)
def is_aromatic_as_written(
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    around: tuple[np.ndarray, np.ndarray],
    electrons: np.ndarray,
    memory: np.ndarray,
) -> bool:
    """Whether RDKit finds exactly the atoms in lower case and the bonds between them aromatic.

    Args:
        graph: Atoms (n, 8) with hydrogens and ring flags, bonds (m, 3) with types and ring flags, ends (m, 2).
        around: Neighbours and bonds of each atom, int16, shape (n, 4) each.
        electrons: What each atom in lower case gives to its ring, int8, shape (n,).
        memory: Room for the work, int16, shape (at least 5, at least max(n, m)).
    """
    atoms, bonds, _ = graph
    if not _only_aromatic_rings_are_left(graph, around, memory):
        return False
    covered = memory[0, : len(bonds)]
    covered[:] = 0
    for bond in range(len(bonds)):
        if bonds[bond, BondField.TYPE] == AROMATIC_BOND and not covered[bond]:
            size = _only_smallest_ring(bond, graph, around, memory)
            if size and not _has_six_electrons(bond, graph, electrons, memory):
                return False
    for bond in range(len(bonds)):
        if bonds[bond, BondField.TYPE] == AROMATIC_BOND and not covered[bond]:
            return False
    return bool(_can_be_paired(atoms, bonds, around, electrons, memory[1]))


@numba.njit(cache=True)
def _only_aromatic_rings_are_left(
    graph: tuple[np.ndarray, np.ndarray, np.ndarray], around: tuple[np.ndarray, np.ndarray], memory: np.ndarray
) -> bool:
    atoms, bonds, ends = graph
    left, degree = memory[0], memory[1]
    for k in range(len(atoms)):
        left[k] = (
            atoms[k, AtomField.FLAGS] & IN_RING and atoms[k, AtomField.DEGREE] + atoms[k, AtomField.HYDROGENS] <= 3
        )
        degree[k] = 0
    for k in range(len(bonds)):
        if bonds[k, BondField.FLAGS] & IN_RING and left[ends[k, 0]] and left[ends[k, 1]]:
            degree[ends[k, 0]] += 1
            degree[ends[k, 1]] += 1
    _prune(bonds, around, left, degree, len(atoms))
    for k in range(len(atoms)):
        if atoms[k, AtomField.FLAGS] & AROMATIC and not left[k]:
            return False
    for k in range(len(bonds)):
        both = bonds[k, BondField.FLAGS] & IN_RING and left[ends[k, 0]] and left[ends[k, 1]]
        if bool(both) != (bonds[k, BondField.TYPE] == AROMATIC_BOND):
            return False
    return True


@numba.njit(cache=True)
def _prune(
    bonds: np.ndarray, around: tuple[np.ndarray, np.ndarray], left: np.ndarray, degree: np.ndarray, n: int
) -> None:
    """Take out atoms with fewer than two ring bonds among those that are left, again and again."""
    neighbours, bond_of = around
    for start in range(n):
        atom = start
        while atom >= 0 and left[atom] and degree[atom] < 2:
            left[atom] = 0
            following = -1
            for j in range(MOST_NEIGHBOURS):
                other = neighbours[atom, j]
                if other >= 0 and left[other] and bonds[bond_of[atom, j], BondField.FLAGS] & IN_RING:
                    degree[other] -= 1
                    following = other
            atom = following


@numba.njit(cache=True)
def _only_smallest_ring(
    bond: int,
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    around: tuple[np.ndarray, np.ndarray],
    memory: np.ndarray,
) -> int:
    """Size of the smallest ring through ``bond`` if there is only one and it has five or six atoms, else 0.

    The way from its second to its first atom is left in ``memory[4]``: the bond by which each atom was reached.
    """
    atoms, bonds, ends = graph
    neighbours, bond_of = around
    distance, ways, queue, by = memory[1], memory[2], memory[3], memory[4]
    distance[: len(atoms)] = -1
    start, goal = ends[bond, 0], ends[bond, 1]
    distance[start], ways[start], queue[0] = 0, 1, start
    head, tail = 0, 1
    while head < tail and distance[queue[head]] < _LARGEST - 1 and not 0 <= distance[goal] <= distance[queue[head]]:
        atom = queue[head]
        head += 1
        for j in range(atoms[atom, AtomField.DEGREE]):
            other, step = neighbours[atom, j], bond_of[atom, j]
            if step == bond or not bonds[step, BondField.FLAGS] & IN_RING:
                continue
            if distance[other] < 0:
                distance[other], ways[other], by[other] = distance[atom] + 1, ways[atom], step
                queue[tail] = other
                tail += 1
            elif distance[other] == distance[atom] + 1:
                ways[other] += ways[atom]
    size = distance[goal] + 1
    return int(size) if size in (_SMALLEST, _LARGEST) and ways[goal] == 1 else 0


@numba.njit(cache=True)
def _has_six_electrons(
    bond: int, graph: tuple[np.ndarray, np.ndarray, np.ndarray], electrons: np.ndarray, memory: np.ndarray
) -> bool:
    """Whether the ring that was found is written as aromatic and has six electrons; marks its bonds as covered."""
    atoms, bonds, ends = graph
    covered, by = memory[0], memory[4]
    atom, start = ends[bond, 1], ends[bond, 0]
    total = electrons[start]
    covered[bond] = 1
    while atom != start:
        step = by[atom]
        if not atoms[atom, AtomField.FLAGS] & AROMATIC or bonds[step, BondField.TYPE] != AROMATIC_BOND:
            return False
        total += electrons[atom]
        covered[step] = 1
        atom = ends[step, 0] if ends[step, 1] == atom else ends[step, 1]
    return bool(total == _SIX_ELECTRONS)


@numba.njit(cache=True)
def _can_be_paired(
    atoms: np.ndarray,
    bonds: np.ndarray,
    around: tuple[np.ndarray, np.ndarray],
    electrons: np.ndarray,
    single: np.ndarray,
) -> bool:
    """Whether the atoms that give one electron pair up along aromatic bonds; greedy, so a no may be wrong, a yes never."""
    n = len(atoms)
    for k in range(n):
        single[k] = electrons[k] == 1
    choices = 1
    while choices <= 2:
        paired = False
        for k in range(n):
            if not single[k]:
                continue
            partner, count = _free_neighbour(k, bonds, around, single)
            if count == 0:
                return False
            if count == 1 or choices == 2:
                single[k] = 0
                single[partner] = 0
                paired = True
                if choices == 2:
                    break
        # Forced pairs first; only where none is left, one is chosen and forced pairs are looked for again.
        choices = 1 if paired else choices + 1
    return True


@numba.njit(cache=True)
def _free_neighbour(
    atom: int, bonds: np.ndarray, around: tuple[np.ndarray, np.ndarray], single: np.ndarray
) -> tuple[int, int]:
    neighbours, bond_of = around
    partner, count = -1, 0
    for j in range(MOST_NEIGHBOURS):
        other = neighbours[atom, j]
        if other >= 0 and single[other] and bonds[bond_of[atom, j], BondField.TYPE] == AROMATIC_BOND:
            partner = other
            count += 1
    return partner, count


__all__ = ["AROMATIC_BOND", "MOST_NEIGHBOURS", "is_aromatic_as_written", "mark_rings"]
