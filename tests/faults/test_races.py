"""Two attempts at one partition, fifty times: one receipt each, and the table of a clean run."""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path

from cheap_scorer import CheapScorer
from poison import poisoned_library
from small_screens import ended, score_table, small_settings, start_driver

from cinchona.pipelines.screen import resume, screen
from cinchona.screening.failpoints import VARIABLE
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan, partitions
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.scorers import ObjectScorer
from cinchona.screening.work import PartitionWork

RACES = 50
SETTINGS = small_settings(partition_rows=20)


def run_all(root: str, start, won) -> None:
    """Do every partition, each at the same moment as the other process."""
    folder = RunFolder(Path(root))
    plan = load_plan(folder)
    work = PartitionWork(
        root=root,
        plan=plan.fingerprint,
        scorer=ObjectScorer(CheapScorer()),
        layout=plan.layout,
        standardize=plan.standardize,
        batch_rows=plan.batch_rows,
        epoch=1,
    )
    for partition in partitions(folder):
        start.wait(60)
        receipt = work(partition)
        won.put((partition.partition_id, os.getpid(), receipt.worker, receipt.file))


def test_fifty_races_of_two_attempts(tmp_path):
    library = poisoned_library(tmp_path / "library.smi", 20 * RACES, {})
    clean = screen(library, model=CheapScorer(), out=tmp_path / "clean", settings=SETTINGS)
    out = tmp_path / "run"
    # A driver that plans and dies leaves everything to the two.
    driver = start_driver(library, out, settings=SETTINGS, environment={VARIABLE: "plan.after_write"})
    assert ended(driver) == -9
    context = get_context("fork")
    start, won = context.Barrier(2), context.Queue()
    racers = [context.Process(target=run_all, args=(str(out), start, won)) for _ in range(2)]
    for racer in racers:
        racer.start()
    told = [won.get(timeout=120) for _ in range(2 * RACES)]
    for racer in racers:
        racer.join(60)
        assert racer.exitcode == 0
    folder = RunFolder(out)
    receipts = {r.partition_id: r for r in ReceiptBook(folder).receipts()}
    assert sorted(receipts) == list(range(RACES))
    assert all(receipts[partition].file == file for partition, _, _, file in told), "the two were told different things"
    assert len(list(folder.part_files())) > RACES, "nobody ever lost a race, so nothing was shown"
    result = resume(out, model=CheapScorer())
    assert result.scores_digest == clean.scores_digest
    assert len(list(folder.part_files())) == RACES
    assert score_table(out)["row_id"].to_pylist() == list(range(20 * RACES))
