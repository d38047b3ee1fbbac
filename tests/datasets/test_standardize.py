from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import strategies
from chembl_structure_pipeline import standardizer as chembl
from hypothesis import given, settings
from rdkit import Chem, rdBase

from cinchona.datasets.catalogue import resolve
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parent import Flag
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.standardize import (
    NOT_DUPLICATE,
    Standardized,
    first_equal,
    inchikey,
    standardize,
    standardize_batch,
)
from cinchona.records import CompoundBatch, Stage


@pytest.mark.parametrize(
    "smiles, parent, flags",
    [
        ("CCO", "CCO", set()),
        ("OCC", "CCO", set()),
        ("CC(N)C(=O)O.Cl", "CC(N)C(=O)O", {Flag.SALT_REMOVED, Flag.UNSPECIFIED_STEREO}),
        ("C[C@H](N)C(=O)O", "C[C@H](N)C(=O)O", set()),
        ("C[C@H]([NH3+])C(=O)[O-]", "C[C@H](N)C(=O)O", {Flag.CHARGE_NEUTRALIZED}),
        ("O=C([O-])c1ccc(Br)cc1.[Na+]", "O=C(O)c1ccc(Br)cc1", {Flag.SALT_REMOVED, Flag.CHARGE_NEUTRALIZED}),
        ("CCN(=O)=O", "CC[N+](=O)[O-]", set()),
        ("C[N+](C)(C)CC([O-])=O", "C[N+](C)(C)CC(=O)[O-]", set()),
        ("[13CH3]CC.O", "CCC", {Flag.ISOTOPE_REMOVED, Flag.SALT_REMOVED}),
        ("c1ccccc1CN.c1ccccc1CN", "NCc1ccccc1", {Flag.SALT_REMOVED}),
        ("CCCCCCN.c1ccccc1", "CCCCCCN", {Flag.MIXTURE}),
        ("[Na+].[Cl-]", "Cl", {Flag.MIXTURE, Flag.INORGANIC}),
        ("CC(=O)[O-].[Na+]", "CC(=O)O", {Flag.MIXTURE, Flag.CHARGE_NEUTRALIZED}),
        ("O", "O", {Flag.INORGANIC}),
        ("CC=CC", "CC=CC", {Flag.UNSPECIFIED_STEREO}),
        ("C/C=C/C", "C/C=C/C", set()),
        ("CC[Sn](CC)(CC)CC", "C[CH2][Sn]([CH2]C)([CH2]C)[CH2]C", {Flag.EXCLUDED}),
        ("[H][H]", "[H][H]", {Flag.INORGANIC}),
    ],
)
def test_parents_and_flags(smiles, parent, flags):
    found = standardize(smiles)
    assert isinstance(found, Standardized)
    assert (found.smiles, found.parent, found.flags) == (smiles, parent, flags)


@pytest.mark.parametrize(
    "smiles, stage, reason",
    [
        ("", Stage.PARSE, "empty SMILES"),
        ("CN(C)(C)C", Stage.PARSE, "Explicit valence for atom # 1 N, 4, is greater than permitted"),
        ("c1cccc1", Stage.PARSE, "Can't kekulize mol. Unkekulized atoms: 0 1 2 3 4"),
        ("CC(C", Stage.PARSE, "extra open parentheses near position 3"),
        ("C1CC", Stage.PARSE, "unclosed ring"),
        ("CCO ethanol", Stage.PARSE, "text after the SMILES: 'ethanol'"),
        ("CCO |bad", Stage.PARSE, "an invalid CX extension after the SMILES: '|bad'"),
        ("C" * 6000, Stage.PARSE, "SMILES of 6,000 characters, at most 5,000 are read"),
        ("C" * 600, Stage.STANDARDIZE, "600 heavy atoms, at most 500"),
        ("C1CC1" * 101, Stage.STANDARDIZE, "101 rings, at most 100"),
        ("*CC", Stage.STANDARDIZE, "dummy atom (*): not a complete structure"),
    ],
)
def test_reasons_are_those_of_rdkit(smiles, stage, reason, capfd):
    assert standardize(smiles) == Rejected(stage, reason)
    assert capfd.readouterr() == ("", "")


def test_method_none_only_writes_canonical_smiles():
    config = StandardizeConfig(method="none")
    assert standardize("OCC.[Na+].[Cl-]", config) == Standardized("OCC.[Na+].[Cl-]", "CCO.[Cl-].[Na+]", frozenset())
    assert isinstance(standardize("*C", config), Standardized)


def test_mixtures_and_metals_by_configuration():
    mixture = "CCCCCCN.c1ccccc1"
    kept = standardize(mixture, StandardizeConfig(mixtures="keep"))
    assert isinstance(kept, Standardized)
    assert (kept.parent, kept.flags) == ("CCCCCCN.c1ccccc1", {Flag.MIXTURE})
    rejected = standardize(mixture, StandardizeConfig(mixtures="reject"))
    assert rejected == Rejected(Stage.STANDARDIZE, "mixture of 2 components")
    metal = standardize("CC[Hg]CC", StandardizeConfig(excluded="reject"))
    assert isinstance(metal, Rejected)
    assert "metal" in metal.reason


def test_the_largest_component_does_not_depend_on_the_order():
    parts = ["CCCCCCCC", "CCCCCCCO", "CCCCCCCN", "CCCCCCCS"]
    found = {standardize(".".join(np.roll(parts, k))).parent for k in range(4)}
    assert found == {"CCCCCCCS"}


def test_tautomers_are_canonical_or_capped():
    config = StandardizeConfig(tautomer=True)
    keto, enol = standardize("O=c1cccc[nH]1", config), standardize("Oc1ccccn1", config)
    assert keto.parent == enol.parent == "O=c1cccc[nH]1"
    assert (keto.flags, enol.flags) == (set(), {Flag.TAUTOMER_CHANGED})
    many = "NC1=NC(N)=NC(N)=N1"
    capped = standardize(many, StandardizeConfig(tautomer=True, max_tautomers=2))
    assert Flag.TAUTOMER_CAPPED in capped.flags
    assert capped.parent == standardize(many).parent
    large = standardize("C" * 30, StandardizeConfig(tautomer=True, max_tautomer_atoms=20))
    assert large.flags == {Flag.TAUTOMER_CAPPED}


def salts_and_drugs() -> list[str]:
    drugs = [line.split()[0] for line in resolve("nci5k").read_text().splitlines()[:60]]
    return [*strategies.COMPANIONS, "O", "ClCCl", "CCOC(C)=O", "[Ca+2]", "OS(O)(=O)=O", *drugs]


def test_a_single_component_is_what_the_whole_pipeline_gives():
    """The short cut for single components leaves out reading the salt lists, and nothing else."""
    with rdBase.BlockLogs():
        for smiles in salts_and_drugs():
            mol = parse_smiles(smiles)
            if isinstance(mol, Rejected) or "." in smiles:
                continue
            whole, excluded = chembl.get_parent_mol(chembl.standardize_mol(mol))
            Chem.SanitizeMol(whole)
            found = standardize(smiles)
            if isinstance(found, Standardized):
                assert found.parent == Chem.CanonSmiles(Chem.MolToSmiles(whole)), smiles
                assert (Flag.EXCLUDED in found.flags) == excluded, smiles


@settings(max_examples=60)
@given(strategies.rewritten_smiles())
def test_spelling_does_not_matter(pair):
    first, second = standardize(pair[0]), standardize(pair[1])
    if isinstance(first, Rejected) or isinstance(second, Rejected):
        assert type(first) is type(second)
    else:
        assert (first.parent, first.flags) == (second.parent, second.flags)


@settings(max_examples=60)
@given(strategies.smiles())
def test_a_parent_is_its_own_parent(smiles):
    found = standardize(smiles)
    if isinstance(found, Standardized):
        again = standardize(found.parent)
        assert isinstance(again, Standardized)
        assert again.parent == found.parent


def test_a_batch_keeps_every_row():
    smiles = ["CCCO", "C(", "OCCC", "CC(=O)O.CCCN", "CCCO.Cl", "", "C[N+](C)(C)C"]
    data = CompoundBatch.of(smiles, compound_ids=list("abcdefg"), row_ids=[5, 6, 7, 8, 9, 10, 11]).data
    flags = pa.array(["latin1", "", "", "", "", "", ""])
    batch = CompoundBatch(data.append_column("flags", flags).append_column("note", pa.array(list("tuvwxyz"))))
    done = standardize_batch(batch)
    assert done.batch.row_ids.tolist() == [5, 7, 8, 9, 11]
    assert done.batch.data.schema.names == ["row_id", "compound_id", "smiles", "given_smiles", "flags", "note"]
    assert done.batch.data.column("given_smiles").to_pylist()[1] == "OCCC"
    assert done.batch.data.column("note").to_pylist() == ["t", "v", "w", "x", "z"]
    assert done.batch.data.column("flags").to_pylist()[0] == "latin1"
    assert done.duplicate_of.tolist() == [NOT_DUPLICATE, 5, NOT_DUPLICATE, 5, NOT_DUPLICATE]
    assert {r.row_id: r.stage for r in done.rejects} == {6: Stage.PARSE, 10: Stage.PARSE}


@settings(max_examples=20)
@given(strategies.st.lists(strategies.any_smiles(), max_size=15))
def test_batches_account_for_every_row(smiles):
    batch = CompoundBatch.of(smiles)
    done = standardize_batch(batch)
    ids = [*done.batch.row_ids.tolist(), *(reject.row_id for reject in done.rejects)]
    assert sorted(ids) == list(range(len(smiles)))
    assert len(done.duplicate_of) == len(done.batch)
    fresh = done.duplicate_of == NOT_DUPLICATE
    assert len(set(done.batch.smiles)) == fresh.sum()


def test_structures_with_one_inchikey_are_flagged_not_joined():
    batch = CompoundBatch.of(["O=c1cccc[nH]1", "Oc1ccccn1", "CCO", "OCC"])
    done = standardize_batch(batch, StandardizeConfig(inchikey=True))
    assert done.duplicate_of.tolist() == [-1, -1, -1, 2]
    assert done.batch.data.column("flags").to_pylist() == ["inchikey_twin", "inchikey_twin", "", ""]


def test_first_equal_of_nothing():
    assert first_equal(np.empty(0, np.int64), []).shape == (0,)


def test_inchikeys():
    # Ethanol and L-alanine as in PubChem (CID 702 and 5950).
    assert inchikey("CCO") == "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
    assert inchikey("C[C@H](N)C(=O)O") == "QNAYBMKLOCPYGJ-REOHCLBHSA-N"
    assert inchikey("no molecule") == ""
