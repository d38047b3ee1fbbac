"""Unspecified stereocentres that are there beyond doubt, or beyond doubt not there, told from graph codes.

There: a carbon with four different neighbours is a stereocentre whatever the rest of the molecule is like, and so is a double
bond outside rings with two different neighbours at either end. Neighbours differ if rounds of mixing what is around them tell
them apart: equal environments have equal numbers, so different numbers are certain to mean different environments. Only
elements and bonds are mixed: to RDKit two neighbours that differ in hydrogens or charges alone are one kind.

Not there: no configuration is stated, every carbon that could be a centre has two neighbours whose whole environments are
alike, no ring system holds two such carbons (they might be cis or trans), and no double bond could be one. Most of these are
cyclohexyl and piperidin-4-yl groups.
"""

from __future__ import annotations

import numba
import numpy as np
from rdkit.Chem import BondStereo, BondType

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AROMATIC, IN_RING, AtomField, BondField
from cinchona.datasets.plainrings import MOST_NEIGHBOURS
from cinchona.datasets.sameness import atom_number, mixed, spread

_C, _N, _O, _S = 6, 7, 8, 16
_DOUBLE = int(BondType.DOUBLE)
_SPECIFIED_FROM = int(BondStereo.STEREOZ)
_ROUNDS = 6
_SMALL_RING = 7
UNKNOWN = 0
"""RDKit has to look."""
SOME = 1
"""There is an unspecified stereocentre or double bond."""
NONE = 2
"""There is none."""


def known_unspecified_stereo(molecules: CodedMolecules, places: np.ndarray) -> np.ndarray:
    """What is known of unspecified stereocentres in the molecules at ``places``.

    Args:
        molecules: Codes of n molecules of ordinary valence in one piece (:func:`~cinchona.datasets.plain.effort_needed`).
        places: Which of them to look at, int, shape (m,).

    Returns:
        :data:`UNKNOWN`, :data:`SOME` or :data:`NONE`, uint8, shape (m,).
    """
    graph = molecules.graph
    return np.asarray(
        _known(graph.atoms, graph.bonds, graph.ends, molecules.atom_offsets, molecules.bond_offsets, places)
    )


@numba.njit(cache=True)
def _known(
    atoms: np.ndarray,
    bonds: np.ndarray,
    ends: np.ndarray,
    atom_offsets: np.ndarray,
    bond_offsets: np.ndarray,
    places: np.ndarray,
) -> np.ndarray:
    result = np.zeros(len(places), np.uint8)
    for i in range(len(places)):
        k = places[i]
        a = atoms[atom_offsets[k] : atom_offsets[k + 1]]
        b = bonds[bond_offsets[k] : bond_offsets[k + 1]]
        e = ends[bond_offsets[k] : bond_offsets[k + 1]]
        neighbours = np.full((len(a), MOST_NEIGHBOURS), -1, np.int64)
        if not _list_neighbours(e, neighbours):
            continue
        states = np.empty(len(a), np.uint64)
        for j in range(len(a)):
            states[j] = mixed(np.uint64(a[j, AtomField.ELEMENT]))
        for _ in range(_ROUNDS):
            states = spread(states, b, e)
        if _any_centre(a, b, e, neighbours, states):
            result[i] = SOME
        elif _no_centre(a, b, e, neighbours):
            result[i] = NONE
    return result


@numba.njit(cache=True)
def _list_neighbours(ends: np.ndarray, neighbours: np.ndarray) -> bool:
    count = np.zeros(len(neighbours), np.int64)
    for k in range(len(ends)):
        u, v = ends[k, 0], ends[k, 1]
        if count[u] == MOST_NEIGHBOURS or count[v] == MOST_NEIGHBOURS:
            return False
        neighbours[u, count[u]] = v
        neighbours[v, count[v]] = u
        count[u] += 1
        count[v] += 1
    return True


@numba.njit(cache=True)
def _any_centre(
    atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, neighbours: np.ndarray, states: np.ndarray
) -> bool:
    for i in range(len(atoms)):
        if _could_be_centre(atoms[i]) and not _has_equals(neighbours[i], states):
            return True
    for k in range(len(bonds)):
        u, v = ends[k, 0], ends[k, 1]
        if (
            _is_open_bond(bonds[k])
            and not bonds[k, BondField.FLAGS] & IN_RING
            and _is_open_end(atoms[u])
            and _is_open_end(atoms[v])
            and not _has_equals(neighbours[u], states)
            and not _has_equals(neighbours[v], states)
        ):
            return True
    return False


@numba.njit(cache=True)
def _is_open_bond(bond: np.ndarray) -> bool:
    return bool(bond[BondField.TYPE] == _DOUBLE and bond[BondField.STEREO] < _SPECIFIED_FROM)


@numba.njit(cache=True)
def _could_be_centre(atom: np.ndarray) -> bool:
    """Whether a carbon has four neighbours, at most one of them hydrogen, and no mark."""
    around = atom[AtomField.DEGREE] + atom[AtomField.HYDROGENS]
    saturated = around == MOST_NEIGHBOURS and atom[AtomField.HYDROGENS] <= 1
    return bool(atom[AtomField.ELEMENT] == _C and saturated and atom[AtomField.CHIRALITY] == 0)


@numba.njit(cache=True)
def _has_equals(neighbours: np.ndarray, states: np.ndarray) -> bool:
    for i in range(MOST_NEIGHBOURS):
        for j in range(i):
            if neighbours[i] >= 0 and states[neighbours[i]] == states[neighbours[j]]:
                return True
    return False


@numba.njit(cache=True)
def _is_open_end(atom: np.ndarray) -> bool:
    """Whether an atom at a double bond has one more neighbour (and a hydrogen or a lone pair), or two."""
    if atom[AtomField.ELEMENT] not in (_C, _N):
        return False
    one_more = atom[AtomField.ELEMENT] == _N or atom[AtomField.HYDROGENS] == 1
    return bool(atom[AtomField.DEGREE] == 3 or (atom[AtomField.DEGREE] == 2 and one_more))


@numba.njit(cache=True)
def _no_centre(atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, neighbours: np.ndarray) -> bool:
    systems = _ring_systems(bonds, ends, len(atoms))
    if _has_other_centres(atoms, bonds, ends, neighbours, systems):
        return False
    states = np.empty(len(atoms), np.uint64)
    for j in range(len(atoms)):
        states[j] = atom_number(atoms[j])
    for _ in range(len(atoms)):
        states = spread(states, bonds, ends)
    centres = np.zeros(len(atoms), np.int64)
    for i in range(len(atoms)):
        if not _could_be_centre(atoms[i]):
            continue
        centres[systems[i]] += atoms[i, AtomField.FLAGS] & IN_RING > 0
        if centres[systems[i]] > 1 or not _has_equals(neighbours[i], states):
            return False
    return True


@numba.njit(cache=True)
def _has_other_centres(
    atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, neighbours: np.ndarray, systems: np.ndarray
) -> bool:
    """Whether there is stated stereo, or an atom other than carbon or a double bond that might be a centre."""
    for i in range(len(atoms)):
        if atoms[i, AtomField.CHIRALITY] != 0 or _is_other_centre(i, atoms, neighbours, systems):
            return True
    for k in range(len(bonds)):
        if bonds[k, BondField.STEREO] > 0:
            return True
        if bonds[k, BondField.TYPE] == _DOUBLE and not _is_settled_bond(k, atoms, bonds, ends, neighbours):
            return True
    return False


@numba.njit(cache=True)
def _is_other_centre(i: int, atoms: np.ndarray, neighbours: np.ndarray, systems: np.ndarray) -> bool:
    """Whether an atom other than carbon might be a centre: all but two-bonded ones, flat nitrogen, and sulfones."""
    atom = atoms[i]
    around = atom[AtomField.DEGREE] + atom[AtomField.HYDROGENS]
    if atom[AtomField.ELEMENT] == _C or around < 3 or atom[AtomField.FLAGS] & AROMATIC:
        return False
    if atom[AtomField.ELEMENT] == _N:
        return bool(around > 3 or (atom[AtomField.FLAGS] & IN_RING and not _is_flat_in_ring(i, neighbours, systems)))
    oxygens = 0
    for other in neighbours[i]:
        if other >= 0 and atoms[other, AtomField.ELEMENT] == _O:
            oxygens += atoms[other, AtomField.DEGREE] == 1 and atoms[other, AtomField.HYDROGENS] == 0
    return bool(atom[AtomField.ELEMENT] != _S or oxygens != 2)


@numba.njit(cache=True)
def _is_flat_in_ring(i: int, neighbours: np.ndarray, systems: np.ndarray) -> bool:
    """Whether a nitrogen in a ring is no bridgehead, by its neighbours in the same ring system, and in no ring of three."""
    in_rings = 0
    for first in neighbours[i]:
        if first < 0:
            continue
        in_rings += systems[first] == systems[i]
        for second in neighbours[i]:
            if second >= 0 and np.any(neighbours[first] == second):
                return False
    return in_rings <= 2


@numba.njit(cache=True)
def _is_settled_bond(k: int, atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, neighbours: np.ndarray) -> bool:
    """Whether a double bond cannot have a configuration: an end with nothing beside it, or a small ring around it."""
    u, v = ends[k, 0], ends[k, 1]
    for end in (u, v):
        bare = atoms[end, AtomField.DEGREE] == 1 and atoms[end, AtomField.HYDROGENS] != 1
        if bare or atoms[end, AtomField.DEGREE] > 3:
            return True
    return bool(bonds[k, BondField.FLAGS] & IN_RING and _is_in_small_ring(u, v, neighbours))


@numba.njit(cache=True)
def _is_in_small_ring(start: int, goal: int, neighbours: np.ndarray) -> bool:
    """Whether a way of few bonds leads from one end of a bond to the other, besides the bond itself."""
    reached = np.zeros(len(neighbours), np.bool_)
    reached[start] = True
    for _ in range(_SMALL_RING - 1):
        further = reached.copy()
        for i in range(len(neighbours)):
            for other in neighbours[i]:
                if reached[i] and other >= 0 and not (i == start and other == goal):
                    further[other] = True
        if further[goal]:
            return True
        reached = further
    return False


@numba.njit(cache=True)
def _ring_systems(bonds: np.ndarray, ends: np.ndarray, n: int) -> np.ndarray:
    """A number for each atom that is equal for atoms joined by ring bonds."""
    system = np.arange(n)
    changed = True
    while changed:
        changed = False
        for k in range(len(bonds)):
            u, v = ends[k, 0], ends[k, 1]
            if bonds[k, BondField.FLAGS] & IN_RING and system[u] != system[v]:
                system[u] = system[v] = min(system[u], system[v])
                changed = True
    return system


__all__ = ["NONE", "SOME", "UNKNOWN", "known_unspecified_stereo"]
