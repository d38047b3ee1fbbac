"""A tracking server with a login: strangers get nothing, and a wrong password costs no record."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from local_server import free_port, serving

from cinchona.experiments.client import quiet_environment
from cinchona.experiments.store import Store
from cinchona.experiments.sync import sync
from cinchona.experiments.tracker import MlflowTracker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PASSWORD = "a-long-password-of-tests"
INI = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = keeper
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("flask_wtf", reason="needs mlflow[auth]")
    folder = tmp_path_factory.mktemp("server")
    (folder / "auth.ini").write_text(INI.format(folder=folder, password=PASSWORD))
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1",
               "--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1",
               "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
    environment = {**quiet_environment(), "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "PYTHONSAFEPATH": "1",
                   "MLFLOW_FLASK_SERVER_SECRET_KEY": "for-tests-only"}  # fmt: skip
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    with serving(command, port, environment=environment, folder=folder):
        yield f"http://127.0.0.1:{port}"


def test_strangers_get_nothing(server):
    request = urllib.request.Request(f"{server}/api/2.0/mlflow/experiments/search", data=b'{"max_results": 5}',
                                     headers={"Content-Type": "application/json"})  # fmt: skip
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert answer.code == 401


def test_a_wrong_password_costs_no_record(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "keeper")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    tracker = MlflowTracker(server, spool=tmp_path / "outbox")
    with tracker.run("locked out", kind="train") as run:
        run.log_params({"x": 1})
    assert run.run_id == ""
    assert "wait on disk" in caplog.text
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    (done,) = sync(tmp_path / "outbox", Store.at(server))
    assert (done.outcome, done.refused) == ("sent", 0)
    assert tracker.store.connect().get_run(done.run_id).data.params == {"x": "1"}
    with tracker.run("let in", kind="train") as run:
        run.log_params({"y": 2})
    assert run.run_id
