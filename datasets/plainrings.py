"""Rings of a plain molecular graph: which bonds are in one, and whether its aromaticity is as written.

RDKit looks at each smallest ring whose atoms can all take part, counts electrons, then tries fused rings together. What
is written in lower case is what RDKit finds if

- every ring that could be looked at consists of bonds written as aromatic: with atoms of four neighbours taken out and
  open ends pruned, nothing else is left of the ring bonds;
- every such bond lies on a ring of five or six that is the only shortest one through one of its bonds, hence among the
  smallest rings whichever of them are chosen, and that has six electrons by itself, or ten together with one ring of six
  electrons with which it shares one bond, as the two rings of imidazopyridines have;
- no bond lies on large rings only: an aromatic ring that is bridged by a long chain is aromatic to RDKit from some orders of
  atoms and not from others;
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
"""Bonds of one atom that are laid out."""
AROMATIC_BOND: Final = int(BondType.AROMATIC)
"""Code of an aromatic bond."""
_SIX_ELECTRONS, _TEN_ELECTRONS = 6, 10
_ALONE, _FUSED = 1, 2
"""Marks of bonds on rings that are aromatic by themselves, or with one that is."""
_SMALLEST, _LARGEST, _LARGE_RING = 5, 6, 8


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
    if _has_large_ring(graph, around, memory):
        return False
    covered[:] = 0
    for mark in (_ALONE, _FUSED):
        _cover(mark, graph, around, electrons, memory)
    for bond in range(len(bonds)):
        if bonds[bond, BondField.TYPE] == AROMATIC_BOND and not covered[bond]:
            return False
    return bool(_can_be_paired(atoms, bonds, around, electrons, memory[1]))


@numba.njit(cache=True)
def _has_large_ring(
    graph: tuple[np.ndarray, np.ndarray, np.ndarray], around: tuple[np.ndarray, np.ndarray], memory: np.ndarray
) -> bool:
    """Whether some bond lies on rings of more than eight atoms only, in a molecule with aromatic atoms."""
    atoms, bonds, _ = graph
    aromatic = False
    for k in range(len(atoms)):
        aromatic |= atoms[k, AtomField.FLAGS] & AROMATIC > 0
    for bond in range(len(bonds)):
        looked_at = aromatic and bonds[bond, BondField.FLAGS] & IN_RING and bonds[bond, BondField.TYPE] != AROMATIC_BOND
        if looked_at and not _smallest_ring(bond, _LARGE_RING, graph, around, memory):
            return True
    return False


@numba.njit(cache=True)
def _cover(
    mark: int,
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    around: tuple[np.ndarray, np.ndarray],
    electrons: np.ndarray,
    memory: np.ndarray,
) -> None:
    """Mark the bonds of rings that are aromatic by themselves, or together with one that is."""
    bonds = graph[1]
    covered = memory[0]
    for bond in range(len(bonds)):
        if bonds[bond, BondField.TYPE] != AROMATIC_BOND or covered[bond]:
            continue
        size = _smallest_ring(bond, _LARGEST, graph, around, memory)
        if size < _SMALLEST or memory[2, graph[2][bond, 1]] != 1:
            continue
        total, shared, common = _count_electrons(bond, graph, electrons, memory)
        alone = total == _SIX_ELECTRONS
        fused = mark == _FUSED and shared == 1 and total - common + _SIX_ELECTRONS == _TEN_ELECTRONS
        if total >= 0 and (alone or fused):
            _mark_ring(bond, mark, graph, memory)


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
def _smallest_ring(
    bond: int,
    reach: int,
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    around: tuple[np.ndarray, np.ndarray],
    memory: np.ndarray,
) -> int:
    """Size of the smallest ring through ``bond``, 0 if it has more than ``reach`` atoms.

    Left in ``memory[2]``: in how many shortest ways each atom was reached; there is only one such ring if its second atom
    was in one. In ``memory[4]``: the bond by which each atom was reached, the way from its second to its first atom.
    """
    atoms, bonds, ends = graph
    neighbours, bond_of = around
    distance, ways, queue, by = memory[1], memory[2], memory[3], memory[4]
    distance[: len(atoms)] = -1
    start, goal = ends[bond, 0], ends[bond, 1]
    distance[start], ways[start], queue[0] = 0, 1, start
    head, tail = 0, 1
    while head < tail and distance[queue[head]] < reach - 1 and not 0 <= distance[goal] <= distance[queue[head]]:
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
    return int(distance[goal]) + 1


@numba.njit(cache=True)
def _count_electrons(
    bond: int, graph: tuple[np.ndarray, np.ndarray, np.ndarray], electrons: np.ndarray, memory: np.ndarray
) -> tuple[int, int, int]:
    """Count what makes a ring aromatic.

    Returns:
        Electrons of the ring that was found, -1 if it is not written as aromatic; how many of its bonds belong to rings that
        are aromatic by themselves; and the electrons of the two atoms of the last such bond.
    """
    atoms, bonds, ends = graph
    covered, by = memory[0], memory[4]
    atom, start = ends[bond, 1], ends[bond, 0]
    total, shared, common = int(electrons[start]), 0, 0
    if not atoms[start, AtomField.FLAGS] & AROMATIC:
        return -1, 0, 0
    while atom != start:
        step = by[atom]
        if not atoms[atom, AtomField.FLAGS] & AROMATIC or bonds[step, BondField.TYPE] != AROMATIC_BOND:
            return -1, 0, 0
        total += electrons[atom]
        if covered[step] == _ALONE:
            shared += 1
            common = electrons[ends[step, 0]] + electrons[ends[step, 1]]
        atom = ends[step, 0] if ends[step, 1] == atom else ends[step, 1]
    return total, shared, common


@numba.njit(cache=True)
def _mark_ring(bond: int, mark: int, graph: tuple[np.ndarray, np.ndarray, np.ndarray], memory: np.ndarray) -> None:
    ends, covered, by = graph[2], memory[0], memory[4]
    atom, start = ends[bond, 1], ends[bond, 0]
    covered[bond] = mark
    while atom != start:
        step = by[atom]
        covered[step] = covered[step] or mark
        atom = ends[step, 0] if ends[step, 1] == atom else ends[step, 1]


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
