"""Logs go to stderr, in the chosen form, at the chosen level, without secrets."""

from __future__ import annotations

import io
import json
import logging
import re
import sys

import pytest

from cinchona.errors import ConfigError
from cinchona.logs import CinchonaHandler, configure_logging, writes_json


@pytest.fixture(autouse=True)
def _restore():
    root = logging.getLogger("cinchona")
    was = (root.level, root.propagate, list(root.handlers))
    yield
    root.setLevel(was[0])
    root.propagate = was[1]
    root.handlers[:] = was[2]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def log_all(name="cinchona.room"):
    logger = logging.getLogger(name)
    logger.debug("fine detail")
    logger.info("a fact")
    logger.warning("a doubt about %s", "https://me:hunter2@host")
    logger.error("a fault")


@pytest.mark.parametrize("options,levels", [
    ({}, ["a fact", "a doubt", "a fault"]),
    ({"quiet": True}, ["a doubt", "a fault"]),
    ({"verbose": True}, ["fine detail", "a fact", "a doubt", "a fault"]),
])  # fmt: skip
def test_levels(capsys, options, levels):
    configure_logging(**options)
    log_all()
    out, err = capsys.readouterr()
    assert out == ""
    assert [word for word in ("fine detail", "a fact", "a doubt", "a fault") if word in err] == levels


def test_human_lines(capsys):
    configure_logging()
    log_all()
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d a fact", lines[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING a doubt about https://\*\*\*@host", lines[1])


def test_json_lines(capsys):
    configure_logging(log_format="json")
    assert writes_json()
    log_all()
    logging.getLogger("cinchona.x").info("with extra", extra={"rows": 5, "token": "hunter2", "path": object()})
    entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [e["level"] for e in entries] == ["info", "warning", "error", "info"]
    assert entries[0]["logger"] == "cinchona.room"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entries[0]["time"])
    assert (entries[3]["rows"], entries[3]["token"]) == (5, "***")
    assert "hunter2" not in json.dumps(entries)
    assert set(entries[0]) == {"time", "level", "logger", "message"}


def test_line_breaks_stay_in_one_json_line(capsys):
    configure_logging(log_format="json")
    logging.getLogger("cinchona").info("two\nlines")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "two\nlines"


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_tracebacks_are_kept_and_masked(capsys, log_format):
    configure_logging(log_format=log_format)
    try:
        int("https://me:hunter2@host")
    except ValueError:
        logging.getLogger("cinchona").exception("it failed")
    err = capsys.readouterr().err
    assert "ValueError" in err
    assert "test_logs.py" in err
    assert "hunter2" not in err


def test_environment_chooses_the_format(capsys, monkeypatch):
    monkeypatch.setenv("CINCHONA_LOG_FORMAT", "json")
    configure_logging()
    assert writes_json()
    configure_logging(log_format="human")
    assert not writes_json()
    monkeypatch.setenv("CINCHONA_LOG_FORMAT", "xml")
    with pytest.raises(ConfigError, match="xml"):
        configure_logging()


def test_configuring_again_replaces(capsys):
    configure_logging()
    configure_logging(log_format="json")
    log_all()
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_foreign_handlers_and_loggers_are_left_alone(capsys):
    own = logging.NullHandler()
    logging.getLogger("cinchona").addHandler(own)
    configure_logging()
    assert own in logging.getLogger("cinchona").handlers
    logging.getLogger("another.library").warning("not ours")
    assert re.match(r"\d\d:", capsys.readouterr().err) is None
    assert not logging.getLogger().handlers or all(
        not isinstance(h, CinchonaHandler) for h in logging.getLogger().handlers
    )


@pytest.mark.parametrize("environment,coloured", [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_only_where_wanted(monkeypatch, environment, coloured):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for stream, expected in ((Terminal(), coloured), (io.StringIO(), False)):
        configure_logging(stream=stream)
        log_all()
        assert ("\x1b[" in stream.getvalue()) == expected


def test_a_closed_stderr_does_not_stop_the_run():
    stream = io.StringIO()
    configure_logging(stream=stream)
    stream.close()
    log_all()


def test_a_bad_record_is_reported_and_not_raised(capsys, monkeypatch):
    configure_logging()
    logger = logging.getLogger("cinchona")
    # pytest's own handler raises, and pytest puts it also on loggers that some earlier test kept from propagating
    monkeypatch.setattr(logger, "handlers", [h for h in logger.handlers if isinstance(h, CinchonaHandler)])
    logger.info("%d", "no number")
    assert "Logging error" in capsys.readouterr().err


def test_stderr_is_looked_up_at_each_record(monkeypatch):
    configure_logging()
    moved = io.StringIO()
    monkeypatch.setattr(sys, "stderr", moved)
    log_all()
    assert "a fact" in moved.getvalue()
