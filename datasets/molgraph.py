"""Molecules as graphs of numbers, ready for batching into a graph network.

The features of schema ``cinchona-1`` are one-hot blocks, each with a last column "unknown" for what the schema does not
name, so that a metal or an odd charge is never mistaken for something else and never an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import BondStereo, BondType, ChiralType, HybridizationType

from cinchona.datasets.graphcodes import AROMATIC, IN_RING, AtomField, BondField, GraphCodes, codes
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.records import Stage

FEATURE_SCHEMA: Final = "cinchona-1"
"""Version of the features; a model folder names it, and a loader refuses another."""

ELEMENTS: Final = (1, 3, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 20, 26, 29, 30, 33, 34, 35, 53, 78)
"""Atomic numbers with a column of their own: H Li B C N O F Na Mg Si P S Cl K Ca Fe Cu Zn As Se Br I Pt."""

MAX_ATOMS: Final = 1_000
"""Atoms of one graph unless asked otherwise."""

_ATOM_BLOCKS: Final[tuple[tuple[AtomField, tuple[int, ...]], ...]] = (
    (AtomField.ELEMENT, ELEMENTS),
    (AtomField.DEGREE, (0, 1, 2, 3, 4, 5, 6)),
    (AtomField.CHARGE, (-2, -1, 0, 1, 2)),
    (
        AtomField.CHIRALITY,
        tuple(
            int(t)
            for t in (
                ChiralType.CHI_UNSPECIFIED,
                ChiralType.CHI_TETRAHEDRAL_CW,
                ChiralType.CHI_TETRAHEDRAL_CCW,
            )
        ),
    ),
    (AtomField.HYDROGENS, (0, 1, 2, 3, 4)),
    (
        AtomField.HYBRIDIZATION,
        tuple(
            int(t)
            for t in (
                HybridizationType.S,
                HybridizationType.SP,
                HybridizationType.SP2,
                HybridizationType.SP3,
                HybridizationType.SP2D,
                HybridizationType.SP3D,
                HybridizationType.SP3D2,
            )
        ),
    ),
)
_BOND_BLOCKS: Final[tuple[tuple[BondField, tuple[int, ...]], ...]] = (
    (
        BondField.TYPE,
        tuple(int(t) for t in (BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC, BondType.DATIVE)),
    ),
    (
        BondField.STEREO,
        tuple(
            int(t)
            for t in (
                BondStereo.STEREONONE,
                BondStereo.STEREOANY,
                BondStereo.STEREOZ,
                BondStereo.STEREOE,
                BondStereo.STEREOCIS,
                BondStereo.STEREOTRANS,
            )
        ),
    ),
)
_FLAG_COLUMNS: Final = 2
_MASS_COLUMNS: Final = 1
_CHUNK: Final = 1_000
_MASS_SCALE: Final = 0.01

ATOM_DIM: Final = sum(len(known) + 1 for _, known in _ATOM_BLOCKS) + _FLAG_COLUMNS + _MASS_COLUMNS
"""Columns of ``MolGraph.atoms``: the blocks element, degree, formal charge, chirality tag, hydrogens, hybridization
(each with "unknown" last), then aromatic, in a ring, mass in Da / 100."""

BOND_DIM: Final = sum(len(known) + 1 for _, known in _BOND_BLOCKS) + _FLAG_COLUMNS
"""Columns of ``MolGraph.bonds``: the blocks type and stereo (each with "unknown" last), then conjugated, in a ring."""


@dataclass(frozen=True, slots=True, eq=False)
class MolGraph:
    """A featurized molecule. A molecule without bonds has edges of shape (2, 0)."""

    atoms: np.ndarray
    """Atom features, float32, shape (n_atoms, ATOM_DIM)."""
    bonds: np.ndarray
    """Bond features, float32, shape (2 * n_bonds, BOND_DIM); row k belongs to column k of ``edges``."""
    edges: np.ndarray
    """Directed bonds as (source, target) atom index, int64, shape (2, 2 * n_bonds). Edges 2k and 2k + 1 are the two
    directions of bond k, so the reverse of edge e is ``e ^ 1``."""

    @property
    def n_atoms(self) -> int:
        """Atoms of the molecule."""
        return len(self.atoms)

    @property
    def n_bonds(self) -> int:
        """Bonds of the molecule, directions not counted."""
        return int(self.edges.shape[1]) // 2


def features(graph: GraphCodes) -> tuple[np.ndarray, np.ndarray]:
    """Turn codes into feature rows by table look-up; works on one molecule or many laid end to end.

    Args:
        graph: Codes with n atoms and m bonds.

    Returns:
        Atom features, float32, shape (n, ATOM_DIM), and bond features, float32, shape (m, BOND_DIM), one row a bond.
    """
    atom_parts = [_look_up(graph.atoms[:, field], known) for field, known in _ATOM_BLOCKS]
    atom_parts.append(_flags(graph.atoms[:, AtomField.FLAGS]))
    atom_parts.append((atomic_masses(graph.atoms) * _MASS_SCALE).astype(np.float32)[:, None])
    bond_parts = [_look_up(graph.bonds[:, field], known) for field, known in _BOND_BLOCKS]
    bond_parts.append(_flags(graph.bonds[:, BondField.FLAGS]))
    return np.concatenate(atom_parts, axis=1), np.concatenate(bond_parts, axis=1)


def graph_of(graph: GraphCodes) -> MolGraph:
    """The graph of one molecule from its codes."""
    atoms, bonds = features(graph)
    return MolGraph(atoms, np.repeat(bonds, 2, axis=0), directed(graph.ends))


def graphs_of(graphs: Sequence[GraphCodes]) -> list[MolGraph]:
    """The graphs of several molecules from their codes, with one look-up for all."""
    if not graphs:
        return []
    joined = GraphCodes(*(np.concatenate([getattr(g, name) for g in graphs]) for name in ("atoms", "bonds", "ends")))
    atoms, bonds = features(joined)
    edges = directed(joined.ends)
    atom_ends = np.cumsum([len(g.atoms) for g in graphs])[:-1]
    bond_ends = np.cumsum([2 * len(g.bonds) for g in graphs])[:-1]
    parts = (
        np.split(atoms, atom_ends),
        np.split(np.repeat(bonds, 2, axis=0), bond_ends),
        np.split(edges, bond_ends, 1),
    )
    return [MolGraph(*part) for part in zip(*parts, strict=True)]


def directed(ends: np.ndarray) -> np.ndarray:
    """Both directions of each bond, next to each other.

    Args:
        ends: First and second atom, integer, shape (m, 2).

    Returns:
        Edges, int64, shape (2, 2m).
    """
    pairs = np.asarray(ends, np.int64)
    return np.stack([pairs.ravel(), pairs[:, ::-1].ravel()])


def featurize(molecule: Chem.Mol | str, *, max_atoms: int = MAX_ATOMS) -> MolGraph | Rejected:
    """Featurize one molecule.

    Chirality tags follow the order of the atoms, so pass canonical SMILES (as :func:`standardize` gives them) when the
    same compound must have the same graph however it was drawn. Dummy atoms fall into the "unknown" element.

    Args:
        molecule: A SMILES, or a sanitized RDKit molecule.
        max_atoms: Larger molecules are rejected.

    Returns:
        The graph, or why there is none.
    """
    found = _coded(molecule, max_atoms)
    return found if isinstance(found, Rejected) else graph_of(found)


def featurize_batch(molecules: Sequence[Chem.Mol | str], *, max_atoms: int = MAX_ATOMS) -> list[MolGraph | Rejected]:
    """Featurize many molecules; the result has the length and the order of the input."""
    found: list[MolGraph | Rejected] = []
    for start in range(0, len(molecules), _CHUNK):
        coded = [_coded(molecule, max_atoms) for molecule in molecules[start : start + _CHUNK]]
        graphs = iter(graphs_of([item for item in coded if isinstance(item, GraphCodes)]))
        found += [item if isinstance(item, Rejected) else next(graphs) for item in coded]
    return found


def _coded(molecule: Chem.Mol | str, max_atoms: int) -> GraphCodes | Rejected:
    mol = parse_smiles(molecule) if isinstance(molecule, str) else molecule
    if isinstance(mol, Rejected):
        return mol
    if not 0 < mol.GetNumAtoms() <= max_atoms:
        return Rejected(Stage.FEATURIZE, f"{mol.GetNumAtoms():,} atoms, expected 1 to {max_atoms:,}")
    return codes(mol)


def _look_up(values: np.ndarray, known: tuple[int, ...]) -> np.ndarray:
    # The table has one row for each value between the smallest and the largest known one, and one for all others.
    table, low = _table(known)
    return table[np.clip(values.astype(np.int64) - low, 0, len(table) - 1)]


@cache
def _table(known: tuple[int, ...]) -> tuple[np.ndarray, int]:
    low, high = min(known) - 1, max(known) + 1
    table = np.zeros((high - low + 1, len(known) + 1), np.float32)
    for value in range(low, high + 1):
        table[value - low, known.index(value) if value in known else -1] = 1
    table.flags.writeable = False
    return table, low


def _flags(values: np.ndarray) -> np.ndarray:
    # Aromatic of atoms and conjugated of bonds are the same bit.
    return np.stack([(values & AROMATIC) > 0, (values & IN_RING) > 0], axis=1).astype(np.float32)


def atomic_masses(atoms: np.ndarray) -> np.ndarray:
    """Masses in Da of coded atoms (int16, shape (n, 8)), float64, shape (n,); labelled isotopes have their own."""
    masses: np.ndarray = _natural_masses()[np.clip(atoms[:, AtomField.ELEMENT], 0, _HEAVIEST)]
    for k in np.flatnonzero(atoms[:, AtomField.ISOTOPE]):
        masses[k] = _isotope_mass(int(atoms[k, AtomField.ELEMENT]), int(atoms[k, AtomField.ISOTOPE]))
    return masses


_HEAVIEST: Final = 118


@cache
def _natural_masses() -> np.ndarray:
    table = Chem.GetPeriodicTable()
    return np.array([table.GetAtomicWeight(number) for number in range(_HEAVIEST + 1)])


@cache
def _isotope_mass(number: int, isotope: int) -> float:
    # RDKit knows the measured isotopes; for others the mass number is the mass.
    mass = Chem.GetPeriodicTable().GetMassForIsotope(number, isotope)
    return float(mass or isotope)


__all__ = [
    "ATOM_DIM",
    "BOND_DIM",
    "ELEMENTS",
    "FEATURE_SCHEMA",
    "MAX_ATOMS",
    "MolGraph",
    "atomic_masses",
    "directed",
    "featurize",
    "featurize_batch",
    "features",
    "graph_of",
    "graphs_of",
]
