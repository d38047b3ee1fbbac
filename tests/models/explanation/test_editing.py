"""Edited molecules, pieces and differences: what is taken away is gone, and nothing else."""

from __future__ import annotations

import pytest
from explained_models import MOLECULES
from rdkit import Chem
from small_screens import NCI

from cinchona.models.explanation.difference import difference
from cinchona.models.explanation.editing import fragments, hidden_atoms, without_atoms, without_bond
from cinchona.models.explanation.pieces import piece_smiles


@pytest.fixture(scope="module")
def molecules() -> list[Chem.Mol]:
    texts = [line.split()[0] for line in NCI.read_text().splitlines()[200:300]]
    return [mol for mol in map(Chem.MolFromSmiles, [*texts, *MOLECULES]) if mol is not None]


class TestEdits:
    def test_pieces_are_a_division_of_the_atoms(self, molecules):
        for mol in molecules:
            assert sorted(atom for piece in fragments(mol) for atom in piece) == list(range(mol.GetNumAtoms()))

    def test_what_is_taken_away_is_gone_and_nothing_else(self, molecules):
        done = 0
        for mol in molecules:
            for piece in fragments(mol):
                text = without_atoms(mol, piece)
                if text:
                    assert Chem.MolFromSmiles(text).GetNumAtoms() == mol.GetNumAtoms() - len(piece)
                    done += 1
        assert done > 100

    def test_a_hidden_atom_keeps_its_bonds(self, molecules):
        usable = [(mol, hidden_atoms(mol, [0])) for mol in molecules]
        assert sum(bool(text) for _, text in usable) > 0.9 * len(usable)
        for mol, text in usable:
            if text:
                edited = Chem.MolFromSmiles(text)
                assert edited.GetNumBonds() == mol.GetNumBonds()
                assert sum(atom.GetAtomicNum() == 0 for atom in edited.GetAtoms()) == 1 + sum(
                    atom.GetAtomicNum() == 0 for atom in list(mol.GetAtoms())[1:]
                )

    def test_a_cut_bond_leaves_all_atoms(self, molecules):
        for mol in molecules:
            for bond in range(min(mol.GetNumBonds(), 5)):
                text = without_bond(mol, bond)
                if text:
                    assert Chem.MolFromSmiles(text).GetNumAtoms() == mol.GetNumAtoms()
                    assert Chem.MolFromSmiles(text).GetNumBonds() == mol.GetNumBonds() - 1

    @pytest.mark.parametrize("smiles,atoms,left", [
        ("CCO", [2], "CC"), ("c1ccccc1Cl", [6], "c1ccccc1"), ("C[N+](C)(C)C", [0], "C[NH+](C)C"), ("CC=O", [2], "CC"),
        ("C[C@H](N)O", [3], "CCN"), ("CC", [0, 1], ""),
    ])  # fmt: skip
    def test_hydrogens_take_the_place(self, smiles, atoms, left):
        assert without_atoms(Chem.MolFromSmiles(smiles), atoms) == left

    def test_a_piece_shows_where_it_was_cut(self):
        mol = Chem.MolFromSmiles("CC(=O)Nc1ccccc1")
        assert Chem.CanonSmiles(piece_smiles(mol, (4, 5, 6, 7, 8, 9))) == Chem.CanonSmiles("*c1ccccc1")
        assert piece_smiles(mol, tuple(range(10))) == Chem.MolToSmiles(mol)


class TestDifference:
    @pytest.mark.parametrize("smiles,other,words", [
        ("Cc1ccc(Cl)cc1C(=O)NC", "Cc1ccc(F)cc1C(=O)NC", "Cl where it has F"),
        ("Cc1ccccc1", "c1ccccc1", "methyl where it has H"),
        ("O=C(Nc1ccccc1)c1ccncc1", "O=C(Nc1ccccc1)c1cccnc1", "*c1ccncc1 where it has *c1cccnc1"),
        ("C[C@H](N)O", "C[C@@H](N)O", ""),
        ("CCO", "c1ccccc1", "no core in common with it"),
    ])  # fmt: skip
    def test_in_words(self, smiles, other, words):
        assert difference(smiles, other).words == words

    def test_turns_round(self):
        one = difference("Cc1ccc(Cl)cc1C(=O)NC", "Cc1ccc(F)cc1C(=O)NC")
        other = difference("Cc1ccc(F)cc1C(=O)NC", "Cc1ccc(Cl)cc1C(=O)NC")
        assert (one.here, one.there) == (other.there, other.here)

    def test_marks_the_atoms_outside_the_core(self):
        told = difference("CCc1ccccc1", "c1ccccc1")
        mol = Chem.MolFromSmiles("CCc1ccccc1")
        assert {mol.GetAtomWithIdx(k).GetIsAromatic() for k in told.here} == {False}
        assert told.there == ()
