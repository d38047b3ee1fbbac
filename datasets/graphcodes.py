"""Integer codes of a molecular graph: the raw facts of atoms and bonds, from which any feature schema can be computed.

Codes are small and independent of the schema, so a prepared library stores them and never parses a SMILES again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from rdkit import Chem

from cinchona.errors import ShapeError

CODES_SCHEMA: Final = "codes-1"
"""Version of the codes; changes when a field is added or read in another way."""

MAX_CODED_ATOMS: Final = 32_767
"""Most atoms of one graph; atom indices are int16."""

_HEADER: Final = struct.Struct("<BHI")
_FORMAT: Final = 1


class AtomField(IntEnum):
    """Columns of the atom codes."""

    ELEMENT = 0
    """Atomic number; 0 for a dummy atom."""
    DEGREE = 1
    """Neighbours in the graph (hydrogens without an atom of their own do not count)."""
    CHARGE = 2
    """Formal charge."""
    CHIRALITY = 3
    """``rdkit.Chem.ChiralType`` as a number. Clockwise and counter-clockwise depend on the order of the bonds, so
    features are a function of the molecule only if it comes from its canonical SMILES."""
    HYDROGENS = 4
    """Hydrogens on the atom that have no atom of their own in the graph."""
    HYBRIDIZATION = 5
    """``rdkit.Chem.HybridizationType`` as a number."""
    FLAGS = 6
    """1 aromatic, 2 in a ring."""
    ISOTOPE = 7
    """Mass number; 0 for the natural mixture."""


class BondField(IntEnum):
    """Columns of the bond codes."""

    TYPE = 0
    """``rdkit.Chem.BondType`` as a number."""
    FLAGS = 1
    """1 conjugated, 2 in a ring."""
    STEREO = 2
    """``rdkit.Chem.BondStereo`` as a number."""


AROMATIC: Final = 1
"""Flag of an atom code: the atom is aromatic."""
CONJUGATED: Final = 1
"""Flag of a bond code: the bond is conjugated."""
IN_RING: Final = 2
"""Flag of an atom or bond code: it is in a ring."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphCodes:
    """One molecule, or several laid end to end, as integer codes."""

    atoms: np.ndarray
    """Columns of :class:`AtomField`, int16, shape (n_atoms, 8)."""
    bonds: np.ndarray
    """Columns of :class:`BondField`, uint8, shape (n_bonds, 3); one row a bond, not a direction."""
    ends: np.ndarray
    """First and second atom of each bond, int16, shape (n_bonds, 2)."""

    def __post_init__(self) -> None:
        if self.atoms.ndim != 2 or self.atoms.shape[1] != len(AtomField):
            raise ShapeError.of("atoms", self.atoms.shape, f"(n_atoms, {len(AtomField)})")
        for name, width in (("bonds", len(BondField)), ("ends", 2)):
            if getattr(self, name).shape != (len(self.bonds), width):
                raise ShapeError.of(name, getattr(self, name).shape, f"(n_bonds, {width})")

    def to_bytes(self) -> bytes:
        """Spell the codes as bytes for a column of a prepared library: 16 bytes an atom, 7 a bond, 7 in front."""
        header = _HEADER.pack(_FORMAT, len(self.atoms), len(self.bonds))
        return header + self.atoms.astype("<i2").tobytes() + self.bonds.tobytes() + self.ends.astype("<i2").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> GraphCodes:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            ShapeError: if the bytes are of another version or length.
        """
        version, n, m = _HEADER.unpack_from(data) if len(data) >= _HEADER.size else (0, 0, 0)
        sizes = [2 * len(AtomField) * n, len(BondField) * m, 4 * m]
        if version != _FORMAT or len(data) != _HEADER.size + sum(sizes):
            raise ShapeError.of("graph codes", (len(data),), f"format {_FORMAT}, as long as its header says")
        at = np.cumsum([_HEADER.size, *sizes]).tolist()
        atoms = np.frombuffer(data[at[0] : at[1]], "<i2").reshape(n, len(AtomField))
        bonds = np.frombuffer(data[at[1] : at[2]], np.uint8).reshape(m, len(BondField))
        return cls(atoms.astype(np.int16), bonds, np.frombuffer(data[at[2] :], "<i2").reshape(m, 2).astype(np.int16))


def codes(mol: Chem.Mol) -> GraphCodes:
    """Read the codes of ``mol`` through RDKit's accessors (any sanitized molecule with at most 32,767 atoms).

    Raises:
        ShapeError: if the molecule has too many atoms.
    """
    if mol.GetNumAtoms() > MAX_CODED_ATOMS:
        raise ShapeError.of("molecule", (mol.GetNumAtoms(),), f"at most {MAX_CODED_ATOMS} atoms")
    atoms = [_atom(atom) for atom in mol.GetAtoms()]
    pairs = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    bonds = [_bond(bond) for bond in mol.GetBonds()]
    return GraphCodes(
        np.array(atoms, np.int16).reshape(-1, len(AtomField)),
        np.array(bonds, np.uint8).reshape(-1, len(BondField)),
        np.array(pairs, np.int16).reshape(-1, 2),
    )


def _atom(atom: Chem.Atom) -> tuple[int, ...]:
    return (
        atom.GetAtomicNum(),
        atom.GetDegree(),
        atom.GetFormalCharge(),
        int(atom.GetChiralTag()),
        atom.GetTotalNumHs(),
        int(atom.GetHybridization()),
        atom.GetIsAromatic() | IN_RING * atom.IsInRing(),
        atom.GetIsotope(),
    )


def _bond(bond: Chem.Bond) -> tuple[int, ...]:
    return (int(bond.GetBondType()), bond.GetIsConjugated() | IN_RING * bond.IsInRing(), int(bond.GetStereo()))


__all__ = [
    "AROMATIC",
    "CODES_SCHEMA",
    "CONJUGATED",
    "IN_RING",
    "MAX_CODED_ATOMS",
    "AtomField",
    "BondField",
    "GraphCodes",
    "codes",
]
