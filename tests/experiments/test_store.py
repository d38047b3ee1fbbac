"""Where runs go, and that several processes may go there at once."""

from __future__ import annotations

import pytest

from cinchona.errors import MissingDependencyError
from cinchona.experiments import client
from cinchona.experiments.store import Store
from cinchona.experiments.tracker import open_tracker
from cinchona.pipelines.config import TrackingConfig
from cinchona.tracking import NullTracker


def test_the_default_store_lies_in_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tracker = open_tracker(TrackingConfig(), environ={})
    assert tracker.store == Store(
        f"sqlite:///{tmp_path}/cinchona-runs/mlflow.db", (tmp_path / "cinchona-runs/artifacts").as_uri()
    )
    assert list(tmp_path.iterdir()) == [], "nothing is made before the first run"
    assert "cinchona serve-ui" in tracker.describe()


def test_settings_win_over_the_environment_and_that_over_the_default(tmp_path):
    environ = {"MLFLOW_TRACKING_URI": "https://me:pw@host/runs"}
    tracker = open_tracker(TrackingConfig(), environ=environ)
    assert tracker.store == Store("https://me:pw@host/runs", None)
    assert "pw" not in tracker.describe()
    chosen = open_tracker(TrackingConfig(uri=f"sqlite:///{tmp_path}/x.db", experiment="mine"), environ=environ)
    assert chosen.store.artifact_root == (tmp_path / "artifacts").as_uri()
    assert chosen.experiment == "mine"


def test_an_artifact_root_can_be_given(tmp_path):
    assert Store.at("sqlite:///a.db", artifact_root=tmp_path / "files").artifact_root == (tmp_path / "files").as_uri()
    assert Store.at("https://host", artifact_root="s3://bucket").artifact_root == "s3://bucket"


def test_tracking_can_be_off_or_missing(monkeypatch, caplog):
    assert isinstance(open_tracker(TrackingConfig(enabled=False)), NullTracker)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert isinstance(open_tracker(TrackingConfig()), NullTracker)
    assert "not installed" in caplog.text
    with pytest.raises(MissingDependencyError, match="needs the package mlflow"):
        client.load_mlflow("a_package_that_is_not_there")


def test_the_users_patience_wins(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "99")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    environment = client.quiet_environment()
    assert environment["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
