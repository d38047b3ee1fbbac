"""The binary path gives the accessors' codes, and steps aside where it cannot."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, RDConfig

from cinchona.datasets import binarycodes
from cinchona.datasets.binarycodes import CHECK_SMILES, codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules, lay_end_to_end
from cinchona.datasets.graphcodes import AtomField, BondField, codes

OUTSIDE_THE_FAST_PATH = ("C*", "*", "C" * 300, "C1" + "C" * 260 + "1")


def assert_equal(left: CodedMolecules, right: CodedMolecules) -> None:
    for name in ("atoms", "bonds", "ends"):
        np.testing.assert_array_equal(getattr(left.graph, name), getattr(right.graph, name))
    np.testing.assert_array_equal(left.atom_offsets, right.atom_offsets)
    np.testing.assert_array_equal(left.bond_offsets, right.bond_offsets)


def molecules(smiles) -> list[Chem.Mol]:
    parsed = (Chem.MolFromSmiles(s) for s in smiles)
    return [mol for mol in parsed if mol is not None]


@pytest.fixture(scope="module")
def nci() -> list[Chem.Mol]:
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()
    return molecules(line.split()[0] for line in lines if line.strip())


def test_equals_the_accessors_on_a_real_library(nci):
    assert len(nci) > 4_500
    assert_equal(codes_of_many(nci), lay_end_to_end([codes(mol) for mol in nci]))


def test_kekulized_and_explicit_hydrogen_molecules_too(nci):
    for mol in nci[:300]:
        Chem.Kekulize(mol, clearAromaticFlags=True)
    drawn = nci[:300] + [Chem.AddHs(mol) for mol in nci[300:500] if mol.GetNumAtoms() < 60]
    assert_equal(codes_of_many(drawn), lay_end_to_end([codes(mol) for mol in drawn]))


def test_molecules_outside_the_limits_take_the_reference_path_in_their_places():
    mols = molecules(["CCO", OUTSIDE_THE_FAST_PATH[0], "c1ccccc1", *OUTSIDE_THE_FAST_PATH[1:], "N"])
    assert_equal(codes_of_many(mols), lay_end_to_end([codes(mol) for mol in mols]))


def test_check_set_holds_every_field_in_several_values():
    graph = lay_end_to_end([codes(mol) for mol in molecules(CHECK_SMILES)]).graph
    assert min(len(np.unique(graph.atoms[:, field])) for field in AtomField) >= 3
    assert len(np.unique(graph.bonds[:, BondField.TYPE])) >= 5
    assert len(np.unique(graph.bonds[:, BondField.STEREO])) >= 3
    assert len(np.unique(graph.bonds[:, BondField.FLAGS])) == 4


def test_no_molecules_and_molecules_without_bonds():
    assert len(codes_of_many([])) == 0
    lone = codes_of_many(molecules(["C", "[Na+].[Cl-]"]))
    assert lone.bond_offsets.tolist() == [0, 0, 0]
    assert lone.atom_offsets.tolist() == [0, 1, 3]


@pytest.mark.parametrize("change", [(0x08, 17), (0x1D, 9), (0x1E, 0)], ids=["version", "tag", "element"])
def test_a_changed_layout_is_found_and_the_accessors_take_over(change, monkeypatch, caplog):
    place, value = change
    original = binarycodes._decode_all

    def altered(blobs):
        return original([bytes([*blob[:place], value, *blob[place + 1 :]]) for blob in blobs])

    monkeypatch.setattr(binarycodes, "_decode_all", altered)
    binarycodes.binary_path_is_sound.cache_clear()
    try:
        mols = molecules(["CCO", "c1ccccc1"])
        with caplog.at_level(logging.WARNING):
            got = codes_of_many(mols)
        assert "layout that the fast featurizer does not know" in caplog.text
        assert_equal(got, lay_end_to_end([codes(mol) for mol in mols]))
    finally:
        binarycodes.binary_path_is_sound.cache_clear()


@pytest.mark.parametrize("seed", range(5))
def test_random_damage_never_leaves_the_buffer(seed):
    rng = np.random.default_rng(seed)
    blobs = []
    for mol in molecules(CHECK_SMILES):
        blob = bytearray(mol.ToBinary(binarycodes._NO_PROPERTIES))
        for place in rng.integers(20, len(blob), 4):
            blob[place] = rng.integers(256)
        blobs.append(bytes(blob))
    decoded, plain = binarycodes._decode_all(blobs)
    assert len(decoded) == len(plain) == len(blobs)


def test_real_messy_molecules_equal_the_accessors(data_folder):
    lines = gzip.decompress((data_folder / "libraries/messy/smilesreading_chembl.smi.gz").read_bytes()).splitlines()
    mols = molecules(line.split()[0].decode() for line in lines[:4000] if line.strip())
    assert len(mols) > 3_000
    assert_equal(codes_of_many(mols), lay_end_to_end([codes(mol) for mol in mols]))
