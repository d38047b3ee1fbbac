"""The few-shot ranker: its formula by hand, what it finds, and its model folder."""

from __future__ import annotations

import math

import numpy as np
import pytest
from contracts.model_folder import ModelFolderContract
from contracts.scorer import ScorerContract
from small_assays import SMILES

from cinchona.errors import ModelFileError
from cinchona.models.classical.counts import Counts
from cinchona.models.fewshot import FewShotScorer, counts_of, ranks_without
from cinchona.models.fewshot_weights import SubstructureWeights, Weights, held_out_ranks
from cinchona.models.folder import open_scorer, save_model
from cinchona.records import CompoundBatch

ACTIVES = ("CCc1ccc(S(N)(=O)=O)cc1", "Cc1ccc(S(N)(=O)=O)cc1", "NS(=O)(=O)c1ccc(Cl)cc1")
ALIKE = ("NS(=O)(=O)c1ccc(Br)cc1", "NS(=O)(=O)c1cccc(C)c1")


def counts(*molecules: tuple[int, ...]) -> dict[str, Counts]:
    start = np.cumsum([0, *map(len, molecules)]).astype(np.int64)
    ids = np.array([k for one in molecules for k in one], np.uint64)
    return {"family": Counts(start, ids, np.ones(len(ids), np.uint8))}


@pytest.fixture(scope="module")
def ranker():
    return FewShotScorer.fit(ACTIVES, SMILES)


class TestFewShotScorer(ScorerContract):
    @pytest.fixture
    def scorer(self, ranker):
        return ranker


class TestFewShotFolder(ModelFolderContract):
    @pytest.fixture
    def scorer(self, ranker):
        return ranker

    @pytest.fixture
    def save(self):
        return save_model


class TestFormula:
    def test_score_is_the_weighted_share_of_rare_substructures(self):
        known = Weights(
            np.array([3, 8], np.uint64), np.array([2.0, 0.5], np.float32), np.array([1.5, -1.0], np.float32)
        )
        weights = SubstructureWeights({"family": known}, bias=0.25, unseen=3.0)
        found = weights.scores(counts((3, 8), (8, 9), (9,), ()))
        expected = [(3.0 - 0.5) / math.sqrt(4.25), -0.5 / math.sqrt(0.25 + 9), 0.0, 0.0]
        assert found == pytest.approx([0.25 + e for e in expected])

    def test_rarity_counts_molecules_of_the_background(self):
        weights = SubstructureWeights.fit(counts((1, 7)), counts((1, 2), (1,), (1, 2)))
        known = weights.families["family"]
        assert known.ids.tolist() == [1, 2, 7]
        assert known.rarity == pytest.approx(np.sqrt(np.log([4 / 4, 4 / 3, 4 / 1])))
        assert weights.unseen == pytest.approx(math.sqrt(math.log(4)))
        assert known.weight[2] > 0 > known.weight[1]

    def test_what_everything_has_counts_for_nothing(self):
        background = counts(*[(1, 2)] * 20, *[(1, 3)] * 20)
        weights = SubstructureWeights.fit(counts((1, 4), (1, 5)), background)
        a, b = weights.scores(counts((1, 4), (4,)))
        assert a == pytest.approx(b)

    def test_order_of_actives_and_background_does_not_matter(self):
        some = SubstructureWeights.fit(counts((1, 4), (5,)), counts((1, 2), (3,), (2, 3)))
        other = SubstructureWeights.fit(counts((5,), (1, 4)), counts((2, 3), (1, 2), (3,)))
        asked = counts((1, 2, 4), (5, 9))
        assert some.scores(asked) == pytest.approx(other.scores(asked), abs=1e-3)

    @pytest.mark.parametrize("sides", [((), ((1,),)), (((1,),), ())])
    def test_both_sides_are_needed(self, sides):
        with pytest.raises(ValueError, match="both are needed"):
            SubstructureWeights.fit(*(counts(*side) for side in sides))

    @pytest.mark.parametrize(
        "arrays", [([2, 1], [1, 1], [1, 1]), ([1, 2], [1], [1, 1]), ([1, 2], [1, 1], [1, math.inf])]
    )
    def test_damaged_weights_are_refused(self, arrays):
        ids, rarity, weight = arrays
        with pytest.raises(ValueError, match="weights of substructures"):
            Weights(np.array(ids, np.uint64), np.array(rarity, np.float32), np.array(weight, np.float32))


class TestRanking:
    def test_molecules_like_the_actives_come_first(self, ranker):
        scores = ranker.score(CompoundBatch.of([*SMILES, *ALIKE])).score
        assert set(np.argsort(-scores)[:2]) == {len(SMILES), len(SMILES) + 1}

    def test_sides_stand_near_their_values(self, ranker):
        scores = ranker.score(CompoundBatch.of([*ACTIVES, *SMILES])).score
        assert scores[:3].min() > 0.9
        assert -1.1 < np.median(scores[3:]) < 0

    def test_a_single_active_is_enough(self):
        one = FewShotScorer.fit(ACTIVES[:1], SMILES)
        scores = one.score(CompoundBatch.of([*SMILES, ALIKE[0]])).score
        assert int(np.argmax(scores)) == len(SMILES)


class TestHeldOut:
    def test_alike_actives_find_each_other(self):
        assert ranks_without(ACTIVES, SMILES).tolist() == [1.0, 1.0, 1.0]

    def test_the_held_out_active_does_not_teach(self):
        # Each active has nothing but a substructure of its own: without it, it is as strange as any stranger.
        actives = counts(*[(100 + k,) for k in range(4)])
        background = counts(*[(k % 7,) for k in range(40)])
        alone = held_out_ranks(actives, background)
        joined = SubstructureWeights.fit(actives, background).scores(actives)
        assert (joined > 0.5).all()
        assert np.ptp(alone) == 0
        apart = SubstructureWeights.fit(counts((101,), (102,), (103,)), counts(*[(k % 7,) for k in range(0, 40, 2)]))
        rest = apart.scores(counts(*[(k % 7,) for k in range(1, 40, 2)]))
        own = apart.scores(counts((100,)))
        assert alone[0] == pytest.approx((rest < own).mean() + 0.5 * (rest == own).mean())

    def test_many_actives_share_folds(self):
        assert len(held_out_ranks(counts_of(SMILES[:12]), counts_of(SMILES[12:]), folds=3)) == 12

    def test_too_few_say_so(self):
        with pytest.raises(ValueError, match="expected 2 and 4 or more"):
            ranks_without(ACTIVES[:1], SMILES)


def test_a_folder_of_other_families_is_refused(ranker):
    spec = {**ranker.spec(), "families": ["morgan2"]}
    with pytest.raises(ValueError, match="families"):
        FewShotScorer.restore(spec, ranker.arrays(), ranker.endpoints)


def test_a_folder_without_an_array_is_refused(ranker, tmp_path, monkeypatch):
    arrays = ranker.arrays()
    del arrays["pairs.weight"]
    twin = FewShotScorer(ranker.weights, actives=3, background=40)
    monkeypatch.setattr(twin, "arrays", lambda: arrays)
    save_model(twin, tmp_path / "model")
    with pytest.raises(ModelFileError, match="do not fit"):
        open_scorer(tmp_path / "model")
