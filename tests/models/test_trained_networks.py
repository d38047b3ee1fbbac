"""Networks of every kind through the whole of training: they learn, are saved, opened, and score alike."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import get_args

import numpy as np
import pytest
from contracts.scorer import GOOD_SMILES, ScorerContract
from rdkit import Chem
from rdkit.Chem import Descriptors
from small_assays import SMILES, heavy_atoms, split_of, table_of

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codecolumns import code_columns
from cinchona.datasets.descriptors import quick_descriptors
from cinchona.datasets.fingerprints import morgan_bits
from cinchona.errors import ConfigError, ModelFileError
from cinchona.models.auxiliary import descriptor_labels
from cinchona.models.config import ArchitectureName, GraphNetConfig, LossName, ReadoutName, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.molecule_features import CLIP, MoleculeFeatures
from cinchona.models.pretraining.encoder_file import open_encoder, save_encoder
from cinchona.models.scorers import batch_of
from cinchona.models.train import fit_ensemble
from cinchona.records import CompoundBatch

ARCHITECTURES, READOUTS, LOSSES = get_args(ArchitectureName), get_args(ReadoutName), get_args(LossName)
CELLS = [(a, READOUTS[k % 6], LOSSES[k % 4]) for k, a in enumerate(ARCHITECTURES)] + [
    (ARCHITECTURES[k], READOUTS[(k + 3) % 6], LOSSES[(k + 2) % 4]) for k in range(7)
]
"""Every architecture twice, every readout and every loss more than twice; the pairs are tested in test_architectures."""


def fitted(architecture="dmpnn", readout="norm", *, training=None, labels=None, **network) -> GraphEnsemble:
    table = table_of(heavy_atoms()[:, None] if labels is None else labels)
    config = GraphNetConfig(architecture=architecture, readout=readout, hidden=8, head_hidden=8, **network)
    return fit_ensemble(table, split_of(40), network=config, training=training or quick(), seed=0)


@cache
def once(*arguments, **options) -> GraphEnsemble:
    """As :func:`fitted`, trained once for all tests that only look at it."""
    return fitted(*arguments, **options)


def quick(**changes) -> TrainingConfig:
    return TrainingConfig(**{"ensemble_size": 1, "epochs": 2, "batch_size": 20, **changes})


@pytest.mark.parametrize("architecture,readout,loss", CELLS)
def test_trained_saved_opened_and_scored_alike(architecture, readout, loss, tmp_path):
    values = heavy_atoms()[:, None].repeat(2, axis=1)
    values[::3, 1] = math.nan
    table = table_of(values, kinds=("regression",) * 2, censor=(np.arange(80).reshape(40, 2) % 3 - 1).astype(np.int8))
    config = GraphNetConfig(architecture=architecture, readout=readout, hidden=8, head_hidden=8)
    training = quick(loss=loss, ranking=0.3, task_weights={"target0": 2.0}, task_groups={"one": ("target1",)})
    made = fit_ensemble(table, split_of(40), network=config, training=training, seed=0)
    save_model(made, tmp_path / "model")
    opened = open_scorer(tmp_path / "model")
    batch = batch_of(table, np.arange(40))
    np.testing.assert_array_equal(opened.score(batch).value, made.score(batch).value)
    assert opened.fingerprint == made.fingerprint
    assert opened.name == made.name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_learns(architecture):
    table = table_of(heavy_atoms()[:, None])
    config = GraphNetConfig(architecture=architecture, hidden=16, head_hidden=16)
    training = TrainingConfig(ensemble_size=1, epochs=60, batch_size=10, learning_rate=5e-3, patience=60)
    made = fit_ensemble(table, split_of(40), network=config, training=training, seed=0)
    rows = split_of(40).train
    error = made.score(batch_of(table, rows)).value[:, 0] - table.values[rows, 0]
    assert np.sqrt(np.mean(error**2)) < 0.4 * table.values.std()


class TestGraphTransformerScorer(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return once("gps", "attention")


class TestGineScorer(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return once("gine", "mean")


class TestHybridScorer(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return once(features=("morgan", "rdkit"))


class TestHybridOnPyTorchScorer(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return once("pna", "max", features=("rdkit",))


def test_a_model_without_new_settings_is_spelt_as_before():
    """Fingerprints of models from version 0.1 stay what they were."""
    assert set(fitted().spec()["network"]) == {
        "hidden", "depth", "readout", "norm", "dropout", "head_hidden", "head_layers",
    }  # fmt: skip
    assert fitted("gin").spec()["network"]["architecture"] == "gin"


class TestHybrid:
    @pytest.mark.parametrize("architecture", ["dmpnn", "gin", "gatv2"])
    def test_graph_codes_in_the_batch_change_nothing(self, architecture):
        """As from a prepared library, where molecules come as codes beside their SMILES."""
        scorer = fitted(architecture, features=("morgan", "rdkit"))
        plain = CompoundBatch.of(list(GOOD_SMILES))
        coded = codes_of_many([Chem.MolFromSmiles(text) for text in GOOD_SMILES])
        batch, places = plain.data, np.arange(len(GOOD_SMILES))
        for name, column in code_columns(coded, places, len(places)).items():
            batch = batch.append_column(name, column)
        np.testing.assert_allclose(scorer.score(CompoundBatch(batch)).value, scorer.score(plain).value, rtol=1e-5)

    def test_the_head_sees_the_features(self):
        table = table_of(heavy_atoms()[:, None])
        scorer = fitted(features=("rdkit",))
        weights = scorer.arrays()["members.0.head.0.weight"]
        assert weights.shape == (8, 8 + len(quick_descriptors()))
        other = GraphEnsemble.restore(scorer.spec(), scorer.arrays(), scorer.endpoints)
        other.features = replace(scorer.features, center=scorer.features.center + 1)
        batch = batch_of(table, np.arange(5))
        assert not np.allclose(other.score(batch).value, scorer.score(batch).value)

    def test_another_rdkit_is_refused(self, tmp_path, monkeypatch):
        save_model(fitted(features=("rdkit",)), tmp_path / "model")
        monkeypatch.setattr("cinchona.models.molecule_features.quick_descriptors", lambda: quick_descriptors()[::-1])
        with pytest.raises(ModelFileError, match="features that this version does not compute alike"):
            open_scorer(tmp_path / "model")

    def test_scaling_is_robust_and_missing_values_are_the_median(self, monkeypatch):
        made = MoleculeFeatures.fit(("morgan", "rdkit"), SMILES)
        rows = made.rows(SMILES)
        np.testing.assert_array_equal(rows[:, :2048], morgan_bits(SMILES))
        weight = quick_descriptors().index("MolWt")
        values = np.array([Descriptors.MolWt(Chem.MolFromSmiles(text)) for text in SMILES])
        low, middle, high = np.percentile(values, [25, 50, 75])
        np.testing.assert_allclose(
            rows[:, 2048 + weight], (values - middle) / (high - low) * 1.349, rtol=1e-4, atol=1e-5
        )
        assert np.isfinite(rows).all()
        assert np.abs(rows).max() <= CLIP
        broken = np.full((1, len(quick_descriptors())), np.nan, np.float32)
        monkeypatch.setattr("cinchona.models.molecule_features.descriptor_matrix", lambda *_: broken)
        assert not MoleculeFeatures(("rdkit",), made.center, made.scale).rows(["CCO"]).any()

    def test_descriptors_that_are_never_known_do_no_harm(self, monkeypatch):
        never = np.full((40, len(quick_descriptors())), np.nan, np.float32)
        monkeypatch.setattr("cinchona.models.molecule_features.descriptor_matrix", lambda *_: never)
        made = MoleculeFeatures.fit(("rdkit",), SMILES)
        assert not made.rows(SMILES).any()

    def test_features_of_the_test_part_do_not_matter(self):
        first = MoleculeFeatures.fit(("rdkit",), SMILES[:30])
        scorer = fitted(features=("rdkit",))
        train = [SMILES[row] for row in split_of(40).train]
        np.testing.assert_array_equal(scorer.features.center, MoleculeFeatures.fit(("rdkit",), train).center)
        assert not np.array_equal(first.center, scorer.features.center)


class TestAuxiliary:
    def test_only_training_rows_have_auxiliary_labels(self):
        labels = descriptor_labels(SMILES, np.array([1, 5, 30, 38]))
        assert np.isnan(labels[[0, 2, 39]]).all()
        assert np.isfinite(labels[[1, 5, 30, 38]]).all()
        assert (labels[[1, 5, 30, 38]].std(axis=0) > 0).all()

    def test_a_model_with_them_has_the_shape_of_one_without(self, tmp_path):
        made, plain = fitted(training=quick(auxiliary="descriptors")), fitted()
        assert {n: a.shape for n, a in made.arrays().items()} == {n: a.shape for n, a in plain.arrays().items()}
        assert not np.array_equal(
            made.arrays()["members.0.encoder.W_h.weight"], plain.arrays()["members.0.encoder.W_h.weight"]
        )
        save_model(made, tmp_path / "model")
        assert open_scorer(tmp_path / "model").fingerprint == made.fingerprint

    def test_a_resumed_training_ends_alike(self, tmp_path):
        table, training = table_of(heavy_atoms()[:, None]), quick(auxiliary="descriptors")
        config = GraphNetConfig(hidden=8, head_hidden=8)
        options = {"network": config, "training": training, "seed": 0, "checkpoint": tmp_path}
        one, other = (fit_ensemble(table, split_of(40), **options) for _ in range(2))
        assert one.fingerprint == other.fingerprint


class TestPretrainedStart:
    SHAPE = GraphNetConfig(hidden=8, head_hidden=8)

    @pytest.fixture
    def encoder(self, tmp_path):
        weights = {n.removeprefix("members.0.encoder."): a for n, a in fitted().arrays().items() if ".encoder." in n}
        save_encoder(tmp_path, network=self.SHAPE, weights=weights, card={"sources": [{"name": "few"}]})
        return tmp_path

    def trained(self, encoder, **changes):
        training = quick(pretrained=str(encoder), learning_rate=1e-30, **changes)
        return fitted(training=training)

    def test_training_starts_from_the_encoder_and_says_so(self, encoder):
        made = self.trained(encoder)
        for name, array in open_encoder(encoder).weights.items():
            np.testing.assert_allclose(made.arrays()[f"members.0.encoder.{name}"], array, atol=1e-6)
        assert made.spec()["pretrained"] == {"name": "few", "digest": open_encoder(encoder).digest}
        again = GraphEnsemble.restore(made.spec(), made.arrays(), made.endpoints)
        assert again.fingerprint == made.fingerprint
        assert "pretrained" not in fitted().spec()

    def test_heads_start_at_random(self, encoder):
        made = fitted(training=quick(pretrained=str(encoder), learning_rate=1e-30, ensemble_size=2))
        assert not np.allclose(made.arrays()["members.0.head.0.weight"], made.arrays()["members.1.head.0.weight"])

    def test_a_share_of_the_rate_holds_the_encoder(self, encoder):
        still = fitted(training=quick(pretrained=str(encoder), encoder_rate=0.0))
        moved = fitted(training=quick(pretrained=str(encoder), encoder_rate=0.5))
        name = "members.0.encoder.W_h.weight"
        np.testing.assert_array_equal(still.arrays()[name], open_encoder(encoder).weights["W_h.weight"])
        assert not np.array_equal(moved.arrays()[name], still.arrays()[name])

    def test_another_shape_is_refused_with_what_to_set(self, encoder):
        with pytest.raises(ConfigError, match="depth 3, the network 4") as caught:
            fitted(training=quick(pretrained=str(encoder)), depth=4)
        assert caught.value.expected == "network.depth=3"

    def test_a_missing_encoder_is_refused(self, tmp_path):
        with pytest.raises(ModelFileError, match=r"no usable card\.json"):
            fitted(training=quick(pretrained=str(tmp_path / "nowhere")))

    def test_the_state_of_a_training_from_another_encoder_is_ignored(self, encoder, tmp_path):
        table, state = table_of(heavy_atoms()[:, None]), tmp_path / "state"
        options = {"network": self.SHAPE, "seed": 0, "checkpoint": state}
        fit_ensemble(table, split_of(40), training=quick(), **options)
        one = fit_ensemble(table, split_of(40), training=quick(pretrained=str(encoder)), **options)
        other = fit_ensemble(table, split_of(40), network=self.SHAPE, seed=0, training=quick(pretrained=str(encoder)))
        assert one.fingerprint == other.fingerprint
