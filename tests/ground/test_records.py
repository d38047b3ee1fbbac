"""The records of the seams: what they accept, what they refuse, what they add up to."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.errors import ContractError, ShapeError
from cinchona.records import (
    CompoundBatch,
    Direction,
    Endpoint,
    EndpointStatus,
    Reject,
    Scores,
    Stage,
    concatenate,
    default_objective,
)  # fmt: skip

ONE = (Endpoint("pIC50"),)


def _scores(rows, *, rejects=(), **columns):
    rows = np.asarray(rows, np.int64)
    value = np.arange(len(rows), dtype=np.float32)[:, None]
    return Scores(rows, ONE, value, value[:, 0].copy(), rejects=tuple(rejects), **columns)


def _reject(row):
    return Reject(row, Stage.SCORE, "no")


class TestCompoundBatch:
    def test_ids_default_to_row_numbers(self):
        batch = CompoundBatch.of(["C", "CC"], row_ids=[7, 9])
        assert batch.compound_ids == ["7", "9"]
        assert batch.row_ids.tolist() == [7, 9]
        assert batch.row_ids.dtype == np.int64
        assert CompoundBatch.of(["C"]).row_ids.tolist() == [0]

    def test_lengths_must_agree(self):
        with pytest.raises(ShapeError, match="row_ids"):
            CompoundBatch.of(["C"], row_ids=[1, 2])
        with pytest.raises(ShapeError, match="compound_ids"):
            CompoundBatch.of(["C"], compound_ids=[])

    def test_columns_must_be_the_agreed_ones(self):
        with pytest.raises(ContractError, match="smiles"):
            CompoundBatch(pa.RecordBatch.from_pydict({"smiles": ["C"], "row_id": [0], "compound_id": ["a"]}))
        with pytest.raises(ContractError, match="int32"):
            CompoundBatch(pa.RecordBatch.from_pydict(
                {"row_id": pa.array([0], pa.int32()), "compound_id": ["a"], "smiles": ["C"]}))  # fmt: skip

    def test_absent_text_is_empty_and_not_the_word_none(self):
        data = {"row_id": pa.array([0], pa.int64()), "compound_id": pa.array([None], pa.string())}
        batch = CompoundBatch(pa.RecordBatch.from_pydict({**data, "smiles": pa.array([None], pa.string())}))
        assert (batch.compound_ids, batch.smiles) == ([""], [""])

    def test_further_columns_stay(self):
        data = {
            "row_id": pa.array([3, 4], pa.int64()),
            "compound_id": ["a", "b"],
            "smiles": ["C", "O"],
            "price": [1.0, 2.0],
        }
        batch = CompoundBatch(pa.RecordBatch.from_pydict(data)).take(np.array([1]))
        assert batch.data.column("price").to_pylist() == [2.0]

    @given(st.integers(0, 6), st.integers(0, 6))
    def test_slices_are_rows(self, start, length):
        batch = CompoundBatch.of([f"C{i}" for i in range(6)])
        assert batch.slice(start, length).smiles == batch.smiles[start : start + length]

    @given(st.lists(st.integers(0, 4), max_size=8))
    def test_take_is_by_position(self, indices):
        batch = CompoundBatch.of(list("CNOSP"), row_ids=[50, 40, 30, 20, 10])
        taken = batch.take(np.array(indices, np.int64))
        assert taken.smiles == ["CNOSP"[i] for i in indices]
        assert taken.row_ids.tolist() == [[50, 40, 30, 20, 10][i] for i in indices]

    def test_is_frozen(self):
        with pytest.raises(FrozenInstanceError):
            CompoundBatch.of(["C"]).data = None


class TestScores:
    @pytest.mark.parametrize("name", ["value", "uncertainty", "lower", "upper", "in_domain", "status"])
    def test_columns_have_a_column_for_each_endpoint(self, name):
        with pytest.raises(ShapeError, match=name):
            replace(_scores([1, 2]), **{name: np.zeros((2, 3), np.float32)})

    def test_score_has_one_dimension(self):
        with pytest.raises(ShapeError, match="score"):
            replace(_scores([1, 2]), score=np.zeros((2, 1), np.float32))

    def test_nearest_ids_are_one_a_row(self):
        with pytest.raises(ShapeError, match="nearest_train_ids"):
            _scores([1, 2], nearest_train_ids=("a",))

    def test_rows_are_accounted_for(self):
        batch = CompoundBatch.of(["C", "N", "O"], row_ids=[5, 6, 7])
        scores = _scores([5, 7], rejects=[_reject(6)])
        assert scores.check_accounts_for(batch) is scores
        assert len(scores) == 2

    @pytest.mark.parametrize("rows,rejected,fault", [
        ([5, 7], [], "missing 1, foreign 0, doubled 0"),
        ([5, 6, 7, 8], [], "missing 0, foreign 1, doubled 0"),
        ([5, 6, 7], [6], "missing 0, foreign 0, doubled 1"),
        ([5, 6, 6], [], "missing 1, foreign 0, doubled 1"),
        ([], [], "missing 3, foreign 0, doubled 0"),
    ])  # fmt: skip
    def test_faults_are_counted(self, rows, rejected, fault):
        batch = CompoundBatch.of(["C", "N", "O"], row_ids=[5, 6, 7])
        with pytest.raises(ContractError, match=fault):
            _scores(rows, rejects=[_reject(r) for r in rejected]).check_accounts_for(batch)

    @settings(max_examples=60)
    @given(st.lists(st.sampled_from(["scored", "rejected", "lost", "doubled"]), max_size=8))
    def test_accounting_finds_exactly_the_broken_batches(self, fates):
        batch = CompoundBatch.of(["C"] * len(fates), row_ids=range(100, 100 + len(fates)))
        rows = [100 + i for i, fate in enumerate(fates) for _ in range({"scored": 1, "doubled": 2}.get(fate, 0))]
        scores = _scores(rows, rejects=[_reject(100 + i) for i, fate in enumerate(fates) if fate == "rejected"])
        if {"lost", "doubled"} & set(fates):
            with pytest.raises(ContractError):
                scores.check_accounts_for(batch)
        else:
            scores.check_accounts_for(batch)

    def test_comparing_arrays_by_accident_is_no_trap(self):
        scores = _scores([1, 2])
        assert scores == scores  # noqa: PLR0124 - the default comparison of dataclasses would raise here
        assert scores != _scores([1, 2])


class TestConcatenate:
    def test_parts_follow_each_other(self):
        joined = concatenate([_scores([1, 2], rejects=[_reject(3)]), _scores([]), _scores([4], rejects=[_reject(5)])])
        assert joined.row_ids.tolist() == [1, 2, 4]
        assert joined.value.shape == (3, 1)
        assert [r.row_id for r in joined.rejects] == [3, 5]
        assert joined.uncertainty is None

    def test_optional_columns_are_joined(self):
        ones = np.ones((1, 1), np.float32)
        joined = concatenate([_scores([i], uncertainty=i * ones, nearest_train_ids=(f"t{i}",)) for i in (1, 2)])
        assert joined.uncertainty.tolist() == [[1.0], [2.0]]
        assert joined.nearest_train_ids == ("t1", "t2")

    def test_nothing_and_strangers_are_refused(self):
        with pytest.raises(ContractError):
            concatenate([])
        other = replace(_scores([1]), endpoints=(Endpoint("logP"),))
        with pytest.raises(ContractError):
            concatenate([_scores([1]), other])

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_column_that_only_some_parts_have_is_refused(self, order):
        parts = [_scores([1], upper=np.ones((1, 1), np.float32)), _scores([2])]
        with pytest.raises(ContractError, match="upper"):
            concatenate(parts[::order])


class TestObjective:
    def test_follows_the_first_endpoint(self):
        value = np.array([[1, 9], [2, 8]], np.float64)
        up, down = Endpoint("a"), Endpoint("b", direction=Direction.LOWER)
        assert default_objective((up, down), value).tolist() == [1, 2]
        assert default_objective((down, up), value).tolist() == [-1, -2]

    def test_is_contiguous_float32_and_keeps_nan(self):
        score = default_objective(ONE, np.array([[np.nan], [1]]))
        assert score.dtype == np.float32
        assert score.flags["C_CONTIGUOUS"]
        assert np.isnan(score[0])


def test_codes_are_frozen():
    assert [s.value for s in Stage] == ["read", "parse", "standardize", "curate", "featurize", "score"]
    assert [(s.name, int(s)) for s in EndpointStatus] == [("OK", 0), ("FAILED", 1), ("CLIPPED", 2), ("SKIPPED", 3)]
