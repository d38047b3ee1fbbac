"""Graph codes of many molecules at once, read from RDKit's binary molecules.

RDKit spends about a microsecond to write a molecule as bytes and Python spends about 400 to ask for its atoms and bonds
one accessor at a time, so the bytes are decoded by a compiled loop. The layout belongs to RDKit (pickle format 16) and
is not promised to anyone; therefore a self-check compares both paths once a process, and each molecule that is not
plain (queries, more than 255 atoms, unknown flags) goes through the accessors.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Final

import numba
import numpy as np
from rdkit import Chem, rdBase

from cinchona.datasets.codedmolecules import CodedMolecules, lay_end_to_end, offsets_of
from cinchona.datasets.graphcodes import AROMATIC, CONJUGATED, IN_RING, AtomField, BondField, GraphCodes, codes

_LOG = logging.getLogger(__name__)
_NO_PROPERTIES: Final = int(Chem.PropertyPickleOptions.NoProps)
_MAX_ATOMS: Final = 255
_PADDING: Final = 32
"""Longest record of an atom or bond in bytes, rounded up."""

CHECK_SMILES: Final = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "[13CH3][N+](C)(C)C[2H]",
    "C[C@H](F)Cl",
    "N[C@@H](C)C(=O)[O-]",
    "F/C=C/F",
    "F/C=C\\Cl",
    "C1=CC=CN1",
    "[H][H]",
    "[Na+].[Cl-]",
    "C[S@](=O)CC",
    "CS(=O)(=O)N",
    "[CH3]",
    "[CH2]C",
    "N->[Pt](<-N)(Cl)Cl",
    "FP(F)(F)(F)F",
    "F[P@](Cl)(Br)(I)C",
    "C#N",
    "C[N+]#[C-]",
    "O=[N+]([O-])c1ccc2[nH]cnc2c1",
    "C12C3C4C1C5C2C3C45",
    "[OH3+]",
    "C[Si](C)(C)C",
    "B(O)(O)c1ccccc1",
    "[Cu+2].[O-]C=O",
    "[U]",
    "CC=C=CC",
    "C1CC1=C1CC1",
    "[H]C([H])([H])O",
    "[235U]",
    "Cl[Se]Cl",
    "C1CCCCCCCCCCCCCCC1",
    "O=C1C=CC(=O)C=C1",
    "C/C=C/C=C\\C",
    "[O-][Cl+3]([O-])([O-])O",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
)
"""Molecules of the self-check; together they hold every field of the codes in more than one value."""


def codes_of_many(mols: Sequence[Chem.Mol]) -> CodedMolecules:
    """Codes of sanitized molecules, equal to :func:`~cinchona.datasets.graphcodes.codes` of each.

    Raises:
        ShapeError: if a molecule has more than 32,767 atoms.
    """
    if not binary_path_is_sound():
        return lay_end_to_end([codes(mol) for mol in mols])
    decoded, plain = _decode_all([mol.ToBinary(_NO_PROPERTIES) for mol in mols])
    if plain.all():
        return decoded
    # The few that are not plain go through the accessors, in their places.
    return lay_end_to_end([decoded.molecule(i) if plain[i] else codes(mol) for i, mol in enumerate(mols)])


@cache
def binary_path_is_sound() -> bool:
    """Whether the binary path gives the accessors' codes on the check set; warns once where it does not."""
    mols = [Chem.MolFromSmiles(smiles) for smiles in CHECK_SMILES]
    try:
        decoded, plain = _decode_all([mol.ToBinary(_NO_PROPERTIES) for mol in mols])
        sound = bool(plain.all()) and all(_equal(decoded.molecule(i), codes(mol)) for i, mol in enumerate(mols))
    except (IndexError, ValueError):
        sound = False
    if not sound:
        _LOG.warning(
            "RDKit %s writes molecules in a layout that the fast featurizer does not know; "
            "the slower accessors are used, results are the same",
            rdBase.rdkitVersion,
        )
    return sound


def _equal(left: GraphCodes, right: GraphCodes) -> bool:
    pairs = ((left.atoms, right.atoms), (left.bonds, right.bonds), (left.ends, right.ends))
    return all(np.array_equal(a, b) for a, b in pairs)


def _decode_all(blobs: Sequence[bytes]) -> tuple[CodedMolecules, np.ndarray]:
    """Decode RDKit binaries; the second array (bool, shape (n,)) says which molecules were plain."""
    starts = np.zeros(len(blobs) + 1, np.int64)
    np.cumsum([len(blob) for blob in blobs], out=starts[1:])
    # Padding lets the loop read a damaged record to its end without leaving the buffer.
    buffer = np.frombuffer(b"".join(blobs) + bytes(2 * _PADDING), np.uint8)
    capacity = len(buffer) // 3
    atoms = np.zeros((capacity // 2, len(AtomField)), np.int16)
    bonds = np.zeros((capacity, len(BondField)), np.uint8)
    ends = np.zeros((capacity, 2), np.int16)
    sizes = np.zeros((len(blobs), 2), np.int32)
    plain = _decode(buffer, starts, atoms, bonds, (ends, sizes))
    n_atoms, n_bonds = (int(total) for total in sizes.sum(axis=0))
    graph = GraphCodes(atoms[:n_atoms], bonds[:n_bonds], ends[:n_bonds])
    return CodedMolecules(graph, offsets_of(sizes[:, 0]), offsets_of(sizes[:, 1])), plain


_FORMAT_MAJOR: Final = 16
_TAG_ATOMS: Final = 0x01
_TAG_BONDS: Final = 0x0B
_TAG_RINGS: Final = 0x42
_ATOM_FLAGS: Final = 0x60
"""Atom flags that are understood: 0x40 aromatic, 0x20 no implicit hydrogens."""
_ATOM_FIELDS: Final = 0x1FE
"""Optional atom fields that are understood: charge, chirality, hybridization, hydrogens, valences, radicals, isotope."""
_BOND_FLAGS: Final = 0x6E
"""Bond flags that are understood: 0x40 aromatic, 0x20 conjugated, 0x08 type, 0x04 direction, 0x02 stereo."""
_COLUMN_OF_BIT: Final = (
    -1,
    int(AtomField.CHARGE),
    int(AtomField.CHIRALITY),
    int(AtomField.HYBRIDIZATION),
    int(AtomField.HYDROGENS),  # written ones
    -1,  # valence
    int(AtomField.HYDROGENS),  # implicit ones
    -1,  # radicals
)
"""Where each optional one-byte field of an atom goes."""
_SP3: Final = int(Chem.HybridizationType.SP3)
_SINGLE: Final = int(Chem.BondType.SINGLE)


@numba.njit(cache=True)
def _decode(
    buffer: np.ndarray,
    starts: np.ndarray,
    atoms: np.ndarray,
    bonds: np.ndarray,
    placed: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Fill the arrays molecule by molecule; one that is not plain gets the size 0 and False."""
    ends, sizes = placed
    plain = np.zeros(len(starts) - 1, np.bool_)
    bond_at = np.full((_MAX_ATOMS, _MAX_ATOMS), -1, np.int32)
    atom0 = 0
    bond0 = 0
    for k in range(len(starts) - 1):
        at = starts[k]
        n = _int32(buffer, at + 20)
        m = _int32(buffer, at + 24)
        known = _int32(buffer, at + 8) == _FORMAT_MAJOR and buffer[at + 29] == _TAG_ATOMS
        if not known or n > _MAX_ATOMS or m > _MAX_ATOMS:
            continue
        at = _decode_atoms(buffer, at + 30, atoms[atom0 : atom0 + n])
        if at >= 0:
            at = _decode_bonds(buffer, at, bonds[bond0 : bond0 + m], ends[bond0 : bond0 + m], bond_at)
        if at >= 0:
            mol_atoms, mol_bonds = atoms[atom0 : atom0 + n], bonds[bond0 : bond0 + m]
            at = _decode_rings(buffer, at, mol_atoms, mol_bonds, bond_at)
        if at < 0 or at > starts[k + 1]:
            atoms[atom0 : atom0 + n] = 0
            bonds[bond0 : bond0 + m] = 0
            continue
        _count_neighbours(atoms[atom0 : atom0 + n], ends[bond0 : bond0 + m])
        plain[k] = True
        sizes[k, 0] = n
        sizes[k, 1] = m
        atom0 += n
        bond0 += m
    return plain


@numba.njit(cache=True)
def _int32(buffer: np.ndarray, at: int) -> int:
    return int(
        np.int64(buffer[at])
        | np.int64(buffer[at + 1]) << 8
        | np.int64(buffer[at + 2]) << 16
        | np.int64(buffer[at + 3]) << 24
    )


@numba.njit(cache=True)
def _decode_atoms(buffer: np.ndarray, at: int, atoms: np.ndarray) -> int:
    """Read the atom records from ``at`` on; return the place behind them, or -1 if one is not plain."""
    for i in range(len(atoms)):
        if at + _PADDING > len(buffer):
            return -1
        flags = buffer[at + 1]
        fields = _int32(buffer, at + 2)
        if flags & ~np.uint8(_ATOM_FLAGS) or fields & ~_ATOM_FIELDS:
            return -1
        row = atoms[i]
        row[AtomField.ELEMENT] = buffer[at]
        row[AtomField.HYBRIDIZATION] = 0 if fields & 0x08 else _SP3
        row[AtomField.FLAGS] = AROMATIC if flags & 0x40 else 0
        at += 6
        for bit in range(1, 8):
            if fields >> bit & 1:
                column = _COLUMN_OF_BIT[bit]
                if column >= 0:
                    row[column] += np.int8(buffer[at])
                at += 1
        if fields & 0x100:
            row[AtomField.ISOTOPE] = _int32(buffer, at)
            at += 4
    return at


@numba.njit(cache=True)
def _decode_bonds(buffer: np.ndarray, at: int, bonds: np.ndarray, ends: np.ndarray, bond_at: np.ndarray) -> int:
    """Read the bond records; return the place behind them, or -1."""
    if buffer[at] != _TAG_BONDS:
        return -1
    at += 1
    for i in range(len(bonds)):
        if at + _PADDING > len(buffer):
            return -1
        u, v, flags = buffer[at], buffer[at + 1], buffer[at + 2]
        if flags & ~np.uint8(_BOND_FLAGS) or u >= _MAX_ATOMS or v >= _MAX_ATOMS:
            return -1
        at += 3
        kind = _SINGLE
        stereo = 0
        if flags & 0x08:
            kind = buffer[at]
            at += 1
        if flags & 0x04:
            at += 1
        if flags & 0x02:
            stereo = buffer[at]
            at += 2 + buffer[at + 1]
        ends[i, 0], ends[i, 1] = u, v
        bond_at[u, v] = bond_at[v, u] = i
        bonds[i, BondField.TYPE] = kind
        bonds[i, BondField.FLAGS] = CONJUGATED if flags & 0x20 else 0
        bonds[i, BondField.STEREO] = stereo
    return at


@numba.njit(cache=True)
def _decode_rings(buffer: np.ndarray, at: int, atoms: np.ndarray, bonds: np.ndarray, bond_at: np.ndarray) -> int:
    """Mark ring atoms and ring bonds; return the place behind the ring records, or -1."""
    if buffer[at] != _TAG_RINGS:
        return -1
    count = _int32(buffer, at + 1)
    at += 5
    for _ in range(count):
        size = int(buffer[at])
        at += 1
        if at + size + _PADDING > len(buffer):
            return -1
        for j in range(size):
            u, v = buffer[at + j], buffer[at + (j + 1 if j + 1 < size else 0)]
            if u >= len(atoms) or v >= len(atoms):
                return -1
            i = bond_at[u, v]
            if i < 0 or i >= len(bonds):
                return -1
            atoms[u, AtomField.FLAGS] |= IN_RING
            bonds[i, BondField.FLAGS] |= IN_RING
        at += size
    return at


@numba.njit(cache=True)
def _count_neighbours(atoms: np.ndarray, ends: np.ndarray) -> None:
    for i in range(len(ends)):
        u, v = ends[i]
        atoms[u, AtomField.DEGREE] += 1
        atoms[v, AtomField.DEGREE] += 1


__all__ = ["CHECK_SMILES", "binary_path_is_sound", "codes_of_many"]
