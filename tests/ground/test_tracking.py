"""The null tracker keeps its Protocol without keeping anything."""

from __future__ import annotations

import inspect

import pytest

from cinchona.protocols import Executor, Scorer, TrackedRun, Tracker
from cinchona.tracking import ChildTracker, NullRun, NullTracker


def test_it_is_a_tracker():
    assert isinstance(NullTracker(), Tracker)
    assert not isinstance(object(), Tracker)
    assert not isinstance(NullTracker(), Scorer | Executor)


@pytest.mark.parametrize("name", [name for name in vars(TrackedRun) if name.startswith(("log_", "set_"))])
def test_the_null_run_has_each_method_with_the_same_signature(name):
    assert inspect.signature(getattr(NullRun, name)) == inspect.signature(getattr(TrackedRun, name))


def test_an_error_in_the_run_passes():
    def fail():
        with NullTracker().run("x", kind="train") as run:
            assert run.run_id == ""
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


class Noting(NullTracker):
    """Notes the parent of each run."""

    def __init__(self):
        self.parents = []

    def run(self, name, *, kind, tags=None, parent=None):
        self.parents.append(parent)
        return super().run(name, kind=kind, tags=tags, parent=parent)


@pytest.mark.parametrize("above,asked,expected", [("p", None, "p"), ("p", "q", "q"), ("", None, None)])
def test_a_child_tracker_puts_runs_below_one(above, asked, expected):
    noting = Noting()
    child = ChildTracker(noting, above)
    assert isinstance(child, Tracker)
    with child.run("x", kind="train", parent=asked) as run:
        run.log_metrics({"a": 1.0})
    assert noting.parents == [expected]
    assert child.describe() == noting.describe()
