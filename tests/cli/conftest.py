"""Runs commands in this process, and keeps what they do to logging from other tests."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


@pytest.fixture
def cinchona(capsys, monkeypatch, tmp_path):
    """Run ``cinchona`` with arguments in an empty folder; returns code, stdout and stderr."""
    from cinchona.cli.main import run

    monkeypatch.chdir(tmp_path)
    for name in ("CINCHONA_LOG_FORMAT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments):
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    root = logging.getLogger("cinchona")
    was = (root.level, root.propagate, list(root.handlers))
    yield call
    root.setLevel(was[0])
    root.propagate = was[1]
    root.handlers[:] = was[2]
