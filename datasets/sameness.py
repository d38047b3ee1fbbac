"""Which structures of a batch are the same compound, without a canonical SMILES for each of them.

A key that does not depend on the order of atoms is counted up from graph codes in about a microsecond. Equal canonical
SMILES have equal keys, so only structures whose keys meet (the duplicates, their stereoisomers, a chance collision) are
written as canonical SMILES and compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from rdkit import Chem

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AROMATIC, AtomField, BondField
from cinchona.datasets.parsing import Rejected, parse_smiles

_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFT = np.uint64(29)
_ROUNDS = 2


def canonical_form(smiles: str) -> str:
    """RDKit's canonical SMILES, or the text itself where it is none."""
    mol = parse_smiles(smiles)
    return smiles if isinstance(mol, Rejected) else str(Chem.MolToSmiles(mol))


def same_as(texts: Sequence[str], coded: CodedMolecules, places: np.ndarray) -> np.ndarray:
    """First of ``texts`` that is the same compound as each, by canonical SMILES.

    Args:
        texts: n valid SMILES.
        coded: Codes of m of them.
        places: Which ones, ascending, int64, shape (m,); the others are compared with each other without a key.

    Returns:
        Index into ``texts``, at most its own, int64, shape (n,).
    """
    first = np.arange(len(texts), dtype=np.int64)
    doubtful = np.ones(len(texts), bool)
    _, group, count = np.unique(structure_keys(coded), return_inverse=True, return_counts=True)
    doubtful[places] = count[group] > 1
    seen: dict[str, int] = {}
    for k in np.flatnonzero(doubtful).tolist():
        first[k] = seen.setdefault(canonical_form(texts[k]), k)
    return first


def structure_keys(molecules: CodedMolecules) -> np.ndarray:
    """A number for each molecule that is equal for equal canonical SMILES, uint64, shape (n,).

    Only what a canonical SMILES writes down goes into it, and no stereo: marks of that depend on the order of atoms.
    """
    graph = molecules.graph
    return np.asarray(_keys(graph.atoms, graph.bonds, graph.ends, molecules.atom_offsets, molecules.bond_offsets))


@numba.njit(cache=True)
def _keys(
    atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray, atom_offsets: np.ndarray, bond_offsets: np.ndarray
) -> np.ndarray:
    keys = np.zeros(len(atom_offsets) - 1, np.uint64)
    for k in range(len(keys)):
        a = atoms[atom_offsets[k] : atom_offsets[k + 1]]
        states = np.empty(len(a), np.uint64)
        for i in range(len(a)):
            states[i] = atom_number(a[i])
        b, e = bonds[bond_offsets[k] : bond_offsets[k + 1]], ends[bond_offsets[k] : bond_offsets[k + 1]]
        for _ in range(_ROUNDS):
            states = spread(states, b, e)
        for i in range(len(a)):
            keys[k] += mixed(states[i])
    return keys


@numba.njit(cache=True)
def atom_number(atom: np.ndarray) -> np.uint64:
    state = mixed(np.uint64(atom[AtomField.ELEMENT])) + np.uint64(atom[AtomField.CHARGE] + 128)
    state = mixed(state) + np.uint64(atom[AtomField.HYDROGENS])
    state = mixed(state) + np.uint64(atom[AtomField.ISOTOPE])
    return np.uint64(mixed(mixed(state) + np.uint64(atom[AtomField.FLAGS] & AROMATIC)))


@numba.njit(cache=True)
def spread(states: np.ndarray, bonds: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Each state with the sum of its neighbours' states and bond types, which does not depend on their order."""
    around = np.zeros(len(states), np.uint64)
    for i in range(len(bonds)):
        u, v, kind = ends[i, 0], ends[i, 1], np.uint64(bonds[i, BondField.TYPE])
        around[u] += mixed(states[v] + kind)
        around[v] += mixed(states[u] + kind)
    for i in range(len(states)):
        around[i] = mixed(states[i]) + around[i]
    return around


@numba.njit(cache=True)
def mixed(state: np.uint64) -> np.uint64:
    state = (state ^ (state >> _SHIFT)) * _MIX_1
    return np.uint64((state ^ (state >> _SHIFT)) * _MIX_2)


__all__ = ["canonical_form", "same_as", "structure_keys"]
