"""Watched children: what ends them is told apart, narrowed down to its row, and costs no other row anything."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from cheap_scorer import CheapScorer
from hypothesis import given, settings
from hypothesis import strategies as st
from poison import ABORT, SEGFAULT, PoisonedScorer, endless, huge, poisoned_library, segfault
from small_screens import score_table, small_settings

from cinchona.errors import RetryableError, WorkerDiedError
from cinchona.pipelines.screen import screen
from cinchona.records import CompoundBatch
from cinchona.screening.watch.child import Child
from cinchona.screening.watch.isolation import Isolation
from cinchona.screening.watch.narrowing import Narrowing
from cinchona.screening.watch.notes import Phase, Unit
from cinchona.screening.watch.rules import Accident, Fate, Pace, WatchRules
from cinchona.screening.watch.vigil import Watch

WATCHED = {"watchdog": True, "molecule_seconds": 1.0, "molecule_memory": "512MiB"}


def isolation(**rules) -> Isolation:
    return Isolation(Watch(WatchRules(**{"seconds": 1.0, "memory": 256 << 20, **rules}), Pace()))


def note_then(do):
    def task(note):
        note(Phase.SCORE, 7, 1)
        do()

    return task


def share_much() -> None:
    """Touch a gigabyte of shared memory, which no limit of private memory counts."""
    memory = mmap.mmap(-1, 1 << 30)
    ctypes.PyDLL(None).memset(ctypes.byref(ctypes.c_char.from_buffer(memory)), 1, ctypes.c_size_t(1 << 30))
    time.sleep(60)


@pytest.mark.parametrize(
    ("do", "fate", "text"),
    [
        (segfault, Fate.CRASH, "Segmentation fault"),
        (lambda: ctypes.PyDLL(None).abort(), Fate.CRASH, "Aborted"),
        (lambda: os._exit(3), Fate.CRASH, "exit code 3"),
        (endless, Fate.TIME, "longer than 1 s"),
        (lambda: np.ones(1 << 31), Fate.MEMORY, "0.25 GiB"),
        (share_much, Fate.MEMORY, "0.25 GiB"),
        (huge, Fate.CRASH, "Segmentation fault"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), Fate.CRASH, "Killed"),
    ],
)
def test_what_became_of_a_child_is_told(do, fate, text):
    accident = isolation().run(note_then(do))
    assert isinstance(accident, Accident)
    assert (accident.fate, accident.unit) == (fate, Unit(Phase.SCORE, 7, 1))
    assert text in accident.text
    assert accident.from_outside == (text == "Killed")


def test_a_child_that_sleeps_for_ever_is_ended_after_four_times_the_limit():
    begun = time.monotonic()
    accident = isolation(seconds=0.5).run(note_then(lambda: time.sleep(600)))
    assert accident.fate == Fate.TIME
    assert 2.0 <= time.monotonic() - begun < 30


def test_results_and_errors_come_home():
    assert isolation().run(lambda _: np.arange(100_000).sum()) == 4999950000
    with pytest.raises(RetryableError, match="away"):
        isolation().run(note_then(lambda: (_ for _ in ()).throw(RetryableError("away"))))


def test_larger_pieces_have_more_time_by_the_pace_seen():
    pace, rules = Pace(), WatchRules(seconds=2.0)
    assert pace.allowed(Unit(Phase.SCORE, 0, 1), rules) == 2.0
    assert pace.allowed(Unit(Phase.SCORE, 0, 1_000), rules) == 4.0
    pace.learn(Phase.SCORE, 0.5, 1)  # one slow row among many changes little
    pace.learn(Phase.SCORE, 19.5, 999)
    assert pace.allowed(Unit(Phase.SCORE, 0, 400), rules) == pytest.approx(82.0)
    assert pace.allowed(Unit(Phase.STANDARDIZE, 0, 1_000), rules) == 4.0
    assert pace.allowed(Unit(Phase.WRITE, 0, 0), rules) == 600.0


def test_what_pieces_took_is_told_to_the_one_who_watches():
    def work(note):
        for k in range(5):
            note(Phase.SCORE, k, 10)
            time.sleep(0.2)
        note(Phase.WRITE, 0, 0)

    watching = isolation()
    watching.run(work)
    pace = watching.watch.pace
    assert (pace.rows, set(pace.seconds)) == ({Phase.SCORE: 50.0}, {Phase.SCORE})
    assert pace.seconds[Phase.SCORE] >= 0.25


def test_trying_rows_alone_does_not_raise_what_a_piece_may_take():
    """A hanging row in a later piece is to be noticed as soon as one in the first."""
    watching = isolation()
    Narrowing(watching).find(Phase.SCORE, np.arange(64), lambda at: os.abort() if 7 in at.tolist() else None)
    assert watching.watch.pace.allowed(Unit(Phase.SCORE, 0, 1_000), WatchRules(seconds=2.0)) < 60


@settings(max_examples=8)
@given(st.sets(st.integers(0, 199), max_size=3))
def test_narrowing_finds_exactly_the_rows_at_fault(bad):
    def attempt(positions):
        if bad.intersection(positions.tolist()):
            os.abort()

    found = Narrowing(isolation()).find(Phase.SCORE, np.arange(200), attempt)
    assert set(found) == bad


def test_a_kill_from_outside_is_forgiven_once(tmp_path: Path):
    def attempt(positions):
        for position in positions.tolist():
            if position == 5 or (position == 9 and len(list(tmp_path.iterdir())) < 2):
                (tmp_path / f"{time.monotonic_ns()}").touch()
                os.kill(os.getpid(), signal.SIGKILL)

    assert set(Narrowing(isolation()).find(Phase.SCORE, np.array([9, 1]), attempt)) == set()
    assert set(Narrowing(isolation()).find(Phase.SCORE, np.array([1, 5]), attempt)) == {5}


def test_too_many_rows_at_fault_are_no_fault_of_rows():
    with pytest.raises(WorkerDiedError, match=r"more than 4 rows of one partition end their process"):
        Narrowing(isolation(poison_rows=4)).find(Phase.SCORE, np.arange(64), lambda _: os.abort())


def test_a_child_ends_with_its_parent_even_while_native_code_runs(tmp_path: Path):
    program = (
        "import os, time\nfrom poison import endless\nfrom cinchona.screening.watch.child import Child\n"
        "child = Child(lambda connection, beacon: endless(), memory=1 << 30)\nprint(child.pid, flush=True)\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.05)


def test_a_child_leaves_signals_to_its_parent():
    child = Child(lambda connection, _: connection.send(signal.getsignal(signal.SIGTERM)), memory=1 << 30)
    assert child.connection.recv() == signal.SIG_IGN
    child.close()
    assert not psutil.pid_exists(child.pid)


# ------------------------------------------------------------------------------------------------- whole screens


def rejected(folder: Path) -> dict[int, tuple[str, str]]:
    rows = score_table(folder).select(["row_id", "status", "stage", "reason"]).to_pylist()
    return {r["row_id"]: (r["stage"], r["reason"]) for r in rows if r["status"] == "rejected"}


def test_molecules_that_crash_the_standardizer_cost_their_row_and_their_duplicates(tmp_path, monkeypatch):
    from cinchona.datasets import parsing

    read = parsing._read

    def crash(*arguments, **options):
        if SEGFAULT in str(arguments):
            segfault()
        return read(*arguments, **options)

    monkeypatch.setattr(parsing, "_read", crash)
    library = tmp_path / "library.smi"
    lines = [f"{'C' * (i % 50 + 1)}O id{i}" for i in range(400)]
    for row in (120, 130, 399):
        lines[row] = f"C{SEGFAULT} again"
    library.write_text("\n".join(lines))
    result = screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings(watch=WATCHED))
    assert (result.rows, result.scored, result.rejected) == (400, 397, 3)
    reason = "this row crashed its process (Segmentation fault)"
    assert rejected(tmp_path / "run") == {
        120: ("standardize", reason),
        130: ("standardize", reason + " (same structure as row 120)"),
        399: ("standardize", reason),
    }


def test_records_that_crash_the_reader_cost_their_row(tmp_path, monkeypatch):
    from rdkit import Chem

    from cinchona.datasets import sdfrecords

    read = sdfrecords._read

    def crash(block):
        if "Xe" in block:
            os.abort()
        return read(block)

    monkeypatch.setattr(sdfrecords, "_read", crash)
    library = tmp_path / "library.sdf"
    with Chem.SDWriter(str(library)) as writer:
        for row in range(30):
            writer.write(Chem.MolFromSmiles("C" * (row + 1) + ("[Xe]" if row in {3, 21} else "O")))
    result = screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings(watch=WATCHED))
    assert (result.rows, result.scored) == (30, 28)
    assert rejected(tmp_path / "run") == dict.fromkeys((3, 21), ("read", "this row crashed its process (Aborted)"))


class Together(CheapScorer):
    """Dies of two compounds in one batch, and of none alone."""

    def score(self, batch: CompoundBatch):
        if sum(SEGFAULT in smiles for smiles in batch.smiles) > 1:
            segfault()
        return super().score(batch)


def test_rows_that_crash_only_together_are_all_scored(tmp_path):
    library = poisoned_library(tmp_path / "library.smi", 200, {10: SEGFAULT, 90: SEGFAULT})
    chosen = small_settings(watch=WATCHED, batch_rows=100)
    result = screen(library, model=Together(), out=tmp_path / "run", settings=chosen)
    assert (result.scored, result.rejected) == (200, 0)


def test_a_scorer_that_always_crashes_is_named_and_costs_no_row(tmp_path):
    library = poisoned_library(tmp_path / "library.smi", 100, dict.fromkeys(range(100), ABORT))
    chosen = small_settings(watch={**WATCHED, "poison_rows": 3})
    with pytest.raises(RetryableError, match=r"partition 0: more than 3 rows of one partition end their process"):
        screen(library, model=PoisonedScorer(), out=tmp_path / "run", settings=chosen)


def test_slow_scorers_are_not_taken_for_hanging_ones(tmp_path):
    """A batch takes longer than a molecule may; each molecule alone does not."""
    library = poisoned_library(tmp_path / "library.smi", 6, {})
    chosen = small_settings(watch={**WATCHED, "molecule_seconds": 0.5}, batch_rows=6)
    # 6 rows take 1.8 s of processor; 0.51 s are allowed and looks are up to half a second apart, so the first batch is suspected.
    result = screen(library, model=SlowByRow(log=str(tmp_path / "log")), out=tmp_path / "run", settings=chosen)
    assert (result.scored, result.rejected) == (6, 0)
    sizes = [int(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert sizes.count(1) >= 6, "no batch was suspected, so nothing was shown"


@dataclass(frozen=True)
class SlowByRow(CheapScorer):
    """Takes 0.3 s of processor for a compound, and writes down how many it was given."""

    log: str = ""

    def score(self, batch: CompoundBatch):
        with Path(self.log).open("a") as log:
            log.write(f"{len(batch)}\n")
        until = time.process_time() + 0.3 * len(batch)
        while time.process_time() < until:
            pass
        return super().score(batch)
