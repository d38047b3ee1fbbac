"""Baselines: the forest against scikit-learn, neighbours against a brute search, and all against the contract."""

from __future__ import annotations

import math

import numpy as np
import pytest
from contracts.scorer import GOOD_SMILES, ScorerContract
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from small_assays import SMILES, heavy_atoms, split_of, table_of

from cinchona.datasets.fingerprints import morgan_bits, morgan_packed
from cinchona.models.baselines import BASELINES, MeanScorer, fit_baselines
from cinchona.models.forest import ForestArrays, ForestScorer
from cinchona.models.neighbours import NearestNeighbourScorer
from cinchona.models.scorers import batch_of, endpoints_of
from cinchona.records import CompoundBatch, Endpoint

NUMBER = (Endpoint("y"),)
CLASS = (Endpoint("active", kind="classification"),)


@pytest.fixture(scope="module")
def fitted():
    values = np.column_stack([heavy_atoms(), (heavy_atoms() > 6).astype(float)])
    values[::7, 0] = math.nan
    table = table_of(values, kinds=("regression", "classification"))
    return table, fit_baselines(table, split_of(40), seed=0, n_trees=20)


class TestMean(ScorerContract):
    @pytest.fixture
    def scorer(self, fitted):
        return fitted[1]["mean"]


class TestNearestNeighbour(ScorerContract):
    @pytest.fixture
    def scorer(self, fitted):
        return fitted[1]["nearest-neighbour"]


class TestForest(ScorerContract):
    @pytest.fixture
    def scorer(self, fitted):
        return fitted[1]["forest"]


def test_all_see_training_and_validation_part_and_nothing_else(fitted):
    table, scorers = fitted
    split = split_of(40)
    assert tuple(scorers) == BASELINES
    known = np.sort(np.r_[split.train, split.valid])
    np.testing.assert_allclose(scorers["mean"].means, np.nanmean(table.values[known], axis=0))
    assert len(scorers["nearest-neighbour"].references) == len(known)
    changed = table.values.copy()
    changed[split.test] = 0.0
    again = fit_baselines(table_of(changed, kinds=("regression", "classification")), split, seed=0, n_trees=20)
    assert {name: s.fingerprint for name, s in again.items()} == {name: s.fingerprint for name, s in scorers.items()}


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_arrays_predict_what_scikit_learn_predicts(kind):
    rng = np.random.default_rng(0)
    features = rng.integers(0, 4, (300, 30)).astype(np.float32)
    target = features[:, 0] * 2 - features[:, 1] + rng.normal(size=300)
    if kind == "classification":
        forest = RandomForestClassifier(40, random_state=1).fit(features, (target > 1).astype(float))
        want = forest.predict_proba(features + 0.3)[:, 1]
    else:
        forest = RandomForestRegressor(40, random_state=1).fit(features, target)
        want = forest.predict(features + 0.3)
    trees = ForestArrays.of(forest).per_tree((features + 0.3).astype(np.float32))
    assert trees.shape == (300, 40)
    np.testing.assert_allclose(trees.mean(axis=1), want, rtol=0, atol=1e-7)


def test_forest_scorer_is_the_forest_of_scikit_learn():
    packed = morgan_packed(SMILES)
    scorer = ForestScorer.fit(SMILES, heavy_atoms()[:, None], endpoints=NUMBER, seed=3, n_trees=30)
    from cinchona.seeds import derive

    forest = RandomForestRegressor(30, max_features=1 / 3, random_state=derive(3, "forest", 0))
    forest.fit(morgan_bits(SMILES).astype(np.float32), heavy_atoms())
    want = np.stack([tree.predict(morgan_bits(GOOD_SMILES).astype(np.float32)) for tree in forest.estimators_])
    value, spread = scorer.predict_packed(morgan_packed(GOOD_SMILES))
    np.testing.assert_allclose(value[:, 0], want.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(spread[:, 0], want.std(axis=0), atol=1e-7)
    assert packed.dtype == np.uint8


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_forest_of_one_class_knows_which(label):
    scorer = ForestScorer.fit(SMILES[:10], np.full((10, 1), label), endpoints=CLASS, seed=0, n_trees=5)
    value, _ = scorer.predict_packed(morgan_packed(SMILES[10:14]))
    np.testing.assert_array_equal(value, label)


def brute_similarities(query: str) -> np.ndarray:
    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    prints = [make.GetFingerprint(Chem.MolFromSmiles(text)) for text in SMILES]
    return np.array(DataStructs.BulkTanimotoSimilarity(make.GetFingerprint(Chem.MolFromSmiles(query)), prints))


@settings(max_examples=20)
@given(st.sampled_from(GOOD_SMILES), st.integers(1, 5))
def test_neighbours_are_those_of_a_brute_search(query, k):
    scorer = NearestNeighbourScorer.fit(SMILES, heavy_atoms()[:, None], endpoints=NUMBER, k=k)
    similarity = brute_similarities(query).astype(np.float32)
    cut = np.sort(similarity)[-k]
    above, tied = similarity > cut, similarity == cut
    want = (heavy_atoms()[above].sum() + (k - above.sum()) * heavy_atoms()[tied].mean()) / k
    assert float(scorer.predict_packed(morgan_packed([query]))[0][0, 0]) == pytest.approx(want)


def test_order_of_the_training_table_does_not_matter():
    order = np.random.default_rng(0).permutation(40)
    one = NearestNeighbourScorer.fit(SMILES, heavy_atoms()[:, None], endpoints=NUMBER)
    other = NearestNeighbourScorer.fit([SMILES[i] for i in order], heavy_atoms()[order, None], endpoints=NUMBER)
    queries = morgan_packed(GOOD_SMILES)
    np.testing.assert_allclose(one.predict_packed(queries)[0], other.predict_packed(queries)[0])


def test_class_neighbours_rank_by_similarity_to_the_actives():
    labels = np.array([[1.0], [0.0], [math.nan]])
    scorer = NearestNeighbourScorer.fit(["CCO", "c1ccccc1", "CCN"], labels, endpoints=CLASS)
    value = scorer.predict_packed(morgan_packed(["CCO", "CCCO", "c1ccccc1", "[Na+]"]))[0][:, 0]
    assert value[0] == 1
    assert 0.5 < value[1] <= 1
    assert value[2] == 0
    assert value[3] == 0.5, "similar to neither: the share of actives"
    lonely = NearestNeighbourScorer.fit(["CCO", "CCN"], np.ones((2, 1)), endpoints=CLASS)
    assert lonely.predict_packed(morgan_packed(["CCC"]))[0][0, 0] == 1


def test_mean_says_the_same_of_all():
    scorer = MeanScorer.fit(np.array([[1.0], [math.nan], [4.0]]), endpoints=NUMBER)
    scores = scorer.score(CompoundBatch.of(["CCO", "c1ccccc1"]))
    np.testing.assert_array_equal(scores.value, [[2.5], [2.5]])
    assert scores.uncertainty is None


def test_a_row_without_atoms_is_a_reject(fitted):
    scores = fitted[1]["forest"].score(CompoundBatch.of(["CCO", ""]))
    assert scores.row_ids.tolist() == [0]
    assert len(scores.rejects) == 1


def test_batches_of_a_table_carry_its_rows(fitted):
    table, _ = fitted
    batch = batch_of(table, np.array([5, 2]))
    assert batch.row_ids.tolist() == [5, 2]
    assert batch.smiles == [table.smiles[5], table.smiles[2]]
    assert [e.kind for e in endpoints_of(table.targets)] == ["regression", "classification"]
