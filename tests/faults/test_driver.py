"""A driver that is killed, interrupted or out of disk loses nothing: the resumed table is that of a clean run."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import active_children
from pathlib import Path

import pytest
from cheap_scorer import CheapScorer
from small_screens import ended, nci_library, score_table, small_settings, start_driver, wait_for_receipts

from cinchona.errors import ExitCode, LockedError
from cinchona.pipelines.screen import resume, screen, status
from cinchona.screening.failpoints import FAILPOINTS, VARIABLE
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan
from cinchona.screening.totals import digest_scores

ROWS = 600
PARTITIONS = 6
SLOW = CheapScorer(seconds=0.1)
"""Gives the scores of the quick one."""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return nci_library(tmp_path_factory.mktemp("library") / "library.csv", ROWS)


@pytest.fixture(scope="module")
def clean(library, tmp_path_factory):
    """Content digests of an undisturbed run, by the scorer."""
    out = tmp_path_factory.mktemp("clean") / "run"
    quick = screen(library, model=CheapScorer(), out=out, settings=small_settings())
    return {CheapScorer(): quick, SLOW: quick}


@pytest.fixture(autouse=True)
def _no_driver_stays_behind():
    yield
    for process in active_children():
        process.kill()
        process.join()


def stamps(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in RunFolder(folder).receipt_files()}


@pytest.mark.parametrize("point", [point for point in FAILPOINTS if not point.startswith("pack.")])
def test_killed_at_any_point_and_resumed(point, library, clean, tmp_path):
    out = tmp_path / "run"
    where = f"{point}:3" if point.startswith(("part.", "receipt.")) else point
    assert ended(start_driver(library, out, environment={VARIABLE: where})) == -signal.SIGKILL
    before = stamps(out)
    if point.startswith("plan.") and not RunFolder(out).is_planned():
        result = screen(library, model=CheapScorer(), out=out, settings=small_settings())
    else:
        result = resume(out, model=CheapScorer())
    assert result.scores_digest == clean[CheapScorer()].scores_digest
    assert result.hits == clean[CheapScorer()].hits
    assert (result.rows, result.scored + result.rejected) == (ROWS, ROWS)
    after = stamps(out)
    assert len(after) == PARTITIONS
    assert before.items() <= after.items(), "committed partitions were done again"
    if point.startswith(("part.", "receipt.")):
        assert len(before) == (4 if point == "receipt.after_link" else 3)
    assert len(list(RunFolder(out).part_files())) == PARTITIONS, "leftovers of the dead attempt"
    assert score_table(out)["row_id"].to_pylist() == list(range(ROWS))
    assert status(out).state == "finished"
    assert not [p.name for p in out.rglob(".*")], "temporary files stay behind"


@pytest.mark.parametrize("point", [point for point in FAILPOINTS if point.startswith("pack.")])
@pytest.mark.parametrize("number", [1, 2])
def test_killed_while_receipts_are_packed(point, number, library, clean, tmp_path):
    """By twos: each receipt is in its own file, in a pack or in both, and nothing is done again."""
    out = tmp_path / "run"
    settings = small_settings(watch={"watchdog": False, "pack_receipts": 2})
    where = point if point == "pack.between_files" else f"{point}:{number}"
    assert ended(start_driver(library, out, settings=settings, environment={VARIABLE: where})) == -signal.SIGKILL
    parts = {p.name: p.stat().st_mtime_ns for p in RunFolder(out).part_files()}
    committed = status(out).partitions_done
    assert committed == len(parts) == (2 if point == "pack.between_files" else 2 * number)
    result = resume(out, model=CheapScorer())
    assert result.scores_digest == clean[CheapScorer()].scores_digest
    assert result.hits == clean[CheapScorer()].hits
    after = {p.name: p.stat().st_mtime_ns for p in RunFolder(out).part_files()}
    assert parts.items() <= after.items(), "committed partitions were done again"
    assert len(after) == status(out).partitions_done == PARTITIONS
    assert stamps(out) == {}, "all six are packed"
    assert not [p.name for p in out.rglob(".*")], "temporary files stay behind"


@pytest.mark.parametrize("kind", ["processes", pytest.param("dask", marks=pytest.mark.slow)])
def test_killed_halfway_with_workers(kind, library, clean, tmp_path):
    out = tmp_path / "run"
    driver = start_driver(library, out, scorer=SLOW, settings=small_settings(kind))
    wait_for_receipts(out, 2)
    driver.kill()
    assert ended(driver) == -signal.SIGKILL
    assert status(out).state == "stopped"
    committed = stamps(out)
    assert 2 <= len(committed) < PARTITIONS
    result = resume(out, model=SLOW)
    assert result.scores_digest == clean[SLOW].scores_digest == digest_scores(RunFolder(out))
    assert committed.items() <= stamps(out).items()


def test_killed_again_and_again(library, clean, tmp_path):
    out = tmp_path / "run"
    for partition in range(2):
        driver = start_driver(library, out, environment={VARIABLE: f"receipt.after_link:{partition}"})
        assert ended(driver) == -signal.SIGKILL
        assert status(out).partitions_done == partition + 1
    result = resume(out, model=CheapScorer())
    assert result.scores_digest == clean[CheapScorer()].scores_digest
    assert status(out).epoch == 3


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, "processes"), pytest.param(signal.SIGTERM, "dask", marks=pytest.mark.slow)]
)
def test_signals_end_it_in_order(number, kind, library, clean, tmp_path):
    """Also where workers are at a site with a profile."""
    out, profile = tmp_path / "run", tmp_path / "site.yaml"
    profile.write_text("kind: local\nworkers: 2\n")
    watch = {"profile": profile} if kind == "dask" else None
    driver = start_driver(library, out, scorer=SLOW, settings=small_settings(kind, in_flight=2, watch=watch))
    wait_for_receipts(out, 1)
    os.kill(driver.pid, number)
    assert ended(driver) == ExitCode.INTERRUPTED
    done = status(out)
    assert done.state == "stopped"
    assert 1 <= done.partitions_done < PARTITIONS
    assert len(list(RunFolder(out).part_files())) == done.partitions_done, "what was at work was not finished"
    result = resume(out, model=SLOW, executor=small_settings().executor)
    assert result.scores_digest == clean[SLOW].scores_digest


def test_a_second_driver_is_refused_within_two_seconds(library, tmp_path):
    out = tmp_path / "run"
    driver = start_driver(library, out, scorer=SLOW)
    wait_for_receipts(out, 1)
    for second in (
        lambda: resume(out, model=SLOW),
        lambda: screen(library, model=SLOW, out=out, settings=small_settings()),
    ):
        begun = time.monotonic()
        with pytest.raises(LockedError) as refused:
            second()
        assert refused.value.exit_code == ExitCode.LOCKED
        assert time.monotonic() - begun < 2
    assert status(out).state == "running"
    assert ended(driver) == 0


def test_a_paused_driver_is_fenced_off(library, clean, tmp_path):
    """It sleeps (SIGSTOP), another takes over and finishes, it wakes up: nothing of it counts, and it says so."""
    out = tmp_path / "run"
    settings = small_settings(lease_seconds=1.0)
    driver = start_driver(library, out, scorer=SLOW, settings=settings)
    wait_for_receipts(out, 1)
    os.kill(driver.pid, signal.SIGSTOP)
    time.sleep(1.3)
    result = resume(out, model=SLOW)
    committed = stamps(out)
    os.kill(driver.pid, signal.SIGCONT)
    assert ended(driver) == ExitCode.LOCKED
    assert result.scores_digest == clean[SLOW].scores_digest == digest_scores(RunFolder(out))
    assert stamps(out) == committed


@pytest.mark.parametrize("while_planning", [True, False])
def test_disk_full_stops_it_cleanly(while_planning, library, clean, tmp_path):
    """RLIMIT_FSIZE stands for the full disk: while planning, or while scoring."""
    out, done = tmp_path / "run", RunFolder(clean[CheapScorer()].folder)
    limit = done.plan.stat().st_size + (-200 if while_planning else 200)
    assert min(part.stat().st_size for part in done.part_files()) > limit
    assert ended(start_driver(library, out, max_file_bytes=limit)) == ExitCode.RETRYABLE
    assert RunFolder(out).is_planned() != while_planning
    result = screen(library, model=CheapScorer(), out=out, settings=small_settings())
    assert result.scores_digest == clean[CheapScorer()].scores_digest


def test_a_run_folder_can_move(library, clean, tmp_path):
    driver = start_driver(library, tmp_path / "run", environment={VARIABLE: "receipt.after_link:2"})
    assert ended(driver) == -signal.SIGKILL
    (tmp_path / "run").rename(tmp_path / "moved")
    result = resume(tmp_path / "moved", model=CheapScorer())
    assert result.scores_digest == clean[CheapScorer()].scores_digest
    assert load_plan(RunFolder(tmp_path / "moved")).partitions == PARTITIONS
