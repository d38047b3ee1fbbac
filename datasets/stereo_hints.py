"""Which molecules have an unspecified stereocentre: quick answers from graph codes for most of them.

RDKit's search for potential stereo compares whole environments and takes about as long as parsing. Most molecules of a
screening library have no atom or bond that could be a centre, which a look at the neighbours shows, or have one all of whose
neighbours differ, which a few rounds of comparing show. The others (symmetric rings, centres that depend on others)
are left to RDKit.
"""

from __future__ import annotations

import numba
import numpy as np
from rdkit.Chem import BondStereo, BondType

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AROMATIC, IN_RING, AtomField, BondField

_C, _N, _S = 6, 7, 16
_DOUBLE = int(BondType.DOUBLE)
_SPECIFIED_FROM = int(BondStereo.STEREOZ)
_MAX_NEIGHBOURS = 16


def may_have_unspecified_stereo(molecules: CodedMolecules) -> np.ndarray:
    """Whether each molecule has an atom or double bond that could be an unspecified stereocentre.

    False is certain for molecules of ordinary valence in one piece (:func:`~cinchona.datasets.plain.effort_needed`);
    True means that RDKit has to look.

    Returns:
        bool, shape (n,).
    """
    graph = molecules.graph
    return np.asarray(
        _may(graph.atoms, graph.bonds, graph.ends, molecules.atom_offsets, molecules.bond_offsets), dtype=np.bool_
    )


@numba.njit(cache=True)
def _may(
    atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, atom_offsets: np.ndarray, bond_offsets: np.ndarray
) -> np.ndarray:
    result = np.zeros(len(atom_offsets) - 1, np.bool_)
    for k in range(len(result)):
        a = atoms[atom_offsets[k] : atom_offsets[k + 1]]
        b = bonds[bond_offsets[k] : bond_offsets[k + 1]]
        e = ends[bond_offsets[k] : bond_offsets[k + 1]]
        neighbours = np.full((len(a), _MAX_NEIGHBOURS), -1, np.int32)
        ring_bonds = np.zeros(len(a), np.int32)
        result[k] = (
            _list_neighbours(b, e, neighbours, ring_bonds)
            or _any_atom(a, neighbours, ring_bonds)
            or _any_bond(a, b, e, neighbours)
        )
    return result


@numba.njit(cache=True)
def _list_neighbours(bonds: np.ndarray, ends: np.ndarray, neighbours: np.ndarray, ring_bonds: np.ndarray) -> bool:
    """Fill the table of neighbours; True if an atom has too many for it."""
    count = np.zeros(len(neighbours), np.int32)
    for i in range(len(ends)):
        u, v = ends[i]
        if count[u] == _MAX_NEIGHBOURS or count[v] == _MAX_NEIGHBOURS:
            return True
        neighbours[u, count[u]] = v
        neighbours[v, count[v]] = u
        count[u] += 1
        count[v] += 1
        if bonds[i, BondField.FLAGS] & IN_RING:
            ring_bonds[u] += 1
            ring_bonds[v] += 1
    return False


@numba.njit(cache=True)
def _any_atom(atoms: np.ndarray, neighbours: np.ndarray, ring_bonds: np.ndarray) -> bool:
    for i in range(len(atoms)):
        atom = atoms[i]
        around = atom[AtomField.DEGREE] + atom[AtomField.HYDROGENS]
        if atom[AtomField.CHIRALITY] != 0 or around < 3 or atom[AtomField.HYDROGENS] > 1:
            continue
        if atom[AtomField.FLAGS] & AROMATIC or (atom[AtomField.ELEMENT] == _C and around != 4):
            continue
        if atom[AtomField.ELEMENT] == _N and not _nitrogen_may(atom, i, neighbours, ring_bonds):
            continue
        # RDKit takes no account of equal neighbours in phosphorus and heavier atoms of unusual valence, S(VI) with hydrogen among them.
        unusual = around > 4 or atom[AtomField.ELEMENT] not in (_C, _N, _S)
        if unusual or not _has_equal_ends(atoms, neighbours[i], -1):
            return True
    return False


@numba.njit(cache=True)
def _nitrogen_may(atom: np.ndarray, i: int, neighbours: np.ndarray, ring_bonds: np.ndarray) -> bool:
    """Nitrogen keeps a configuration with four neighbours, at a bridgehead, or in a three-membered ring."""
    if atom[AtomField.DEGREE] + atom[AtomField.HYDROGENS] > 3 or ring_bonds[i] >= 3:
        return True
    if ring_bonds[i] < 2:
        return False
    for first in neighbours[i]:
        for second in neighbours[i]:
            if first >= 0 and second > first and np.any(neighbours[first] == second):
                return True
    return False


@numba.njit(cache=True)
def _any_bond(atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, neighbours: np.ndarray) -> bool:
    for i in range(len(bonds)):
        if bonds[i, BondField.TYPE] != _DOUBLE or bonds[i, BondField.STEREO] >= _SPECIFIED_FROM:
            continue
        u, v = ends[i]
        if not (_is_open_end(atoms[u]) and _is_open_end(atoms[v])):
            continue
        # Beside =NH, RDKit takes no account of equal neighbours at the other end.
        if min(atoms[u, AtomField.DEGREE], atoms[v, AtomField.DEGREE]) == 1:
            return True
        if not (_has_equal_ends(atoms, neighbours[u], v) or _has_equal_ends(atoms, neighbours[v], u)):
            return True
    return False


@numba.njit(cache=True)
def _is_open_end(atom: np.ndarray) -> bool:
    """Whether the atom at the end of a double bond has something to one side; =NH has its hydrogen there."""
    return bool(atom[AtomField.DEGREE] > 1 or atom[AtomField.HYDROGENS] == 1)


@numba.njit(cache=True)
def _has_equal_ends(atoms: np.ndarray, neighbours: np.ndarray, besides: int) -> bool:
    """Whether two neighbours are terminal and alike, so that the atom cannot be a stereocentre."""
    for j in range(_MAX_NEIGHBOURS):
        first = neighbours[j]
        if first < 0 or first == besides or atoms[first, AtomField.DEGREE] != 1:
            continue
        for k in range(j + 1, _MAX_NEIGHBOURS):
            second = neighbours[k]
            if second >= 0 and second != besides and np.array_equal(atoms[first], atoms[second]):
                return True
    return False


__all__ = ["may_have_unspecified_stereo"]
