"""What is called plain passes the ChEMBL pipeline unchanged; what the pipeline changes is never called plain."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest
from rdkit import Chem, RDConfig

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.parent import has_unspecified_stereo
from cinchona.datasets.plain import may_read_back_differently, unchanged_by_pipeline
from cinchona.datasets.standardize import Standardized, standardize
from cinchona.datasets.stereo_hints import may_have_unspecified_stereo

CHANGED = (
    "CC[NH3+]",  # neutralized
    "CC(=O)[O-]",
    "CCO.Cl",  # salt
    "c1ccccc1.CCO",  # mixture
    "[2H]C",  # isotope
    "[13CH4]",
    "CS(C)=O",  # sulfoxide is charge-separated
    "CC(O)=N",  # imidic acid
    "CC(O)=NC",
    "C[Pt]C",  # metal
    "C[Si](C)(C)C",  # not on the short list of elements
    "C",  # single atom
    "OC(=O)[C@H](O)[C@@H](O)C(=O)O",  # tartaric acid loses its stereo
    "[O-][n+]1ccccc1",
    "C[N+](C)(C)C",
    "*CC",
    "[CH2]C",
    "CP(C)C",
)
PLAIN = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "O=[N+]([O-])c1ccc(Cl)cc1",
    "CS(=O)(=O)Nc1ccccc1",
    "C[C@H](N)C(=O)O",
    "CC(=S)N",
    "COP(=O)(OC)OC",
    "CC(C)=NO",
)


def molecules(smiles) -> tuple[list[str], list[Chem.Mol]]:
    pairs = [(s, Chem.MolFromSmiles(s)) for s in smiles]
    kept = [(s, mol) for s, mol in pairs if mol is not None and mol.GetNumAtoms()]
    return [s for s, _ in kept], [mol for _, mol in kept]


def assert_plain_means_unchanged(smiles, *, at_least: float) -> None:
    texts, mols = molecules(smiles)
    coded = codes_of_many(mols)
    plain = unchanged_by_pipeline(coded)
    hinted = may_have_unspecified_stereo(coded)
    assert plain.mean() > at_least
    unsettled = may_read_back_differently(mols, coded)
    for text, mol, is_plain, may, again in zip(texts, mols, plain, hinted, unsettled, strict=True):
        if is_plain:
            written = Chem.MolToSmiles(mol)
            result = standardize(text)
            assert isinstance(result, Standardized), text
            assert result.parent == (Chem.MolToSmiles(Chem.MolFromSmiles(written)) if again else written), text
            assert may or not has_unspecified_stereo(mol), text


@pytest.mark.parametrize("smiles", CHANGED)
def test_what_the_pipeline_changes_is_not_plain(smiles):
    assert not unchanged_by_pipeline(codes_of_many(molecules([smiles])[1]))[0]


def test_common_drugs_are_plain():
    assert unchanged_by_pipeline(codes_of_many(molecules(PLAIN)[1])).all()
    assert_plain_means_unchanged(PLAIN, at_least=0.9)


@pytest.mark.slow
def test_plain_means_unchanged_on_a_real_library():
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()
    assert_plain_means_unchanged((line.split()[0] for line in lines[::12] if line.strip()), at_least=0.6)


@pytest.mark.slow
def test_plain_means_unchanged_on_real_messy_molecules(data_folder):
    path = data_folder / "libraries/messy/smilesreading_chembl.smi.gz"
    with gzip.open(path, "rt", errors="replace") as file:
        lines = list(itertools.islice((line.split()[0] for line in file if line.strip()), 0, 45_000, 150))
    assert_plain_means_unchanged(lines, at_least=0.8)


@pytest.mark.parametrize(
    ("smiles", "may"),
    [
        ("CC(F)Cl", True),
        ("CC(F)F", False),
        ("CC=CC", True),
        ("CC=C(C)C", False),
        ("CC=N", True),
        ("C=CC", False),
        ("C/C=C/C", False),
        ("C[C@H](F)Cl", False),
        ("c1ccccc1C(C)C", False),
        ("C1CN1C", True),
        ("CN(C)C", False),
        ("CS(=O)(=O)CC", False),
    ],
)
def test_stereo_hints(smiles, may):
    _, mols = molecules([smiles])
    assert may_have_unspecified_stereo(codes_of_many(mols))[0] == may
