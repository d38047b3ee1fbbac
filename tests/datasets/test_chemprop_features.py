"""Chemprop 2's features, against a slow reading of its documented layout through RDKit's accessors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, RDConfig
from rdkit.Chem import BondType, HybridizationType

from cinchona.datasets.binarycodes import CHECK_SMILES, codes_of_many
from cinchona.datasets.chemprop_features import CHEMPROP_ATOM_DIM, CHEMPROP_BOND_DIM, chemprop_features

H = HybridizationType


def slow_atom(atom: Chem.Atom) -> np.ndarray:
    blocks = [
        (atom.GetAtomicNum(), [*range(1, 37), 53]),
        (atom.GetTotalDegree(), [0, 1, 2, 3, 4, 5]),
        (atom.GetFormalCharge(), [-1, -2, 1, 2, 0]),
        (int(atom.GetChiralTag()), [0, 1, 2, 3]),
        (int(atom.GetTotalNumHs()), [0, 1, 2, 3, 4]),
        (atom.GetHybridization(), [H.S, H.SP, H.SP2, H.SP2D, H.SP3, H.SP3D, H.SP3D2]),
    ]
    row: list[float] = []
    for value, known in blocks:
        hot = [0.0] * (len(known) + 1)
        hot[known.index(value) if value in known else len(known)] = 1.0
        row += hot
    return np.array([*row, atom.GetIsAromatic(), 0.01 * atom.GetMass()])


def slow_bond(bond: Chem.Bond) -> np.ndarray:
    kinds = [BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC]
    stereo = [0.0] * 7
    stereo[min(int(bond.GetStereo()), 6)] = 1.0
    head = [0.0, *(float(bond.GetBondType() == kind) for kind in kinds)]
    return np.array([*head, bond.GetIsConjugated(), bond.IsInRing(), *stereo])


@pytest.fixture(scope="module")
def mols() -> list[Chem.Mol]:
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()[:800]
    parsed = (Chem.MolFromSmiles(s) for s in (*CHECK_SMILES, *(line.split()[0] for line in lines if line.strip())))
    return [mol for mol in parsed if mol is not None]


def test_rows_equal_the_documented_layout_to_the_bit(mols):
    atoms, bonds = chemprop_features(codes_of_many(mols).graph)
    slow_atoms = np.array([slow_atom(atom) for mol in mols for atom in mol.GetAtoms()]).astype(np.float32)
    slow_bonds = np.array([slow_bond(bond) for mol in mols for bond in mol.GetBonds()]).astype(np.float32)
    assert atoms.shape[1] == CHEMPROP_ATOM_DIM
    assert bonds.shape[1] == CHEMPROP_BOND_DIM
    np.testing.assert_array_equal(atoms, slow_atoms)
    np.testing.assert_array_equal(bonds, slow_bonds)
