"""How many compounds a scorer gets at once: what is faster is found, noise decides nothing, and a bad scorer stops no plan."""

from __future__ import annotations

import pytest
from cheap_scorer import CheapScorer
from small_screens import nci_library, small_settings

from cinchona.errors import RetryableError
from cinchona.pipelines.screen import screen
from cinchona.records import CompoundBatch
from cinchona.screening import batches
from cinchona.screening.batches import USUAL_ROWS, batch_rows_for, quickest
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan

BATCH = CompoundBatch.of(["C" * (1 + k % 9) for k in range(4_096)])


class Timed(CheapScorer):
    """Takes as long as ``costs`` says for a batch of so many rows, by a clock of its own."""

    def __init__(self, costs):
        super().__init__()
        self.costs, self.now = costs, 0.0

    def clock(self):
        return self.now

    def score(self, batch):
        self.now += self.costs(len(batch))
        return super().score(batch)


@pytest.mark.parametrize(
    ("costs", "best"),
    [
        (lambda rows: 1 + 0.001 * rows, 4_096),  # a price for each batch: wide ones are cheaper
        (lambda rows: 1e-6 * rows**2, 256),  # wide ones leave the cache
        (lambda rows: rows * (1.0 if rows == 1_024 else 1.19), 4_096),  # a little faster is noise
        (lambda rows: rows * (1.0 if rows == 1_024 else 1.3), 1_024),
    ],
)
def test_another_number_is_taken_where_it_is_clearly_faster(costs, best):
    scorer = Timed(costs)
    assert quickest(scorer, BATCH, clock=scorer.clock) == best


def test_what_is_no_candidate_is_looked_at_on_a_part_only():
    scorer = Timed(lambda rows: rows)
    assert quickest(scorer, BATCH, clock=scorer.clock) == USUAL_ROWS
    assert scorer.now < 1.6 * len(BATCH)


def test_a_slow_first_time_is_not_believed():
    first = iter([2.0])
    scorer = Timed(lambda rows: rows * (next(first, 1.0) if rows == USUAL_ROWS else 1.0))
    assert quickest(scorer, BATCH, clock=scorer.clock) == USUAL_ROWS
    assert scorer.now < 3.6 * len(BATCH), "once more, and nothing else"


def test_small_libraries_are_not_measured(monkeypatch):
    monkeypatch.setattr(batches, "quickest", lambda *_: pytest.fail("measured"))
    assert batch_rows_for(CheapScorer(), batches.WORTH_MEASURING - 1) == USUAL_ROWS


def test_large_ones_are_measured_on_real_compounds(monkeypatch):
    seen = []
    monkeypatch.setattr(batches, "quickest", lambda _, batch: seen.append(len(batch)) or 256)
    assert batch_rows_for(CheapScorer(), 10**9) == 256
    assert 4_000 < seen[0] <= USUAL_ROWS


def test_a_scorer_that_fails_on_them_gets_the_usual_number():
    class Broken(CheapScorer):
        def score(self, batch):
            raise ValueError("not these")

    class Full(CheapScorer):
        def score(self, batch):
            raise RetryableError("the disk is full")

    assert batch_rows_for(Broken(), 10**9) == USUAL_ROWS
    with pytest.raises(RetryableError):
        batch_rows_for(Full(), 10**9)


@pytest.mark.parametrize(("asked", "planned"), [(None, 77), (32, 32)])
def test_the_plan_keeps_what_was_measured_or_asked_for_and_workers_obey(tmp_path, monkeypatch, asked, planned):
    monkeypatch.setattr("cinchona.screening.planning.batch_rows_for", lambda *_: 77)
    sizes = []

    class Noting(CheapScorer):
        def score(self, batch):
            sizes.append(len(batch))
            return super().score(batch)

    library = nci_library(tmp_path / "library.csv", 150)
    screen(library, model=Noting(), out=tmp_path / "run", settings=small_settings(batch_rows=asked, partition_rows=150))
    assert load_plan(RunFolder(tmp_path / "run")).batch_rows == planned
    assert max(sizes) == planned
