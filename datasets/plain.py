"""Molecules that the ChEMBL structure pipeline provably leaves unchanged, told from their graph codes alone.

The pipeline (Bento et al. 2020, doi:10.1186/s13321-020-00456-1) spends milliseconds a molecule to find, for nearly all
of a vendor's library, that there is nothing to do. Each of its steps acts on a feature that can be ruled out by counting:

=======================  ==========================================================================================
step                     ruled out by
=======================  ==========================================================================================
exclusion                only C, N, O, F, P, S, Cl, Br, I
hydrogens, isotopes      no hydrogen atoms of their own, no isotope labels
salts, solvents          one component
charges                  no charged atoms but quaternary nitrogen, and neighbours of opposite charge, which the neutralizer
                         leaves: nitro groups, N-oxides, nitrones, azides, sulfoxides written with charges
normalization            ordinary valences; no uncharged sulfur with three neighbours (sulfoxides) or with two and a double
                         bond; no carbon with OH and an acyclic double bond to nitrogen (imidic acids); at least two atoms
tartrate                 not exactly four carbons and six oxygens
=======================  ==========================================================================================

Molecules that are plain but for ammonium, aromatic NH+ and anions that can take a proton need the neutralizer alone; those
that are plain but for sulfoxides written S=O need that group written with charges as well. What is not plain goes through
the pipeline itself.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numba
import numpy as np
from rdkit import Chem
from rdkit.Chem import BondType

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AROMATIC, IN_RING, AtomField, BondField
from cinchona.datasets.plain_ions import (
    DOUBLES,
    FACTS,
    HYDROXYL,
    IMINE,
    NITRO,
    ORDER,
    OXYGENS,
    effort_of_charges,
    has_neutral_sulfoxide,
    is_plain_ion,
    is_sulfoxide,
)

_C, _N, _O, _P, _S = 6, 7, 8, 15, 16
_VALENCES: Final = np.zeros(128, np.int64)
"""Ordinary valences by atomic number, as bits."""
for _element, _bits in ((_C, 1 << 4), (_N, 1 << 3), (_O, 1 << 2), (_P, 1 << 5), (_S, 1 << 2 | 1 << 4 | 1 << 6)):
    _VALENCES[_element] = _bits
_VALENCES[[9, 17, 35, 53]] = 1 << 1
_SINGLE, _DOUBLE, _TRIPLE, _AROMATIC_BOND = (
    int(kind) for kind in (BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC)
)
_LARGE_RING: Final = 8
_TARTARIC_CARBONS, _TARTARIC_OXYGENS = 4, 6


class Effort(IntEnum):
    """How much of the pipeline a molecule needs."""

    ALL = 0
    """It may change: the whole pipeline."""
    NONE = 1
    """It passes unchanged."""
    NEUTRALIZE = 2
    """Only the neutralizer changes it: every charge is taken away that no neighbour balances, but for quaternary nitrogen."""
    SULFOXIDE = 3
    """The neutralizer may change it, and neutral sulfoxides are to be written with charges."""


def effort_needed(molecules: CodedMolecules) -> np.ndarray:
    """How much of the ChEMBL pipeline each molecule needs.

    Args:
        molecules: Codes of n sanitized molecules without CX extensions.

    Returns:
        :class:`Effort` codes, uint8, shape (n,).
    """
    graph = molecules.graph
    effort: np.ndarray = _efforts(graph.atoms, graph.bonds, graph.ends, molecules.atom_offsets, molecules.bond_offsets)
    return effort


def has_doubtful_marks(molecules: CodedMolecules) -> np.ndarray:
    """Whether the canonical SMILES of a molecule may read back as a slightly different one for its bonds or stereo.

    Seen where RDKit finds a ring aromatic only from some atom orders (double bonds in rings that are not aromatic; see
    also :func:`has_large_ring`) and where stereo is written. The others need no second round of reading and writing.

    Args:
        molecules: Codes of n molecules.

    Returns:
        bool, shape (n,).
    """
    graph = molecules.graph
    ring_double = (graph.bonds[:, BondField.TYPE] == _DOUBLE) & (graph.bonds[:, BondField.FLAGS] & IN_RING > 0)
    bonds = np.concatenate([[0], np.cumsum(ring_double | (graph.bonds[:, BondField.STEREO] > 0))])
    atoms = np.concatenate([[0], np.cumsum(graph.atoms[:, AtomField.CHIRALITY] > 0)])
    marks = np.diff(bonds[molecules.bond_offsets]) + np.diff(atoms[molecules.atom_offsets])
    return np.asarray(marks > 0, dtype=np.bool_)


def has_carbon(molecules: CodedMolecules) -> np.ndarray:
    """Whether each of n molecules has a carbon atom; bool, shape (n,)."""
    carbons = np.concatenate([[0], np.cumsum(molecules.graph.atoms[:, AtomField.ELEMENT] == _C)])
    return np.asarray(np.diff(carbons[molecules.atom_offsets]) > 0)


def has_large_ring(mol: Chem.Mol) -> bool:
    """Whether ``mol`` has a ring of more than eight atoms: one bridged to it may be aromatic from some atom orders only."""
    return any(len(ring) > _LARGE_RING for ring in mol.GetRingInfo().AtomRings())


@numba.njit(cache=True)
def _efforts(
    atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, atom_offsets: np.ndarray, bond_offsets: np.ndarray
) -> np.ndarray:
    result = np.zeros(len(atom_offsets) - 1, np.uint8)
    for k in range(len(result)):
        a = atoms[atom_offsets[k] : atom_offsets[k + 1]]
        b = bonds[bond_offsets[k] : bond_offsets[k + 1]]
        e = ends[bond_offsets[k] : bond_offsets[k + 1]]
        if len(a) > 1 and not _is_tartaric(a) and _is_connected(len(a), e) and _atoms_are_plain(a, b, e):
            result[k] = effort_of_charges(a, e)
            if result[k] and has_neutral_sulfoxide(a):
                result[k] = 3
    return result


@numba.njit(cache=True)
def _is_tartaric(atoms: np.ndarray) -> bool:
    carbons = 0
    oxygens = 0
    for i in range(len(atoms)):
        carbons += atoms[i, AtomField.ELEMENT] == _C
        oxygens += atoms[i, AtomField.ELEMENT] == _O
    return carbons == _TARTARIC_CARBONS and oxygens == _TARTARIC_OXYGENS


@numba.njit(cache=True)
def _is_connected(n: int, ends: np.ndarray) -> bool:
    parent = np.arange(n)
    parts = n
    for i in range(len(ends)):
        u, v = np.int64(ends[i, 0]), np.int64(ends[i, 1])
        while parent[u] != u:
            parent[u] = parent[parent[u]]
            u = parent[u]
        while parent[v] != v:
            parent[v] = parent[parent[v]]
            v = parent[v]
        if u != v:
            parent[u] = v
            parts -= 1
    return parts == 1


@numba.njit(cache=True)
def _atoms_are_plain(atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray) -> bool:
    facts = np.zeros((len(atoms), FACTS), np.int64)
    for i in range(len(bonds)):
        kind = bonds[i, BondField.TYPE]
        if kind == _AROMATIC_BOND:
            continue
        if kind not in (_SINGLE, _DOUBLE, _TRIPLE):
            return False
        u, v = ends[i]
        _add_neighbour(facts[u], bonds[i], atoms[v])
        _add_neighbour(facts[v], bonds[i], atoms[u])
    for i in range(len(atoms)):  # noqa: SIM110 - numba compiles loops, not generators
        if not _is_plain_atom(atoms[i], facts[i]):
            return False
    return True


@numba.njit(cache=True)
def _add_neighbour(facts: np.ndarray, bond: np.ndarray, neighbour: np.ndarray) -> None:
    kind = bond[BondField.TYPE]
    facts[ORDER] += 1 if kind == _SINGLE else (2 if kind == _DOUBLE else 3)
    if kind == _DOUBLE:
        facts[DOUBLES] += 1
        facts[IMINE] += neighbour[AtomField.ELEMENT] == _N and not bond[BondField.FLAGS] & IN_RING
    if neighbour[AtomField.ELEMENT] == _O:
        facts[OXYGENS] += 1
        facts[HYDROXYL] += neighbour[AtomField.HYDROGENS] > 0
        if neighbour[AtomField.DEGREE] == 1 and neighbour[AtomField.HYDROGENS] == 0:
            facts[NITRO] += 100 * (kind == _DOUBLE and neighbour[AtomField.CHARGE] == 0)
            facts[NITRO] += kind == _SINGLE and neighbour[AtomField.CHARGE] == -1


@numba.njit(cache=True)
def _is_plain_atom(atom: np.ndarray, facts: np.ndarray) -> bool:
    if atom[AtomField.ISOTOPE] != 0 or (facts[IMINE] and facts[HYDROXYL]):
        return False
    if atom[AtomField.CHARGE] != 0:
        return bool(is_plain_ion(atom, facts))
    element = atom[AtomField.ELEMENT]
    if atom[AtomField.FLAGS] & AROMATIC:
        return bool(element in (_C, _N, _O, _S))
    valence = facts[ORDER] + atom[AtomField.HYDROGENS]
    if not _VALENCES[element] >> valence & 1:
        return False
    if element == _P:
        return bool(atom[AtomField.DEGREE] == 4)
    return bool(element != _S or _is_plain_sulfur(atom, facts, valence))


@numba.njit(cache=True)
def _is_plain_sulfur(atom: np.ndarray, facts: np.ndarray, valence: int) -> bool:
    if valence == 4:
        return bool(is_sulfoxide(atom, facts))
    if valence == 6:
        return bool(atom[AtomField.DEGREE] == 4)
    return bool(atom[AtomField.DEGREE] != 2 or facts[DOUBLES] == 0)


__all__ = ["Effort", "effort_needed", "has_carbon", "has_doubtful_marks", "has_large_ring"]
