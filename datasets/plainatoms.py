"""Hydrogens, conjugation and hybridization of a plain molecular graph, by RDKit's rules.

Only atoms in an ordinary valence state are dealt with; for these RDKit's rules (``Code/GraphMol/ConjugHybrid.cpp``) need
nothing but degrees, bond orders and elements.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from rdkit.Chem import BondType, HybridizationType

from cinchona.datasets.graphcodes import AROMATIC, CONJUGATED, IN_RING, AtomField, BondField
from cinchona.datasets.plainrings import AROMATIC_BOND, MOST_NEIGHBOURS
from cinchona.datasets.plaintext import IMPLICIT, UNWRITTEN

_C, _N, _O, _F, _P, _S = 6, 7, 8, 9, 15, 16
_SINGLE, _DOUBLE, _TRIPLE = (int(kind) for kind in (BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE))
_HYBRIDIZATION: Final = np.array(
    [int(k) for k in (HybridizationType.S, HybridizationType.S, HybridizationType.SP, HybridizationType.SP2)]
    + [int(k) for k in (HybridizationType.SP3, HybridizationType.SP3D, HybridizationType.SP3D2)]
)
"""By number of neighbours and lone pairs."""
_SP2: Final = int(HybridizationType.SP2)
_OUTER: Final = np.zeros(128, np.int64)
"""Electrons of the outer shell by atomic number."""
for _element, _number in ((_C, 4), (_N, 5), (_O, 6), (_F, 7), (_P, 5), (_S, 6), (17, 7), (35, 7), (53, 7)):
    _OUTER[_element] = _number
_FILLED: Final = np.full((128, 8), -1, np.int64)
"""Hydrogens of an atom without brackets by atomic number and sum of bond orders, -1 where RDKit has to look."""
for _element, _valence in ((_C, 4), (_N, 3), (_O, 2), (_P, 3), (_S, 2)):
    _FILLED[_element, : _valence + 1] = np.arange(_valence, -1, -1)
_FILLED[_S, [4, 6]] = 0
_FILLED[_P, 5] = 0
_FILLED[[_F, 17, 35, 53], 1] = 0


@numba.njit(cache=True)
def find_neighbours(graph: tuple[np.ndarray, np.ndarray, np.ndarray], around: tuple[np.ndarray, np.ndarray]) -> bool:
    """Fill in the neighbours of each atom and its degree, and the types of bonds that were not written.

    Returns:
        False if an atom has more than four neighbours.
    """
    atoms, bonds, ends = graph
    neighbours, bond_of = around
    neighbours[: len(atoms)] = -1
    for k in range(len(bonds)):
        u, v = ends[k]
        both = atoms[u, AtomField.FLAGS] & atoms[v, AtomField.FLAGS] & AROMATIC
        if bonds[k, BondField.TYPE] == UNWRITTEN:
            bonds[k, BondField.TYPE] = AROMATIC_BOND if both else _SINGLE
        for one, other in ((u, v), (v, u)):
            degree = atoms[one, AtomField.DEGREE]
            if degree == MOST_NEIGHBOURS:
                return False
            neighbours[one, degree] = other
            bond_of[one, degree] = k
            atoms[one, AtomField.DEGREE] = degree + 1
    return True


@numba.njit(cache=True)
def fill_hydrogens(
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    around: tuple[np.ndarray, np.ndarray],
    electrons: np.ndarray,
    valences: np.ndarray,
) -> bool:
    """Fill in hydrogens, electrons given to aromatic rings (-1 for others) and total valences. Ring flags must be there.

    Returns:
        False if an atom is not in an ordinary state.
    """
    atoms, bonds, _ = graph
    for k in range(len(atoms)):
        atom = atoms[k]
        order, doubles = 0, -1
        for j in range(atom[AtomField.DEGREE]):
            kind = bonds[around[1][k, j], BondField.TYPE]
            order += kind if kind != AROMATIC_BOND else 0
            doubles = around[0][k, j] if kind in (_DOUBLE, _TRIPLE) else doubles
        if atom[AtomField.FLAGS] & AROMATIC:
            exocyclic = doubles >= 0 and _draws_electrons(atoms[doubles]) and order == 2
            electrons[k], valences[k] = _aromatic_atom(atom, int(exocyclic))
            if electrons[k] < 0 or (doubles >= 0 and not exocyclic):
                return False
        else:
            electrons[k], valences[k] = -1, _other_atom(atom, order)
            if valences[k] < 0:
                return False
    return True


@numba.njit(cache=True)
def _draws_electrons(atom: np.ndarray) -> bool:
    """Whether the far end of a double bond to a ring keeps the electron of the atom in the ring: =O, =S, =N outside rings."""
    outside = not atom[AtomField.FLAGS] & (IN_RING | AROMATIC)
    return bool(outside and atom[AtomField.ELEMENT] in (_O, _S, _N) and atom[AtomField.CHARGE] == 0)


@numba.njit(cache=True)
def _aromatic_atom(atom: np.ndarray, exocyclic: int) -> tuple[int, int]:
    """Electrons that an atom in lower case gives to its ring, -1 if it is not ordinary, and its valence; sets hydrogens."""
    element, degree, charge = atom[AtomField.ELEMENT], atom[AtomField.DEGREE], atom[AtomField.CHARGE]
    written = atom[AtomField.HYDROGENS]
    if written == IMPLICIT:
        atom[AtomField.HYDROGENS] = element == _C and degree == 2
        if element == _C:
            return (1 - exocyclic if 2 <= degree <= 3 else -1), 4
        if element == _N and not exocyclic:
            return (degree - 1 if 2 <= degree <= 3 else -1), 3
        return (2 if degree == 2 and not exocyclic else -1), 2
    if element != _N or exocyclic or degree + written != 3 or charge < 0:
        return -1, 0
    if charge == 0:
        return (2 if written == 1 else -1), 3
    return 1, 4


@numba.njit(cache=True)
def _other_atom(atom: np.ndarray, order: int) -> int:
    """Total valence of an atom in upper case, -1 if it is not ordinary; sets hydrogens."""
    element, charge = atom[AtomField.ELEMENT], atom[AtomField.CHARGE]
    if atom[AtomField.HYDROGENS] == IMPLICIT:
        filled = _FILLED[element, order] if order < 8 else -1
        atom[AtomField.HYDROGENS] = filled
        # Phosphorus with five bonds to fewer than four neighbours is redrawn by RDKit's cleaning.
        redrawn = element == _P and order == 5 and atom[AtomField.DEGREE] < 4
        return order + filled if filled >= 0 and not redrawn else -1
    total = order + atom[AtomField.HYDROGENS]
    if element == _N:
        return total if (charge == 1 and total == 4) or (charge == -1 and total == 2) else -1
    return total if charge == -1 and order == 1 and total == 1 else -1


@numba.njit(cache=True)
def mark_conjugation(graph: tuple[np.ndarray, np.ndarray, np.ndarray], around: tuple[np.ndarray, np.ndarray]) -> None:
    """Flag conjugated bonds."""
    atoms, bonds, _ = graph
    for k in range(len(bonds)):
        if bonds[k, BondField.TYPE] == AROMATIC_BOND:
            bonds[k, BondField.FLAGS] |= CONJUGATED
    for k in range(len(atoms)):
        total = atoms[k, AtomField.DEGREE] + atoms[k, AtomField.HYDROGENS]
        if total >= 2 and _may_conjugate(atoms[k]):
            _mark_at(k, graph, around)


@numba.njit(cache=True)
def _mark_at(
    atom: int, graph: tuple[np.ndarray, np.ndarray, np.ndarray], around: tuple[np.ndarray, np.ndarray]
) -> None:
    """Flag multiple bonds of an atom with other bonds of it, where both lead to atoms that may conjugate."""
    atoms, bonds, _ = graph
    neighbours, bond_of = around
    for i in range(atoms[atom, AtomField.DEGREE]):
        if bonds[bond_of[atom, i], BondField.TYPE] == _SINGLE or not _may_conjugate(atoms[neighbours[atom, i]]):
            continue
        for j in range(atoms[atom, AtomField.DEGREE]):
            if i != j and _may_conjugate(atoms[neighbours[atom, j]]):
                bonds[bond_of[atom, i], BondField.FLAGS] |= CONJUGATED
                bonds[bond_of[atom, j], BondField.FLAGS] |= CONJUGATED


@numba.njit(cache=True)
def _may_conjugate(atom: np.ndarray) -> bool:
    """Whether an atom has room for or electrons to give to a neighbouring pi system, as RDKit sees it."""
    total = atom[AtomField.DEGREE] + atom[AtomField.HYDROGENS]
    element = atom[AtomField.ELEMENT]
    return bool((element in (_C, _N, _O) and total <= 3) or (element == _S and total == 1))


@numba.njit(cache=True)
def set_hybridization(
    graph: tuple[np.ndarray, np.ndarray, np.ndarray], around: tuple[np.ndarray, np.ndarray], valences: np.ndarray
) -> None:
    """Fill in hybridizations: by neighbours and lone pairs, SP2 in place of SP3 at a conjugated bond."""
    atoms, bonds, _ = graph
    for k in range(len(atoms)):
        atom = atoms[k]
        total = atom[AtomField.DEGREE] + atom[AtomField.HYDROGENS]
        free = _OUTER[atom[AtomField.ELEMENT]] - valences[k] - atom[AtomField.CHARGE]
        orbitals = total + free // 2
        conjugated = False
        for j in range(atom[AtomField.DEGREE]):
            conjugated |= bonds[around[1][k, j], BondField.FLAGS] & CONJUGATED > 0
        lowered = orbitals == 4 and total <= 3 and conjugated
        atom[AtomField.HYBRIDIZATION] = _SP2 if lowered else _HYBRIDIZATION[orbitals]


__all__ = ["fill_hydrogens", "find_neighbours", "mark_conjugation", "set_hybridization"]
