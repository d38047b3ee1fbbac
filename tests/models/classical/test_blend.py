"""Blends as scorers and as model folders; weights of a stack against closed forms."""

from __future__ import annotations

import json

import lightgbm
import numpy as np
import pytest
from contracts.model_folder import ModelFolderContract
from contracts.scorer import GOOD_SMILES, ScorerContract
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from sklearn.metrics import log_loss
from small_assays import SMILES, heavy_atoms

from cinchona.errors import ConfigError, ModelFileError
from cinchona.models.classical.blend import BlendScorer, Weighted, blended
from cinchona.models.classical.fitting import fit_single
from cinchona.models.classical.inputs import Inputs, Molecules
from cinchona.models.classical.sureness import log_odds
from cinchona.models.export import export_model
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.stacking import LEAST, blend_weights, nested_blend
from cinchona.records import CompoundBatch, Endpoint

ENDPOINTS = (Endpoint("size"), Endpoint("aromatic", kind="classification"))
VALUES = np.column_stack([heavy_atoms(), np.array([float("c1" in text) for text in SMILES])])
VALUES[::7, 0] = np.nan


def single(name: str, **options) -> BlendScorer:
    return fit_single(name, SMILES, VALUES, endpoints=ENDPOINTS, seed=0, workers=1, **options)


@pytest.fixture(scope="module", params=["svm", "neighbours", "extra-trees", "lightgbm", "random-forest"])
def fitted(request):
    return single(request.param)


class TestSingleModels(ScorerContract):
    @pytest.fixture
    def scorer(self, fitted):
        return fitted


@pytest.fixture(scope="module")
def mixed():
    parts = [single(name) for name in ("svm", "lightgbm")]
    machine, boosted = (part.blends for part in parts)
    blends = [
        [Weighted(p.name, p.member, weight) for blend, weight in ((one, 0.75), (two, 0.25)) for p in blend]
        for one, two in zip(machine, boosted, strict=True)
    ]
    return BlendScorer(blends, basis=parts[0].basis, endpoints=ENDPOINTS)


class TestBlend(ScorerContract):
    @pytest.fixture
    def scorer(self, mixed):
        return mixed


class TestBlendFolder(ModelFolderContract):
    @pytest.fixture
    def scorer(self, mixed):
        return mixed

    @pytest.fixture
    def save(self):
        return save_model


def test_a_blend_is_the_weighted_mean_of_its_members(mixed):
    one, two = (single(name).score(CompoundBatch.of(GOOD_SMILES)).value.astype(float) for name in ("svm", "lightgbm"))
    found = mixed.score(CompoundBatch.of(GOOD_SMILES))
    np.testing.assert_allclose(found.value[:, 0], 0.75 * one[:, 0] + 0.25 * two[:, 0], rtol=1e-5)
    odds = 0.75 * log_odds(one[:, 1]) + 0.25 * log_odds(two[:, 1])
    np.testing.assert_allclose(log_odds(found.value[:, 1].astype(float)), odds, atol=1e-3)
    np.testing.assert_allclose(
        found.uncertainty[:, 0], np.sqrt(0.75 * 0.25) * np.abs(one[:, 0] - two[:, 0]), rtol=1e-3, atol=1e-5
    )
    assert mixed.name == "blend of 2 models"
    assert single("svm").name == "SVM on everything"


def test_a_single_model_claims_no_uncertainty(fitted):
    assert (fitted.score(CompoundBatch.of(GOOD_SMILES)).uncertainty == 0).all()


def test_only_what_is_used_is_kept():
    forest = single("extra-trees")
    assert forest.basis.size == 0
    assert not any(name.startswith("basis") for name in forest.arrays())
    assert single("svm").basis.size <= len(SMILES)


def test_structures_do_not_stand_in_the_folder(tmp_path, mixed):
    rare = "O=S(=O)(Nc1nccs1)c1ccc(Oc2ccccc2)c(C#N)c1"
    model = fit_single("svm", [*SMILES, rare], np.r_[VALUES, [[29.0, 1.0]]], endpoints=ENDPOINTS, seed=0, workers=1)
    save_model(model, tmp_path / "m", golden_smiles=["CCO"])
    for path in (tmp_path / "m").iterdir():
        assert rare.encode() not in path.read_bytes()


def test_other_descriptors_are_refused_with_a_remedy(tmp_path, mixed):
    save_model(mixed, tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["spec"]["descriptors"][0] = "Gestalt"
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match="Gestalt"):
        open_scorer(tmp_path / "m")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec["blends"].pop(), lambda spec: spec["blends"][0].clear(),
        lambda spec: spec["blends"][0][0].update(weight=7), lambda spec: spec["blends"][0][0].update(kind="oracle"),
        lambda spec: spec["basis"].update(size=3), lambda spec: spec["basis"].update(width=-1.0),
        lambda spec: spec["basis"]["families"].append("taste"),
    ],
)  # fmt: skip
def test_a_folder_whose_parts_do_not_fit_is_refused(tmp_path, mixed, spoil):
    save_model(mixed, tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    spoil(config["spec"])
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError):
        open_scorer(tmp_path / "m")


def test_block_borders_do_not_matter(mixed):
    many = [Chem.MolFromSmiles(text) for text in (*SMILES, *GOOD_SMILES)] * 11
    value, _ = mixed.predict_molecules(many)
    assert len(many) > 512
    np.testing.assert_array_equal(value[: len(many) // 11], value[-len(many) // 11 :])


members = st.integers(1, 5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), members, st.sampled_from(["regression", "classification"]))
def test_weights_are_shares(seed, k, task):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 30).astype(float)
    labels[:2] = 0, 1
    weights = blend_weights(rng.random((30, k)), labels, task=task)
    assert weights.shape == (k,)
    assert weights.sum() == pytest.approx(1)
    assert ((weights == 0) | (weights >= LEAST)).all()


def test_a_member_that_is_right_gets_all_but_the_pull():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=500)
    held_out = np.column_stack([labels, rng.normal(size=500), labels + 2 * rng.normal(size=500)])
    assert blend_weights(held_out, labels, task="regression")[0] > 0.97


def test_two_equal_errors_are_shared_by_the_closed_form():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=20_000)
    noise = rng.normal(size=(20_000, 2)) * [0.5, 1.0]
    found = blend_weights(labels[:, None] + noise, labels, task="regression")
    # independent errors: weights go with 1 / variance, 0.8 and 0.2, pulled to the shares by the 32nd power of the errors, 1 and 0
    a, b, pull = 0.25, 1.0, 0.1
    want = (b + 2 * pull) / (a + b + 2 * pull)
    assert found[0] == pytest.approx(want, abs=0.01)


def test_members_that_say_the_same_share_and_a_poor_one_is_dropped():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=400)
    noise = rng.normal(size=400)
    twins = labels + 0.5 * noise
    found = blend_weights(np.column_stack([twins, labels + 0.6 * noise, twins]), labels, task="regression")
    np.testing.assert_allclose(found, [0.5, 0, 0.5], atol=0.02)
    same = blend_weights(np.column_stack([labels, labels]), labels, task="regression")
    np.testing.assert_allclose(same, [0.5, 0.5], atol=1e-6)


def test_class_weights_lower_the_cross_entropy():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=3000)
    labels = (rng.random(3000) < 1 / (1 + np.exp(-2 * truth))).astype(float)
    views = 1 / (1 + np.exp(-2 * (truth[:, None] + rng.normal(size=(3000, 3)) * [0.5, 0.6, 3.0])))
    weights = blend_weights(views, labels, task="classification")
    together = log_loss(labels, blended(views, weights, task="classification"))
    assert together < min(log_loss(labels, view) for view in views.T)
    assert weights[2] < min(weights[:2])


def test_nested_predictions_do_not_see_their_own_label():
    rng = np.random.default_rng(0)
    held_out, labels, folds = rng.normal(size=(60, 3)), rng.normal(size=60), np.arange(60) % 3
    before = nested_blend(held_out, labels, folds, task="regression")
    changed = np.where(folds == 1, 100.0, labels)
    after = nested_blend(held_out, changed, folds, task="regression")
    np.testing.assert_array_equal(after[folds == 1], before[folds == 1])
    assert not np.array_equal(after[folds == 0], before[folds == 0])


def test_exported_members_are_plain_files(tmp_path, mixed):
    save_model(mixed, tmp_path / "m")
    files = export_model(tmp_path / "m", tmp_path / "out")
    names = [path.name for path in files]
    assert names == ["0-size_0.safetensors", "0-size_1.txt", "1-aromatic_0.safetensors", "1-aromatic_1.txt",
                     "basis.safetensors", "blend.json"]  # fmt: skip
    table = Molecules([Chem.MolFromSmiles(text) for text in GOOD_SMILES]).table("wide")
    boosted = mixed.blends[0][1].member
    theirs = lightgbm.Booster(model_file=str(tmp_path / "out" / "0-size_1.txt")).predict(table)
    inputs = Inputs(Molecules([Chem.MolFromSmiles(text) for text in GOOD_SMILES]), mixed.basis)
    np.testing.assert_allclose(boosted.predict(inputs), theirs, rtol=1e-9)
    assert json.loads((tmp_path / "out" / "blend.json").read_text())["blends"][0][0]["weight"] == 0.75
    with pytest.raises(ConfigError, match="taken"):
        export_model(tmp_path / "m", tmp_path / "out")
