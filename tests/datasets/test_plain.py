"""What is called plain passes the ChEMBL pipeline unchanged; what the pipeline changes is never called plain."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, RDConfig
from strategies import shipped_smiles

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.parent import has_unspecified_stereo
from cinchona.datasets.plain import Effort, effort_needed
from cinchona.datasets.standardize import Standardized, standardize, standardize_batch
from cinchona.datasets.stereo_certain import NONE, SOME, UNKNOWN, known_unspecified_stereo
from cinchona.datasets.stereo_hints import may_have_unspecified_stereo
from cinchona.records import CompoundBatch

CHANGED = (
    "CCO.Cl",  # salt
    "c1ccccc1.CCO",  # mixture
    "[2H]C",  # isotope
    "[13CH4]",
    "CC(O)=N",  # imidic acid
    "CC(O)=NC",
    "C[Pt]C",  # metal
    "C[Si](C)(C)C",  # not on the short list of elements
    "C",  # single atom
    "OC(=O)[C@H](O)[C@@H](O)C(=O)O",  # tartaric acid loses its stereo
    "C[NH+](C)[O-]",
    "C[N+](C)(C)CC(=O)[O-]",  # the cation needs the anion
    "CC[N+]#N",
    "C[N-][N+]#N",
    "C[S+](C)C",
    "CS(=O)OC",  # sulfinic acids are left, but not by this rule
    "CC=[N+](C)C",
    "[O-][N+](C)(C)[O-]",
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
    "CS(=O)(=O)[N-]c1ccccc1",
    "Cc1n[n-]nn1",
    "[S-]c1ccccc1",
    "C[N+](C)(C)CC[NH3+]",
)
SULFOXIDES = (
    "CS(C)=O",
    "O=S(C)CC",
    "C1CCS(=O)C1",
    "C[S@](=O)c1ccccc1",
    "O=[S@@](c1ccccc1)C(C)CC([O-])=O",
    "CN(C)S(=O)CC[NH3+]",
    "CS(=O)CS(=O)C",
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
    "[O-][n+]1ccccc1",
    "C[N+](C)(C)C",
    "C[N+](C)(C)[O-]",
    "C[n+]1ccccc1",
    "CC=[N+](C)[O-]",
    "CN=[N+]=[N-]",
    "C[S+]([O-])CC",
    "C[S@+]([O-])c1ccccc1",
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


@pytest.mark.parametrize("smiles", SULFOXIDES)
def test_plain_sulfoxides_are_written_with_charges(smiles):
    assert effort_needed(codes_of_many(molecules([smiles])[1]))[0] == Effort.SULFOXIDE
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
        ("C[SH](C)(=O)CC", True),
        ("N=C(N)N", True),
        ("CN=C(N)N", False),
    ],
)
def test_stereo_hints(smiles, may):
    """Where they say no, RDKit's search says no."""
    _, mols = molecules([smiles])
    assert may or not has_unspecified_stereo(mols[0])
    assert may_have_unspecified_stereo(codes_of_many(mols))[0] == may


STEREO = (
    ("CC(F)Cl", SOME),
    ("CC=CC", SOME),
    ("CC=NO", SOME),
    ("CN=c1cc[nH]cc1Cl", SOME),
    ("CC1CCCCC1Cl", SOME),
    ("OC1CCNCC1", NONE),
    ("C1CCCCC1N1CCC(CC1)C1CCCCC1", NONE),
    ("CC1CCC(F)CC1", UNKNOWN),  # cis or trans
    ("CC1=CCNC1=O", NONE),
    ("CC1=CCCCCCC1", UNKNOWN),  # a ring of eight
    ("CC=C1CCC(F)CC1", UNKNOWN),
    ("CN=c1nccc[nH]1", UNKNOWN),  # alike to RDKit but for a hydrogen
    ("CN1C(C)N1C", UNKNOWN),  # nitrogen in a ring of three
    ("C[C@H](O)C(O)[C@@H](C)O", UNKNOWN),  # depends on others
    ("CC(c1c[nH]cn1)c1cnc[nH]1", UNKNOWN),
)


@pytest.mark.parametrize(("smiles", "known"), STEREO)
def test_unspecified_stereo_beyond_doubt(smiles, known):
    mol = Chem.MolFromSmiles(smiles)
    assert known_unspecified_stereo(codes_of_many([mol]), np.array([0]))[0] == known
    if known != UNKNOWN:
        assert has_unspecified_stereo(mol) == (known == SOME)


def test_unspecified_stereo_beyond_doubt_is_what_rdkit_finds():
    _, mols = molecules(shipped_smiles())
    coded = codes_of_many(mols)
    ordinary = np.flatnonzero(effort_needed(coded) != Effort.ALL)
    known = known_unspecified_stereo(coded, ordinary)
    found = np.array([has_unspecified_stereo(mols[k]) for k in ordinary.tolist()])
    np.testing.assert_array_equal(found[known != UNKNOWN], known[known != UNKNOWN] == SOME)
    assert (known != UNKNOWN).mean() > 0.7
