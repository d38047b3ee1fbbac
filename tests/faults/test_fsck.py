"""Whatever is damaged in a run folder is named by ``fsck``; what it repairs, a resumed run makes whole again."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from cheap_scorer import CheapScorer
from small_screens import nci_library, small_settings

from cinchona.errors import InputError, LockedError, PlanMismatchError, RetryableError
from cinchona.pipelines.screen import fsck, resume, screen
from cinchona.screening.folder import RunFolder
from cinchona.screening.lease import Lease
from cinchona.screening.receipts import Receipt, read_receipt

ROWS = 500
PARTITIONS = 20
SETTINGS = small_settings(partition_rows=ROWS // PARTITIONS)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return nci_library(tmp_path_factory.mktemp("library") / "library.csv", ROWS)


@pytest.fixture(scope="module")
def finished(library, tmp_path_factory):
    return screen(library, model=CheapScorer(), out=tmp_path_factory.mktemp("done") / "run", settings=SETTINGS)


@pytest.fixture
def run(finished, tmp_path) -> RunFolder:
    shutil.copytree(finished.folder, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def part_of(run: RunFolder, partition: int) -> Path:
    receipt = read_receipt(run.receipt(partition))
    assert receipt is not None
    return run.root / receipt.file


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def state(run: RunFolder) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in run.root.rglob("*") if p.is_file() and run.lease not in p.parents}


def test_a_whole_run_has_no_faults_and_is_not_touched(run):
    before = state(run)
    for repair in (False, True):
        checked = fsck(run.root, repair=repair)
        assert (checked.whole, checked.missing, checked.faults, checked.finished) == (PARTITIONS, 0, 0, True)
        checked.require_sound()
    assert state(run) == before


def test_looking_changes_nothing(run):
    flip(part_of(run, 3), 100)
    run.receipt(5).unlink()
    run.hits.unlink()
    before = {p: p.stat().st_mtime_ns for p in run.root.rglob("*")}
    assert fsck(run.root).faults
    assert {p: p.stat().st_mtime_ns for p in run.root.rglob("*")} == before


def damage_by_flipping(run, partition, chance):
    path = chance.choice([run.receipt(partition), part_of(run, partition)])
    flip(path, chance.randrange(path.stat().st_size))


def damage_by_cutting(run, partition, chance):
    path = chance.choice([run.receipt(partition), part_of(run, partition)])
    path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])


def damage_by_losing_the_receipt(run, partition, _chance):
    run.receipt(partition).unlink()


def damage_by_losing_the_part(run, partition, _chance):
    part_of(run, partition).unlink()


def damage_by_swapping(run, partition, _chance):
    """Put a whole receipt in the place of another."""
    shutil.copy(run.receipt((partition + 1) % PARTITIONS), run.receipt(partition))


DAMAGE = [
    damage_by_swapping, damage_by_flipping, damage_by_cutting, damage_by_losing_the_receipt, damage_by_losing_the_part,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_five_random_damages_are_all_found_repaired_and_only_they_are_done_again(run, finished, seed):
    """A hundred damages over all seeds."""
    chance = random.Random(seed)
    hurt = chance.sample(range(PARTITIONS), 5)
    for partition, damage in zip(hurt, DAMAGE, strict=True):
        damage(run, partition, chance)
    untouched = {p: run.receipt(p).stat().st_mtime_ns for p in range(PARTITIONS) if p not in hurt}
    seen = fsck(run.root)
    assert (seen.whole, seen.missing, seen.repaired, seen.finished) == (PARTITIONS - 5, 5, 0, False)
    with pytest.raises(RetryableError, match="faults are left"):
        seen.require_sound()
    repaired = fsck(run.root, repair=True)
    assert repaired.repaired == repaired.faults >= seen.faults
    repaired.require_sound()
    assert fsck(run.root).faults == 0
    assert resume(run.root, model=CheapScorer()).scores_digest == finished.scores_digest
    assert {p: run.receipt(p).stat().st_mtime_ns for p in untouched} == untouched
    assert fsck(run.root).finished


def test_a_receipt_for_other_rows_is_found_although_its_seal_fits(run, finished):
    """Its digest fits, so a resumed run alone would take it for done and never end."""
    receipt = read_receipt(run.receipt(4))
    assert receipt is not None
    forged = Receipt(**{**receipt.model_dump(), "first_row": receipt.first_row + 1}).sealed()
    run.receipt(4).write_text(forged.model_dump_json())
    (fault,) = [f for f in fsck(run.root).found if f.kind == "partition"]
    assert fault.what == "the receipt is for other rows"
    fsck(run.root, repair=True)
    assert resume(run.root, model=CheapScorer()).scores_digest == finished.scores_digest


@pytest.mark.parametrize("name", ["hits.parquet", "rejects.parquet", "manifest.json", "report.html", "hits.csv"])
def test_outputs_that_do_not_fit_are_found_and_written_again(run, finished, name):
    (run.root / name).write_bytes(b"")
    if name == "report.html":
        (run.root / name).unlink()
    (fault,) = fsck(run.root).found
    assert (fault.kind, fault.path) == ("outputs", "_SUCCESS")
    assert fsck(run.root, repair=True).repaired == 1
    assert resume(run.root, model=CheapScorer()).hits == finished.hits
    assert fsck(run.root).finished


def test_what_killed_attempts_left_is_deleted_and_strangers_are_set_aside(run):
    abandoned = run.new_part(7)
    shutil.copy(part_of(run, 7), abandoned)
    torn = run.receipt(7).with_name(".00000007.json.abc.tmp")
    torn.write_text("{")
    stranger = abandoned.with_name("notes.parquet")
    stranger.write_text("mine")
    misplaced = run.receipt(8).with_name("00000099.json")
    shutil.copy(run.receipt(8), misplaced)
    odd = run.receipt(8).with_name("²³.json")
    odd.write_text("{}")
    paths = {abandoned, torn, stranger, misplaced, odd}
    assert {run.root / f.path for f in fsck(run.root).found} == paths
    assert fsck(run.root, repair=True).faults_by_kind == {"stray": 3, "leftover": 2}
    assert not [p for p in paths if p.exists()]
    kept = {p.name for p in run.quarantine.iterdir()}
    assert kept == {"notes.parquet", "00000099.json", "²³.json"}
    assert fsck(run.root).finished


def test_a_stranger_among_the_part_files_stops_no_screen(run, finished):
    run.success.unlink()
    (part_of(run, 0).parent / "notes.parquet").write_text("mine")
    assert resume(run.root, model=CheapScorer()).scores_digest == finished.scores_digest


@pytest.mark.parametrize("name", ["plan.json", "partitions.parquet"])
def test_a_damaged_plan_is_made_again_and_what_is_done_is_kept(run, finished, library, name):
    (run.root / name).write_bytes(b"PAR1")
    done = {p: p.stat().st_mtime_ns for p in run.receipt_files()}
    (fault,) = fsck(run.root).found
    assert fault.kind == "plan"
    checked = fsck(run.root, repair=True)
    checked.require_sound()
    assert "run the same 'cinchona screen' command again" in checked.advice
    again = screen(library, model=CheapScorer(), out=run.root, settings=SETTINGS)
    assert again.scores_digest == finished.scores_digest
    assert {p: p.stat().st_mtime_ns for p in run.receipt_files()} == done


def test_a_changed_library_is_named_and_cannot_be_repaired(library, tmp_path):
    copy = tmp_path / "library.csv"
    shutil.copy(library, copy)
    out = screen(copy, model=CheapScorer(), out=tmp_path / "run", settings=SETTINGS).folder
    copy.write_text(copy.read_text().replace("NSC1,", "NSC0,"))
    checked = fsck(out, repair=True)
    assert (checked.faults_by_kind, checked.repaired) == ({"library": 1}, 0)
    with pytest.raises(PlanMismatchError, match="faults are left"):
        checked.require_sound()
    copy.unlink()
    assert "is missing" in fsck(out).found[0].what


def test_a_run_at_work_is_looked_at_but_not_repaired(run):
    run.new_part(2).write_bytes(b"half")
    with Lease.acquire(run.lease):
        assert fsck(run.root).faults == 0, "an unfinished file of a driver at work is no fault"
        with pytest.raises(LockedError):
            fsck(run.root, repair=True)
    assert fsck(run.root).faults_by_kind == {"leftover": 1}


def test_an_interrupted_run_is_incomplete_but_sound(run, finished):
    for path in (run.success, run.receipt(6), part_of(run, 9)):
        path.unlink()
    fsck(run.root, repair=True)
    checked = fsck(run.root)
    assert (checked.faults, checked.missing, checked.finished) == (0, 2, False)
    assert checked.advice == f"go on with 'cinchona resume {run.root}'"
    assert resume(run.root, model=CheapScorer()).scores_digest == finished.scores_digest


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(InputError, match="holds no screening run"):
        fsck(tmp_path)
    assert not list(tmp_path.iterdir())


def test_thousands_of_faults_are_counted_and_only_the_first_listed(run, monkeypatch):
    monkeypatch.setattr("cinchona.screening.fsck.LISTED", 3)
    for partition in range(PARTITIONS):
        part_of(run, partition).unlink()
    checked = fsck(run.root)
    assert (checked.faults_by_kind["partition"], len(checked.found)) == (PARTITIONS, 3)
    assert json.loads(checked.model_dump_json())["missing"] == PARTITIONS
