"""The long set: large libraries, many kills. Run by ``make faults``, which prints what was measured."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cheap_scorer import CheapScorer
from poison import ABORT, ENDLESS, HUGE, SEGFAULT, PoisonedScorer, poisoned_library
from remote_cluster import remote_cluster
from small_screens import score_table, small_settings
from worker_killer import WorkerKiller

from cinchona.errors import ExitCode, RetryableError
from cinchona.pipelines.screen import resume, screen, status
from cinchona.screening.folder import RunFolder
from cinchona.screening.receipts import read_receipt

pytestmark = pytest.mark.long

ROWS = 100_000
KINDS = (SEGFAULT, ABORT, ENDLESS, HUGE)
AT = {7_919 * k + 1_234: KINDS[k % 4] for k in range(10)}
"""Ten rows: three crash, three abort, two never end, two allocate 8 GiB."""
WATCH = {"watchdog": True, "molecule_seconds": 2.0, "molecule_memory": "1GiB"}


@pytest.mark.parametrize("kind", ["dask", "processes", "serial"])
def test_ten_poison_rows_of_100_000(kind, tmp_path, fact):
    library = poisoned_library(tmp_path / "library.smi", ROWS, AT)
    settings = small_settings(kind, watch=WATCH, partition_rows=3_125, batch_rows=1_024)
    seconds = []
    for name, scorer in (("harmless", PoisonedScorer(rejects_poison=True)), ("poison", PoisonedScorer())):
        begun = time.monotonic()
        result = screen(library, model=scorer, out=tmp_path / name, settings=settings)
        seconds.append(time.monotonic() - begun)
        assert (result.rows, result.scored, result.rejected) == (ROWS, ROWS - 10, 10)
    extra = seconds[1] - seconds[0]
    fact(
        f"10 poison rows of 100,000, {kind}",
        f"exactly 10 flagged; {seconds[0]:.0f} s without, {seconds[1]:.0f} s with them: {extra:.0f} s more",
    )
    tables = [score_table(tmp_path / name) for name in ("harmless", "poison")]
    assert tables[0].drop_columns(["reason"]).equals(tables[1].drop_columns(["reason"]))
    rejected = [r for r in tables[1].select(["row_id", "reason"]).to_pylist() if r["reason"]]
    assert [r["row_id"] for r in rejected] == sorted(AT)
    assert extra < 120


@pytest.mark.parametrize("kind", ["dask", "processes"])
def test_a_random_worker_is_killed_every_five_seconds(kind, tmp_path, fact):
    slow = CheapScorer(seconds=0.5)
    library = poisoned_library(tmp_path / "library.smi", 8_000, {})
    settings = small_settings(kind)
    begun = time.monotonic()
    clean = screen(library, model=slow, out=tmp_path / "clean", settings=settings)
    undisturbed = time.monotonic() - begun
    killer = WorkerKiller(tmp_path / "hurt", every=5.0, kills=6)
    killer.start()
    begun = time.monotonic()
    hurt = screen(library, model=slow, out=tmp_path / "hurt", settings=settings)
    seconds = time.monotonic() - begun
    killer.over.set()
    killer.join()
    fact(
        f"{killer.kills} kills of a random worker, one every 5 s, {kind}",
        f"the same score table; {undisturbed:.0f} s clean, {seconds:.0f} s disturbed: {seconds / undisturbed:.2f} times",
    )
    assert killer.kills >= 5
    assert hurt.scores_digest == clean.scores_digest
    assert score_table(hurt.folder)["row_id"].to_pylist() == list(range(8_000))
    assert seconds <= 1.5 * undisturbed


def test_a_hundred_corruptions_and_nothing_to_do(tmp_path, fact):
    library = poisoned_library(tmp_path / "library.smi", ROWS, {})
    finished = screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings())
    run = RunFolder(tmp_path / "run")
    nothing = min(_seconds(lambda: resume(run.root, model=CheapScorer())) for _ in range(3))
    chance = random.Random(5)
    hurt = chance.sample(range(1_000), 100)
    stamps = {p: p.stat().st_mtime_ns for p in run.receipt_files()}
    for partition in hurt:
        receipt = run.receipt(partition)
        _damage(chance.choice([receipt, run.root / read_receipt(receipt).file]), chance)
    begun = time.monotonic()
    again = resume(run.root, model=CheapScorer())
    mended = time.monotonic() - begun
    fact("nothing left to do, 1,000 partitions", f"{nothing:.1f} s, least of three")
    fact("100 of 1,000 partitions flipped, cut or deleted", f"those 100 are done again, in {mended:.1f} s")
    assert again.scores_digest == finished.scores_digest
    redone = {p for p in run.receipt_files() if stamps.get(p) != p.stat().st_mtime_ns}
    assert redone == {run.receipt(partition) for partition in hurt}
    assert nothing < 5


def test_the_scheduler_is_killed(tmp_path, fact):
    slow = CheapScorer(seconds=0.1)
    library = poisoned_library(tmp_path / "library.smi", 2_000, {})
    clean = screen(library, model=slow, out=tmp_path / "clean", settings=small_settings())
    with remote_cluster(tmp_path) as cluster:
        settings = small_settings("dask", watch={"profile": cluster.profile_file(tmp_path / "site.yaml")})
        killed = cluster.kill_scheduler_after(3, tmp_path / "run")
        with pytest.raises(RetryableError, match="scheduler is gone") as stopped:
            screen(library, model=slow, out=tmp_path / "run", settings=settings)
        seconds = time.monotonic() - killed[0]
    done = status(tmp_path / "run").partitions_done
    assert stopped.value.exit_code == ExitCode.RETRYABLE
    assert 3 <= done < 20
    again = resume(tmp_path / "run", model=slow, executor=small_settings().executor)
    fact(
        "the scheduler is killed, 20 partitions",
        f"the driver ends with code 5 after {seconds:.0f} s; {done} are kept, the others done at resume, same score table",
    )
    assert again.scores_digest == clean.scores_digest
    assert seconds < 60


@pytest.mark.parametrize("kind", ["dask", "processes"])
def test_a_worker_is_stopped(kind, tmp_path, fact):
    slow = CheapScorer(seconds=0.15)
    library = poisoned_library(tmp_path / "library.smi", 2_000, {})
    clean = screen(library, model=slow, out=tmp_path / "clean", settings=small_settings())
    stopper = WorkerKiller(tmp_path / "hurt", every=0.1, kills=1, signal_number=signal.SIGSTOP)
    stopper.start()
    begun = time.monotonic()
    hurt = screen(library, model=slow, out=tmp_path / "hurt", settings=small_settings(kind))
    seconds = time.monotonic() - begun
    stopper.over.set()
    stopper.join()
    fact(
        f"a worker of two is stopped, {kind}, default limits",
        f"its work is done elsewhere, the same score table; {seconds:.0f} s in all",
    )
    assert stopper.kills == 1
    assert hurt.scores_digest == clean.scores_digest


def _seconds(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def _damage(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    how = chance.randrange(3)
    if how == 0:
        path.unlink()
        return
    if how == 1:
        data = data[: chance.randrange(len(data))]
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
