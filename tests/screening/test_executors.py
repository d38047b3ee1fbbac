"""Every executor keeps the contract; processes have one thread, ignore Ctrl-C, and end with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contracts.executor import ExecutorContract

from cinchona.errors import RetryableError, WorkerDiedError
from cinchona.protocols import Done, Failed
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.executors import DaskExecutor, ProcessExecutor, SerialExecutor, default_workers, make_executor
from cinchona.screening.executors.spawning import THREAD_VARIABLES


class SharedExecutorContract(ExecutorContract):
    """Uses one executor for all tests but the one that closes it, since workers take seconds to start."""

    @pytest.fixture(scope="class")
    @classmethod
    def shared(cls):
        executor = cls.make()
        yield executor
        executor.close()

    @pytest.fixture
    def executor(self, request, shared):
        if "closing" not in request.node.name:
            yield shared
            return
        own = self.make()
        yield own
        own.close()


class TestSerial(SharedExecutorContract):
    @staticmethod
    def make():
        return SerialExecutor()


class TestProcesses(SharedExecutorContract):
    survives_dead_workers = True

    @staticmethod
    def make():
        return ProcessExecutor(2)


@pytest.mark.slow
class TestDask(SharedExecutorContract):
    survives_dead_workers = True

    @staticmethod
    def make():
        return DaskExecutor(2)


def test_workers_have_one_thread_and_leave_interrupts_to_the_parent(monkeypatch):
    def facts(_item):  # defined here, so that it is pickled by value: no worker can import this module
        return (
            {name: os.environ.get(name) for name in THREAD_VARIABLES},
            signal.getsignal(signal.SIGINT),
            signal.getsignal(signal.SIGTERM),
        )

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    executor = ProcessExecutor(1)
    (outcome,) = executor.map(facts, [0])
    executor.close()
    assert outcome.result == (dict.fromkeys(THREAD_VARIABLES, "1"), signal.SIG_IGN, signal.SIG_IGN)
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_only_the_item_that_kills_is_blamed():
    def die_at_three(item):
        if item == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    executor = ProcessExecutor(2, max_in_flight=6)
    outcomes = list(executor.map(die_at_three, range(8)))
    executor.close()
    failed = [o for o in outcomes if isinstance(o, Failed)]
    assert [(o.item, type(o.error)) for o in failed] == [(3, WorkerDiedError)]
    assert sorted(o.item for o in outcomes if isinstance(o, Done)) == [0, 1, 2, 4, 5, 6, 7]


def test_settings_choose_the_executor():
    assert isinstance(make_executor(ExecutorConfig(kind="serial")), SerialExecutor)
    pool = make_executor(ExecutorConfig(kind="processes", workers=3, in_flight=4))
    assert (type(pool), pool.n_workers, pool.max_in_flight) == (ProcessExecutor, 3, 4)
    dask = make_executor(ExecutorConfig(kind="dask"))
    assert (type(dask), dask.n_workers, dask.max_in_flight) == (
        DaskExecutor,
        default_workers(),
        2 * default_workers(),
    )
    dask.close()


def test_closing_does_not_wait_for_work_that_nobody_wants():
    def slow(item):
        time.sleep(60 * item)
        return item

    executor = ProcessExecutor(1)
    outcomes = executor.map(slow, [0, 1, 1])
    assert next(outcomes).result == 0
    time.sleep(0.5)
    begun = time.monotonic()
    outcomes.close()
    executor.close()
    assert time.monotonic() - begun < 30


def lives_here_only(item):
    return item


@pytest.mark.parametrize("make", [TestProcesses.make, pytest.param(TestDask.make, marks=pytest.mark.slow)])
def test_work_that_a_worker_cannot_import_fails_its_items(make):
    executor = make()
    outcomes = list(executor.map(lives_here_only, range(3)))
    executor.close()
    assert [type(o.error) for o in outcomes] == [ModuleNotFoundError] * 3


SCRIPT = """
import time
from cinchona.screening.executors import {kind}

def work(item):
    import os
    return item, os.getpid()

executor = {kind}(2)
pids = {{pid for _, pid in (o.result for o in executor.map(work, range(8)))}}
print(*pids, flush=True)
{ending}
"""


@pytest.mark.parametrize("kind", ["ProcessExecutor", pytest.param("DaskExecutor", marks=pytest.mark.slow)])
def test_a_script_without_guard_works_and_its_workers_end_with_it(kind, tmp_path: Path):
    """A plain script, killed with SIGKILL while its workers idle: none of them stays behind."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(kind=kind, ending="time.sleep(60)"))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        pids = [int(p) for p in process.stdout.readline().split()]
        assert pids
        process.kill()
    deadline = time.monotonic() + 20
    while any(_runs(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [p for p in pids if _runs(p)]


def test_a_script_ends_by_itself(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(kind="ProcessExecutor", ending="executor.close()"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def test_a_cluster_that_does_not_start_is_tried_again_then_retryable(monkeypatch, caplog):
    from cinchona.screening.executors import dask_cluster, sites

    starts = []

    def fails(**_kwargs):
        starts.append(1)
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(sites, "LocalCluster", fails)
    executor = DaskExecutor(1)
    with pytest.raises(RetryableError, match="workers do not start: Nanny failed"):
        list(executor.map(str, [1]))
    executor.close()
    assert len(starts) == dask_cluster._STARTS > 3, "as many tries as the fault tests kill workers, and one more"
    assert "trying again" in caplog.text


class _Beats:
    """Heartbeats that a test writes."""

    def __init__(self) -> None:
        self.now: dict[int, int] = {}

    def counts(self) -> dict[int, int]:
        return self.now


def test_silence_is_counted_in_looks():
    from cinchona.screening.executors.heartbeat import Listener

    beats = _Beats()
    listener = Listener(beats, 3.0)
    found = []
    for look in range(12):
        beats.now = {1: look + 1, 2: min(look + 1, 5)}  # the second stops after five, a third has not begun
        found.append(listener.stalled([1, 2, 3]))
    assert found[:8] == [[]] * 8
    assert found[8:] == [[2]] * 4
