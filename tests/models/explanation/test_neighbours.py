"""Training compounds that a model folder keeps, and what is found among them."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import DataStructs
from rdkit.Chem import MolFromSmiles, rdFingerprintGenerator
from small_assays import SMILES, split_of, table_of

from cinchona.datasets.fingerprints import RADIUS, SIZE, morgan_packed
from cinchona.errors import ModelFileError
from cinchona.models.explanation.neighbours import COMPOUNDS, kept_compounds, read_compounds, tanimoto


@pytest.fixture(scope="module")
def kept():
    values = np.linspace(4.0, 8.0, len(SMILES))[:, None]
    values[3] = np.nan
    return kept_compounds(table_of(values), split_of(len(SMILES)))


@pytest.fixture
def folder(kept, tmp_path):
    kept.write(tmp_path)
    return tmp_path


def test_similarity_is_that_of_rdkit():
    mols = [MolFromSmiles(text) for text in SMILES]
    made = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=SIZE)
    prints = [made.GetFingerprint(mol) for mol in mols]
    packed = morgan_packed(mols)
    np.testing.assert_allclose(tanimoto(packed[7], packed), DataStructs.BulkTanimotoSimilarity(prints[7], prints))


class TestKeeping:
    def test_only_what_was_fitted_is_kept(self, kept, folder):
        found = read_compounds(folder, {"compounds": kept.entry})
        split = split_of(len(SMILES))
        assert kept.rows == len(found.ids) == len(split.train) + len(split.valid)
        assert not {SMILES[row] for row in split.test} & set(found.smiles)

    def test_a_model_that_keeps_none_has_none(self, folder):
        assert read_compounds(folder, {}) is None

    @pytest.mark.parametrize("harm", ["altered", "missing", "linked"])
    def test_another_file_is_refused(self, kept, folder, harm):
        path = folder / COMPOUNDS
        if harm == "altered":
            path.write_bytes(path.read_bytes() + b"x")
        else:
            path.rename(folder / "elsewhere")
            if harm == "linked":
                path.symlink_to(folder / "elsewhere")
        with pytest.raises(ModelFileError, match="not the file that training wrote"):
            read_compounds(folder, {"compounds": kept.entry})


class TestNear:
    def test_most_similar_first_then_another_value(self, kept, folder):
        compounds = read_compounds(folder, {"compounds": kept.entry})
        near = compounds.near("CCc1ccccc1O", 8.0, endpoint="target0")
        assert near[0].similarity >= near[1].similarity >= 0.3
        contrast = [one for one in near if one.is_contrast]
        assert len(contrast) == 1
        assert abs(contrast[0].measured - 8.0) >= np.nanstd(compounds.labels["target0"])

    def test_compounds_without_a_label_or_a_likeness_are_not_named(self, kept, folder):
        compounds = read_compounds(folder, {"compounds": kept.entry})
        assert "CCN" not in {one.smiles for one in compounds.near("CCN", 5.0, endpoint="target0")}
        assert compounds.near("[Na+].[I-]", 5.0, endpoint="target0") == []
        assert compounds.near("CCO", 5.0, endpoint="unknown") == []
