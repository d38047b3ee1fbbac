"""What is called plain passes the ChEMBL pipeline unchanged; what the pipeline changes is never called plain."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest
from rdkit import Chem, RDConfig

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.plain import Effort, effort_needed
from cinchona.datasets.standardize import Standardized, standardize, standardize_batch
from cinchona.datasets.stereo_hints import may_have_unspecified_stereo
from cinchona.records import CompoundBatch

CHANGED = (
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
    "C[NH+](C)[O-]",
    "C[N+](C)(C)C",
    "*CC",
    "[CH2]C",
    "CP(C)C",
)
IONS = (
    "CC[NH3+]",
    "CC(=O)[O-]",
    "C[NH+](C)CCC(=O)[O-]",
    "c1cc[nH+]cc1",
    "C[NH+]1CCN(c2ccc([N+](=O)[O-])cc2)CC1",
    "CC(=[NH2+])N",
    "[O-]c1ccccc1",
    "CCOP(=O)([O-])OCC",
    "C[C@H]([NH3+])C(=O)[O-]",
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


def assert_bulk_equals_single(smiles, *, quick: float) -> None:
    """The batch path equals the pipeline on every molecule, and spares at least the share ``quick`` the pipeline."""
    texts, mols = molecules(dict.fromkeys(smiles))
    assert (effort_needed(codes_of_many(mols)) != Effort.ALL).mean() >= quick
    bulk = standardize_batch(CompoundBatch.of(texts))
    got = dict(zip(bulk.batch.data["given_smiles"].to_pylist(), bulk.batch.data.to_pylist(), strict=True))
    rejected = {texts[r.row_id]: r for r in bulk.rejects}
    for text in texts:
        want = standardize(text)
        if isinstance(want, Standardized):
            assert (got[text]["smiles"], got[text]["flags"]) == (want.parent, ";".join(sorted(want.flags))), text
        else:
            assert rejected[text].reason == want.reason


@pytest.mark.parametrize("smiles", CHANGED)
def test_what_the_pipeline_changes_is_not_plain(smiles):
    assert effort_needed(codes_of_many(molecules([smiles])[1]))[0] == Effort.ALL
    assert_bulk_equals_single([smiles], quick=0)


@pytest.mark.parametrize("smiles", IONS)
def test_plain_ions_need_the_neutralizer_alone(smiles):
    assert effort_needed(codes_of_many(molecules([smiles])[1]))[0] == Effort.NEUTRALIZE
    assert_bulk_equals_single([smiles], quick=1)


def test_common_drugs_are_plain():
    assert (effort_needed(codes_of_many(molecules(PLAIN)[1])) == Effort.NONE).all()
    assert_bulk_equals_single(PLAIN, quick=1)


@pytest.mark.slow
def test_plain_means_unchanged_on_a_real_library():
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()
    assert_bulk_equals_single((line.split()[0] for line in lines[::12] if line.strip()), quick=0.6)


@pytest.mark.slow
def test_plain_means_unchanged_on_real_messy_molecules(data_folder):
    path = data_folder / "libraries/messy/smilesreading_chembl.smi.gz"
    with gzip.open(path, "rt", errors="replace") as file:
        lines = list(itertools.islice((line.split()[0] for line in file if line.strip()), 0, 45_000, 150))
    assert_bulk_equals_single(lines, quick=0.85)


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
