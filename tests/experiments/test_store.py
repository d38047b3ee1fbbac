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


class OtherWasQuicker:
    """A client to whose store another process writes the same tag between look and insert."""

    def __init__(self, client, *, written):
        self._client, self._written = client, written

    def __getattr__(self, name):
        return getattr(self._client, name)

    def set_experiment_tag(self, experiment_id, key, value):
        if self._written:
            self._client.set_experiment_tag(experiment_id, key, value)
        raise RuntimeError("UNIQUE constraint failed: experiment_tags.key")


@pytest.mark.parametrize("written", [True, False])
def test_a_tag_that_another_process_wrote_first_stops_no_run(new_store, written):
    store = Store.at(new_store)
    client = store.connect()
    made = client.create_experiment("of somebody else")
    crowded = OtherWasQuicker(client, written=written)
    if written:
        assert store.experiment_id(crowded, "of somebody else") == made
    else:
        with pytest.raises(RuntimeError, match="UNIQUE"):
            store.experiment_id(crowded, "of somebody else")


def test_a_new_experiment_is_made_with_its_view(new_store):
    store = Store.at(new_store)
    client = store.connect()
    store.experiment_id(client, "brand new")
    assert client.get_experiment_by_name("brand new").tags["mlflow.experimentKind"] == "custom_model_development"
