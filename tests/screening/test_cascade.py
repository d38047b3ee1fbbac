"""A first stage before a scorer: its cutoff, what it passes over, what the audit says, and runs that use it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from additive_scorer import AdditiveScorer
from cheap_scorer import CheapScorer
from small_screens import nci_library, score_table, small_settings

from cinchona.cli.results import screen_data
from cinchona.errors import InputError, PlanMismatchError
from cinchona.models.coded_input import molecules_of
from cinchona.models.surrogate import Surrogate
from cinchona.pipelines import cascade as setting_up
from cinchona.pipelines.screen import resume, screen
from cinchona.records import CompoundBatch, EndpointStatus
from cinchona.screening.cascade import FEWEST_BEST, CascadeScorer, FirstStage, find_cutoff
from cinchona.screening.cascade_audit import CascadeAudit
from cinchona.screening.cascade_record import CascadeRecord
from cinchona.screening.folder import RunFolder

SMILES = ["CCO", "NCCN", "CCCCCCCC", "NC(=O)C(N)C(N)=O", "c1ccccc1", "CCBr", "NCCO", "CC(C)C", "OCC(O)CO", "CCl"]


def first_stage(cutoff: float, audit: float = 0.0) -> FirstStage:
    batch = CompoundBatch.of(SMILES * 20)
    score = np.array([AdditiveScorer.value_of(s) for s in batch.smiles])
    return FirstStage(Surrogate.fit(molecules_of(batch)[0], score, seed=0), cutoff, audit)


# ------------------------------------------------------------------------------------------------------------- cutoff


@pytest.mark.parametrize(("best", "rank"), [(99, 1), (150, 1), (199, 2), (500, 5)])
def test_the_cutoff_is_the_order_statistic_of_the_best_rows(best: int, rank: int) -> None:
    rng = np.random.default_rng(best)
    score, estimate = rng.normal(size=2_000), rng.normal(size=2_000)
    cutoff = find_cutoff(estimate, score, share=best / 2_000)
    assert cutoff is not None
    chosen = np.sort(estimate[np.argsort(-score)[:best]])
    assert (cutoff.value, cutoff.best) == (chosen[rank - 1], best)
    assert cutoff.promised == pytest.approx(1 - rank / (best + 1))
    assert cutoff.promised >= 0.99
    assert cutoff.passes == pytest.approx(np.mean(estimate >= cutoff.value), abs=1e-3)


def test_the_promise_holds_on_average_even_for_a_first_stage_that_knows_nothing() -> None:
    rng, recalls = np.random.default_rng(0), []
    for _ in range(400):
        score, estimate = rng.normal(size=500), rng.normal(size=500)
        cutoff = find_cutoff(estimate, score, share=0.01)
        assert cutoff is not None
        recalls.append(np.mean(rng.normal(size=2_000) >= cutoff.value))
    assert np.mean(recalls) == pytest.approx(1 - 1 / (FEWEST_BEST + 1), abs=0.0015)


def test_a_sample_without_enough_good_rows_gives_no_cutoff() -> None:
    assert find_cutoff(np.zeros(FEWEST_BEST - 1), np.zeros(FEWEST_BEST - 1), share=0.1) is None
    assert find_cutoff(np.zeros(FEWEST_BEST), np.zeros(FEWEST_BEST), share=0.1) is not None


# ------------------------------------------------------------------------------------------------------------- scorer


@pytest.mark.parametrize("detailed", [False, True])
def test_rows_below_the_cutoff_are_passed_over_and_keep_their_place(*, detailed: bool) -> None:
    scorer = AdditiveScorer(0.0, detailed=detailed)
    batch = CompoundBatch.of([*SMILES, "nonsense"], row_ids=np.arange(100, 111))
    found = CascadeScorer(scorer, first_stage(0.5)).score(batch).check_accounts_for(batch)
    whole = scorer.score(batch)
    passed = np.isfinite(found.score)
    assert 0 < passed.sum() < len(found)
    expected = dict(zip(whole.row_ids.tolist(), whole.score.tolist(), strict=True))
    assert [expected[row] for row in found.row_ids[passed].tolist()] == found.score[passed].tolist()
    assert min(found.score[passed]) > max(AdditiveScorer.value_of(SMILES[row - 100]) for row in found.row_ids[~passed])
    assert (found.status[~passed, :2] == EndpointStatus.SKIPPED).all()
    assert (found.status[passed] == EndpointStatus.OK).all()
    assert np.isnan(found.value[~passed, :2]).all()
    assert np.isnan(found.value[:, 2]).tolist() == [row == 110 for row in found.row_ids.tolist()]  # it does not parse
    assert (found.uncertainty is not None) == (found.nearest_train_ids is not None) == detailed


def test_a_cutoff_below_everything_changes_no_score() -> None:
    scorer, batch = AdditiveScorer(0.0), CompoundBatch.of(SMILES)
    whole, found = scorer.score(batch), CascadeScorer(scorer, first_stage(-100.0)).score(batch)
    assert found.score.tolist() == whole.score.tolist()
    assert found.value[:, :2].tolist() == whole.value.tolist()
    assert found.rejects == whole.rejects


def test_a_batch_of_hopeless_rows_never_reaches_the_scorer() -> None:
    batch = CompoundBatch.of(["CCO", "CCC"])
    found = CascadeScorer(CheapScorer(raises="CC"), first_stage(100.0)).score(batch).check_accounts_for(batch)
    assert np.isnan(found.score).all()


def test_which_rows_are_audited_depends_on_the_compound_alone() -> None:
    scorer = CascadeScorer(AdditiveScorer(0.0, rejects="!"), first_stage(100.0, audit=0.3))
    smiles = ["C" * i for i in range(1, 400)]
    whole = np.isfinite(scorer.score(CompoundBatch.of(smiles)).score)
    apart = [np.isfinite(scorer.score(CompoundBatch.of([s])).score[0]) for s in smiles[::7]]
    assert apart == whole[::7].tolist()
    assert 0.2 < whole.mean() < 0.4


def test_another_cutoff_is_another_scorer() -> None:
    stages = [first_stage(1.0), first_stage(1.5), first_stage(1.0, audit=0.1)]
    assert len({CascadeScorer(AdditiveScorer(), stage).fingerprint for stage in stages}) == 3


def test_a_first_stage_survives_the_disk(tmp_path: Path) -> None:
    stage = first_stage(0.25, audit=0.1)
    stage.save(tmp_path)
    scorer = AdditiveScorer()
    assert CascadeScorer(scorer, FirstStage.load(tmp_path)).fingerprint == CascadeScorer(scorer, stage).fingerprint


@pytest.mark.parametrize("content", [None, b"", b"\x80\x04pickle", b"\xff" * 100])
def test_a_damaged_first_stage_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "cascade.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="does not read"):
        FirstStage.load(tmp_path)
    (tmp_path / "cascade.json").write_text('{"used": true}')
    with pytest.raises(InputError, match="does not read"):
        CascadeRecord.read(tmp_path / "cascade.json")


# -------------------------------------------------------------------------------------------------------------- audit


def test_the_audit_scales_what_it_found_to_all_rows_that_were_skipped() -> None:
    audit = CascadeAudit(skipped=900, audited=100, as_good=1, found=91)
    assert audit.recall == pytest.approx(91 / 100)
    assert audit.lower == pytest.approx(91 / (91 + 900 * 0.0465), abs=0.005)  # Clopper and Pearson: 1 of 100, one-sided
    assert CascadeAudit(skipped=0, audited=0, as_good=0, found=5).lower == 1.0
    assert CascadeAudit(skipped=9, audited=0, as_good=0, found=5).lower == pytest.approx(5 / 14)


# --------------------------------------------------------------------------------------------------------------- runs


@pytest.fixture
def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample of a small library is most of it, which would never pay."""
    monkeypatch.setattr(setting_up, "LARGEST_SHARE", 0.6)
    monkeypatch.setattr(setting_up, "_WORTH", np.inf)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return nci_library(tmp_path / "library.csv", 4_900)


@pytest.mark.usefixtures("generous")
@pytest.mark.parametrize("kind", ["serial", "processes"])
def test_a_run_finds_what_a_run_without_cascade_finds(tmp_path: Path, library: Path, kind: str) -> None:
    scorer, options = AdditiveScorer(), {"partition_rows": 1_000, "batch_rows": 500, "max_reject_share": 1.0}
    plain = screen(library, model=scorer, out=tmp_path / "plain", settings=small_settings(**options))
    found = screen(
        library, model=scorer, out=tmp_path / "run", settings=small_settings(kind, cascade=True, **options), seed=3
    )
    assert found.cascade is not None
    assert found.rows == found.scored + found.rejected == 4_900
    assert found.rejected <= plain.rejected  # a hopeless row is not shown to the scorer, which would have rejected it
    assert 1_000 < found.cascade.skipped < 4_900
    assert found.cascade.audited > 0
    assert found.hits["row_id"].to_pylist() == plain.hits["row_id"].to_pylist()
    assert found.cascade.recall > 0.9
    assert 0.0 < found.cascade.lower <= found.cascade.recall
    scores = score_table(tmp_path / "run")["score"].to_numpy()
    scored = np.isfinite(scores)
    assert scores[scored].tolist() == score_table(tmp_path / "plain")["score"].to_numpy()[scored].tolist()
    figures = screen_data(found)
    assert (figures["left_to_first_stage"], figures["recall"]) == (found.cascade.skipped, found.cascade.recall)
    assert "recall" not in screen_data(plain)
    report = (tmp_path / "run" / "report.html").read_text()
    assert "Cascade on: the first stage" in report
    assert "Audit of the cascade" in report


@pytest.mark.usefixtures("generous")
def test_a_run_that_lost_partitions_is_resumed_with_its_own_first_stage(tmp_path: Path, library: Path) -> None:
    scorer, out = AdditiveScorer(), tmp_path / "run"
    options = small_settings(cascade=True, partition_rows=1_000, max_reject_share=1.0)
    whole = screen(library, model=scorer, out=out, settings=options)
    next(RunFolder(out).receipt_files()).unlink()
    again = resume(out, model=scorer)
    assert (again.scores_digest, again.cascade) == (whole.scores_digest, whole.cascade)
    RunFolder(out).plan.unlink()
    planned_again = screen(library, model=scorer, out=out, settings=options)
    assert planned_again.plan == whole.plan
    with pytest.raises(PlanMismatchError, match="cascade"):
        screen(library, model=scorer, out=out, settings=small_settings(partition_rows=1_000, max_reject_share=1.0))
    (out / "cascade.safetensors").write_bytes(b"altered")
    with pytest.raises(InputError, match="first stage"):
        resume(out, model=scorer)


@pytest.mark.parametrize("scorer", [AdditiveScorer(seconds=0.0), CheapScorer()])
def test_where_it_does_not_pay_it_is_off_and_says_so(
    tmp_path: Path, library: Path, scorer: AdditiveScorer | CheapScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setting_up, "LARGEST_SHARE", 0.6)
    options = {"partition_rows": 1_000, "batch_rows": 500, "max_reject_share": 1.0}
    found = screen(library, model=scorer, out=tmp_path / "run", settings=small_settings(cascade=True, **options))
    assert found.cascade is None
    assert "would not pay" in json.loads((tmp_path / "run" / "cascade.json").read_text())["why"]
    assert "Cascade off" in (tmp_path / "run" / "report.html").read_text()
    assert found.histogram.not_finite == 0


@pytest.mark.parametrize(
    ("passes", "set_up", "workers", "cost"),
    [(0.0, 0.0, 1, 0.02), (1.0, 0.0, 4, 1.0), (0.5, 0.0, 1, 0.51), (0.0, 25.0, 1, 0.27), (0.0, 25.0, 4, 1.02)],
)
def test_the_balance_counts_audit_and_set_up_which_workers_do_not_share(
    passes: float, set_up: float, workers: int, cost: float
) -> None:
    balance = setting_up._Balance(rows=100_000, workers=workers, seconds=0.001, cheap=0.0, set_up=set_up, passes=passes)
    assert balance.cost == pytest.approx(cost)


def test_a_small_library_is_not_worth_a_cascade(tmp_path: Path) -> None:
    library = nci_library(tmp_path / "library.csv", 300)
    settings = small_settings(cascade=True, max_reject_share=1.0)
    found = screen(library, model=AdditiveScorer(0.0), out=tmp_path / "run", settings=settings)
    assert (found.rows, found.cascade) == (300, None)
    assert "too small" in CascadeRecord.read(tmp_path / "run" / "cascade.json").why
