"""A bad row costs nobody else anything: the scorer's failures are isolated row by row."""

from __future__ import annotations

import numpy as np
import pytest
from cheap_scorer import CheapScorer
from hypothesis import given
from hypothesis import strategies as st

from cinchona.errors import RetryableError
from cinchona.records import CompoundBatch, Stage
from cinchona.screening.scoring import score_in_batches

SCORER = CheapScorer(raises="!", lies="?", rejects="#", nan="~")
marks = st.sampled_from(["", "", "", "", "!", "?", "#", "~"])


@given(st.lists(marks, max_size=40), st.integers(1, 12))
def test_each_row_is_scored_or_rejected_and_good_rows_keep_their_scores(rows, batch_rows):
    smiles = [f"C{i}{mark}" for i, mark in enumerate(rows)]
    scored = score_in_batches(SCORER, CompoundBatch.of(smiles), rows=batch_rows)
    bad = {i for i, mark in enumerate(rows) if mark in {"!", "?", "#"}}
    assert {r.row_id for r in scored.rejects} == bad
    assert len(scored.rejects) == len(bad)
    if scored.scores is None:
        assert len(bad) == len(rows)
        return
    good = [i for i in range(len(rows)) if i not in bad]
    assert scored.scores.row_ids.tolist() == good
    np.testing.assert_array_equal(scored.scores.score, np.float32([SCORER.value_of(smiles[i]) for i in good]))


def test_reasons_are_one_line():
    scored = score_in_batches(SCORER, CompoundBatch.of(["C!", "C?", "C#"]), rows=8)
    assert [(r.stage, r.reason) for r in sorted(scored.rejects, key=lambda r: r.row_id)] == [
        (Stage.SCORE, "the scorer failed: ValueError: I do not like this one"),
        (Stage.SCORE, scored.rejects[1].reason),
        (Stage.SCORE, "not to my taste"),
    ]
    assert "ContractError" in {r.row_id: r.reason for r in scored.rejects}[1]
    assert not [r for r in scored.rejects if "\n" in r.reason]


def test_what_another_try_can_mend_is_no_reject():
    with pytest.raises(RetryableError, match="licence server"):
        score_in_batches(CheapScorer(retryable=True), CompoundBatch.of(["C"] * 9), rows=8)
