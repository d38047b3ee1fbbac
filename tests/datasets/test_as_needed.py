"""A screen's structures are what standardizing one by one gives: the same compounds, flags, duplicates and rejects."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from strategies import any_smiles, shipped_smiles

from cinchona.datasets.as_needed import read_as_needed
from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.quick_texts import parents_of_texts
from cinchona.datasets.rewriting import changing_atoms, rewritten
from cinchona.datasets.sameness import canonical_form
from cinchona.datasets.standardize import Standardized, standardize, standardize_batch
from cinchona.records import CompoundBatch

RULES = StandardizeConfig()
CHARGED = (
    ("C[NH2+]CC(=O)[O-]", "CNCC(=O)O"),
    ("c1c[nH+]ccc1C[NH3+]", "c1cnccc1CN"),
    ("C[N+](C)(C)CC[NH+](C)C", "C[N+](C)(C)CCN(C)C"),
    ("O=[N+]([O-])c1ccc(CC[NH3+])cc1", "O=[N+]([O-])c1ccc(CCN)cc1"),
    ("CC1=NN=N[N-]1", "CC1=NN=NN1"),
    ("Cc1nn[n-]n1", "Cc1nn[nH]n1"),
    ("[S-]c1ccccc1", "Sc1ccccc1"),
    ("O=S(C)CC", "[O-][S+](C)CC"),
    ("C1CCS(=O)C1", "C1CC[S+]([O-])C1"),
    ("CC[S@](=O)C", "CC[S@+]([O-])C"),
    ("ClCCBr", "ClCCBr"),
)


def written_otherwise(smiles: str, rng: random.Random) -> str:
    mol = Chem.MolFromSmiles(smiles)
    order = rng.sample(range(mol.GetNumAtoms()), mol.GetNumAtoms())
    return str(Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False))


def assert_as_one_by_one(texts: list[str]) -> None:
    done = standardize_batch(CompoundBatch.of(texts), RULES, codes=True, keep_texts=True)
    one_by_one = {text: standardize(text, RULES) for text in texts}
    wrong = {k: one_by_one[t] for k, t in enumerate(texts) if isinstance(one_by_one[t], Rejected)}
    assert {r.row_id: (r.stage, r.reason) for r in done.rejects} == {k: (r.stage, r.reason) for k, r in wrong.items()}
    first: dict[str, int] = {}
    flags = done.batch.data.column("flags").to_pylist()
    for k, (row, smiles) in enumerate(zip(done.batch.row_ids.tolist(), done.batch.smiles, strict=True)):
        expected = one_by_one[texts[row]]
        assert isinstance(expected, Standardized)
        assert canonical_form(smiles) == canonical_form(expected.parent), texts[row]
        assert flags[k] == ";".join(sorted(expected.flags)), texts[row]
        origin = first.setdefault(canonical_form(expected.parent), row)
        assert done.duplicate_of[k] == (-1 if origin == row else origin)


@settings(max_examples=40)
@given(st.lists(any_smiles(), max_size=10), st.randoms(use_true_random=False))
def test_all_is_as_when_standardized_one_by_one(texts, rng):
    valid = [t for t in texts if not isinstance(parse_smiles(t), Rejected)]
    assert_as_one_by_one([*texts, *(written_otherwise(t, rng) for t in valid if "|" not in t)])


def test_real_compounds_are_as_when_standardized_one_by_one():
    assert_as_one_by_one(list(shipped_smiles()[::2]))


@pytest.mark.parametrize(("text", "expected"), CHARGED)
def test_charges_and_sulfoxides_are_rewritten_in_the_text(text, expected):
    (kinds,) = changing_atoms(codes_of_many([Chem.MolFromSmiles(text)]))
    assert rewritten(text, kinds) == expected
    found = standardize(text)
    assert isinstance(found, Standardized)
    assert found.parent == canonical_form(expected)


def test_a_text_that_names_other_atoms_is_not_rewritten():
    (kinds,) = changing_atoms(codes_of_many([Chem.MolFromSmiles("CC[NH3+]")]))
    assert rewritten("CC[NH3+][H]", kinds) is None
    assert rewritten("CC[N+]([H])([H])[H]", kinds) is None
    assert rewritten("CC[15NH3+]", kinds) is None
    (kinds,) = changing_atoms(codes_of_many([Chem.MolFromSmiles("CC1CC[S@]1=O")]))
    assert rewritten("CC1CC[S@]1=O", kinds) is None


def test_plain_structures_stay_as_written_unless_canonical_ones_are_asked_for():
    texts = [" OCC ", "CC[NH3+]", "C(C)O", "OC(=O)[C@H](C)N"]
    kept = standardize_batch(CompoundBatch.of(texts), RULES, keep_texts=True)
    assert kept.batch.smiles == ["OCC", "CCN", "OCC", "C[C@H](N)C(=O)O"]
    assert kept.duplicate_of.tolist() == [-1, -1, 0, -1]
    canonical = StandardizeConfig(canonical=True)
    written = standardize_batch(CompoundBatch.of(texts), canonical, keep_texts=True)
    assert written.batch.smiles == ["CCO", "CCN", "CCO", "C[C@H](N)C(=O)O"]
    assert standardize_batch(CompoundBatch.of(texts)).batch.smiles == written.batch.smiles


@pytest.mark.parametrize("rules", [{"tautomer": True}, {"inchikey": True}, {"method": "none", "canonical": True}])
def test_rules_that_need_canonical_structures_get_them(rules):
    done = standardize_batch(CompoundBatch.of(["OCC"]), StandardizeConfig(**rules), keep_texts=True)
    assert done.batch.smiles == ["CCO"]


def test_codes_are_those_of_the_structures():
    texts = [t for t in shipped_smiles()[:60] if not isinstance(parse_smiles(t), Rejected)]
    read = read_as_needed(texts, RULES)
    structures = [read.parents[k] for k in read.places.tolist()]
    expected = codes_of_many([Chem.MolFromSmiles(s) for s in structures])
    own = read_as_needed(texts, RULES, join_equal=False)
    assert len(own.places) == len(texts)
    for name in ("atoms", "bonds", "ends"):
        ours = getattr(own.coded.graph, name)
        np.testing.assert_array_equal(
            ours, getattr(codes_of_many([Chem.MolFromSmiles(s) for s in own.parents]).graph, name)
        )
    assert len(expected) == len(read.coded)


def test_most_molecules_of_a_library_need_no_rdkit():
    texts = [t for t in shipped_smiles()[:100] if not any(mark in t for mark in "@/\\")]
    assert len(parents_of_texts(texts, RULES).parents) >= 0.8 * len(texts)
