"""A secret in settings, addresses and environment reaches no parameter, tag, artifact, log or waiting record."""

from __future__ import annotations

import io
import logging

import pytest
from mlflow_store import copy_empty_database
from small_screens import nci_library
from small_training import nav17, quick_settings

from cinchona.experiments.tracker import MlflowTracker
from cinchona.pipelines.config import TrackingConfig
from cinchona.pipelines.evaluate import evaluate
from cinchona.pipelines.screen import screen
from cinchona.pipelines.train import train

CANARY = "kanarienvogel-4711"
URL = f"https://me:{CANARY}@host.example/x?token={CANARY}&sig={CANARY}"


@pytest.fixture
def said():
    """Everything that Cinchona logs, at every level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger("cinchona")
    was = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(was)


@pytest.mark.parametrize("away", [False, True])
def test_the_canary_is_nowhere(tmp_path, monkeypatch, said, away):
    for name in (
        "AWS_SECRET_ACCESS_KEY",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "CANARY",
        "CINCHONA_TOKEN",
    ):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = f"http://me:{CANARY}@127.0.0.1:9" if away else f"sqlite:///{copy_empty_database(tmp_path / 'store')}"
    tracker = MlflowTracker(store, spool=tmp_path / "outbox")
    settings = quick_settings("training.ensemble_size=1", "training.epochs=1").model_copy(
        update={"tracking": TrackingConfig(uri=URL)}
    )
    options = {"settings": settings, "tracker": tracker}
    model = train(nav17(60), targets=["pIC50"], out=tmp_path / "model", **options)
    evaluate(nav17(60), model=model.folder, targets=["pIC50"], **options)
    library = nci_library(tmp_path / "library.csv", 20)
    screen(library, model=model.folder, out=tmp_path / "screen", **options)
    with pytest.raises(ValueError, match="away"), tracker.run(URL, kind="train", tags={"secret": CANARY}) as run:
        run.log_params({"uri": URL, "nested": {"password": CANARY}})
        raise ValueError(f"{URL} is away")
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) > 20
    assert any("outbox" in p.parts for p in files) == away
    assert [p for p in files if CANARY.encode() in p.read_bytes()] == []
    assert CANARY not in said.getvalue()
