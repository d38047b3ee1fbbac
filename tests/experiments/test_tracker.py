"""The MLflow tracker keeps the contract, and never stands in the way of a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from contracts.tracker import RunContent, TrackerContract
from mlflow_store import copy_empty_database

from cinchona.errors import RunInterrupted
from cinchona.experiments.tracker import MlflowTracker, git_commit

SECRET = "hunter2-canary"


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One SQLite store for all tests here."""
    return copy_empty_database(tmp_path_factory.mktemp("store"))


@pytest.fixture
def tracker(store):
    return MlflowTracker(f"sqlite:///{store}", experiment="tests of Ä/tracker")


def client_of(tracker):
    return tracker.store.connect()


def content_of(tracker, run_id):
    client = client_of(tracker)
    run = client.get_run(run_id)
    return RunContent(
        failed=run.info.status in {"FAILED", "KILLED"},
        params=run.data.params,
        metrics={m: [e.value for e in client.get_metric_history(run_id, m)] for m in run.data.metrics},
        tags=run.data.tags,
        artifacts=frozenset(_files(client, run_id, "")),
        datasets={d.dataset.name: d.dataset.digest for d in run.inputs.dataset_inputs},
        parent=run.data.tags.get("mlflow.parentRunId", ""),
    )


def _files(client, run_id, folder):
    for entry in client.list_artifacts(run_id, folder or None):
        yield from _files(client, run_id, entry.path) if entry.is_dir else [entry.path]


class TestMlflowTracker(TrackerContract):
    @pytest.fixture
    def tracker(self, store):
        return MlflowTracker(f"sqlite:///{store}", experiment="contract")

    @pytest.fixture
    def read_back(self, tracker):
        return lambda run_id: content_of(tracker, run_id)


def test_the_page_of_a_run_tells_what_it_did(tracker):
    with tracker.run(
        "nav17 | <b>", kind="train", tags={"description": "D-MPNN of 2 [x](javascript:y)", "seed": "7"}
    ) as run:
        run.log_metrics({"test/rmse": 0.71234, "n": 1017})
        run.log_curve("loss", [2.0, 1.5])
        run.log_dataset("assay", digest="ab" * 32, source="assay.csv", context="train")
    note = content_of(tracker, run.run_id).tags["mlflow.note.content"]
    assert note.startswith("**train** nav17 \\| &lt;b&gt; · cinchona\\_version ")
    assert "\n\nD-MPNN of 2 \\[x\\](javascript:y)\n\ntest/rmse **0.7123** · n **1,017**\n\n" in note
    for row in (
        "| test/rmse | 0.7123 |",
        "| n | 1,017 |",
        "| loss | 2 | 1.5 |",
        f"| assay | train | {'ab' * 6} |",
        "seed 7",
    ):
        assert row in note


def test_a_run_says_where_it_comes_from(tracker):
    with tracker.run("origin", kind="screen") as run:
        pass
    tags = content_of(tracker, run.run_id).tags
    assert (tags["kind"], tags["mlflow.source.name"]) == ("screen", "cinchona screen")
    assert tags["cinchona_version"]
    assert tags.get("git_commit") == git_commit()


def test_experiments_open_in_the_training_view(tracker):
    with tracker.run("view", kind="train"):
        pass
    experiment = client_of(tracker).get_experiment_by_name(tracker.experiment)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert experiment.artifact_location == (tracker.store.database.parent / "artifacts/tests-of---tracker").as_uri()


def test_a_deleted_experiment_is_restored(tracker):
    with tracker.run("before", kind="train"):
        pass
    client = client_of(tracker)
    client.delete_experiment(client.get_experiment_by_name(tracker.experiment).experiment_id)
    with tracker.run("after", kind="train") as run:
        run.log_metrics({"rmse": 1})
    assert content_of(tracker, run.run_id).metrics == {"rmse": [1.0]}


def test_long_parameters_become_files(tracker, tmp_path):
    smarts = "C" * 7_000
    with tracker.run("long", kind="train") as run:
        run.log_params({"filter.smarts": smarts, "short": "x"})
    content = content_of(tracker, run.run_id)
    assert content.params["filter.smarts"] == f"{'C' * 100}… (7,000 characters: params/filter.smarts.txt)"
    path = client_of(tracker).download_artifacts(run.run_id, "params/filter.smarts.txt", str(tmp_path))
    assert Path(path).read_text() == smarts


def test_secrets_reach_nothing_in_the_store(tracker, store):
    url = f"https://me:{SECRET}@host/x?token={SECRET}"

    def work():
        with tracker.run(f"run {url}", kind="train", tags={"api_key": SECRET, "at": url}) as run:
            run.log_params({"tracking.uri": url, "tracking.token": SECRET, "nested": {"password": SECRET}})
            run.set_tags({"description": url})
            run.log_dataset(url, digest="ab", source=url, context="train")
            run.log_table("hits", pa.table({"compound_id": [url]}))
            raise ValueError(f"{url} is away")

    with pytest.raises(ValueError, match="away"):
        work()
    files = [p for p in store.parent.rglob("*") if p.is_file()]
    assert any(p.name == "hits.json" for p in files)
    assert not [p for p in files if SECRET.encode() in p.read_bytes()]


@pytest.mark.parametrize(
    "error,status",
    [(ValueError, "FAILED"), (RunInterrupted, "KILLED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
def test_the_end_of_a_run_is_its_status(tracker, error, status):
    with pytest.raises(error), tracker.run("ends", kind="train") as run:
        raise error("why")
    stored = client_of(tracker).get_run(run.run_id)
    assert stored.info.status == status
    assert stored.data.tags.get("error") == ("ValueError: why" if status == "FAILED" else None)


def test_tables_have_pictures_and_at_most_200_rows(tracker, tmp_path):
    svg, png = "<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG..."
    table = pa.table({"structure": [svg] * 300, "score": [float("nan")] + [1.0] * 299, "flags": [["a", "b"]] * 300})
    with tracker.run("tables", kind="screen") as run:
        run.log_table("hits", table)
        run.log_table("other", pa.table({"structure": pa.array([png, None], pa.binary())}))
        run.log_table("hits", table.slice(0, 1))
    content = content_of(tracker, run.run_id)
    assert json.loads(content.tags["mlflow.loggedArtifacts"]) == [
        {"path": "hits.json", "type": "table"},
        {"path": "other.json", "type": "table"},
    ]
    assert sum(name.endswith(".svg") for name in content.artifacts) == 200
    assert "table_images/other/0.png" in content.artifacts
    path = client_of(tracker).download_artifacts(run.run_id, "hits.json", str(tmp_path))
    stored = json.loads(Path(path).read_text())
    picture = {"type": "image", "filepath": "table_images/hits/0.svg", "compressed_filepath": "table_images/hits/0.svg"}
    assert stored == {"columns": ["structure", "score", "flags"], "data": [[picture, None, "a; b"]]}


def test_metrics_are_sent_together(tracker, monkeypatch):
    with tracker.run("batches", kind="train") as run:
        calls = []
        monkeypatch.setattr(
            run.client, "log_batch", lambda *a, real=run.client.log_batch, **k: calls.append(k) or real(*a, **k)
        )
        for epoch in range(50):
            run.log_metrics({"loss": epoch, "rmse": epoch}, step=epoch)
    batches = [len(call["metrics"]) for call in calls if "metrics" in call]
    assert sum(batches) == 100
    assert len(batches) <= 3, "one call, or one more each two seconds"


def test_importing_the_tracker_does_not_import_mlflow():
    code = "import sys; from cinchona.experiments import MlflowTracker; assert 'mlflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mlflow_is_quiet_and_has_no_global_store(new_store, tmp_path):
    code = """
import sys, pathlib
from cinchona.experiments import MlflowTracker
with MlflowTracker(sys.argv[1]).run("x", kind="train") as run:
    run.log_metrics({"a": 1})
import mlflow
from mlflow.telemetry.utils import is_telemetry_disabled
assert is_telemetry_disabled()
assert mlflow.active_run() is None and sys.argv[1] != mlflow.get_tracking_uri()
assert [p.name for p in pathlib.Path.cwd().iterdir()] == ["store"], list(pathlib.Path.cwd().iterdir())
"""
    command = [sys.executable, "-c", code, new_store]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout + done.stderr == ""
