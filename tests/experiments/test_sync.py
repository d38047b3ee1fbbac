"""What a store does not take waits on disk, and is sent later by another process; nothing doubles, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from local_server import free_port, serving
from mlflow_store import copy_empty_database
from recorded_models import forest

from cinchona.experiments.journal import FILE, claimed, read_journal, waiting_in
from cinchona.experiments.outbox import Outbox
from cinchona.experiments.sender import RECORD_TAG
from cinchona.experiments.store import Store
from cinchona.experiments.sync import sync
from cinchona.experiments.tracker import MlflowTracker

SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.fixture
def blocked(tmp_path):
    """A store that is away: a file stands where its folder should be."""
    place = tmp_path / "blocked"
    place.write_text("in the way")
    return place


@pytest.fixture
def tracker(blocked, tmp_path):
    return MlflowTracker(f"sqlite:///{blocked}/mlflow.db", spool=tmp_path / "outbox")


def come_back(blocked):
    blocked.unlink()
    return copy_empty_database(blocked)


def record_something(tracker, tmp_path):
    picture = tmp_path / "short-lived.svg"
    picture.write_text(SVG)
    with tracker.run("patient", kind="train", tags={"seed": "7"}) as run:
        run.log_params({"x": 1, "long": "y" * 7_000})
        run.log_metrics({"rmse": 0.5})
        run.log_curve("loss", [3.0, float("nan"), 1.0])
        run.log_dataset("a.csv", digest="ab" * 32, source="a.csv", context="train")
        run.log_artifact(picture, folder="pictures")
        picture.unlink()
        run.log_table("hits", pa.table({"compound_id": ["a"], "structure": [SVG]}))
        run.log_model(forest(tmp_path / "model"), name="model")


def content(store, run_id):
    client = store.connect()
    run = client.get_run(run_id)
    files = {f.path for f in client.list_artifacts(run_id)} | {
        f.path for f in client.list_artifacts(run_id, "pictures")
    }
    loss = [m.value for m in client.get_metric_history(run_id, "loss")]
    params = {k: v for k, v in run.data.params.items() if k == "x"}
    return run.info.status, params, run.data.metrics["rmse"], len(loss), sorted(files), run.outputs.model_outputs


def test_everything_that_waited_arrives(tracker, blocked, tmp_path, caplog):
    record_something(tracker, tmp_path)
    assert "they wait on disk, send them with: cinchona sync" in caplog.text
    assert [s.outcome for s in sync(tmp_path / "outbox", tracker.store)] == ["away"]
    come_back(blocked)
    (done,) = sync(tmp_path / "outbox", tracker.store)
    assert (done.outcome, done.refused, done.run) == ("sent", 0, "patient")
    status, params, rmse, points, files, models = content(tracker.store, done.run_id)
    assert (status, params, rmse, points, len(models)) == ("FINISHED", {"x": "1"}, 0.5, 3, 1)
    assert files == ["hits.json", "params", "pictures", "pictures/short-lived.svg", "table_images"]
    assert waiting_in(tmp_path / "outbox") == []
    assert sync(tmp_path / "outbox", tracker.store) == []


def test_a_second_attempt_doubles_nothing(tracker, blocked, tmp_path):
    """The process dies after all was sent and before the journal was removed."""
    record_something(tracker, tmp_path)
    (journal,) = waiting_in(tmp_path / "outbox")
    kept = {p.relative_to(journal): p.read_bytes() for p in journal.rglob("*") if p.is_file()}
    come_back(blocked)
    (first,) = sync(tmp_path / "outbox", tracker.store)
    for name, data in kept.items():
        (journal / name).parent.mkdir(parents=True, exist_ok=True)
        (journal / name).write_bytes(data)
    (second,) = sync(tmp_path / "outbox", tracker.store)
    assert second.run_id == first.run_id
    client = tracker.store.connect()
    experiment = client.get_experiment_by_name("cinchona").experiment_id
    assert len(client.search_runs([experiment])) == 1
    assert len(client.search_logged_models([experiment])) == 1
    assert content(tracker.store, first.run_id)[3] == 3, "no point of a curve is doubled"


def test_a_store_that_comes_back_in_time_leaves_no_journal(blocked, tmp_path):
    tracker = MlflowTracker(
        f"sqlite:///{blocked}/mlflow.db", spool=tmp_path / "outbox", outbox=lambda: Outbox(pause=0.0)
    )
    with tracker.run("lucky", kind="train") as run:
        run.log_params({"x": 1})
        assert len(waiting_in(tmp_path / "outbox")) == 1
        come_back(blocked)
    assert waiting_in(tmp_path / "outbox") == []
    assert tracker.store.connect().get_run(run.run_id).data.params == {"x": "1"}


def test_a_live_run_another_store_and_a_torn_line(tracker, blocked, tmp_path):
    spool = tmp_path / "outbox"
    with tracker.run("alive", kind="train") as run:
        run.log_params({"x": 1})
        assert [s.outcome for s in sync(spool, tracker.store)] == ["busy"]
    (journal,) = waiting_in(spool)
    assert [s.outcome for s in sync(spool, Store.at("sqlite:///elsewhere.db"))] == ["elsewhere"]
    text = (journal / FILE).read_text()
    head, *lines = text.splitlines()
    assert json.loads(head)["title"] == "alive"
    (journal / FILE).write_text("\n".join([head, *lines[:2]]) + '\n{"what": "to')
    assert len(read_journal(journal).records) == 2
    come_back(blocked)
    (done,) = sync(spool, tracker.store)
    assert tracker.store.connect().get_run(done.run_id).info.status == "KILLED", "it never said how it ended"
    (spool / "x").mkdir()
    (spool / "x" / FILE).write_text("nonsense")
    assert [s.outcome for s in sync(spool, tracker.store)] == ["damaged"]


def test_journals_hold_no_secrets(tmp_path):
    secret = "hunter2-canary"
    tracker = MlflowTracker(f"http://me:{secret}@127.0.0.1:9", spool=tmp_path / "outbox")
    with tracker.run("r", kind="train", tags={"api_key": secret}) as run:
        run.log_params({"tracking.token": secret, "uri": f"https://me:{secret}@host"})
        run.log_table("t", pa.table({"a": [f"https://me:{secret}@host"]}))
    files = [p for p in (tmp_path / "outbox").rglob("*") if p.is_file()]
    assert files
    assert not [p for p in files if secret.encode() in p.read_bytes()]


def test_a_full_disk_of_the_outbox_is_one_warning(tracker, tmp_path, caplog):
    (tmp_path / "outbox").write_text("no folder can be made here")
    with tracker.run("r", kind="train") as run:
        for k in range(5):
            run.log_params({f"x{k}": 1})
    assert len([r for r in caplog.records if "cannot be written" in r.getMessage()]) == 1
    assert "wait on disk" not in caplog.text


def test_no_room_in_memory_is_room_on_disk(blocked, tmp_path):
    tracker = MlflowTracker(
        f"sqlite:///{blocked}/mlflow.db", spool=tmp_path / "outbox", outbox=lambda: Outbox(pause=0.0, capacity=3)
    )
    with tracker.run("r", kind="train") as run:
        for k in range(6):
            run.log_params({f"x{k}": 1})
        come_back(blocked)
    (done,) = sync(tmp_path / "outbox", tracker.store)
    assert len(tracker.store.connect().get_run(done.run_id).data.params) == 6


FULL = """
import resource, signal, sys
from cinchona.experiments.tracker import MlflowTracker
import pathlib
root = pathlib.Path(sys.argv[1])
tracker = MlflowTracker(f"sqlite:///{root}/store/mlflow.db", spool=root / "outbox")
tracker.store.connect()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = (root / "store" / "mlflow.db").stat().st_size
with tracker.run("full", kind="screen") as run:
    run.log_params({"x": 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))  # the disk is full now
    run.log_metrics({"rows": 5})
    run.log_curve("best", [float(k) for k in range(900)])
print("worked on")
"""


def test_a_store_on_a_full_disk(tmp_path):
    copy_empty_database(tmp_path / "store")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FULL, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "worked on", done.stderr
    assert "out of reach" in done.stderr
    store = Store.at(f"sqlite:///{tmp_path}/store/mlflow.db")
    (caught_up,) = sync(tmp_path / "outbox", store)
    assert caught_up.outcome == "sent"
    run = store.connect().get_run(caught_up.run_id)
    assert (run.info.status, run.data.metrics["rows"]) == ("FINISHED", 5)
    assert len(store.connect().get_metric_history(caught_up.run_id, "best")) == 900


SERVER = "import sys; from cinchona.experiments import Store, serve_ui; serve_ui(Store.at(sys.argv[1]), port=int(sys.argv[2]))"


def server(database, port):
    """A tracking server."""
    command = [sys.executable, "-W", "ignore", "-c", SERVER, f"sqlite:///{database}", str(port)]
    return serving(command, port, environment={**os.environ, "PYTHONSAFEPATH": "1"}, folder=database.parent)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_that_is_killed_halfway_loses_no_screen(tmp_path, monkeypatch):
    """A screen is at work, its server dies; the screen ends well, and sync gives the server the rest."""
    from small_screens import nci_library

    from cinchona.pipelines.config import Settings
    from cinchona.pipelines.screen import screen
    from cinchona.settings import load_settings

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    database = copy_empty_database(tmp_path / "server")
    port = free_port()
    store = Store.at(f"http://127.0.0.1:{port}")
    tracker = MlflowTracker(store.uri, spool=tmp_path / "outbox")
    library = nci_library(tmp_path / "library.smi", 300)
    settings = load_settings(Settings, overrides=["executor.kind=serial", "screen.partition_rows=100"], environ={})
    with server(database, port) as process:
        _kill_after_first_call(tracker, process, monkeypatch)
        result = screen(
            library, model=forest(tmp_path / "model"), out=tmp_path / "out", settings=settings, tracker=tracker
        )
    assert result.rows == result.scored + result.rejected
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert [s.outcome for s in sync(tmp_path / "outbox", store)] == ["away"]
    with server(database, port):
        (done,) = sync(tmp_path / "outbox", store)
        assert (done.outcome, done.refused, done.run_id) == ("sent", 0, result.run_id)
        run = store.connect().get_run(result.run_id)
        assert (run.info.status, run.data.metrics["scored"]) == ("FINISHED", result.scored)
        assert run.data.tags["scores_digest"] == result.scores_digest
        assert {"report.html", "hits.json", "recipe.json"} <= {
            f.path for f in store.connect().list_artifacts(result.run_id)
        }


def _kill_after_first_call(tracker, process, monkeypatch):
    from cinchona.experiments.run import MlflowRun

    real = MlflowRun.log_params

    def log_params(self, params):
        real(self, params)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    monkeypatch.setattr(MlflowRun, "log_params", log_params)


def test_the_record_tag_is_not_shown():
    assert RECORD_TAG.startswith("mlflow.")


def test_claims_exclude_each_other(tmp_path):
    (tmp_path / FILE).write_text("x")
    with claimed(tmp_path) as first, claimed(tmp_path) as second:
        assert (first, second) == (True, False)


def test_from_the_command_line(tracker, blocked, tmp_path, monkeypatch, capsys):
    from cinchona.cli.main import run

    monkeypatch.chdir(tmp_path)
    with tracker.run("r", kind="train") as recorded:
        recorded.log_params({"x": 1})
    (tmp_path / "cinchona-runs").mkdir()
    Path(tmp_path / "outbox").rename(tmp_path / "cinchona-runs" / "outbox")
    command = ["sync", "--json", "--set", f"tracking.uri={tracker.store.uri}"]
    assert run(command) == 5
    assert "still out of reach" in capsys.readouterr().err
    come_back(blocked)
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)[0]["outcome"] == "sent"
    assert run(["sync", "--set", f"tracking.uri={tracker.store.uri}"]) == 0
    assert "nothing waits" in capsys.readouterr().out
