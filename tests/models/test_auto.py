"""The automatic choice: it keeps its budget, sees no label that it must not see, and says why."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from contracts.scorer import ScorerContract
from small_assays import SMILES, heavy_atoms

from cinchona.models import auto, candidates, choice_folds
from cinchona.models.auto import fit_auto
from cinchona.models.candidates import MANY, SMALL, Clock, Forecaster, n_folds
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.choosing import BLEND, decide
from cinchona.models.classical.boosting import BoostingLearner
from cinchona.models.classical.fitting import molecules_of
from cinchona.models.classical.forests import ForestLearner
from cinchona.models.classical.inputs import Basis, Inputs
from cinchona.models.classical.members import Labels
from cinchona.models.classical.neighbours import NeighbourLearner
from cinchona.models.classical.svm import SvmLearner
from cinchona.records import Endpoint

ENDPOINTS = (Endpoint("size"), Endpoint("aromatic", kind="classification"))
AROMATIC = np.array([float("c1" in text) for text in SMILES])
VALUES = np.column_stack([heavy_atoms(), AROMATIC])
VALUES[::9, 1] = np.nan
QUICK = ChoiceConfig(seconds=300, folds="random")


def few(n, n_targets, *, workers, networks=True, classes=False):
    return [SvmLearner("environments"), NeighbourLearner("environments", k=3), ForestLearner("bits", n_trees=5, workers=1)]  # fmt: skip


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(auto, "candidates", few)


def run(values=VALUES, endpoints=ENDPOINTS, config=QUICK, smiles=SMILES, seed=0):
    return fit_auto(list(smiles), values, endpoints=endpoints, config=config, seed=seed, workers=1)


@pytest.fixture(scope="module")
def found():
    patch = pytest.MonkeyPatch()
    patch.setattr(auto, "candidates", few)
    result = run()
    patch.undo()
    return result


class TestChosenModel(ScorerContract):
    @pytest.fixture
    def scorer(self, found):
        return found.scorer


def test_the_table_tells_every_model_its_weight_and_the_reason(found):
    for endpoint, blend in zip(ENDPOINTS, found.scorer.blends, strict=True):
        rows = {row.model: row for row in found.choices if row.target == endpoint.name}
        names = [learner.name for learner in few(0, 0, workers=1)]
        assert list(rows) == [*names, BLEND]
        assert sum(rows[name].weight for name in names) == pytest.approx(1)
        assert {part.name: part.weight for part in blend} == {n: rows[n].weight for n in names if rows[n].weight > 0}
        assert all(row.why for row in rows.values())
        assert rows[BLEND].why.startswith(("chosen", "not chosen"))
        assert {row.metric for row in rows.values()} == {"rmse" if endpoint.kind == "regression" else "roc_auc"}
        assert all(row.to_json()["estimate"] is not None for row in rows.values())


def test_the_choice_repeats(quick, found):
    again = run()
    assert again.scorer.fingerprint == found.scorer.fingerprint
    assert [row.to_json() | {"seconds": 0} for row in again.choices] == [
        row.to_json() | {"seconds": 0} for row in found.choices
    ]
    assert run(seed=1).scorer.fingerprint != found.scorer.fingerprint


def test_what_does_not_fit_the_budget_is_left_out_and_named(quick, monkeypatch):
    monkeypatch.setattr(Forecaster, "seconds", lambda *_: (1e6, 1.0))
    result = run(config=ChoiceConfig(seconds=60, folds="random"))
    assert result.scorer.name == SvmLearner("environments").name, "the first is fitted in any case"
    out = [row for row in result.choices if row.why.startswith("left out")]
    assert {row.model for row in out} == {learner.name for learner in few(0, 0, workers=1)[1:]}
    assert all("1000001 s" in row.why for row in out)
    assert all(row.weight == 0 and row.to_json()["estimate"] is None for row in out)


def test_time_for_the_final_fits_is_kept_back(quick, monkeypatch):
    monkeypatch.setattr(Forecaster, "seconds", lambda *_: (1.0, 30.0))
    result = run(config=ChoiceConfig(seconds=80, folds="random"))
    out = [row.model for row in result.choices if row.why.startswith("left out")]
    assert out == [learner.name for learner in few(0, 0, workers=1)[2:]] * 2, (
        "31 s fit twice into 80 s, not three times"
    )


def test_a_small_budget_is_kept(monkeypatch):
    seconds = 1.0
    n = 160
    smiles = ["C" * (k + 1) + "." + text for k in range(4) for text in SMILES][:n]
    values = np.arange(n, dtype=float)[:, None]
    clock = SimpleNamespace(monotonic=time.process_time)  # the machine may be busy with other tests
    for module in (auto, candidates):
        monkeypatch.setattr(module, "time", clock)
    result = run(values, ENDPOINTS[:1], ChoiceConfig(seconds=seconds, folds="random"), smiles)
    slack = 3.0  # the first model is fitted, and one is forecast, whatever it takes
    assert result.seconds < seconds + slack
    assert any("left out" in row.why for row in result.choices)


def test_a_clock_counts_what_is_promised(monkeypatch):
    clock = Clock(10.0, started=100.0, promised=3.0)
    monkeypatch.setattr(candidates.time, "monotonic", lambda: 104.0)
    assert (clock.spent, clock.left) == (4.0, 3.0)


def test_forecasts_add_up_over_folds_and_targets():
    molecules, labels = molecules_of(list(SMILES)), Labels(heavy_atoms(), "regression")
    learner = SimpleNamespace(kernel="", layout="", refits=1, costs=lambda *_, wanted, **__: [float(n) for n in wanted])
    crossed, finals = Forecaster(molecules, [labels], folds=5, seed=0).seconds(learner)
    assert crossed / finals == pytest.approx(5 * 32 / 40), "five fits to four fifths"
    assert Forecaster(molecules, [labels] * 2, folds=5, seed=0).seconds(learner) == pytest.approx(
        (2 * crossed, 2 * finals)
    )


def test_times_grow_as_the_learner_says():
    learner, molecules = NeighbourLearner("environments"), molecules_of(list(SMILES))
    inputs = Inputs(molecules, Basis.of(molecules, ["environments"]))
    labels, rows = Labels(heavy_atoms(), "regression"), np.arange(len(SMILES))
    same, double, few_rows = learner.costs(inputs, labels, rows, wanted=[40, 80, 1], seed=0)
    assert same > 0
    assert double / same == pytest.approx(2**learner.growth)
    assert few_rows / same == pytest.approx(0.2**learner.growth)


def test_final_fits_that_differ_in_their_seed_share_the_weight(monkeypatch):
    learner = BoostingLearner("bits", n_trees=5, refits=3, workers=1)
    monkeypatch.setattr(auto, "candidates", lambda *_, **__: [learner])
    blend = run(VALUES[:, :1], ENDPOINTS[:1]).scorer.blends[0]
    assert [part.weight for part in blend] == pytest.approx([1 / 3] * 3)
    assert len({part.member.text for part in blend}) == 3
    rows = np.arange(len(SMILES))
    alone = learner.fit(Inputs(molecules_of(list(SMILES)), Basis.of(molecules_of(list(SMILES)), [])), Labels(VALUES[:, 0], "regression"), rows, seed=0)  # fmt: skip
    assert blend[0].member.text == alone.text, "the first has the seed of the choice"


def test_refits_are_foretold():
    molecules, labels = molecules_of(list(SMILES)), Labels(heavy_atoms(), "regression")
    once, thrice = (SimpleNamespace(kernel="", layout="", refits=k, costs=lambda *_, wanted, **__: [float(n) for n in wanted]) for k in (1, 3))  # fmt: skip
    (crossed, finals), (same, more) = (Forecaster(molecules, [labels], folds=5, seed=0).seconds(one) for one in (once, thrice))  # fmt: skip
    assert same == pytest.approx(crossed)
    assert more == pytest.approx(3 * finals)


def test_large_tables_have_fewer_folds_and_no_kernels():
    assert [n_folds(n) for n in (100, SMALL + 1, MANY + 1)] == [5, 3, 1]
    assert all(not learner.kernel for learner in candidates.candidates(SMALL + 1, 1, workers=1))
    assert candidates.candidates(100, 1, workers=1)[0].kernel
    assert all(candidates.candidates(n, 1, workers=1)[0].layout == "bits" for n in (SMALL + 1, MANY + 1))


def test_one_held_out_part_is_enough_to_choose(quick, monkeypatch):
    monkeypatch.setattr(choice_folds, "n_folds", lambda _: 1)
    result = run()
    assert all(np.isfinite(row.estimate) for row in result.choices)


@pytest.mark.parametrize(
    "values", [np.full(40, 3.0), np.r_[1.0, np.full(39, np.nan)], np.r_[1.0, 2.0, np.full(38, np.nan)]]
)
def test_poor_labels_end_in_a_model(quick, values):
    result = run(values[:, None], ENDPOINTS[:1])
    assert any("cannot tell models apart" in row.why for row in result.choices)
    assert np.isfinite(result.scorer.predict_molecules(molecules_of(["CCO"])._molecules)[0]).all()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_single_class_is_said_of_everything(quick, label):
    result = run(np.full((40, 1), label), ENDPOINTS[1:])
    value, _ = result.scorer.predict_molecules(molecules_of(["CCO", "c1ccccc1"])._molecules)
    np.testing.assert_allclose(value, label, atol=0.05)


class TestDecision:
    def cases(self, seed=0, n=400):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=n)
        return rng, Labels(truth, "regression"), rng.permutation(n) % 5

    def test_a_blend_that_helps_is_taken(self):
        rng, labels, folds = self.cases()
        held_out = labels.values[:, None] + rng.normal(size=(400, 2)) * 0.5
        found = decide(held_out, labels, folds, names=["a", "b"], target="y", seed=0)
        assert found.choices[-1].weight == 1
        np.testing.assert_allclose(found.weights, 0.5, atol=0.1)
        assert found.choices[-1].estimate == pytest.approx(0.5 / np.sqrt(2), rel=0.1)

    def test_a_single_model_is_taken_where_blending_does_not_help(self):
        rng, labels, folds = self.cases()
        held_out = np.column_stack([labels.values, rng.normal(size=400) * 9])
        found = decide(held_out, labels, folds, names=["right", "noise"], target="y", seed=0)
        assert found.weights.tolist() == [1, 0]
        assert next(row.model for row in found.choices if row.weight == 1) == "right"

    def test_rows_without_a_label_or_a_prediction_have_no_part(self):
        rng, labels, folds = self.cases()
        held_out = labels.values[:, None] + rng.normal(size=(400, 2)) * 0.5
        values, guesses = labels.values.copy(), held_out.copy()
        values[:50], guesses[50:80] = np.nan, np.nan
        one = decide(guesses, Labels(values, "regression"), folds, names=["a", "b"], target="y", seed=0)
        other = decide(held_out[80:], Labels(labels.values[80:], "regression"), folds[80:], names=["a", "b"], target="y", seed=0)  # fmt: skip
        np.testing.assert_array_equal(one.weights, other.weights)

    def test_the_estimate_of_the_blend_is_not_that_of_its_own_weights(self):
        rng = np.random.default_rng(3)
        labels, folds = Labels(rng.normal(size=30), "regression"), np.arange(30) % 5
        held_out = rng.normal(size=(30, 12))  # nothing but noise: weights that saw the labels would look good
        found = decide(held_out, labels, folds, names=[str(k) for k in range(12)], target="y", seed=0)
        seen = float(np.sqrt(np.mean((held_out @ found.weights - labels.values) ** 2)))
        assert found.choices[-1].estimate > seen
