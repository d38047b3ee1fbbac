"""Memory that a partition no longer needs goes back to the system, although a small object lies above it."""

from __future__ import annotations

import numpy as np
import psutil
import pyarrow as pa
import pytest

from cinchona.screening import memory
from cinchona.screening.memory import Trimmer, give_back, keep_freed, take_ahead
from cinchona.screening.watch.isolation import Isolation
from cinchona.screening.watch.rules import Pace, WatchRules
from cinchona.screening.watch.vigil import Watch

_BLOCK, _BLOCKS = 2_000, 100_000
"""Two hundred megabytes of blocks that the C library takes from its heap."""


def grown(trim) -> int:
    """Bytes by which a fresh child is larger after three partitions that leave one block in a thousand."""

    def partitions(_note):
        process = psutil.Process()
        left: list[bytes] = []
        trim()
        before = process.memory_info().rss
        for _ in range(3):
            blocks = [b"x" * _BLOCK for _ in range(_BLOCKS)]
            left += blocks[::1_000]
            del blocks
            trim()
        return process.memory_info().rss - before

    return Isolation(Watch(WatchRules(seconds=60.0, memory=4 << 30), Pace())).run(partitions)


@pytest.mark.skipif(memory._of_c_library("malloc_trim") is None, reason="needs GNU's C library")
def test_a_process_does_not_keep_what_partitions_leave():
    assert grown(lambda: None) > 150 << 20, "nothing is kept, so nothing is shown"
    assert grown(Trimmer(tolerated=32 << 20)) < 40 << 20


def test_little_is_not_looked_for(monkeypatch):
    called = []
    monkeypatch.setattr(memory, "give_back", lambda: called.append(1))
    trim = Trimmer()
    assert not any(trim() for _ in range(3))
    assert not called


def test_what_is_in_use_is_not_looked_for_again(monkeypatch):
    sizes = iter([100, 500, 480, 490, 900, 860])

    class Process:
        def memory_info(self):
            return type("Facts", (), {"rss": next(sizes) << 20})

    monkeypatch.setattr(memory.psutil, "Process", Process)
    monkeypatch.setattr(memory, "give_back", lambda: None)
    trim = Trimmer(tolerated=128 << 20)
    assert [trim(), trim(), trim(), trim()] == [False, True, False, True]


@pytest.mark.skipif(memory._of_c_library("mallopt") is None, reason="needs GNU's C library")
def test_what_is_taken_ahead_is_there_for_what_comes():
    """Nothing that fits into it makes the process larger; without, it would grow by all of it."""

    def growths(_note):
        process, found = psutil.Process(), []
        for ahead in (False, True):
            keep_freed()
            give_back()  # what is free is not there then
            taken = take_ahead(0.5) if ahead else 0
            before = process.memory_info().rss
            arrays = [np.ones(3 << 20, np.uint8) for _ in range(12)]
            found.append((taken, process.memory_info().rss - before, len(arrays)))
            del arrays
        return found

    rules = WatchRules(seconds=60.0, memory=4 << 30)
    (_, without, _), (taken, with_it, _) = Isolation(Watch(rules, Pace())).run(growths)
    assert without > 30 << 20
    assert taken > 40 << 20
    assert with_it < 4 << 20


@pytest.mark.skipif(memory._of_c_library("mallopt") is None, reason="needs GNU's C library")
def test_arrow_takes_from_the_memory_that_is_kept():
    def pool(_note):
        keep_freed()
        return pa.array([1.5]).sum().as_py(), pa.default_memory_pool().backend_name

    assert Isolation(Watch(WatchRules(seconds=60.0, memory=4 << 30), Pace())).run(pool) == (1.5, "system")


def test_no_more_is_taken_than_allowed():
    rules = WatchRules(seconds=60.0, memory=4 << 30)
    assert Isolation(Watch(rules, Pace())).run(lambda _: take_ahead(1.0, at_most=8 << 20)) < 12 << 20
