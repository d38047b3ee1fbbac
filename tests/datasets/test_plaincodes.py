"""Codes read straight from plain SMILES are those of RDKit's molecules; what RDKit refuses or reads otherwise is left to it."""

from __future__ import annotations

import gzip
import logging
import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rdkit import Chem, RDConfig

from cinchona.datasets import plaincodes
from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.plaincodes import PLAIN_CHECK, plain_codes

NOT_PLAIN = (
    "C[C@H](N)C(=O)O", "F/C=C/F", "CCO.Cl", "[13CH4]", "[Na+]", "CC[Si](C)C", "B(O)O", "[nH]1cccc1.", "CC |$a;b$|",
    "C1=CC=CC=C1", "N(=O)=O", "c1cccc1", "c1ccccc1c1ccccc1", "CN(C)(C)C", "FF(F)F", "C(", "C)", "C1CC", "C11", "C1C1",
    "C=", "C==C", "C(=1)CC1", "C((C)C)", "C()C", "(C)C", "C-1CC=1", "[CH2]C", "[N]", "[O-]", "[NH4]", "C%1CC%1", "", " ",
    "c1ccc2c(c1)ccc1ccc3ccccc3c12c", "O=C1C=CC(=O)C=C1", "C:C", "cc", "c1cc[cH]c1", "[n]1ccccc1", "C[N++]", "CC\nC", "C\x00C",
    "Çc1ccccc1", "C" * 251, "C1CC1" * 30, "c1ccc2[nH]c3ccccc3cc2c1", "[nH+]1cc[nH]c1C(C", "C1CC(C1", "[N-]C", "[S-]C=[S-]",
    "C=C(C)C1CCC2=CC(OC2=O)C(C(=C)C)c2cc(C)c(o2)C1O", "CC1c2ccc(o2)C(C)(C)c2ccc(o2)C(C)(C)c2ccc(o2)C(C)(C)c2ccc1o2",
)  # fmt: skip
READ = (
    "C", "CC", "N", "O=C=O", "C#N", "[NH4+]", "BrCCBr", "C1CC1", "C%11CC%11", "C1CCC2CC1C2", "C12CC1CC2", "C(C)(C)(C)C",
    "c1ccc(-c2ccccc2)cc1", "O=c1cc[nH]cc1", "CN=c1cccc[nH]1", "S=c1sccs1", "C[n+]1ccccc1", "c1ccc2c(c1)CCC2", "CS(N)(=O)=O",
    "CP(C)(C)=O", "CS(=O)(=O)c1ccsc1", "C=C=C", "C=CC#CC=O", "CNC=[NH2+]", "C[NH+](C)CC(=O)[O-]", "CN=[N+]=[N-]", "CC[S-]",
    "O=C1CCCCCCCCCCCCC1", "c1cnc2ncncc2c1", "C1=CCC=CC1", "c1ccn2cccc2c1", "c1cnc2ccnn2c1", "Cc1nnc2ccccn12", "CC(C)=NO", "N#CN=S1(=O)CCCN1C",
)  # fmt: skip
pieces = st.sampled_from(
    ["C", "c", "n", "N", "O", "o", "s", "S", "P", "F", "Cl", "Br", "[nH]", "[N+]", "[O-]", "[NH2+]", "(", ")", "1", "2", "%10",
     "=", "#", "-", "c1ccccc1", "c1ccc2c(c1)", "(=O)", "C1CC1", "n1cccc1", "c12", "C(=O)N", "S(=O)(=O)", "[N+](=O)[O-]"]
)  # fmt: skip


def check(texts: list[str]) -> int:
    """Compare every plain text with RDKit's reading; how many were plain."""
    coded, plain = plain_codes(texts)
    mols = [parse_smiles(text) for text, is_plain in zip(texts, plain, strict=True) if is_plain]
    refused = [t for t, m in zip(np.array(texts, object)[plain], mols, strict=True) if isinstance(m, Rejected)]
    assert not refused, "RDKit refuses what was read"
    reference = codes_of_many(mols)
    for name in ("atoms", "bonds", "ends"):
        np.testing.assert_array_equal(getattr(coded.graph, name), getattr(reference.graph, name))
    np.testing.assert_array_equal(coded.atom_offsets, reference.atom_offsets)
    np.testing.assert_array_equal(coded.bond_offsets, reference.bond_offsets)
    return int(plain.sum())


def nci() -> list[str]:
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def test_a_real_library_as_it_is_and_as_rdkit_writes_it():
    given_texts = nci()
    mols = [parse_smiles(text) for text in given_texts]
    written = [Chem.MolToSmiles(mol) for mol in mols if not isinstance(mol, Rejected)]
    assert check(given_texts) > 500, "Kekulé forms are mostly left to RDKit"
    assert check(written) > 2_000


def test_any_order_of_writing():
    rng = random.Random(7)
    texts = []
    for text in (*PLAIN_CHECK, *nci()[:1_000]):
        mol = Chem.MolFromSmiles(text)
        if mol is not None and mol.GetNumAtoms():
            order = rng.sample(range(mol.GetNumAtoms()), mol.GetNumAtoms())
            texts.append(Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False))
    assert check(texts) > 400


def test_what_is_written_otherwise_is_left_to_rdkit():
    _, plain = plain_codes(NOT_PLAIN)
    # Some lie within the notation and are read; whatever is read has to be right.
    check(list(NOT_PLAIN))
    assert not plain[: NOT_PLAIN.index("c1cccc1") + 1].any()
    assert plain.mean() < 0.2


def test_what_is_plain_is_read():
    assert check(list(READ)) == len(READ)
    assert check(list(PLAIN_CHECK)) == len(PLAIN_CHECK)


def test_limits():
    assert plain_codes(["C" * 250])[1].all()
    assert not plain_codes(["C" * 251])[1].any()
    assert plain_codes(["CCC", "CCCC"], max_atoms=3)[1].tolist() == [True, False]
    assert plain_codes(["C1CC1", "C12CC1C2"], max_rings=1)[1].tolist() == [True, False]
    assert plain_codes([])[1].shape == (0,)
    assert len(plain_codes([])[0]) == 0


@settings(max_examples=400)
@given(st.lists(st.lists(pieces, min_size=1, max_size=14).map("".join), min_size=1, max_size=12))
@example(["c1cc2ccc3ccc4ccc5ccc6ccc1c1c2c3c4c5c61"])
def test_any_text(texts):
    check(texts)


def test_damaged_texts():
    rng = random.Random(11)
    source = [text for text in nci()[:2_000] if len(text) > 4]
    damaged = []
    for text in source:
        at = rng.randrange(len(text))
        damaged.append(text[:at] + text[at + 1 :])
        damaged.append(text[:at] + rng.choice("CcNnOo1(=#)") + text[at:])
    check(damaged)


def test_public_libraries():
    folder = os.environ.get("CINCHONA_DATA")
    if not folder:
        pytest.skip("CINCHONA_DATA does not name a folder of public data")
    rng = random.Random(3)
    for name, share in (("chembl_35_20k.smi.gz", 0.3), ("zinc250k.smiles.gz", 0.2)):
        path = Path(folder, "libraries", "sets", name)
        if not path.exists():
            pytest.skip(f"{path.name} is not in the folder of public data")
        with gzip.open(path, "rt") as lines:
            texts = [line.strip().split(",")[1] if "," in line else line.split()[0] for line in lines]
        drawn = rng.sample(texts, 3_000)
        assert check(drawn) > share * len(drawn)


def test_a_changed_perception_is_found_and_rdkit_takes_over(monkeypatch, caplog):
    original = plaincodes._read

    def altered(texts, limits):
        coded, plain = original(texts, limits)
        coded.graph.bonds[:1] += 1
        return coded, plain

    monkeypatch.setattr(plaincodes, "_read", altered)
    plaincodes.plain_reading_is_sound.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            coded, plain = plain_codes(["CCO", "c1ccccc1"])
        assert (len(coded), plain.tolist()) == (0, [False, False])
        assert "does not know" in caplog.text
    finally:
        plaincodes.plain_reading_is_sound.cache_clear()
