"""What a run uses of its machine is sampled beside it and arrives with its metrics."""

from __future__ import annotations

import time

import pytest

from cinchona.experiments import run as run_module
from cinchona.experiments.sampler import Sampler
from cinchona.experiments.tracker import MlflowTracker


def test_samples_are_taken_and_handed_over_once():
    sampler = Sampler(seconds=0.02)
    sampler.start()
    until = time.monotonic() + 20
    taken = []
    while len({entry[3] for entry in taken}) < 3 and time.monotonic() < until:
        time.sleep(0.02)
        taken += sampler.drain()
    sampler.stop()
    figures = {name: value for name, value, _, _ in taken}
    assert set(figures) == {
        "system/cpu_utilization_percentage", "system/system_memory_usage_megabytes", "system/system_memory_usage_percentage",
        "system/run_memory_megabytes", "system/run_cpu_seconds",
    }  # fmt: skip
    assert figures["system/run_memory_megabytes"] > 10
    assert figures["system/run_cpu_seconds"] > 0
    assert [entry[3] for entry in taken if entry[0].endswith("run_cpu_seconds")][:3] == [0, 1, 2]
    sampler.drain()
    assert sampler.drain() == []


def test_a_stopped_sampler_and_one_that_never_ran():
    sampler = Sampler()
    sampler.stop()
    sampler = Sampler()
    sampler.start()
    began = time.monotonic()
    sampler.stop()
    assert time.monotonic() - began < 5, "stopping does not wait for the next sample"
    assert sampler.drain() == []


def test_they_reach_the_store(new_store, monkeypatch):
    monkeypatch.setattr(run_module, "Sampler", lambda: Sampler(seconds=0.01))
    tracker = MlflowTracker(new_store)
    with tracker.run("sampled", kind="screen") as run:
        time.sleep(0.3)
    metrics = tracker.store.connect().get_run(run.run_id).data.metrics
    assert metrics["system/run_memory_megabytes"] > 10


@pytest.mark.parametrize("spent,patience", [(0.0, 2.0), (0.01, 2.0), (1.0, 50.0), (60.0, 300.0)])
def test_a_slow_store_is_asked_less_often(new_store, monkeypatch, spent, patience):
    tracker = MlflowTracker(new_store)
    with tracker.run("slow", kind="screen") as run:
        clock = iter([100.0, 100.0 + spent, *[200.0] * 99])
        monkeypatch.setattr(run_module.time, "monotonic", lambda: next(clock))
        run._flush_metrics()
        assert run._patience == pytest.approx(patience)
        monkeypatch.undo()
