"""A search finds a known optimum, gives bad settings up, keeps its time, and outlives its process."""

from __future__ import annotations

import sqlite3
import time

import pytest

from cinchona.errors import ConfigError, InputError
from cinchona.experiments.tuning.queue import FoldQueue
from cinchona.experiments.tuning.study import TuningStudy
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.tuning.config import SearchRange, TuningConfig
from cinchona.models.tuning.folds import FoldResult
from cinchona.models.tuning.space import Candidate
from cinchona.protocols import Done, Failed
from cinchona.screening.executors.serial import SerialExecutor

BASE = Candidate(GraphNetConfig(), TrainingConfig(pretrained="none"))
SPACE = {
    "network.dropout": SearchRange(low=0.0, high=0.9),
    "network.readout": SearchRange(choices=("norm", "sum")),
}


def opened(folder, *, key="data", seed=3, **config):
    chosen = TuningConfig(**{"trials": 30, "folds": 3, "seconds": 1000.0, **config})
    study = TuningStudy(folder / "study.db", config=chosen, space=SPACE, base=BASE, key=key, seed=seed)
    return study, chosen


def bowl(task):
    """Smallest at dropout 0.6 with the sum; folds differ by a constant."""
    network = task.candidate.network
    return FoldResult((network.dropout - 0.6) ** 2 + 0.3 * (network.readout == "norm") + 0.01 * task.fold, 0.5)


def searched(study, config, work=bowl, *, ends=None):
    queue = FoldQueue(study, config, lambda: time.time() + 100 if ends is None else ends())
    while not queue.over:
        for came in SerialExecutor().map(work, queue):
            queue.take(came)
    queue.close()


def test_a_known_optimum_is_found_and_hopeless_settings_are_given_up(tmp_path):
    study, config = opened(tmp_path)
    searched(study, config)
    record, candidate = study.best()
    assert candidate.network.readout == "sum"
    assert candidate.network.dropout == pytest.approx(0.6, abs=0.15)
    assert record.loss == pytest.approx(sum(record.folds) / 3)
    found = study.records()
    assert len(found) == study.tried == 30
    pruned = [r for r in found if r.state == "pruned"]
    assert pruned
    assert all(len(r.folds) < 3 for r in pruned)
    assert found[0].values == {"network.dropout": 0.0, "network.readout": "norm"}  # the settings as they were
    shares = study.importances()
    assert set(shares) == set(SPACE)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_nothing_is_given_up_where_that_is_not_wanted(tmp_path):
    study, config = opened(tmp_path, prune=False, trials=12)
    searched(study, config)
    assert {r.state for r in study.records()} == {"complete"}


def test_a_search_goes_on_in_another_process_and_tries_again_what_was_under_way(tmp_path):
    study, config = opened(tmp_path, trials=4)
    searched(study, config)
    number, candidate = study.ask()  # the process dies here
    study.report(number, 0.5, 1.0)
    again, config = opened(tmp_path, trials=6)
    assert again.tried == 4
    retried, same = again.ask()
    assert retried != number
    assert same == candidate
    again.interrupt(retried)
    searched(again, config)
    assert again.tried == 6
    assert candidate.network.dropout in {r.values["network.dropout"] for r in again.records()}
    assert len({r.values["network.dropout"] for r in again.records()}) == 6  # a search that goes on draws nothing twice


@pytest.mark.parametrize("change", [{"key": "other data"}, {"folds": 4}, {"prune": False}])
def test_losses_of_another_search_are_never_mixed_in(tmp_path, change):
    opened(tmp_path)
    with pytest.raises(ConfigError, match="other data"):
        opened(tmp_path, **change)


def test_a_damaged_record_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "study.db").write_bytes(b"no database " * 400)
    with pytest.raises(InputError) as refused:
        opened(tmp_path)
    assert "remove" in refused.value.remedy


def test_time_ends_the_search_and_unfinished_trials_do_not_count(tmp_path):
    study, config = opened(tmp_path, trials=1000)
    left = iter([True] * 25 + [False] * 1000)
    searched(study, config, ends=lambda: time.time() + (50 if next(left) else -50))
    assert 0 < study.tried < 25
    assert {r.state for r in study.records()} <= {"complete", "pruned"}
    study.best()


def test_a_fold_for_which_time_ran_out_is_no_failure(tmp_path):
    study, config = opened(tmp_path)
    number, candidate = study.ask()
    queue = FoldQueue(study, config, lambda: 0.0)
    task = queue._task(number, 0, candidate)
    queue.take(Done(task, FoldResult(float("nan"), 3.0)))
    assert study.records() == []
    assert study.ask()[1] == candidate


def test_a_trial_that_fails_counts_and_says_why(tmp_path):
    study, config = opened(tmp_path, trials=3)

    def work(task):
        if task.trial == 1:
            raise ConfigError("the training diverges")
        return bowl(task)

    searched(study, config, work)
    failed = study.records()[1]
    assert (failed.state, failed.loss, study.tried) == ("failed", None, 3)
    assert "diverges" in failed.reason


def test_without_a_whole_trial_there_is_no_best(tmp_path):
    study, config = opened(tmp_path, trials=1)
    number, candidate = study.ask()
    queue = FoldQueue(study, config, lambda: 1e12)
    queue.take(Failed(queue._task(number, 0, candidate), MemoryError("no room")))
    with pytest.raises(ConfigError, match="no trial came to an end"):
        study.best()


def test_the_record_is_plain_sqlite(tmp_path):
    study, config = opened(tmp_path, trials=2)
    searched(study, config)
    with sqlite3.connect(tmp_path / "study.db") as store:
        (count,) = store.execute("select count(*) from trials").fetchone()
    assert count == 2
