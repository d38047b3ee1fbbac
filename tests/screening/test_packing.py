"""Receipts that are packed together are the same receipts: found, believed and mended one by one, and never lost."""

from __future__ import annotations

import os
import random
import shutil
import time

import pytest
from cheap_scorer import CheapScorer
from small_screens import nci_library, small_settings

from cinchona.errors import LockedError
from cinchona.pipelines.screen import fsck, resume, screen, status
from cinchona.screening.folder import RunFolder
from cinchona.screening.lease import Lease
from cinchona.screening.packing import Packer
from cinchona.screening.plan import load_plan
from cinchona.screening.receipt_book import ReceiptBook, book_of, commit_receipt
from cinchona.screening.run import share_of, verified
from cinchona.screening.totals import digest_scores

ROWS, PARTITIONS, SIZE = 250, 10, 4


def settings(size: int):
    return small_settings(partition_rows=25, watch={"watchdog": False, "pack_receipts": size})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run whose receipts were packed by fours, and the same without."""
    root = tmp_path_factory.mktemp("runs")
    library = nci_library(root / "library.csv", ROWS)
    packed, plain = (
        screen(library, model=CheapScorer(), out=root / name, settings=settings(size))
        for name, size in (("packed", SIZE), ("plain", 10_000))
    )
    return packed, plain


@pytest.fixture
def run(runs, tmp_path) -> RunFolder:
    shutil.copytree(runs[0].folder, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.fixture
def plain(runs, tmp_path) -> RunFolder:
    shutil.copytree(runs[1].folder, tmp_path / "plain")
    return RunFolder(tmp_path / "plain")


def packer(run: RunFolder, lease: Lease, size: int = SIZE) -> Packer:
    return Packer(run, load_plan(run), lease, size=size)


def numbers(run: RunFolder) -> list[int]:
    return [int(path.stem) for path in run.receipt_files()]


def test_a_packed_run_is_the_same_run(runs, run):
    packed, plain = runs
    assert packed.scores_digest == plain.scores_digest == digest_scores(run)
    assert packed.hits == plain.hits
    assert [len(pack.partitions) for pack in ReceiptBook(run).packs()] == [4, 4]
    assert sorted(numbers(run)) == [8, 9]
    ours, theirs = status(run.root), status(plain.folder)
    own = {"folder", "rows_per_second", "seconds_left"}
    assert ours.model_dump(exclude=own) == theirs.model_dump(exclude=own)
    assert fsck(run.root).finished
    assert share_of(run, load_plan(run), task=1, of=3).left == 0


def test_a_packed_receipt_is_the_one_that_was_written(plain):
    before = {r.partition_id: r for r in ReceiptBook(plain).receipts()}
    with Lease.acquire(plain.lease) as lease:
        packer(plain, lease, size=PARTITIONS).pack()
    assert numbers(plain) == []
    book = ReceiptBook(plain)
    assert {r.partition_id: r for r in book.receipts()} == before
    assert {k: book.find(k) for k in before} == before
    assert book.find(PARTITIONS) is None
    assert not book.has(PARTITIONS)


def test_one_flipped_bit_costs_one_receipt_at_most(run):
    path = run.pack(1)
    whole, chance = path.read_bytes(), random.Random(11)
    header = whole.index(b"\n")
    for _ in range(150):
        data, at = bytearray(whole), chance.randrange(len(whole))
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        lost = [k for k in range(SIZE) if ReceiptBook(run).find(k) is None]
        assert len(lost) == (0 if at <= header else 1) or data[at] == 0x0A or whole[at] == 0x0A
        assert len(lost) <= 2, "a line's end is the one byte that two receipts share"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.99])
def test_a_cut_pack_keeps_what_is_whole_in_it_and_the_rest_is_done_again(run, runs, share):
    data = run.pack(2).read_bytes()
    run.pack(2).write_bytes(data[: int(len(data) * share)])
    assert fsck(run.root).missing > 0
    assert resume(run.root, model=CheapScorer()).scores_digest == runs[0].scores_digest
    assert fsck(run.root, repair=True).faults >= 0
    checked = fsck(run.root)
    assert (checked.faults, checked.whole, checked.finished) == (0, PARTITIONS, True)


def test_a_damaged_part_of_a_packed_receipt_is_done_again_alone(run, runs):
    book = ReceiptBook(run)
    parts = {k: run.root / book.find(k).file for k in range(PARTITIONS)}
    stamps = {k: path.stat().st_mtime_ns for k, path in parts.items()}
    parts[2].write_bytes(parts[2].read_bytes()[:-1])
    parts[5].unlink()
    assert fsck(run.root).faults_by_kind["partition"] == 2
    assert resume(run.root, model=CheapScorer()).scores_digest == runs[0].scores_digest
    book = ReceiptBook(run)
    after = {k: run.root / book.find(k).file for k in range(PARTITIONS)}
    assert {k for k in parts if after[k] != parts[k]} == {2, 5}
    assert all(after[k].stat().st_mtime_ns == stamps[k] for k in parts if k not in {2, 5})
    assert sorted(p.name for p in run.quarantine.iterdir())[:2] == ["000001.jsonl", "000002.jsonl"]
    assert fsck(run.root).faults == 0


def test_a_lost_pack_is_done_again(run, runs):
    run.pack(1).unlink()
    assert status(run.root).partitions_done == PARTITIONS - SIZE
    assert resume(run.root, model=CheapScorer()).scores_digest == runs[0].scores_digest


def test_who_commits_after_packing_is_told_the_first_and_leaves_nothing(run):
    first = ReceiptBook(run).find(3)
    late = first.model_copy(update={"worker": "late", "file": first.file.replace("part-", "part-9")})
    assert commit_receipt(run, late) == first
    assert sorted(numbers(run)) == [8, 9]


def test_a_file_beside_a_packed_receipt_does_not_count(run):
    """As a worker leaves it that is killed between its link and its second look at the packs."""
    first = ReceiptBook(run).find(3)
    late = first.model_copy(update={"worker": "late"}).sealed()
    run.receipt(3).write_text(late.model_dump_json() + "\n")
    assert ReceiptBook(run).find(3) == first
    assert [r.worker for r in ReceiptBook(run).receipts() if r.partition_id == 3] == [first.worker]
    assert status(run.root).partitions_done == PARTITIONS
    (fault,) = fsck(run.root, repair=True).found
    assert (fault.kind, fault.repaired) == ("leftover", True)
    assert not run.receipt(3).exists()


def test_readers_that_began_before_see_every_receipt_once(plain):
    book, other = ReceiptBook(plain), ReceiptBook(plain)
    reading = other.receipts()
    seen = [next(reading).partition_id for _ in range(3)]
    with Lease.acquire(plain.lease) as lease:
        packer(plain, lease, size=5).pack()
    assert all(book.find(k) is not None and book.has(k) for k in range(PARTITIONS))
    assert sorted(seen + [r.partition_id for r in reading]) == list(range(PARTITIONS))


def test_a_paused_driver_packs_and_deletes_nothing_more(plain):
    paused = Lease.acquire(plain.lease, seconds=3_600)
    old = packer(plain, paused)
    then = time.time() - 61
    os.utime(plain.lease / f"{paused.epoch:08d}.json", (then, then))
    with Lease.acquire(plain.lease, seconds=60):
        before = sorted(p.name for p in plain.receipts.rglob("*"))
        with pytest.raises(LockedError):
            old.pack()
        paused.release()
    assert sorted(p.name for p in plain.receipts.rglob("*")) == before


def test_a_number_that_was_taken_is_noticed_although_the_lease_was_not_looked_at(plain, monkeypatch):
    with Lease.acquire(plain.lease) as lease:
        old = packer(plain, lease, size=PARTITIONS)
        new = packer(plain, lease, size=PARTITIONS)
        monkeypatch.setattr(type(old._book), "last", 0)  # what it saw before it was paused
        assert new._publish(())
        old.pack()
    assert sorted(numbers(plain)) == list(range(PARTITIONS)), "files were deleted though nothing was packed"


def test_little_is_not_packed(plain):
    with Lease.acquire(plain.lease) as lease:
        packer(plain, lease, size=PARTITIONS + 1).begin()
    assert not plain.packs.exists()
    assert len(numbers(plain)) == PARTITIONS


def test_verifying_reads_packs_too(run):
    doing = verified(run, load_plan(run))
    assert (doing.finished, doing.left, doing.quarantined) == (PARTITIONS, 0, 0)


def test_another_run_at_the_same_place_is_another_book(run):
    assert book_of(run.root).packed(0) is not None
    shutil.rmtree(run.root)
    assert book_of(run.root).packed(0) is None
