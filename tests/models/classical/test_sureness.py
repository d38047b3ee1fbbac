"""How sure members are of a class, set right: against closed forms; and the tables of features that joined models see."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Avalon.pyAvalonTools import GetAvalonCountFP
from small_assays import SMILES

from cinchona.errors import ModelFileError
from cinchona.models.choosing import decide, judging_metric
from cinchona.models.classical.avalon_erg import ERG_WIDTH, avalon_counts, reduced_graphs
from cinchona.models.classical.blend import BlendScorer
from cinchona.models.classical.fitting import fit_single
from cinchona.models.classical.inputs import LAYOUTS, Molecules, layout_width
from cinchona.models.classical.members import Labels, logistic
from cinchona.models.classical.sureness import as_they_are, fit_scales, log_odds, rescaled
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.metrics import METRICS
from cinchona.models.stacking import Recipe, nested_blend
from cinchona.records import CompoundBatch, Endpoint

AROMATIC = np.array([float("c1" in text) for text in SMILES])


def noisy(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True log-odds, and labels drawn by them."""
    draw = np.random.default_rng(seed)
    odds = draw.normal(size=n)
    return odds, (draw.random(n) < logistic(odds)).astype(float)


@pytest.mark.parametrize(("slope", "shift"), [(3.0, 0.0), (0.4, 0.5), (1.5, -1.0)])
def test_what_a_member_exaggerates_is_taken_back(slope, shift):
    odds, labels = noisy(20_000)
    found = fit_scales(logistic(slope * odds + shift)[:, None], labels)
    np.testing.assert_allclose(found, [[1 / slope, -shift / slope]], atol=0.08)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 5), st.floats(-2, 2))
def test_the_order_stays(seed, slope, shift):
    guess = np.random.default_rng(seed).uniform(0.01, 0.99, (30, 2))
    scaled = rescaled(guess, np.array([[slope, shift], [1.0, 0.0]]))
    assert (np.argsort(scaled[:, 0]) == np.argsort(guess[:, 0])).all()
    np.testing.assert_array_equal(scaled[:, 1], guess[:, 1])


def test_few_labels_of_a_class_teach_no_scale():
    labels = np.r_[np.ones(4), np.zeros(50)]
    np.testing.assert_array_equal(fit_scales(np.full((54, 3), 0.2), labels), as_they_are(3))
    assert fit_scales(np.full((55, 1), 0.2), np.r_[labels, 1.0])[0, 1] != 0


def test_an_overconfident_member_that_ranks_best_is_not_thrown_out():
    odds, labels = noisy(2000)
    draw, folds = np.random.default_rng(1), np.arange(2000) % 5
    boasting = logistic(6 * (odds + 0.3 * draw.normal(size=2000)))
    modest = logistic(0.5 * (odds + 1.5 * draw.normal(size=2000)))
    views = np.column_stack([boasting, modest])
    recipe = Recipe.of(views, labels, task="classification")
    assert recipe.weights[0] > 0.7
    found = decide(views, Labels(labels, "classification"), folds, names=["boasts", "modest"], target="y", seed=0)
    assert found.weights[0] > 0.7
    assert found.scales[0, 0] < 0.3, "three times too sure at least"


def test_a_regression_is_never_rescaled():
    draw = np.random.default_rng(0)
    recipe = Recipe.of(draw.normal(size=(40, 3)), draw.normal(size=40), task="regression")
    np.testing.assert_array_equal(recipe.scales, as_they_are(3))


def test_scales_of_nested_predictions_have_not_seen_the_compound():
    odds, labels = noisy(90)
    views, folds = logistic(odds[:, None] * [1.0, 4.0]), np.arange(90) % 3
    changed = np.where(folds == 1, 1 - labels, labels)
    before, after = (nested_blend(views, y, folds, task="classification") for y in (labels, changed))
    np.testing.assert_array_equal(after[folds == 1], before[folds == 1])
    assert not np.array_equal(after[folds == 0], before[folds == 0])


def test_a_single_model_has_to_win_at_the_top_of_the_list_too(monkeypatch):
    odds, labels = noisy(2000)
    draw = np.random.default_rng(2)
    views = np.column_stack([logistic(odds), logistic(draw.normal(size=2000))])
    asked = (views, Labels(labels, "classification"), np.arange(2000) % 5)
    monkeypatch.setattr("cinchona.models.stacking.blend_weights", lambda held, *_, **__: np.eye(held.shape[1])[-1])  # fmt: skip
    assert decide(*asked, names=["knows", "guesses"], target="y", seed=0).weights.tolist() == [1, 0]
    worst = dataclasses.replace(METRICS["pr_auc"], function=lambda *_: 0.5)
    monkeypatch.setattr("cinchona.models.choosing.METRICS", {**METRICS, "pr_auc": worst})
    assert decide(*asked, names=["knows", "guesses"], target="y", seed=0).weights.tolist() == [0, 1]


def test_a_metric_that_is_named_judges_alone():
    draw = np.random.default_rng(0)
    truth = draw.normal(size=300)
    views, labels, folds = truth[:, None] + draw.normal(size=(300, 2)), Labels(truth, "regression"), np.arange(300) % 5
    for name, told in (("spearman", "spearman"), ("mae", "mae"), ("roc_auc", "rmse"), ("auto", "rmse")):
        found = decide(views, labels, folds, names=["a", "b"], target="y", seed=0, judge=name)
        assert {row.metric for row in found.choices} == {told}
    assert judging_metric("pr_auc", "classification") == (METRICS["pr_auc"], False)
    assert judging_metric("auto", "classification") == (METRICS["roc_auc"], True)


@pytest.fixture(scope="module")
def scaled():
    model = fit_single("neighbours", SMILES, AROMATIC[:, None], endpoints=[Endpoint("a", kind="classification")], seed=0)  # fmt: skip
    blends = [[dataclasses.replace(part, scale=(0.5, -1.0)) for part in model.blends[0]]]
    return model, BlendScorer(blends, basis=model.basis, endpoints=model.endpoints)


class TestFolder:
    def test_a_scale_is_applied_and_kept(self, scaled, tmp_path):
        plain, model = scaled
        batch = CompoundBatch.of(list(SMILES))
        want = logistic(0.5 * log_odds(plain.score(batch).value.astype(float)) - 1.0)
        np.testing.assert_allclose(model.score(batch).value, want, atol=1e-6)
        save_model(model, tmp_path / "m")
        np.testing.assert_array_equal(open_scorer(tmp_path / "m").score(batch).value, model.score(batch).value)
        assert plain.fingerprint != model.fingerprint

    @pytest.mark.parametrize("scale", [[0.0, 1.0], [float("nan"), 0.0], [1.0, float("inf")], [1.0], "steep"])
    def test_a_scale_that_is_none_is_refused(self, scaled, tmp_path, scale):
        save_model(scaled[1], tmp_path / "m")
        config = json.loads((tmp_path / "m" / "config.json").read_text())
        config["spec"]["blends"][0][0]["scale"] = scale
        (tmp_path / "m" / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelFileError):
            open_scorer(tmp_path / "m")

    def test_members_without_a_scale_stay_as_they_are(self, scaled):
        spec = scaled[1].spec()
        del spec["blends"][0][0]["scale"]
        again = BlendScorer.restore(spec, scaled[1].arrays(), scaled[1].endpoints)
        assert again.blends[0][0].scale == (1.0, 0.0)


class TestFeatures:
    def test_avalon_counts_are_rdkits(self):
        molecules = [Chem.MolFromSmiles(text) for text in SMILES]
        found = avalon_counts(molecules, 256)
        for row, mol in zip(found, molecules, strict=True):
            assert {int(k): int(row[k]) for k in np.flatnonzero(row)} == GetAvalonCountFP(mol, nBits=256).GetNonzeroElements()  # fmt: skip

    @pytest.mark.parametrize("text", ["C", "*", "[Na+].[Cl-]", "[U]", "[2H]C", "C->[Fe]", "C" * 400])
    def test_odd_structures_have_rows(self, text):
        molecules = [Chem.MolFromSmiles(text)]
        assert np.isfinite(reduced_graphs(molecules)).all()
        assert np.isfinite(avalon_counts(molecules, 64)).all()

    def test_large_molecules_get_zeros_in_place_of_minutes(self):
        polymer = [Chem.MolFromSmiles("OCC" * 500)]
        assert not avalon_counts(polymer, 64).any()
        assert not reduced_graphs(polymer).any()

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_each_table_is_as_wide_as_it_says(self, layout):
        table = Molecules([Chem.MolFromSmiles(text) for text in SMILES[:3]]).table(layout)
        assert table.shape == (3, layout_width(layout))
        assert table.dtype == np.float32
        assert np.isfinite(table).all()

    def test_the_order_of_atoms_does_not_matter(self):
        mol = Chem.MolFromSmiles("CC(=O)Oc1ccc(F)cc1C(=O)NC1CCN(C)CC1")
        other = Chem.RenumberAtoms(mol, list(range(mol.GetNumAtoms()))[::-1])
        np.testing.assert_array_equal(avalon_counts([mol], 512), avalon_counts([other], 512))
        np.testing.assert_allclose(reduced_graphs([mol]), reduced_graphs([other]), atol=1e-6)
        assert reduced_graphs([mol]).shape == (1, ERG_WIDTH)
