"""Damage of a run folder is found, only what is damaged is done again, and a changed world is refused."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
from pathlib import Path

import pytest
from cheap_scorer import CheapScorer
from small_screens import nci_library, small_settings

from cinchona.errors import ConfigError, ExitCode, InputError, PlanMismatchError, RetryableError
from cinchona.pipelines.screen import resume, screen
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.receipts import read_receipt
from cinchona.screening.totals import digest_scores

ROWS = 500
SERIAL = ExecutorConfig(kind="serial")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return nci_library(tmp_path_factory.mktemp("library") / "library.csv", ROWS)


@pytest.fixture(scope="module")
def finished(library, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    return screen(library, model=CheapScorer(), out=out, settings=small_settings(partition_rows=25))


@pytest.fixture
def run(finished, tmp_path) -> RunFolder:
    shutil.copytree(finished.folder, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def delete(path: Path, _chance: random.Random) -> None:
    path.unlink()


@pytest.mark.parametrize("seed", range(5))
def test_random_corruptions_are_found_and_mended(run, finished, seed):
    """Four of twenty partitions are damaged, each in its receipt or its part file, in one of three ways."""
    chance = random.Random(seed)
    files = {i: run.receipt(i) for i in range(20)}
    parts = {i: run.root / read_receipt(path).file for i, path in files.items()}
    hurt = chance.sample(range(20), 4)
    untouched = {p: p.stat().st_mtime_ns for i in range(20) if i not in hurt for p in (files[i], parts[i])}
    for i in hurt:
        chance.choice([flip, truncate, delete])(chance.choice([files[i], parts[i]]), chance)
    result = resume(run.root, model=CheapScorer())
    assert result.scores_digest == finished.scores_digest == digest_scores(run)
    assert result.hits == finished.hits
    assert {p: p.stat().st_mtime_ns for p in untouched} == untouched, "whole partitions were done again"
    assert not [i for i in hurt if files[i].stat().st_mtime_ns <= max(untouched.values())]
    assert sum(1 for _ in run.part_files()) == 20


@pytest.mark.parametrize(
    "name", ["hits.parquet", "hits.csv", "hits.sdf", "rejects.parquet", "rejects.csv", "manifest.json", "_SUCCESS"]
)
@pytest.mark.parametrize("how", [truncate, delete])
def test_damaged_outputs_are_written_again(run, finished, name, how):
    how(run.root / name, random.Random(1))
    assert resume(run.root, model=CheapScorer()).hits == finished.hits
    assert (run.root / "hits.csv").read_bytes() == (finished.folder / "hits.csv").read_bytes()
    assert (run.root / "_SUCCESS").read_text().strip() == finished.scores_digest


def test_a_whole_run_is_left_alone(run):
    before = {p: p.stat().st_mtime_ns for p in run.root.rglob("*") if p.is_file()}
    resume(run.root, model=CheapScorer())
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.parametrize("name", ["plan.json", "partitions.parquet"])
def test_a_damaged_plan_is_refused(run, name):
    flip(run.root / name, random.Random(3))
    with pytest.raises(InputError, match="the plan is damaged"):
        resume(run.root, model=CheapScorer())


def test_an_altered_plan_is_refused(run):
    plan = json.loads(run.plan.read_text())
    plan["screen"]["top_k"] = 3
    run.plan.write_text(json.dumps(plan))
    with pytest.raises(InputError, match=r"plan\.json was altered"):
        resume(run.root, model=CheapScorer())


def test_a_lost_receipt_is_noticed_by_readers(run):
    run.receipt(7).unlink()
    with pytest.raises(RetryableError, match="partition 7: the receipt is torn or altered"):
        digest_scores(run)


# ------------------------------------------------------------------------------------------------- a changed world


def mismatch(call) -> str:
    with pytest.raises(PlanMismatchError) as refused:
        call()
    assert refused.value.exit_code == ExitCode.PLAN_MISMATCH
    return str(refused.value)


def test_another_model_is_refused(run):
    text = mismatch(lambda: resume(run.root, model=CheapScorer(salt="new")))
    old, new = CheapScorer().fingerprint[:12], CheapScorer(salt="new").fingerprint[:12]
    assert f"model: planned {old}, now {new}" in text


def test_a_changed_library_is_refused(library, tmp_path):
    copy = tmp_path / "library.csv"
    shutil.copy(library, copy)
    out = tmp_path / "run"
    screen(copy, model=CheapScorer(), out=out, settings=small_settings())
    os.utime(copy)
    resume(out, model=CheapScorer())  # touched, but the same
    copy.write_text(copy.read_text().replace("NSC1,", "NSC0,"))
    assert "library.0.digest: planned" in mismatch(lambda: resume(out, model=CheapScorer()))
    assert "library.0.digest: planned" in mismatch(
        lambda: screen(copy, model=CheapScorer(), out=out, settings=small_settings())
    )
    copy.unlink()
    assert "is missing" in mismatch(lambda: resume(out, model=CheapScorer()))


def test_other_settings_are_refused(run, library):
    def again(**changes):
        return screen(
            library, model=CheapScorer(), out=run.root, settings=small_settings(**{"partition_rows": 25, **changes})
        )

    assert "screen.top_k: planned 20, now 7" in mismatch(lambda: again(top_k=7))
    text = mismatch(lambda: again(method="chembl", batch_rows=16))
    assert "screen.batch_rows: planned 32, now 16" in text
    assert "standardize.method: planned none, now chembl" in text
    assert again().scored == ROWS, "the same settings go on"
    assert again(kind="processes", workers=1).scored == ROWS, "where the work runs is no part of the plan"


def test_other_versions_of_the_code_are_refused(run, monkeypatch):
    monkeypatch.setattr("cinchona.__version__", "99.0")
    assert "versions.cinchona: planned" in mismatch(lambda: resume(run.root, model=CheapScorer()))


def test_a_scorer_given_as_an_object_must_be_given_again(run):
    with pytest.raises(InputError, match="given as an object"):
        resume(run.root)


def test_a_staged_library_is_resumed_from_its_copy(library, tmp_path):
    """The gzip file may go away; a damaged copy of it is noticed."""
    packed = tmp_path / "library.csv.gz"
    packed.write_bytes(gzip.compress(library.read_bytes()))
    out = tmp_path / "run"
    first = screen(packed, model=CheapScorer(), out=out, settings=small_settings())
    plain = screen(library, model=CheapScorer(), out=tmp_path / "plain", settings=small_settings())
    assert first.scores_digest == plain.scores_digest
    assert screen(packed, model=CheapScorer(), out=out, settings=small_settings()).scored == ROWS
    packed.unlink()
    run = RunFolder(out)
    run.receipt(2).unlink()
    (tmp_path / "run").rename(tmp_path / "moved")
    assert resume(tmp_path / "moved", model=CheapScorer()).scores_digest == first.scores_digest
    staged = next((tmp_path / "moved" / "staged").iterdir())
    flip(staged, random.Random(5))
    assert "library.0.digest" in mismatch(lambda: resume(tmp_path / "moved", model=CheapScorer()))


# ------------------------------------------------------------------------------------------------- wrong folders


def test_a_folder_with_other_things_is_refused(library, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"not empty: it holds thesis\.tex"):
        screen(library, model=CheapScorer(), out=tmp_path, settings=small_settings())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis.tex"]


def test_a_file_is_no_folder(library, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        screen(library, model=CheapScorer(), out=tmp_path / "out", settings=small_settings())


def test_nothing_to_resume(tmp_path):
    with pytest.raises(InputError, match="holds no screening run"):
        resume(tmp_path, model=CheapScorer())
    with pytest.raises(InputError, match="holds no screening run"):
        resume(tmp_path / "missing", model=CheapScorer())


def test_settings_out_of_range_are_refused():
    with pytest.raises((ConfigError, ValueError)):
        small_settings(partition_rows=0)
