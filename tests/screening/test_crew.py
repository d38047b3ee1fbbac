"""Array tasks work side by side without a driver; a driver waits for them, or fences off those that sleep."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cinchona.errors import LockedError
from cinchona.screening.lease import Lease, crew_size, holder, is_current, latest_epoch


def members(folder):
    return sorted(folder.glob("*.crew/*.json"))


def silence(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_tasks_share_an_epoch(tmp_path):
    with Lease.join(tmp_path) as first, Lease.join(tmp_path) as second:
        assert first.epoch == second.epoch == latest_epoch(tmp_path) == 1
        assert holder(tmp_path).crew
        assert crew_size(tmp_path) == 2
        first.check()
        second.check()
    assert holder(tmp_path) is None
    assert crew_size(tmp_path) == 0
    assert members(tmp_path) == []


def test_a_task_joins_after_the_planner_has_left(tmp_path):
    Lease.acquire(tmp_path).release()
    with Lease.join(tmp_path) as task:
        assert task.epoch == 2


def test_no_task_joins_while_a_driver_lives(tmp_path):
    with Lease.acquire(tmp_path) as driver:
        with pytest.raises(LockedError, match="another driver is at work"):
            Lease.join(tmp_path)
        driver.check()
    assert latest_epoch(tmp_path) == 1
    assert members(tmp_path) == []


def test_no_driver_begins_while_a_task_lives(tmp_path):
    with Lease.join(tmp_path):
        with Lease.join(tmp_path), pytest.raises(LockedError, match="2 array tasks are at work"):
            Lease.acquire(tmp_path)
        with pytest.raises(LockedError, match="1 array tasks"):
            Lease.acquire(tmp_path)
    with Lease.acquire(tmp_path) as driver:
        assert driver.epoch == 2


def test_a_driver_waits_for_the_last_task(tmp_path):
    task = Lease.join(tmp_path)
    threading.Timer(0.6, task.release).start()
    begun = time.monotonic()
    with Lease.acquire(tmp_path, seconds=1.0, wait=20) as driver:
        assert 0.5 < time.monotonic() - begun < 10
        assert driver.epoch == 2


def test_waiting_ends(tmp_path):
    with Lease.join(tmp_path), pytest.raises(LockedError):
        Lease.acquire(tmp_path, seconds=1.0, wait=0.5)


def test_a_silent_task_is_succeeded_and_fenced_off(tmp_path):
    paused = Lease.join(tmp_path, seconds=3600)
    silence(members(tmp_path)[0], 61)
    with Lease.acquire(tmp_path, seconds=60) as driver:
        assert driver.epoch == 2
        assert not is_current(tmp_path, paused.epoch)
        with pytest.raises(LockedError, match="took this run folder over"):
            paused.check()
    paused.release()


def test_a_silent_task_keeps_no_other_from_working(tmp_path):
    """What a killed task left on another host: a file that nobody touches any more."""
    lost = Lease.join(tmp_path, seconds=3600)
    silence(members(tmp_path)[0], 61)
    with Lease.join(tmp_path, seconds=60) as task:
        assert task.epoch == lost.epoch
        assert crew_size(tmp_path, seconds=60) == 1
    lost.release()


def test_a_beating_task_keeps_drivers_out(tmp_path):
    with Lease.join(tmp_path, seconds=1.0) as task:
        time.sleep(1.6)
        with pytest.raises(LockedError):
            Lease.acquire(tmp_path, seconds=1.0)
        task.check()


def test_after_a_driver_a_new_crew_begins(tmp_path):
    Lease.join(tmp_path).release()
    Lease.acquire(tmp_path).release()
    with Lease.join(tmp_path) as task:
        assert task.epoch == 3


def test_drivers_and_tasks_never_hold_it_together(tmp_path):
    """Races of three tasks and two drivers: either one driver has it, or tasks have."""
    for race in range(30):
        folder, start = tmp_path / str(race), threading.Barrier(5)

        def attempt(how, folder=folder, start=start):
            start.wait()
            try:
                return how(folder)
            except LockedError:
                return None

        with ThreadPoolExecutor(5) as pool:
            leases = list(pool.map(attempt, [Lease.join] * 3 + [Lease.acquire] * 2))
        held = [lease for lease in leases if lease is not None]
        current = [lease for lease in held if is_current(folder, lease.epoch)]
        assert current
        assert len({lease.record.crew for lease in current}) == 1, "a driver and tasks at the same time"
        assert sum(not lease.record.crew for lease in current) <= 1, "two drivers"
        for lease in held:
            lease.release()
