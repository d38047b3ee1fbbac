"""Structures taken as given: the same rejects and the same duplicates as if each had been written as canonical SMILES."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from strategies import any_smiles

from cinchona.datasets.as_given import read_as_given
from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.sameness import canonical_form, same_as, structure_keys
from cinchona.datasets.standardize import standardize_batch, standardize_distinct
from cinchona.records import CompoundBatch

NONE = StandardizeConfig(method="none")
TWINS = (
    ("OCC", "CCO", "C(O)C"),
    ("C[C@H](N)C(=O)O", "OC(=O)[C@H](C)N", "OC(=O)[C@@H](N)C"),
    ("C1=CC=CC=C1", "c1ccccc1"),
    ("F/C=C/F", "F\\C=C\\F"),
    ("[H]C", "C", "[CH4]"),
    ("[Na+].[Cl-]", "[Cl-].[Na+]"),
    ("CN(=O)=O", "C[N+](=O)[O-]"),
)
STRANGERS = (
    "C[C@H](N)C(=O)O",
    "C[C@@H](N)C(=O)O",
    "CC(N)C(=O)O",
    "F/C=C/F",
    "F/C=C\\F",
    "FC=CF",
    "[13CH4]",
    "C",
    "[CH3]",
)


def written_otherwise(smiles: str, rng: random.Random) -> str:
    mol = Chem.MolFromSmiles(smiles)
    order = rng.sample(range(mol.GetNumAtoms()), mol.GetNumAtoms())
    return str(Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False))


@settings(max_examples=60)
@given(st.lists(any_smiles(), max_size=12), st.randoms(use_true_random=False))
def test_rejects_and_duplicates_are_those_of_canonical_smiles(texts, rng):
    valid = [t for t in texts if not isinstance(parse_smiles(t), Rejected)]
    texts = [*texts, *(written_otherwise(t, rng) for t in valid if "|" not in t)]
    done = standardize_batch(CompoundBatch.of(texts), NONE)
    reference = standardize_distinct(texts, NONE)
    wrong = {k: reference[t] for k, t in enumerate(texts) if isinstance(reference[t], Rejected)}
    assert {r.row_id: (r.stage, r.reason) for r in done.rejects} == {k: (r.stage, r.reason) for k, r in wrong.items()}
    first: dict[str, int] = {}
    for row, duplicate_of in zip(done.batch.row_ids.tolist(), done.duplicate_of.tolist(), strict=True):
        expected = first.setdefault(reference[texts[row]].parent, row)
        assert duplicate_of == (-1 if expected == row else expected)


@settings(max_examples=60)
@given(st.lists(any_smiles(), max_size=8, unique=True))
def test_codes_are_those_of_the_structures(texts):
    read = read_as_given(texts, NONE)
    assert read.places.tolist() == sorted(read.places.tolist())
    own = read_own(texts)
    mols = [own[k] for k in read.places.tolist()]
    expected = codes_of_many(mols)
    for name in ("atoms", "bonds", "ends"):
        np.testing.assert_array_equal(getattr(read.coded.graph, name), getattr(expected.graph, name))


def read_own(texts: list[str]) -> list[Chem.Mol | Rejected]:
    """Each text by itself: as written, or in canonical form where stereocentres or CX extensions ask for it."""
    marked = [any(mark in t.strip() for mark in "@ |") and not isinstance(parse_smiles(t), Rejected) for t in texts]
    return [parse_smiles(canonical_form(t) if is_marked else t) for t, is_marked in zip(texts, marked, strict=True)]


@pytest.mark.parametrize("twins", TWINS)
def test_one_compound_written_in_several_ways(twins):
    done = standardize_batch(CompoundBatch.of(["N", *twins]), NONE)
    assert done.duplicate_of.tolist() == [-1, -1, *[1] * (len(twins) - 1)]
    assert len(set(done.batch.smiles[1:])) == 1
    assert done.batch.data.column("given_smiles").to_pylist() == ["N", *twins]
    assert parse_smiles(done.batch.smiles[1])


def test_stereoisomers_isotopes_and_radicals_are_different_compounds():
    assert (standardize_batch(CompoundBatch.of(list(STRANGERS)), NONE).duplicate_of == -1).all()


def test_plain_structures_stay_as_they_are_written_and_stereocentres_do_not():
    texts = [" OCC ", "C1=CC=CC=C1", "OC(=O)[C@H](C)N"]
    assert standardize_batch(CompoundBatch.of(texts), NONE).batch.smiles == ["OCC", "C1=CC=CC=C1", "C[C@H](N)C(=O)O"]


def test_keys_do_not_depend_on_the_order_of_atoms():
    rng = random.Random(5)
    texts = ["CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)N1CCC[C@H]1C(=O)O", "[Na+].[O-]C(=O)CCc1ccc(F)cc1", "C1CC2CC1CC2"]
    plain = structure_keys(codes_of_many([Chem.MolFromSmiles(t) for t in texts]))
    assert len(set(plain.tolist())) == len(texts)
    for _ in range(20):
        shuffled = [Chem.MolFromSmiles(written_otherwise(t, rng)) for t in texts]
        np.testing.assert_array_equal(structure_keys(codes_of_many(shuffled)), plain)


def test_a_meeting_of_keys_alone_joins_nothing(monkeypatch):
    monkeypatch.setattr("cinchona.datasets.sameness.structure_keys", lambda coded: np.zeros(len(coded), np.uint64))
    texts = ["CCO", "CCN", "OCC"]
    coded = codes_of_many([Chem.MolFromSmiles(t) for t in texts])
    assert same_as(texts, coded, np.arange(3)).tolist() == [0, 1, 0]


def test_inchikey_twins_are_compared_in_canonical_form():
    done = standardize_batch(CompoundBatch.of(["OCC", "CCO"]), StandardizeConfig(method="none", inchikey=True))
    assert done.batch.smiles == ["CCO", "CCO"]
