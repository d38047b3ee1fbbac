"""Workers that are killed cost time, never rows."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest
from cheap_scorer import CheapScorer
from small_screens import nci_library, score_table, small_settings
from worker_killer import WorkerKiller

from cinchona.errors import CinchonaError, ExitCode, RetryableError, WorkerDiedError
from cinchona.pipelines.screen import resume, screen, status
from cinchona.protocols import Done, Failed
from cinchona.screening.executors import make_executor
from cinchona.screening.run import MAX_FAILURES

ROWS = 600
SLOW = CheapScorer(seconds=0.15)
"""Gives the scores of the quick one."""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return nci_library(tmp_path_factory.mktemp("library") / "library.csv", ROWS)


@pytest.fixture(scope="module")
def clean(library, tmp_path_factory):
    """An undisturbed run."""
    return screen(library, model=CheapScorer(), out=tmp_path_factory.mktemp("clean") / "run", settings=small_settings())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "processes"])
def test_random_workers_are_killed(kind, library, clean, tmp_path):
    killer = WorkerKiller(tmp_path / "hurt", every=0.5, kills=2)
    killer.start()
    hurt = screen(library, model=SLOW, out=tmp_path / "hurt", settings=small_settings(kind))
    killer.over.set()
    killer.join()
    assert killer.kills >= 1, "nobody was killed, so nothing was shown"
    assert hurt.scores_digest == clean.scores_digest
    assert score_table(hurt.folder)["row_id"].to_pylist() == list(range(ROWS))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "processes"])
def test_a_stopped_worker_is_replaced(kind, library, clean, tmp_path):
    """SIGSTOP: the process is there, holds a partition and never answers."""
    killer = WorkerKiller(tmp_path / "hurt", every=0.1, kills=1, signal_number=signal.SIGSTOP)
    killer.start()
    settings = small_settings(kind, stall_seconds=5.0, watch={"molecule_seconds": 2.0})
    begun = time.monotonic()
    hurt = screen(library, model=SLOW, out=tmp_path / "hurt", settings=settings)
    killer.over.set()
    killer.join()
    assert killer.kills == 1, "nobody was stopped, so nothing was shown"
    assert hurt.scores_digest == clean.scores_digest
    assert time.monotonic() - begun < 60


ENDLESS = "a" * 60 + "b"
"""On this the pattern below runs for centuries, in native code that holds the interpreter's lock as a hanging molecule does."""
substitute = partial(re.sub, r"^(a+)+$", "x")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "processes"])
def test_an_item_that_never_ends_is_given_up_and_costs_no_other(kind):
    items = ["a", "b", ENDLESS, "aa", "c", "aaa"]
    with closing(make_executor(small_settings(kind, stall_seconds=5.0).executor)) as executor:
        outcomes = list(executor.map(substitute, items))
    failed = [o for o in outcomes if isinstance(o, Failed)]
    assert [o.item for o in failed] == [ENDLESS]
    assert isinstance(failed[0].error, WorkerDiedError)
    done = {o.item: o.result for o in outcomes if isinstance(o, Done)}
    assert done == {"a": "x", "b": "b", "aa": "x", "c": "c", "aaa": "x"}


def test_a_worker_that_dies_once_is_forgiven(library, tmp_path):
    scorer = CheapScorer(dies_once=str(tmp_path / "died"))
    result = screen(library, model=scorer, out=tmp_path / "run", settings=small_settings("processes"))
    assert (tmp_path / "died").exists()
    assert (result.rows, result.scored) == (ROWS, ROWS)


def test_unwatched_a_compound_that_kills_its_worker_costs_its_partition_only(tmp_path):
    """Until then all others are done, and the run says what is missing and can be resumed; watched, it costs its row."""
    library = tmp_path / "library.smi"
    library.write_text("\n".join(f"{'C' * (i % 40 + 1)}{'[Xe]' if i == 377 else ''} id{i}" for i in range(ROWS)))
    scorer = CheapScorer(kills="[Xe]")
    with pytest.raises(RetryableError, match="1 partitions failed; the first, partition 3") as stopped:
        unwatched = small_settings("processes", watch={"watchdog": False})
        screen(library, model=scorer, out=tmp_path / "run", settings=unwatched)
    assert stopped.value.exit_code == ExitCode.RETRYABLE
    assert status(tmp_path / "run").partitions_done == 5
    result = resume(tmp_path / "run", model=scorer, executor=small_settings("processes").executor)
    assert (result.scored, result.rejected) == (ROWS - 1, 1)


def test_errors_that_another_try_can_mend_stop_at_once(library, tmp_path):
    with pytest.raises(RetryableError, match="licence server"):
        screen(library, model=CheapScorer(retryable=True), out=tmp_path / "run", settings=small_settings())
    assert status(tmp_path / "run").partitions_done == 0


def test_a_defect_of_ours_gives_up_early_and_is_no_loss(library, tmp_path, monkeypatch):
    tries = []

    def broken(*_args):
        tries.append(1)
        raise KeyError("a defect")

    settings = small_settings(partition_rows=50)
    with monkeypatch.context() as patch:
        patch.setattr("cinchona.screening.work.build_part", broken)
        with pytest.raises(CinchonaError, match=r"10 partitions failed; the first, partition 0.*KeyError") as stopped:
            screen(library, model=CheapScorer(), out=tmp_path / "run", settings=settings)
    assert stopped.value.exit_code == ExitCode.INTERNAL
    assert len(tries) == MAX_FAILURES
    assert resume(tmp_path / "run", model=CheapScorer()).scored == ROWS


def test_a_partition_that_fails_once_is_tried_again_at_the_end(library, tmp_path, monkeypatch):
    from cinchona.screening import work

    build, failed = work.build_part, []

    def broken_once(rows, layout):
        if rows.first_row == 300 and not failed:
            failed.append(time.monotonic())
            raise OSError(5, "Input/output error")
        return build(rows, layout)

    monkeypatch.setattr(work, "build_part", broken_once)
    result = screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings())
    assert failed
    assert result.scored == ROWS


def listening() -> set[tuple[str, int]]:
    """Addresses on which this process and those that it started wait for connections."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return {c.laddr for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}


def test_everything_listens_on_this_machine_only():
    from cinchona.screening.executors import DaskExecutor

    # Browser tests leave a chromedriver to this process, and that listens on ::1 too.
    others = listening()
    executor = DaskExecutor(1)
    next(executor.map(os.getpid.__class__.__call__, [os.getpid]))
    ours = listening() - others
    link = executor.dashboard_link
    executor.close()
    assert {host for host, _ in ours} == {"127.0.0.1"}
    assert link.startswith("http://127.0.0.1:")
    assert int(link.split(":")[2].split("/")[0]) in {port for _, port in ours}, "the scheduler was not looked at"
