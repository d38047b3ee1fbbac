"""The contract of scorers accepts an honest scorer and catches each kind of cheat."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from contracts.scorer import BAD_SMILES, GOOD_SMILES, ScorerContract

from cinchona.errors import ShapeError
from cinchona.protocols import Requirement
from cinchona.records import (
    CompoundBatch,
    Endpoint,
    EndpointStatus,
    Reject,
    Scores,
    Stage,
    concatenate,
    default_objective,
)  # fmt: skip


class LetterScorer:
    """Scores a text by its letters; honest, small and without chemistry."""

    name = "letters"
    requires = frozenset({Requirement.SMILES})
    endpoints = (Endpoint("carbons"), Endpoint("share", kind="classification"))
    objective = "carbons"

    @property
    def fingerprint(self):
        return hashlib.sha256(b"letters-1").hexdigest()

    def values(self, smiles):
        return np.array([[s.count("C"), s.count("O") / len(s)] for s in smiles], np.float32).reshape(-1, 2)

    def score(self, batch):
        good = np.array([s not in BAD_SMILES for s in batch.smiles], bool)
        kept = batch.take(np.flatnonzero(good))
        value = self.values(kept.smiles)
        rejects = tuple(Reject(int(r), Stage.PARSE, "no molecule") for r in batch.row_ids[~good])
        return Scores(
            row_ids=kept.row_ids, endpoints=self.endpoints, value=value, rejects=rejects,
            score=default_objective(self.endpoints, value), uncertainty=np.ones_like(value), lower=value - 1,
            upper=value + 1, in_domain=np.ones(value.shape, np.int8), status=np.zeros(value.shape, np.int8),
        )  # fmt: skip


class TestHonestScorer(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return LetterScorer()


class Altered(LetterScorer):
    """Honest but for one change of its scores."""

    def change(self, scores, batch):
        raise NotImplementedError

    def score(self, batch):
        return self.change(super().score(batch), batch)


class DropsRows(Altered):
    def change(self, scores, batch):
        return replace(scores, rejects=())


class DropsLastRow(LetterScorer):
    def score(self, batch):
        return super().score(batch.slice(0, max(len(batch) - 1, 0)))


class DoublesRows(Altered):
    def change(self, scores, batch):
        return concatenate([scores, scores])


class InventsRowIds(Altered):
    def change(self, scores, batch):
        return replace(scores, row_ids=np.arange(len(scores), dtype=np.int64))


class Reorders(Altered):
    def change(self, scores, batch):
        return replace(scores, row_ids=scores.row_ids[::-1].copy(), value=scores.value[::-1], score=scores.score[::-1])


class NormalizesByBatch(Altered):
    def change(self, scores, batch):
        return replace(
            scores, value=scores.value - scores.value.mean(axis=0, keepdims=True) if len(scores) else scores.value
        )


class DependsOnPosition(Altered):
    def change(self, scores, batch):
        return replace(scores, score=(scores.score + 0.1 * np.arange(len(scores))).astype(np.float32))


class SeesNeighbours(Altered):
    def change(self, scores, batch):
        return replace(scores, value=scores.value + np.float32(len(scores.rejects)))


class IsRandom(Altered):
    def __init__(self):
        self._rng = np.random.default_rng(0)

    def change(self, scores, batch):
        return replace(scores, score=self._rng.random(len(scores), np.float32))


class RaisesOnBadSmiles(LetterScorer):
    def score(self, batch):
        assert not set(batch.smiles) & set(BAD_SMILES), "cannot parse"
        return super().score(batch)


class ScoresBadSmiles(LetterScorer):
    def score(self, batch):
        value = self.values([s or "x" for s in batch.smiles])
        return Scores(batch.row_ids, self.endpoints, value, value[:, 0].copy())


class RejectsWithoutReason(Altered):
    def change(self, scores, batch):
        return replace(scores, rejects=tuple(Reject(r.row_id, r.stage, " ") for r in scores.rejects))


class FailsOnEmptyBatch(LetterScorer):
    def score(self, batch):
        assert len(batch), "no rows"
        return super().score(batch)


class WrongShapeOfEmptyBatch(LetterScorer):
    def score(self, batch):
        if len(batch):
            return super().score(batch)
        return Scores(np.zeros(0, np.int64), self.endpoints[:1], np.zeros((0, 1), np.float32), np.zeros(0, np.float32))


class WrongType(Altered):
    def change(self, scores, batch):
        return replace(scores, value=scores.value.astype(np.float64))


class WrongDomainCodes(Altered):
    def change(self, scores, batch):
        return replace(scores, in_domain=np.full(scores.value.shape, 7, np.int8))


class WrongEndpoints(Altered):
    def change(self, scores, batch):
        return replace(scores, endpoints=(Endpoint("a"), Endpoint("b")))


class HidesFailures(Altered):
    def change(self, scores, batch):
        value = scores.value.copy()
        value[:1] = np.nan
        return replace(scores, value=value)


class KeepsValuesOfFailures(Altered):
    def change(self, scores, batch):
        return replace(scores, status=np.full(scores.value.shape, EndpointStatus.FAILED, np.int8))


class ImpossibleProbability(Altered):
    def change(self, scores, batch):
        return replace(scores, value=scores.value + 2)


class CrossedInterval(Altered):
    def change(self, scores, batch):
        return replace(scores, lower=scores.upper, upper=scores.lower)


class NegativeUncertainty(Altered):
    def change(self, scores, batch):
        return replace(scores, uncertainty=-scores.uncertainty)


class RestlessFingerprint(LetterScorer):
    _calls = 0

    @property
    def fingerprint(self):
        self._calls += 1
        return hashlib.sha256(str(self._calls).encode()).hexdigest()


class WordyFingerprint(LetterScorer):
    fingerprint = "version 1"


class LosesStateInPickle(LetterScorer):
    def __init__(self):
        self._offset = np.float32(3)

    def __getstate__(self):
        return {"_offset": np.float32(0)}

    def values(self, smiles):
        return super().values(smiles) * np.array([1 + self._offset, 1], np.float32)


class Nameless(LetterScorer):
    name = " "


class TwinEndpoints(LetterScorer):
    endpoints = (Endpoint("a"), Endpoint("a"))


class LooseRequirements(LetterScorer):
    requires = ("smiles",)


_CATCHES = [
    (DropsRows, "test_bad_smiles_become_rejects"),
    (DropsLastRow, "test_accounts_for_all_rows"),
    (DoublesRows, "test_accounts_for_all_rows"),
    (InventsRowIds, "test_accounts_for_all_rows"),
    (Reorders, "test_accounts_for_all_rows"),
    (NormalizesByBatch, "test_batch_boundaries_do_not_matter"),
    (DependsOnPosition, "test_order_does_not_matter"),
    (SeesNeighbours, "test_bad_neighbours_do_not_matter"),
    (IsRandom, "test_repeats_to_the_bit"),
    (RaisesOnBadSmiles, "test_bad_smiles_become_rejects"),
    (ScoresBadSmiles, "test_bad_smiles_become_rejects"),
    (RejectsWithoutReason, "test_bad_smiles_become_rejects"),
    (FailsOnEmptyBatch, "test_empty_batch"),
    (WrongShapeOfEmptyBatch, "test_empty_batch"),
    (WrongType, "test_shapes_types_and_ranges"),
    (WrongDomainCodes, "test_shapes_types_and_ranges"),
    (WrongEndpoints, "test_shapes_types_and_ranges"),
    (HidesFailures, "test_shapes_types_and_ranges"),
    (KeepsValuesOfFailures, "test_shapes_types_and_ranges"),
    (ImpossibleProbability, "test_shapes_types_and_ranges"),
    (CrossedInterval, "test_shapes_types_and_ranges"),
    (NegativeUncertainty, "test_shapes_types_and_ranges"),
    (RestlessFingerprint, "test_fingerprint_is_stable"),
    (WordyFingerprint, "test_fingerprint_is_stable"),
    (LosesStateInPickle, "test_survives_cloudpickle"),
    (Nameless, "test_declares_itself"),
    (TwinEndpoints, "test_declares_itself"),
    (LooseRequirements, "test_declares_itself"),
]


def _run(test, scorer):
    contract = ScorerContract()
    known = {"scorer": scorer, "smiles": GOOD_SMILES, "make_batch": CompoundBatch.of}
    method = getattr(contract, test)
    names = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    method(**{name: known[name] for name in names})


@pytest.mark.parametrize("broken,test", _CATCHES, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_scorer_is_caught(broken, test):
    _run(test, LetterScorer())
    with pytest.raises(AssertionError):
        _run(test, broken())


def test_a_scribbling_scorer_is_caught():
    class Recorder(LetterScorer):
        def score(self, batch):
            # Arrow data is read-only by intent, not by force: overwrite it through its address.
            import ctypes

            scores = super().score(batch)
            if len(batch):
                ctypes.memset(batch.data.column(0).buffers()[1].address, 1, 8)
            return scores

    with pytest.raises(AssertionError):
        _run("test_leaves_the_batch_alone", Recorder())


def test_every_test_of_the_contract_catches_somebody():
    tests = {name for name in vars(ScorerContract) if name.startswith("test_")}
    caught = {test for _, test in _CATCHES} | {"test_leaves_the_batch_alone", "test_equal_molecules_score_equally"}
    assert caught == tests


def test_equal_molecules_scored_apart_are_caught():
    with pytest.raises(AssertionError):
        _run("test_equal_molecules_score_equally", DependsOnPositionInValue())


class DependsOnPositionInValue(Altered):
    def change(self, scores, batch):
        step = np.arange(len(scores), dtype=np.float32)[:, None]
        return replace(scores, value=scores.value + step)


def test_wrong_widths_cannot_even_be_built():
    with pytest.raises(ShapeError):
        Scores(np.zeros(1, np.int64), LetterScorer.endpoints, np.zeros((1, 1), np.float32), np.zeros(1, np.float32))
