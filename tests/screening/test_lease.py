"""One driver at a time: refused at once, succeeded when dead or silent, fenced off afterwards."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

import pytest

from cinchona.errors import ExitCode, LockedError
from cinchona.screening.lease import Lease, holder, is_current, latest_epoch


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_second_driver_is_refused_at_once(tmp_path):
    with Lease.acquire(tmp_path) as first:
        begun = time.monotonic()
        with pytest.raises(LockedError, match=f"process {os.getpid()} holds it") as refused:
            Lease.acquire(tmp_path)
        assert time.monotonic() - begun < 2
        assert refused.value.exit_code == ExitCode.LOCKED == 4
        first.check()
        assert holder(tmp_path).epoch == first.epoch == 1
    assert holder(tmp_path) is None


def test_epochs_count_up(tmp_path):
    for epoch in (1, 2, 3):
        with Lease.acquire(tmp_path) as lease:
            assert lease.epoch == latest_epoch(tmp_path) == epoch
            assert is_current(tmp_path, epoch)
            assert not is_current(tmp_path, epoch - 1) or epoch == 1


def test_release_twice_is_allowed(tmp_path):
    lease = Lease.acquire(tmp_path)
    lease.release()
    lease.release()
    assert lease.record.released


def test_a_silent_driver_is_succeeded_and_fenced_off(tmp_path):
    paused = Lease.acquire(tmp_path, seconds=3600)  # beats every ten minutes, so it is silent from here on
    age(tmp_path / "00000001.json", 61)
    with Lease.acquire(tmp_path, seconds=60) as second:
        assert second.epoch == 2
        with pytest.raises(LockedError, match="took this run folder over"):
            paused.check()
        paused.release()
        second.check()
        assert holder(tmp_path).epoch == 2


def test_a_beating_driver_keeps_its_lease(tmp_path):
    with Lease.acquire(tmp_path, seconds=1.0) as first:
        time.sleep(1.6)
        with pytest.raises(LockedError):
            Lease.acquire(tmp_path, seconds=1.0)
        first.check()


def test_a_driver_notices_that_its_lease_is_gone(tmp_path):
    lease = Lease.acquire(tmp_path, seconds=0.6)
    (tmp_path / "00000001.json").unlink()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            lease.check()
        except LockedError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the lost lease was not noticed")
    lease.release()


KILLED = """
import os, signal, sys
from pathlib import Path
from cinchona.screening.lease import Lease
Lease.acquire(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_driver_is_succeeded_without_waiting(tmp_path):
    """Its process is still a zombie here, as in a container whose first process reaps nothing."""
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path]) as process:
        deadline = time.monotonic() + 30
        while latest_epoch(tmp_path) == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        with Lease.acquire(tmp_path, seconds=3600) as lease:
            assert lease.epoch == 2
        assert process.wait() == -9


def test_a_torn_lease_counts_by_its_age(tmp_path):
    torn = tmp_path / "00000001.json"
    torn.write_text('{"epo')
    with pytest.raises(LockedError):
        Lease.acquire(tmp_path, seconds=60)
    age(torn, 61)
    with Lease.acquire(tmp_path, seconds=60) as lease:
        assert lease.epoch == 2


def test_races_have_one_winner(tmp_path):
    for race in range(20):
        folder, start, won = tmp_path / str(race), threading.Barrier(3), []

        def attempt(folder=folder, start=start, won=won):
            start.wait()
            with contextlib.suppress(LockedError):
                won.append(Lease.acquire(folder))

        threads = [threading.Thread(target=attempt) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        won[0].release()


def test_nobody_ever_held_it(tmp_path):
    assert holder(tmp_path) is None
    assert latest_epoch(tmp_path / "missing") == 0
