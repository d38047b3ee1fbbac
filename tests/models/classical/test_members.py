"""Members of blends against scikit-learn, LightGBM and closed forms; damaged files are refused."""

from __future__ import annotations

import math

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.svm import SVC, SVR
from small_assays import SMILES, heavy_atoms

from cinchona.models.classical.boosting import BoostedMember, BoostingLearner
from cinchona.models.classical.forests import ForestLearner, ForestMember, varied_columns
from cinchona.models.classical.inputs import Basis, Inputs, Molecules, layout_width
from cinchona.models.classical.members import Labels, logistic
from cinchona.models.classical.neighbours import NeighbourLearner, NeighbourMember
from cinchona.models.classical.svm import KernelMember, SvmLearner, fit_platt
from cinchona.models.classical.trees import Trees, trees_of_forest, trees_of_text

ROWS = np.arange(len(SMILES))
AROMATIC = np.array([float("c1" in text) for text in SMILES])


@pytest.fixture(scope="module")
def inputs():
    molecules = Molecules([Chem.MolFromSmiles(text) for text in SMILES])
    return Inputs(molecules, Basis.of(molecules, ["substructures", "environments"]))


LEARNERS = [
    SvmLearner("substructures"), NeighbourLearner("environments", k=3), ForestLearner("plain", n_trees=10, workers=1),
    ForestLearner("plain", grower="extra trees", n_trees=10, workers=1), BoostingLearner("plain", n_trees=20, workers=1),
]  # fmt: skip


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
@pytest.mark.parametrize("task", ["regression", "classification"])
class TestEveryMember:
    def labels(self, task):
        return Labels(heavy_atoms() if task == "regression" else AROMATIC, task)

    def test_learns_and_keeps_the_range(self, inputs, learner, task):
        labels = self.labels(task)
        guess = learner.fit(inputs, labels, ROWS, seed=0).predict(inputs)
        assert guess.shape == (len(ROWS),)
        assert np.corrcoef(guess, labels.values)[0, 1] > 0.6
        if task == "classification":
            assert ((guess >= 0) & (guess <= 1)).all()

    def test_is_rebuilt_from_plain_data(self, inputs, learner, task):
        member = learner.fit(inputs, self.labels(task), ROWS[::2], seed=0)
        twin = type(member).restore(member.spec(), member.arrays(), references=len(ROWS))
        np.testing.assert_array_equal(twin.predict(inputs), member.predict(inputs))

    def test_looks_at_no_label_but_those_of_its_rows(self, inputs, learner, task):
        labels = self.labels(task)
        changed = labels.values.copy()
        changed[1::2] = 0.0
        one, other = (learner.fit(inputs, lab, ROWS[::2], seed=0) for lab in (labels, Labels(changed, task)))
        np.testing.assert_array_equal(one.predict(inputs), other.predict(inputs))

    def test_needs_only_the_compounds_that_it_says_it_uses(self, inputs, learner, task):
        member = learner.fit(inputs, self.labels(task), ROWS[::2], seed=0)
        if member.kernel:
            rows = np.flatnonzero(member.used())
            molecules = Molecules([Chem.MolFromSmiles(text) for text in SMILES])
            basis = Basis.of(molecules, [member.kernel]).only(rows, [member.kernel])
            np.testing.assert_allclose(
                member.onto(rows).predict(Inputs(molecules, basis)), member.predict(inputs), rtol=1e-9
            )

    def test_a_single_class_or_a_constant_label_is_no_trouble(self, inputs, learner, task):
        member = learner.fit(inputs, Labels(np.ones(len(ROWS)), task), ROWS[:12], seed=0)
        np.testing.assert_allclose(member.predict(inputs), 1.0, atol=0.02)


def test_the_machine_is_that_of_scikit_learn(inputs):
    gram = inputs.kernel("substructures").astype(float)
    values = heavy_atoms()
    scaled = (values - values.mean()) / values.std()
    want = SVR(kernel="precomputed", C=3, epsilon=0.1).fit(gram, scaled).predict(gram) * values.std() + values.mean()
    found = SvmLearner("substructures").fit(inputs, Labels(values, "regression"), ROWS, seed=0)
    np.testing.assert_allclose(found.predict(inputs), want, rtol=1e-6)
    machine = SVC(kernel="precomputed", C=3, class_weight="balanced").fit(gram, AROMATIC)
    member = SvmLearner("substructures").fit(inputs, Labels(AROMATIC, "classification"), ROWS, seed=0)
    np.testing.assert_allclose(member.decision(inputs), machine.decision_function(gram), rtol=1e-6)


def test_probabilities_have_the_likelihood_of_platt():
    rng = np.random.default_rng(1)
    raw = rng.normal(size=4000)
    labels = (rng.random(4000) < logistic(2.0 * raw - 0.5)).astype(float)
    slope, shift = fit_platt(raw, labels)
    assert slope == pytest.approx(2.0, abs=0.2)
    assert shift == pytest.approx(-0.5, abs=0.15)
    assert fit_platt(-raw, labels)[0] == pytest.approx(0.01), "the order of the decisions is never turned round"


@given(st.floats(-800, 800))
def test_the_logistic_function_does_not_overflow(x):
    want = 1 / (1 + math.exp(-x)) if x > -700 else 0.0
    assert float(logistic(np.array([x]))[0]) == pytest.approx(want, abs=1e-12)


def test_neighbours_follow_their_formula(inputs):
    values = np.full(len(ROWS), math.nan)
    values[:6] = np.arange(6)
    member = NeighbourMember("environments", values, k=2, mean=2.5)
    found = member.predict(inputs)
    similarity = inputs.kernel("environments")[:, :6].astype(float)
    for row, near in enumerate(similarity):
        best = near >= np.sort(near)[-2]
        weight = near[best] ** 4
        assert found[row] == pytest.approx((weight @ values[:6][best] + 0.01 * 2.5) / (weight.sum() + 0.01))


@pytest.mark.parametrize("grow", [ExtraTreesRegressor, ExtraTreesClassifier])
def test_trees_say_what_scikit_learn_says(grow):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 4, (200, 20)).astype(np.float32)
    target = (table[:, 0] * 2 - table[:, 1] > 1).astype(float)
    forest = grow(15, random_state=1).fit(table[:, 5:], target)
    trees = trees_of_forest(forest, np.arange(5, 20))
    want = forest.predict_proba(table[:, 5:])[:, 1] if hasattr(forest, "classes_") else forest.predict(table[:, 5:])
    np.testing.assert_allclose(trees.sums(table) / 15, want, atol=1e-7)


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 31), st.integers(1, 12), st.sampled_from(["regression", "binary"]), st.integers(0, 99))
def test_the_text_says_what_lightgbm_says(leaves, rounds, objective, seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(120, 6)).astype(np.float32).round(1)
    target = table[:, 0] + rng.normal(size=120) * 0.1
    target = (target > 0).astype(float) if objective == "binary" else target
    settings_ = {"objective": objective, "num_leaves": leaves, "verbosity": -1, "use_missing": False, "num_threads": 1}
    booster = lightgbm.train(settings_, lightgbm.Dataset(table, target), rounds)
    others = rng.normal(size=(60, 6)).astype(np.float32).round(1)
    found = trees_of_text(booster.model_to_string(), width=6).sums(others)
    np.testing.assert_allclose(found, booster.predict(others, raw_score=True), rtol=1e-9, atol=1e-12)


def test_a_stored_text_is_a_model_of_lightgbm_itself(inputs):
    member = BoostingLearner("plain", n_trees=10, workers=1).fit(
        inputs, Labels(heavy_atoms(), "regression"), ROWS, seed=0
    )
    theirs = lightgbm.Booster(model_str=member.text).predict(inputs.table("plain"))
    np.testing.assert_allclose(member.predict(inputs), theirs, rtol=1e-9)


def test_threads_do_not_change_a_model(inputs):
    for make in (lambda w: BoostingLearner("plain", n_trees=10, workers=w), lambda w: ForestLearner("plain", n_trees=6, workers=w)):  # fmt: skip
        one, two = (make(w).fit(inputs, Labels(heavy_atoms(), "regression"), ROWS, seed=3) for w in (1, 2))
        for name, array in one.arrays().items():
            np.testing.assert_array_equal(array, two.arrays()[name])


@pytest.fixture(scope="module")
def text():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(100, 4))
    settings_ = {
        "objective": "regression",
        "num_leaves": 5,
        "verbosity": -1,
        "use_missing": False,
        "min_data_in_leaf": 1,
    }
    return lightgbm.train(settings_, lightgbm.Dataset(table, table[:, 0] - table[:, 3]), 2).model_to_string()


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("left_child=", "left_child=99 "), ("num_leaves=5", "num_leaves=6"), ("leaf_value=", "leaf_value=nan "),
        ("num_cat=0", "num_cat=1"), ("decision_type=2", "decision_type=8"), ("Tree=", "Bush="),
        ("split_feature=", "split_feature=7 "), ("threshold=", "depth="),
    ],
)  # fmt: skip
def test_a_damaged_text_is_refused(text, was, becomes):
    assert was in text
    with pytest.raises((ValueError, KeyError)):
        trees_of_text(text.replace(was, becomes), width=4)


def test_a_text_may_not_point_past_the_features_or_backwards(text):
    with pytest.raises(ValueError, match="points"):
        trees_of_text(text, width=1)
    trees = trees_of_text(text, width=4)
    backwards = {**trees.arrays(), "left": np.where(trees.left > 0, 0, trees.left)}
    with pytest.raises(ValueError, match="backwards"):
        Trees.restore(backwards, width=4)
    with pytest.raises(ValueError, match="length"):
        Trees.restore({**trees.arrays(), "value": trees.value[1:]}, width=4)


@pytest.mark.parametrize(
    "restore",
    [
        lambda: KernelMember.restore({"kernel": "taste", "offset": 0, "platt": None}, {"weights": np.zeros(3)}, references=3),
        lambda: KernelMember.restore({"kernel": "substructures", "offset": 0, "platt": None}, {"weights": np.zeros(2)}, references=3),
        lambda: NeighbourMember.restore({"kernel": "substructures", "k": 1, "mean": 0}, {"values": np.full(3, np.nan)}, references=3),
        lambda: ForestMember.restore({"layout": "attic"}, {}, references=0),
        lambda: BoostedMember.restore({"layout": "plain", "task": "poetry"}, {"text": np.zeros(3, np.uint8)}, references=0),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(restore):
    with pytest.raises(ValueError, match=r"\w"):
        restore()


def test_columns_that_never_vary_are_left_out():
    table = np.array([[0, 1, 5], [0, 1, 6], [0, 2, 7]], np.float32)
    assert varied_columns(table).tolist() == [2]
    assert varied_columns(np.zeros((3, 2), np.float32)).tolist() == [0]


def test_tables_have_the_width_that_they_promise(inputs):
    for layout in ("plain", "wide"):
        assert inputs.table(layout).shape == (len(ROWS), layout_width(layout))
        np.testing.assert_array_equal(inputs.take(ROWS[3:9]).take(ROWS[:2]).table(layout), inputs.table(layout)[3:5])
