"""Receipts: what has no valid one has not happened, and damage of any kind is seen."""

from __future__ import annotations

import json
import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cheap_scorer import CheapScorer
from small_screens import nci_library, small_settings

from cinchona.pipelines.screen import screen
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan
from cinchona.screening.receipt_book import ReceiptBook, commit_receipt
from cinchona.screening.receipts import BadReceipt, Receipt, read_receipt


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("finished")
    library = nci_library(root / "library.csv", 250)
    screen(library, model=CheapScorer(), out=root / "run", settings=small_settings())
    return root / "run"


@pytest.fixture
def run(finished, tmp_path) -> RunFolder:
    shutil.copytree(finished, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def check(run: RunFolder, partition: int = 1, *, deep: bool = True) -> Receipt | BadReceipt:
    return ReceiptBook(run).check(partition, load_plan(run), deep=deep)


def test_a_finished_run_has_valid_receipts(run):
    receipts = sorted(ReceiptBook(run).receipts(), key=lambda r: r.partition_id)
    assert [(r.first_row, r.rows) for r in receipts] == [(0, 100), (100, 100), (200, 50)]
    assert all(check(run, i) == receipts[i] for i in range(3))
    assert all(r.rows == r.scored + r.rejected == r.histogram.total for r in receipts)
    assert all(set(r.seconds) == {"open", "read", "standardize", "score", "write"} for r in receipts)


@pytest.mark.parametrize("where", ["receipt", "part"])
def test_one_flipped_bit_is_seen_at_any_place(run, where):
    chance = random.Random(where)
    path = run.receipt(1) if where == "receipt" else run.root / check(run).file
    whole = path.read_bytes()
    for _ in range(100):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        assert isinstance(check(run), BadReceipt)


@pytest.mark.parametrize(
    ("where", "content", "reason"),
    [
        ("part", None, "missing"),
        ("part", b"PAR1", "has 4 bytes"),
        ("receipt", b'{"form":', "torn"),
        ("receipt", b"", "torn"),
        ("receipt", b"\xff\xfe", "torn"),
        ("receipt", b"[1]", "torn"),
    ],
)
def test_damage_has_a_reason(run, where, content, reason):
    path = run.receipt(1) if where == "receipt" else run.root / check(run).file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    bad = check(run, deep=False)
    assert isinstance(bad, BadReceipt)
    assert reason in bad.reason


def forge(run: RunFolder, **fields) -> None:
    receipt = Receipt.model_validate_json(run.receipt(1).read_bytes())
    run.receipt(1).write_text(receipt.model_copy(update=fields).sealed().model_dump_json())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"plan": "0" * 64}, "another run"),
        ({"partition_id": 2}, "another run or partition"),
        ({"partition_id": 99}, "another run or partition"),
        ({"file": "../../secret"}, "no part file"),
        ({"file": "plan.json"}, "no part file"),
        ({"scored": 7}, "torn or altered"),
    ],
)
def test_receipts_that_are_whole_but_wrong(run, fields, reason):
    forge(run, **fields)
    bad = check(run)
    assert isinstance(bad, BadReceipt)
    assert reason in bad.reason
    assert bad.part is None, "what the receipt names must not be touched"


def test_quarantine_keeps_everything_and_frees_the_partition(run):
    for i in range(2):
        part = run.root / check(run).file
        os.truncate(part, 10 + i)
        ReceiptBook(run).quarantine([check(run)])
        assert not run.receipt(1).exists()
        assert not part.exists()
        receipt = check(run, 0)
        shutil.copy(run.root / receipt.file, part)
        forged = receipt.model_copy(update={"partition_id": 1, "file": run.relative(part)}).sealed()
        run.receipt(1).write_text(forged.model_dump_json())
    names = sorted(p.name for p in run.quarantine.iterdir())
    assert names[:2] == ["00000001.json", "00000001.json.1"]
    assert len(names) == 4


def test_the_first_commit_counts(run):
    """Two attempts at one partition at the same time: one receipt, and both are told which."""
    template = check(run)
    for race in range(50):
        run.receipt(1).unlink()
        attempts = [template.model_copy(update={"worker": f"{race}{name}"}) for name in "ab"]
        with ThreadPoolExecutor(2) as pool:
            told = list(pool.map(lambda receipt: commit_receipt(run, receipt), attempts))
        assert told[0] == told[1] == read_receipt(run.receipt(1))
    assert [p.name for p in run.receipt(1).parent.iterdir()] == ["00000001.json"]


def test_receipts_are_small_json(run):
    data = json.loads(run.receipt(0).read_bytes())
    assert len(run.receipt(0).read_bytes()) < 4_000
    assert np.isfinite(data["best"])
