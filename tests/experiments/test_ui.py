"""The browser is served to this machine only, opens on model training, and its assistant is shut."""

from __future__ import annotations

import asyncio
import os
import re
import socket

import pytest

from cinchona.errors import ConfigError
from cinchona.experiments import ui
from cinchona.experiments.store import Store
from cinchona.experiments.ui_app import TrainingView

LOCAL = Store.at("sqlite:///runs/mlflow.db")


def ask(path, *, method="GET", cookie=b"", kind="http"):
    """Status, headers and body of an answer; the application behind answers 299."""
    sent = []

    async def application(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"behind"})

    async def collect(message):
        sent.append(message)

    headers = [(b"cookie", cookie)] if cookie else []
    scope = {"type": kind, "path": path, "method": method, "headers": headers}
    asyncio.run(TrainingView(application)(scope, None, collect))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


def test_a_new_browser_is_told_to_show_model_training():
    status, headers, body = ask("/")
    assert status == 200
    assert "mlflow.workflowType_v1', '\"machine_learning\"'" in body
    assert "#/experiments?workflowType=machine_learning" in body
    nonce = re.search(r"script-src 'nonce-([^']+)'", headers[b"content-security-policy"].decode()).group(1)
    assert f'<script nonce="{nonce}">' in body
    assert ask("/")[2] != body, "a nonce is used once"


def test_a_browser_that_knows_is_let_through():
    assert ask("/", cookie=b"a=b; cinchona-view=1")[0] == 299
    assert ask("/static-files/x.js")[0] == 299
    assert ask("/", kind="websocket")[0] == 299


@pytest.mark.parametrize("path,method,status", [
    ("config", "GET", 200), ("providers", "GET", 200), ("config", "PUT", 403), ("message", "POST", 403),
    ("sessions/1/stream", "GET", 403), ("skills/install", "POST", 403),
])  # fmt: skip
def test_the_assistant_has_no_provider_and_does_nothing(path, method, status):
    answer = ask(f"/ajax-api/3.0/mlflow/assistant/{path}", method=method)
    assert answer[0] == status
    assert "behind" not in answer[2]
    assert int(answer[1][b"content-length"]) == len(answer[2])


def test_nobody_is_logged_in():
    assert ask("/ajax-api/2.0/mlflow/users/current")[::2] == (200, "{}")


def test_the_server_knows_its_store_and_its_names():
    environment = ui.server_environment(LOCAL, port=5055)
    assert environment["_MLFLOW_SERVER_FILE_STORE"] == LOCAL.uri
    assert environment["MLFLOW_SERVER_ALLOWED_HOSTS"] == "localhost:5055,127.0.0.1:5055"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert ui.address(5055) == "http://127.0.0.1:5055/"


def test_mlflow_still_reads_these_names():
    from mlflow.server import constants

    names = {constants.BACKEND_STORE_URI_ENV_VAR, constants.REGISTRY_STORE_URI_ENV_VAR, constants.ARTIFACT_ROOT_ENV_VAR}
    assert names <= set(ui.server_environment(LOCAL))


def test_a_server_is_not_served_again():
    with pytest.raises(ConfigError, match=r"https://\*\*\*@host is a server already"):
        ui.server_environment(Store.at("https://me:secret@host"))


@pytest.mark.parametrize("port", [0, 70_000])
def test_ports_out_of_range(port):
    with pytest.raises(ConfigError, match="out of range"):
        ui.require_free(port)


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="is taken"):
        ui.require_free(taken.getsockname()[1])


def test_serving(monkeypatch, new_store):
    calls = []
    monkeypatch.setattr("uvicorn.run", lambda *a, **k: calls.append((a, k)))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ui.serve_ui(Store.at(new_store), port=port)
    ((application,), how), = calls  # fmt: skip
    assert application == "cinchona.experiments.ui_app:create_app"
    assert (how["host"], how["port"]) == ("127.0.0.1", port)
