"""What every tracker promises. Subclass :class:`TrackerContract`, give a ``tracker`` fixture, receive the tests.

A tracker with a store also gives ``read_back``: a function from a run's id to :class:`RunContent`. Without it the
round trips are skipped and what remains is that nothing raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cinchona.protocols import Tracker


@dataclass(frozen=True)
class RunContent:
    """What a store holds of one run."""

    failed: bool
    """Whether the run is marked failed."""
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    """Values of each metric in order of step."""
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: frozenset[str] = frozenset()
    """Paths of files, relative to the run's artifacts."""
    datasets: dict[str, str] = field(default_factory=dict)
    """Digest as stored, by name."""
    parent: str = ""


ReadBack = Callable[[str], RunContent]
WEIRD_VALUES = (
    None, math.nan, math.inf, -math.inf, "", "x" * 20_000, "Ä\n\t\x00", {"nested": [1, {"a": None}]}, (1, 2), Path("p"),
    np.float32(1.5), np.int64(3), np.array([1, 2]), True, object(), 10**400, b"bytes", {1, 2},
)  # fmt: skip
WEIRD_NAMES = ("a.b", "a/b", "with blank", "Ä", "x" * 400, "a:b", "..", "/absolute", "pIC50 (µM)", "", "a\nb", "%", "=")


class TrackerContract:
    """Tests of the promises of :class:`cinchona.protocols.Tracker`."""

    @pytest.fixture
    def read_back(self) -> ReadBack | None:
        """How to look into the store; None where there is none."""
        return None

    def test_declares_itself(self, tracker: Tracker) -> None:
        assert isinstance(tracker, Tracker)
        text = tracker.describe()
        assert text.strip()
        assert "\n" not in text

    def test_params_tags_and_metrics_come_back(self, tracker: Tracker, read_back: ReadBack | None) -> None:
        with tracker.run("one", kind="train", tags={"team": "malaria"}) as run:
            run.log_params({"training.epochs": 5, "network.readout": "mean"})
            run.log_metrics({"rmse": 0.71})
            run.set_tags({"series": "nav17"})
            run_id = run.run_id
        content = _content(read_back, run_id)
        assert not content.failed
        assert {"training.epochs": "5", "network.readout": "mean"}.items() <= content.params.items()
        assert content.metrics.get("rmse") == pytest.approx([0.71])
        assert {"team": "malaria", "series": "nav17"}.items() <= content.tags.items()

    def test_curves_come_back_in_order(self, tracker: Tracker, read_back: ReadBack | None) -> None:
        with tracker.run("curve", kind="train") as run:
            run.log_curve("loss", [3.0, 2.0, 1.5])
            for step in range(3):
                run.log_metrics({"valid_rmse": 1.0 - step / 10}, step=step)
            run_id = run.run_id
        content = _content(read_back, run_id)
        assert content.metrics.get("loss") == pytest.approx([3.0, 2.0, 1.5])
        assert content.metrics.get("valid_rmse") == pytest.approx([1.0, 0.9, 0.8])

    def test_artifacts_and_tables_come_back(self, tracker: Tracker, read_back: ReadBack | None, tmp_path: Path) -> None:
        (tmp_path / "folder" / "deep").mkdir(parents=True)
        (tmp_path / "folder" / "deep" / "a.txt").write_text("a")
        (tmp_path / "report.html").write_text("<p>")
        with tracker.run("files", kind="screen") as run:
            run.log_artifact(tmp_path / "report.html", folder="reports")
            run.log_artifact(tmp_path / "folder", folder="all")
            run.log_table("hits", pa.table({"compound_id": ["a"], "score": [1.0], "structure": ["<svg/>"]}))
            run_id = run.run_id
        content = _content(read_back, run_id)
        assert "reports/report.html" in content.artifacts
        assert any(name.startswith("all/") and name.endswith("deep/a.txt") for name in content.artifacts)
        assert any("hits" in name for name in content.artifacts)

    def test_datasets_come_back(self, tracker: Tracker, read_back: ReadBack | None) -> None:
        digest = "ab" * 32
        with tracker.run("data", kind="train") as run:
            run.log_dataset("nav17", digest=digest, source="nav17.csv", context="train")
            run_id = run.run_id
        stored = _content(read_back, run_id).datasets.get("nav17", "")
        assert stored
        assert digest.startswith(stored), "the digest is ours, whole or cut at its end"

    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    def test_a_failing_run_is_marked_and_its_error_passes(
        self, tracker: Tracker, read_back: ReadBack | None, error: type[BaseException]
    ) -> None:
        ids = []

        def fail() -> None:
            with tracker.run("failing", kind="train") as run:
                ids.append(run.run_id)
                run.log_metrics({"rmse": 1.0})
                raise error

        passed = False
        try:
            fail()
        except error:
            passed = True
        assert passed, "the tracker swallowed the error"
        assert _content(read_back, ids[0]).failed

    def test_runs_follow_each_other(self, tracker: Tracker, read_back: ReadBack | None) -> None:
        ids = []
        for name in ("first", "second"):
            with tracker.run(name, kind="train") as run:
                run.log_params({"name": name})
                ids.append(run.run_id)
        assert [_content(read_back, i).params.get("name") for i in ids] == ["first", "second"]

    def test_child_runs_know_their_parent(self, tracker: Tracker, read_back: ReadBack | None) -> None:
        with tracker.run("parent", kind="study") as parent:
            with tracker.run("child", kind="train", parent=parent.run_id) as child:
                child.log_metrics({"rmse": 1.0})
                child_id = child.run_id
            parent.log_metrics({"best": 1.0})
            parent_id = parent.run_id
        assert _content(read_back, child_id).parent == parent_id
        assert _content(read_back, parent_id).metrics.get("best") == [1.0]

    def test_nothing_raises_on_weird_values(self, tracker: Tracker, tmp_path: Path) -> None:
        with tracker.run("weird / Ä\n" + "x" * 300, kind="train", tags={"": "", "a/b": "Ä" * 6000}) as run:
            for value in WEIRD_VALUES:
                run.log_params({"value": value})
            for name in WEIRD_NAMES:
                run.log_params({name: 1})
                run.log_metrics({name: 1.0}, step=0)
                run.set_tags({name: "x"})
            run.log_metrics({"nan": math.nan, "inf": math.inf}, step=1)
            run.log_metrics({"numpy": np.float32(2)})
            run.log_metrics({})
            run.log_params({})
            run.log_curve("empty", [])
            run.log_curve("nan", [math.nan, 1.0, math.inf])
            run.log_dataset("", digest="", source="", context="")
            run.log_artifact(tmp_path / "missing.txt")
            run.log_table("empty", pa.table({"a": pa.array([], pa.int64())}))
            run.log_table("no columns", pa.table({}))
            run.log_model(tmp_path / "missing model", name="nothing")

    def test_a_weird_value_does_not_hide_a_good_one(self, tracker: Tracker, read_back: ReadBack | None) -> None:
        with tracker.run("mixed", kind="train") as run:
            run.log_params({"bad": object(), "": 1, "good": 7})
            run.log_metrics({"nan": math.nan, "rmse": 0.5})
            run_id = run.run_id
        content = _content(read_back, run_id)
        assert content.params.get("good") == "7"
        assert content.metrics.get("rmse") == [0.5]


def _content(read_back: ReadBack | None, run_id: str) -> RunContent:
    if read_back is None:
        pytest.skip("this tracker keeps nothing to read back")
    assert run_id, "a tracker with a store names its runs"
    return read_back(run_id)
