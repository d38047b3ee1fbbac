"""MLflow's pages in a real browser: they show a run as chemists want it, and nothing leaves the machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
import warnings
from urllib.parse import urlparse

import numpy as np
import pyarrow.parquet as pq
import pytest
from finished_screen import write_finished_screen, write_model
from mlflow_store import copy_empty_database

from cinchona.experiments.tracker import MlflowTracker
from cinchona.experiments.ui import address
from cinchona.pipelines.depict import with_structures
from cinchona.pipelines.figures import parity_svg, standalone
from cinchona.pipelines.report import write_screen_report

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SERVE = "import sys; from cinchona.experiments import Store, serve_ui; serve_ui(Store.at(sys.argv[1]), port=int(sys.argv[2]))"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A store with a training and a screen, as the pipelines log them."""
    root = tmp_path_factory.mktemp("pages")
    folder = write_finished_screen(root / "screen", n_hits=12)
    report = write_screen_report(folder.root)
    fingerprint = write_model(root / "model")
    tracker = MlflowTracker(f"sqlite:///{copy_empty_database(root)}")
    with warnings.catch_warnings(action="ignore"):
        with tracker.run("train nav17", kind="train", tags={"seed": "7", "description": "two networks"}) as train:
            train.log_params({"training.epochs": 40})
            for epoch in range(5):
                train.log_metrics({"train/loss": 1 / (epoch + 1), "valid/rmse": 1.0}, step=epoch)
            train.log_metrics({"test/rmse": 0.71, "test/forest_rmse": 0.68})
            (root / "parity.svg").write_text(standalone(parity_svg(np.arange(5.0), np.arange(5.0), label="pIC50")))
            train.log_artifact(root / "parity.svg")
            train.log_model(root / "model", name="nav17")
        with tracker.run("screen library", kind="screen", tags={"model_fingerprint": fingerprint}) as screen:
            screen.log_dataset("library.smi", digest="cd" * 32, source="library.smi", context="library")
            screen.log_metrics({"rows": 310, "scored": 300, "rejected": 10})
            screen.log_table("hits", with_structures(pq.read_table(folder.hits)))
            screen.log_artifact(report)
        experiment = tracker.store.connect().get_experiment_by_name("cinchona").experiment_id
    return {"uri": tracker.store.uri, "train": train.run_id, "screen": screen.run_id, "experiment": experiment}


@pytest.fixture(scope="module")
def server(runs, browser):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-c", SERVE, runs["uri"], str(port)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONSAFEPATH": "1"}) as process:
        try:
            browser.wait(lambda: _is_up(port), "the server", seconds=180)
            yield address(port)
        finally:
            process.terminate()


def _is_up(port):
    try:
        with urllib.request.urlopen(f"{address(port)}health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def pages(browser, server, runs):
    """Opens a page of a run and checks afterwards that all was quiet and nobody else was asked."""
    asked, told = [], []

    def visit(path, text):
        browser.open(f"{server}#/experiments/{runs['experiment']}{path}")
        browser.wait(lambda: text in browser.run("return document.body.innerText"), f"{text!r} at {path}")
        asked.extend(browser.requests())
        told.extend(browser.messages())
        return browser

    yield visit
    assert {urlparse(a).hostname for a in asked} == {"127.0.0.1"}
    # React's complaint that a resize took two turns comes from MLflow's own code and is harmless.
    assert [m for level, m in told if level == "SEVERE" and "ResizeObserver" not in m] == []


def test_a_new_browser_starts_with_model_training(browser, server):
    browser.driver.delete_all_cookies()
    browser.open(server)
    browser.wait(lambda: "Experiments" in browser.run("return document.body.innerText"), "the first page")
    assert browser.run("return localStorage.getItem('mlflow.workflowType_v1')") == '"machine_learning"'
    assert browser.run("return localStorage.getItem('mlflow.assistant.panelOpen_v1')") == "false"
    assert "workflowType=machine_learning" in browser.driver.current_url


def test_the_list_of_runs(pages):
    page = pages("/runs", "train nav17")
    assert "screen library" in page.run("return document.body.innerText")


def test_the_page_of_a_training(pages, runs):
    page = pages(f"/runs/{runs['train']}", "two networks")
    text = page.run("return document.body.innerText")
    for word in ("test/rmse", "0.71", "training.epochs", "cinchona train", "nav17"):
        assert word in text


def test_curves(pages, runs):
    pages(f"/runs/{runs['train']}/model-metrics", "valid")


def test_the_hit_table_has_pictures(pages, runs):
    page = pages(f"/runs/{runs['screen']}/artifacts/hits.json", "compound_id")
    loaded = "return [...document.querySelectorAll('table img, [role=table] img, img')].filter(i => i.naturalWidth > 100).length"
    page.wait(lambda: page.run(loaded) >= 3, "pictures of structures")


def test_the_report_within_the_page(pages, runs):
    page = pages(f"/runs/{runs['screen']}/artifacts/report.html", "report.html")
    frame = page.wait(lambda: page.find("iframe"), "the frame of the report")
    page.driver.switch_to.frame(frame)
    page.wait(lambda: "Rejected rows" in page.run("return document.body.innerText"), "the report")
    assert page.find("#status").text == "1–12 of 12", "its script runs"
    page.driver.switch_to.default_content()


def test_the_page_of_a_model(pages, runs, server):
    body = json.dumps({"experiment_ids": [runs["experiment"]]}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server}api/2.0/mlflow/logged-models/search", data=body, headers=headers)
    with urllib.request.urlopen(request) as answer:
        (model,) = json.load(answer)["models"]
    page = pages(f"/models/{model['info']['model_id']}", "test/rmse")
    assert "nav17" in page.run("return document.body.innerText")


@pytest.mark.parametrize(
    "path,headers,status",
    [
        ("ajax-api/3.0/mlflow/assistant/message", {}, 403),
        ("ajax-api/2.0/mlflow/experiments/search", {"Host": "evil.example"}, 403),
        ("ajax-api/2.0/mlflow/experiments/search", {"Origin": "https://evil.example"}, 403),
    ],
)
def test_strangers_and_the_assistant_are_refused(server, path, headers, status):
    request = urllib.request.Request(server + path, data=b"{}", headers={"Content-Type": "application/json", **headers})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert answer.code == status
