"""The features of Chemprop 2 (schema ``chemprop-2``), bit for bit, so that its models run here with their own numbers.

Layout of the multi-hot rows as of Chemprop 2.3.1: Heid et al. 2024, doi:10.1021/acs.jcim.3c01250.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from rdkit.Chem import BondType, HybridizationType

from cinchona.datasets.graphcodes import AROMATIC, IN_RING, AtomField, BondField, GraphCodes
from cinchona.datasets.molgraph import atomic_masses

CHEMPROP_SCHEMA: Final = "chemprop-2"
"""Name of the schema in model folders."""

_ELEMENTS: Final = (*range(1, 37), 53)
_DEGREES: Final = (0, 1, 2, 3, 4, 5)
_CHARGES: Final = (-1, -2, 1, 2, 0)
_CHIRAL_TAGS: Final = (0, 1, 2, 3)
_HYDROGENS: Final = (0, 1, 2, 3, 4)
_HYBRIDIZATIONS: Final = tuple(
    int(kind)
    for kind in (
        HybridizationType.S,
        HybridizationType.SP,
        HybridizationType.SP2,
        HybridizationType.SP2D,
        HybridizationType.SP3,
        HybridizationType.SP3D,
        HybridizationType.SP3D2,
    )
)
_BOND_TYPES: Final = tuple(int(kind) for kind in (BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC))
_STEREO: Final = (0, 1, 2, 3, 4, 5)

CHEMPROP_ATOM_DIM: Final = 72
"""Columns of an atom row: element, total degree, charge, chiral tag, hydrogens, hybridization (each with "unknown"
last), aromatic, mass in Da / 100."""

CHEMPROP_BOND_DIM: Final = 14
"""Columns of a bond row: no bond, type (none for what is unknown), conjugated, in a ring, stereo with "unknown"."""


def chemprop_features(graph: GraphCodes) -> tuple[np.ndarray, np.ndarray]:
    """Feature rows as Chemprop 2 computes them.

    Args:
        graph: Codes with n atoms and m bonds.

    Returns:
        Atom features, float32, shape (n, 72), and bond features, float32, shape (m, 14), one row a bond.
    """
    atoms, bonds = graph.atoms, graph.bonds
    hydrogens = atoms[:, AtomField.HYDROGENS]
    blocks = [
        _one_hot(atoms[:, AtomField.ELEMENT], _ELEMENTS),
        _one_hot(atoms[:, AtomField.DEGREE] + hydrogens, _DEGREES),
        _one_hot(atoms[:, AtomField.CHARGE], _CHARGES),
        _one_hot(atoms[:, AtomField.CHIRALITY], _CHIRAL_TAGS),
        _one_hot(hydrogens, _HYDROGENS),
        _one_hot(atoms[:, AtomField.HYBRIDIZATION], _HYBRIDIZATIONS),
        _bit(atoms[:, AtomField.FLAGS], AROMATIC),
        _mass(atoms),
    ]
    kinds = _one_hot(bonds[:, BondField.TYPE], _BOND_TYPES)[:, :-1]
    bond_blocks = [
        np.zeros((len(bonds), 1), np.float32),
        kinds,
        _bit(bonds[:, BondField.FLAGS], AROMATIC),  # the same bit says conjugated
        _bit(bonds[:, BondField.FLAGS], IN_RING),
        _one_hot(bonds[:, BondField.STEREO], _STEREO),
    ]
    return np.concatenate(blocks, axis=1), np.concatenate(bond_blocks, axis=1)


def _one_hot(values: np.ndarray, known: tuple[int, ...]) -> np.ndarray:
    hot = values[:, None] == np.array(known)
    return np.concatenate([hot, ~hot.any(axis=1, keepdims=True)], axis=1).astype(np.float32)


def _bit(values: np.ndarray, bit: int) -> np.ndarray:
    return ((values & bit) > 0).astype(np.float32)[:, None]


def _mass(atoms: np.ndarray) -> np.ndarray:
    # In double precision first: Chemprop scales RDKit's double and rounds once.
    return (0.01 * atomic_masses(atoms)).astype(np.float32)[:, None]


__all__ = ["CHEMPROP_ATOM_DIM", "CHEMPROP_BOND_DIM", "CHEMPROP_SCHEMA", "chemprop_features"]
