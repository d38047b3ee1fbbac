"""The contract of trackers accepts an honest tracker and catches each kind of cheat."""

from __future__ import annotations

import inspect
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from contracts.tracker import RunContent, TrackerContract

from cinchona.tracking import NullTracker


class TestNullTracker(TrackerContract):
    @pytest.fixture
    def tracker(self):
        return NullTracker()


class MemoryRun:
    """Keeps what it is told in memory."""

    def __init__(self, run_id, parent, tags):
        self.run_id, self.parent, self.failed = run_id, parent or "", False
        self.params, self.metrics, self.tags, self.artifacts, self.datasets = {}, {}, dict(tags or {}), set(), {}

    def log_params(self, params):
        self.params.update({str(k): str(v) for k, v in params.items()})

    def log_metrics(self, metrics, *, step=None):
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append(float(value))

    def log_curve(self, name, values):
        self.metrics.setdefault(name, []).extend(values)

    def log_dataset(self, name, *, digest, source, context):
        self.datasets[name] = digest[:36]

    def log_artifact(self, path, *, folder=""):
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        self.artifacts |= {str(Path(folder) / p.relative_to(path.parent)) for p in files}

    def log_table(self, name, table):
        self.artifacts.add(f"{name}.parquet")

    def log_model(self, folder, *, name):
        self.artifacts.add(name)

    def set_tags(self, tags):
        self.tags.update(tags)


class MemoryTracker:
    run_class = MemoryRun

    def __init__(self):
        self.runs = {}

    @contextmanager
    def run(self, name, *, kind, tags=None, parent=None):
        run = self.run_class(f"run{len(self.runs)}", parent, tags)
        self.runs[run.run_id] = run
        try:
            yield run
        except BaseException:
            run.failed = True
            raise

    def describe(self):
        return "runs are in memory"

    def read_back(self, run_id):
        r = self.runs[run_id]
        return RunContent(r.failed, r.params, r.metrics, r.tags, frozenset(r.artifacts), r.datasets, r.parent)


class TestMemoryTracker(TrackerContract):
    @pytest.fixture
    def tracker(self):
        return MemoryTracker()

    @pytest.fixture
    def read_back(self, tracker):
        return tracker.read_back


def _with_run(name, **methods):
    run_class = type(f"{name}Run", (MemoryRun,), methods)
    return type(name, (MemoryTracker,), {"run_class": run_class})


def _raise(*_args, **_kwargs):
    raise AssertionError("cannot store that")


class ForgetsFailure(MemoryTracker):
    @contextmanager
    def run(self, name, *, kind, tags=None, parent=None):
        with super().run(name, kind=kind, tags=tags, parent=parent) as run:
            try:
                yield run
            finally:
                self.forget = run.run_id

    def read_back(self, run_id):
        self.runs[run_id].failed = False
        return super().read_back(run_id)


class ForgetsInterruption(MemoryTracker):
    @contextmanager
    def run(self, name, *, kind, tags=None, parent=None):
        run = MemoryRun(f"run{len(self.runs)}", parent, tags)
        self.runs[run.run_id] = run
        try:
            yield run
        except Exception:
            run.failed = True
            raise


class SwallowsErrors(MemoryTracker):
    @contextmanager
    def run(self, name, *, kind, tags=None, parent=None):
        with suppress(ArithmeticError), super().run(name, kind=kind, tags=tags, parent=parent) as run:
            yield run


class MarksAllFailed(MemoryTracker):
    def read_back(self, run_id):
        self.runs[run_id].failed = True
        return super().read_back(run_id)


class OneRunOnly(MemoryTracker):
    def read_back(self, run_id):
        return super().read_back("run0")


class ForgetsParents(MemoryTracker):
    @contextmanager
    def run(self, name, *, kind, tags=None, parent=None):
        with super().run(name, kind=kind, tags=tags) as run:
            yield run


class Chatty(MemoryTracker):
    def describe(self):
        return "two\nlines"


def _nothing(*_args, **_kwargs):
    """Keep nothing."""


def _flat(run, path, **_folder):
    run.artifacts.add(path.name)


_CATCHES = [
    (Chatty, "test_declares_itself"),
    (_with_run("NoParams", log_params=_nothing), "test_params_tags_and_metrics_come_back"),
    (_with_run("NoTags", set_tags=_nothing), "test_params_tags_and_metrics_come_back"),
    (MarksAllFailed, "test_params_tags_and_metrics_come_back"),
    (_with_run("BackwardCurve", log_curve=lambda s, n, v: s.metrics.update({n: list(v)[::-1]})), "test_curves_come_back_in_order"),
    (_with_run("NoTables", log_table=_nothing), "test_artifacts_and_tables_come_back"),
    (_with_run("FlatFolders", log_artifact=_flat), "test_artifacts_and_tables_come_back"),
    (_with_run("OwnDigest", log_dataset=lambda s, name, **_: s.datasets.update({name: "123"})), "test_datasets_come_back"),
    (ForgetsFailure, "test_a_failing_run_is_marked_and_its_error_passes"),
    (SwallowsErrors, "test_a_failing_run_is_marked_and_its_error_passes"),
    (OneRunOnly, "test_runs_follow_each_other"),
    (ForgetsParents, "test_child_runs_know_their_parent"),
    (_with_run("Prudish", log_curve=_raise), "test_nothing_raises_on_weird_values"),
    (_with_run("AllOrNothing", log_params=lambda s, p: None if "" in p else MemoryRun.log_params(s, p)), "test_a_weird_value_does_not_hide_a_good_one"),
]  # fmt: skip


def _run(test, tracker, folder, error=ZeroDivisionError):
    known = {"tracker": tracker, "read_back": tracker.read_back, "tmp_path": folder, "error": error}
    method = getattr(TrackerContract(), test)
    method(**{name: known[name] for name in inspect.signature(method).parameters})


@pytest.mark.parametrize("broken,test", _CATCHES, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_tracker_is_caught(broken, test, tmp_path_factory):
    _run(test, MemoryTracker(), tmp_path_factory.mktemp("honest"))
    with pytest.raises(AssertionError):
        _run(test, broken(), tmp_path_factory.mktemp("broken"))


def test_a_tracker_that_misses_interruptions_is_caught(tmp_path):
    with pytest.raises(AssertionError):
        _run("test_a_failing_run_is_marked_and_its_error_passes", ForgetsInterruption(), tmp_path, KeyboardInterrupt)


def test_every_test_of_the_contract_catches_somebody():
    assert {test for _, test in _CATCHES} == {name for name in vars(TrackerContract) if name.startswith("test_")}
