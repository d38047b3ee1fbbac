"""A store that is away, slow to come back or unwilling never stops a run, and loses as little as can be."""

from __future__ import annotations

import logging

import pyarrow as pa
import pytest
from mlflow_store import copy_empty_database

from cinchona.experiments.outbox import Outbox, brief, is_refusal
from cinchona.experiments.tracker import MlflowTracker


class Clock:
    def __init__(self):
        self.now = 1.0

    def __call__(self):
        return self.now


class Store:
    """Something to call that may be away."""

    def __init__(self):
        self.away, self.got = False, []

    def put(self, item):
        if self.away:
            raise ConnectionError("https://me:secret@host is away\nsecond line")
        self.got.append(item)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return Store()


def test_calls_are_kept_in_order_and_sent_when_the_store_is_back(clock, store, caplog):
    box = Outbox(clock=clock, pause=30)
    assert box.send("a", lambda: store.put("a"))
    store.away = True
    for item in "bcd":
        assert not box.send(item, lambda i=item: store.put(i))
    store.away = False
    assert not box.send("e", lambda: store.put("e")), "still in the pause"
    clock.now += 31
    assert box.send("f", lambda: store.put("f"))
    assert "".join(store.got) == "abcdef"
    assert len(caplog.records) == 1, "one warning an outage"
    assert "secret" not in caplog.text


def test_a_store_that_stays_away_is_asked_once_a_pause(clock, store):
    calls = []

    def call():
        calls.append(clock.now)
        raise ConnectionError

    box = Outbox(clock=clock, pause=30)
    for _ in range(100):
        clock.now += 1
        box.send("x", call)
    assert len(calls) == 4


def test_a_refusal_is_dropped_and_the_rest_goes_on(store, caplog):
    box = Outbox()

    def refuse():
        raise ValueError("no such thing")

    box.send("bad", refuse)
    box.send("good", lambda: store.put("good"))
    assert store.got == ["good"]
    assert (box.lost, len(box)) == (1, 0)
    assert "refused bad: no such thing" in caplog.text


def test_what_finds_no_room_is_counted(clock, store):
    store.away = True
    box = Outbox(clock=clock, capacity=2)
    for item in "abc":
        box.send(item, lambda i=item: store.put(i))
    assert (len(box), box.lost) == (2, 1)
    store.away = False
    assert box.flush()
    assert store.got == ["a", "b"]


class AnswerError(Exception):
    def __init__(self, status):
        self.status = status

    def get_http_status_code(self):
        return self.status


@pytest.mark.parametrize(
    "error,refused",
    [
        (AnswerError(400), True), (AnswerError(404), True), (AnswerError(429), False), (AnswerError(500), False), (AnswerError(503), False),
        (FileNotFoundError(2, "gone"), True), (OSError(28, "full"), False), (TimeoutError(), False),
        (TypeError("x"), True), (RuntimeError("x"), False),
    ],
)  # fmt: skip
def test_refusals_are_told_from_outages(error, refused):
    assert is_refusal(error) is refused
    assert brief(error)


def test_a_run_with_an_unreachable_server_goes_on_quickly(monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "report.html").write_text("x")
    tracker = MlflowTracker("http://127.0.0.1:9")
    with tracker.run("lonely", kind="screen", tags={"a": "b"}) as run:
        assert run.run_id == ""
        run.log_params({"x": 1})
        run.log_metrics({"rmse": 1.0})
        run.log_artifact(tmp_path / "report.html")
        run.log_table("hits", pa.table({"a": [1]}))
        run.log_model(tmp_path, name="model")
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len([w for w in warnings if "out of reach" in w]) == 1
    assert len([w for w in warnings if "did not reach http://127.0.0.1:9" in w]) == 1
    assert "9" in tracker.describe()


def test_a_store_that_comes_back_gets_the_whole_run(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder of the store should be")
    tracker = MlflowTracker(f"sqlite:///{blocked}/mlflow.db", outbox=lambda: Outbox(pause=0.0))
    with tracker.run("patient", kind="train") as run:
        run.log_params({"x": 1})
        run.log_metrics({"rmse": 0.5}, step=3)
        (tmp_path / "short-lived.svg").write_text("<svg/>")
        run.log_artifact(tmp_path / "short-lived.svg", folder="pictures")
        (tmp_path / "short-lived.svg").unlink()
        assert run.run_id == ""
        blocked.unlink()
        copy_empty_database(blocked)
    client = tracker.store.connect()
    assert [f.path for f in client.list_artifacts(run.run_id, "pictures")] == ["pictures/short-lived.svg"]
    stored = client.get_run(run.run_id)
    assert (stored.data.params, stored.data.metrics, stored.info.status) == ({"x": "1"}, {"rmse": 0.5}, "FINISHED")
