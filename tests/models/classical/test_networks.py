"""Networks as members of blends: learnt, saved, weighed, and left out where they bring nothing or take too long."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from contracts.model_folder import ModelFolderContract
from contracts.scorer import GOOD_SMILES, ScorerContract
from rdkit import Chem
from small_assays import SMILES, heavy_atoms

from cinchona.datasets.descriptors import quick_descriptors
from cinchona.errors import ModelFileError
from cinchona.models import auto, candidates
from cinchona.models.auto import fit_auto
from cinchona.models.candidates import Clock, Forecaster, Pace
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.choosing import BLEND, decide
from cinchona.models.classical import networks
from cinchona.models.classical.blend import BlendScorer, Weighted
from cinchona.models.classical.inputs import Basis, Inputs, Molecules
from cinchona.models.classical.members import Labels
from cinchona.models.classical.neighbours import NeighbourLearner
from cinchona.models.classical.networks import NetworkLearner, NetworkMember, network_learners
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.explanation.attribution import attribute
from cinchona.models.export import export_model
from cinchona.models.folder import save_model
from cinchona.models.schedule import Schedule
from cinchona.models.stacking import earning
from cinchona.records import CompoundBatch, Endpoint

ROWS = np.arange(len(SMILES))
AROMATIC = np.array([float("c1" in text) for text in SMILES])
ENDPOINTS = (Endpoint("size"), Endpoint("aromatic", kind="classification"))


class SmallNetworks(NetworkLearner):
    """Networks of eight units that see their molecules thirty times."""

    def __init__(self, *, size=1, features=("morgan", "rdkit"), epochs=30):
        super().__init__(size=size, workers=1)
        self.network = GraphNetConfig(features=features, hidden=8, head_hidden=8, depth=2)
        self.training = TrainingConfig(ensemble_size=size, pretrained="none", workers=1, epochs=epochs)
        self.name = "small network"


def inputs_of(smiles):
    molecules = Molecules([Chem.MolFromSmiles(text) for text in smiles])
    return Inputs(molecules, Basis.of(molecules, ["environments"]))


@pytest.fixture(scope="module")
def inputs():
    return inputs_of(SMILES)


@pytest.fixture(scope="module")
def fitted(inputs):
    """A member of two networks for each task."""
    learner = SmallNetworks(size=2)
    tasks = {"regression": heavy_atoms(), "classification": AROMATIC}
    return {task: learner.fit(inputs, Labels(values, task), ROWS, seed=0) for task, values in tasks.items()}


@pytest.fixture(scope="module")
def blend(inputs, fitted):
    """Half network, half neighbours."""
    labels = (Labels(heavy_atoms(), "regression"), Labels(AROMATIC, "classification"))
    near = [NeighbourLearner("environments", k=3).fit(inputs, each, ROWS, seed=0) for each in labels]
    basis = Basis.of(Molecules([Chem.MolFromSmiles(text) for text in SMILES]), ["environments"])
    parts = [
        [Weighted("network", fitted[each.task], 0.5), Weighted("neighbours", member, 0.5)]
        for each, member in zip(labels, near, strict=True)
    ]
    return BlendScorer(parts, basis=basis, endpoints=ENDPOINTS)


class TestBlend(ScorerContract):
    @pytest.fixture
    def scorer(self, blend):
        return blend


class TestBlendFolder(ModelFolderContract):
    @pytest.fixture
    def scorer(self, blend):
        return blend

    @pytest.fixture
    def save(self):
        return save_model


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_networks_learn_and_are_rebuilt_to_the_bit(inputs, fitted, task):
    member, values = fitted[task], heavy_atoms() if task == "regression" else AROMATIC
    guess = member.predict(inputs)
    assert np.corrcoef(guess, values)[0, 1] > 0.6
    twin = NetworkMember.restore(member.spec(), member.arrays(), references=0)
    np.testing.assert_array_equal(twin.predict(inputs), guess)


def test_a_member_says_what_its_networks_say_as_a_model_of_their_own(inputs, fitted):
    found = fitted["regression"].ensemble.score(CompoundBatch.of(SMILES)).value[:, 0]
    np.testing.assert_allclose(fitted["regression"].predict(inputs), found, rtol=1e-5)


def test_parts_of_the_molecules_are_predicted_as_before(inputs, fitted):
    some = ROWS[5:17]
    whole = fitted["regression"].predict(inputs)
    np.testing.assert_allclose(fitted["regression"].predict(inputs.take(some)), whole[some], rtol=1e-5)


def test_no_label_but_those_of_the_rows_is_looked_at(inputs):
    learner, rows = SmallNetworks(epochs=3), ROWS[::2]
    first = learner.fit(inputs, Labels(heavy_atoms(), "regression"), rows, seed=0)
    other = np.where(np.isin(ROWS, rows), heavy_atoms(), np.nan)
    again = learner.fit(inputs, Labels(other, "regression"), rows, seed=0)
    np.testing.assert_array_equal(first.predict(inputs), again.predict(inputs))
    assert not np.array_equal(
        learner.fit(inputs, Labels(other, "regression"), rows, seed=1).predict(inputs), first.predict(inputs)
    )


def test_features_are_scaled_by_the_fitted_rows_alone(inputs):
    learner, rows = SmallNetworks(epochs=1), ROWS[:10]
    member = learner.fit(inputs, Labels(heavy_atoms(), "regression"), rows, seed=0)
    wanted = np.nanmedian(inputs.descriptors()[rows].astype(np.float64), axis=0)
    np.testing.assert_allclose(member.ensemble.features.center, wanted)
    assert member.ensemble.features.center.shape == (len(quick_descriptors()),)


def test_weights_of_another_shape_are_refused(fitted):
    member = fitted["regression"]
    arrays = {name: array for name, array in member.arrays().items() if "W_h" not in name}
    with pytest.raises(ModelFileError, match="W_h"):
        NetworkMember.restore(member.spec(), arrays, references=0)


def test_networks_of_a_blend_are_exported_as_arrays(tmp_path, blend):
    save_model(blend, tmp_path / "m", golden_smiles=["CCO"])
    files = [path.name for path in export_model(tmp_path / "m", tmp_path / "out")]
    assert files[0] == "0-size_0.safetensors"
    assert b"encoder.W_i.weight" in (tmp_path / "out" / files[0]).read_bytes()[:4000]


def test_a_blend_with_networks_is_explained_by_removal(blend):
    (found,) = attribute(blend, ["Oc1ccccc1"])
    assert found.method == "removal"
    assert np.isfinite(found.atoms).all()


@pytest.mark.parametrize("known", [[0, 1], [7]])
def test_few_labels_end_in_a_network(inputs, known):
    labels = Labels(np.where(np.isin(ROWS, known), 1.0, np.nan), "classification")
    member = SmallNetworks(epochs=1).fit(inputs, labels, np.array(known), seed=0)
    assert np.isfinite(member.predict(inputs)).all()


def test_steps_foretell_the_time(inputs, monkeypatch):
    ticks = iter([0.0, 5.0, 10.0, 27.0])  # 5 s with one epoch, 17 s with four
    monkeypatch.setattr(networks, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    learner = SmallNetworks()
    costs = learner.costs(inputs, Labels(heavy_atoms(), "regression"), ROWS, wanted=[40, 400], seed=0)
    steps = [Schedule.of(learner.training, n).steps_per_epoch * 30 for n in (40, 400)]
    step = 12.0 / (3 * Schedule.of(learner.training, 40).steps_per_epoch)
    assert costs == pytest.approx([5.0 + step * n for n in steps])


def test_the_encoder_is_tried_first_where_it_is_made_for():
    assert [learner.training.pretrained for learner in network_learners(500, workers=1)] == ["default", "none"]
    assert [learner.training.pretrained for learner in network_learners(5_000, workers=1)] == ["none"]
    last = candidates.candidates(500, 1, workers=1)[-2:]
    assert all(isinstance(learner, NetworkLearner) for learner in last)
    plain = candidates.candidates(500, 1, workers=1, networks=False)
    assert not any(isinstance(learner, NetworkLearner) for learner in plain)
    assert len(plain) == len(candidates.candidates(500, 1, workers=1)) - 2


def choice(monkeypatch, seconds, *, costs=None):
    learners = [NeighbourLearner("environments", k=3), SmallNetworks(epochs=8)]
    monkeypatch.setattr(auto, "candidates", lambda *_, **__: learners)
    if costs is not None:
        monkeypatch.setattr(Forecaster, "seconds", lambda _, learner: costs if learner.costly else (0.0, 0.0))
    config = ChoiceConfig(seconds=seconds, folds="random")
    values = np.column_stack([heavy_atoms(), np.where(ROWS % 5 == 0, np.nan, AROMATIC)])
    return fit_auto(SMILES, values, endpoints=ENDPOINTS, config=config, seed=0, workers=1)


def test_networks_are_weighed_like_all_others_for_each_target(monkeypatch):
    result = choice(monkeypatch, 300)
    for blend, endpoint in zip(result.scorer.blends, ENDPOINTS, strict=True):
        rows = {row.model: row for row in result.choices if row.target == endpoint.name}
        assert list(rows) == ["3 nearest neighbours by environments", "small network", BLEND]
        assert rows["small network"].estimate > 0
        if rows["small network"].weight == 0:
            assert rows["small network"].why == "the blend is no better with it"
        assert ("network" in {part.member.kind for part in blend}) == (rows["small network"].weight > 0)
    assert np.isfinite(result.held_out[:, 0]).all()
    assert np.isfinite(result.held_out[:, 1]).sum() == np.isfinite(AROMATIC[ROWS % 5 != 0]).sum()


def test_networks_that_take_too_long_are_named(monkeypatch):
    result = choice(monkeypatch, 60, costs=(1e5, 1e4))
    rows = [row for row in result.choices if row.model == "small network"]
    assert len(rows) == len(ENDPOINTS)
    assert all(row.why.startswith("left out: about 110000 s") for row in rows)


def test_what_turns_out_slower_than_foretold_is_given_up(monkeypatch):
    held = Clock(10.0, started=0.0)
    now = 0.0
    monkeypatch.setattr(candidates.time, "monotonic", lambda: now)
    pace = Pace(held, fits=5, finals=1.0)
    assert pace.goes_on()
    now = 1.0
    assert pace.goes_on(), "4 s to go, 1 s for the end, 9 s left"
    now = 5.0
    assert not pace.goes_on(), "7.5 s to go, 2.5 s for the end, 5 s left"
    assert pace.overdue


class TestEarning:
    def cases(self, better):
        rng = np.random.default_rng(0)
        truth = rng.normal(size=300)
        cheap = truth + rng.normal(size=300)
        costly = truth + rng.normal(size=300) if better else cheap + rng.normal(size=300) + 5
        return truth, np.column_stack([cheap, costly]), np.arange(300) % 5

    @pytest.mark.parametrize("better", [True, False])
    def test_a_costly_member_stays_only_where_it_helps(self, better):
        truth, held_out, folds = self.cases(better)
        kept = earning(held_out, truth, folds, task="regression", costly=[False, True])
        assert list(kept) == [True, better]
        labels = truth > 0
        odds = 1 / (1 + np.exp(-held_out))
        kept = earning(odds, labels.astype(float), folds, task="classification", costly=[False, True])
        assert list(kept) == [True, better]

    def test_the_cheap_ones_are_never_asked_and_one_always_stays(self):
        truth, held_out, folds = self.cases(better=False)
        assert earning(held_out, truth, folds, task="regression", costly=[False, False]).all()
        assert earning(held_out, truth, folds, task="regression", costly=[True, True]).any()

    def test_the_table_says_that_it_does_not_help(self):
        truth, held_out, folds = self.cases(better=False)
        found = decide(
            held_out, Labels(truth, "regression"), folds, names=["a", "b"], target="y", seed=0, costly=[False, True]
        )
        assert found.choices[1].why == "the blend is no better with it"
        assert found.choices[1].weight == 0
        assert list(found.weights) == [1, 0]
        assert list(found.weighed) == [True, False]


def test_the_learner_states_its_time_before_anything_is_fitted_in_full(inputs):
    began = time.process_time()
    SmallNetworks(epochs=10_000).costs(inputs, Labels(heavy_atoms(), "regression"), ROWS, wanted=[40], seed=0)
    assert time.process_time() - began < 2


def test_golden_smiles_are_predicted_alike_alone_and_together(blend):
    together = blend.score(CompoundBatch.of(GOOD_SMILES)).value
    alone = np.concatenate([blend.score(CompoundBatch.of([text])).value for text in GOOD_SMILES])
    np.testing.assert_allclose(alone, together, rtol=1e-5)
