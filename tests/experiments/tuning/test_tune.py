"""A search from an assay table to a model: in parallel on Dask, each trial a run below the search's."""

from __future__ import annotations

import csv
import time

import pytest
from mlflow_store import copy_empty_database
from small_training import nav17, quick_settings

from cinchona.errors import ConfigError
from cinchona.experiments.tracker import MlflowTracker
from cinchona.experiments.tuning.workflow import tune
from cinchona.models.folder import open_scorer
from cinchona.models.tuning.config import SearchRange
from cinchona.pipelines.train import train


def settings_for(*extra, trials=4, seconds=600.0, kind="dask"):
    made = quick_settings(f"tuning.trials={trials}", f"tuning.seconds={seconds}", "tuning.folds=2",
                          f"executor.kind={kind}", "executor.workers=2", *extra)  # fmt: skip
    space = {"network.hidden": SearchRange(choices=(8, 16)), "network.dropout": SearchRange(low=0.0, high=0.5)}
    return made.model_copy(update={"tuning": made.tuning.model_copy(update={"space": space})})


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    place = tmp_path_factory.mktemp("tune")
    store = copy_empty_database(place / "store")
    tracker = MlflowTracker(f"sqlite:///{store}", experiment="tuning")
    return tune(
        nav17(), targets=["pIC50"], out=place / "search", settings=settings_for(), seed=1, tracker=tracker
    ), tracker


def test_trials_run_on_dask_and_the_best_becomes_a_model(searched):
    result, _ = searched
    assert result.trials == 4
    assert result.loss <= result.first_loss
    rows = list(csv.DictReader((result.folder / "trials.csv").read_text("utf-8").splitlines()))
    whole = {float(r["loss"]) for r in rows if r["state"] == "complete"}
    assert min(whole) == pytest.approx(result.loss)
    network = open_scorer(result.model).network
    assert network.hidden == result.best["network.hidden"]
    assert network.dropout == result.best["network.dropout"]
    page = result.report.read_text("utf-8")
    assert "How the loss fell" in page
    assert "network.dropout" in page


def test_each_trial_is_a_run_below_the_search(searched):
    result, tracker = searched
    client = tracker.store.connect()
    experiment = client.get_experiment_by_name("tuning").experiment_id
    below = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{result.run_id}'")
    trials = [run for run in below if run.data.tags.get("cinchona.kind", run.data.tags.get("kind")) == "trial"]
    assert len(trials) == 4
    losses = [run.data.metrics["loss"] for run in trials]
    assert min(losses) == pytest.approx(result.loss)
    assert all(float(run.data.params["network.dropout"]) >= 0 for run in trials)
    assert len(below) == 5  # and the training of the model
    names = {file.path for file in client.list_artifacts(result.run_id)}
    assert {"report.html", "trials.csv", "best.yaml"} <= names


def test_the_same_call_finds_everything_done(searched):
    result, _ = searched
    started = time.process_time()
    again = tune(nav17(), targets=["pIC50"], out=result.folder, settings=settings_for(kind="serial"), seed=1)
    assert (again.loss, again.best, again.model, again.trials) == (result.loss, result.best, result.model, 4)
    assert time.process_time() - started < 20


def test_the_settings_file_trains_the_same_model(searched, tmp_path):
    from cinchona.pipelines.config import Settings
    from cinchona.settings import load_settings

    result, _ = searched
    best = load_settings(Settings, file=result.folder / "best.yaml", environ={})
    assert (
        train(nav17(), targets=["pIC50"], out=tmp_path / "m", settings=best, seed=1).fingerprint
        == open_scorer(result.model).fingerprint
    )


def test_time_that_is_too_short_for_a_trial_is_said(tmp_path):
    with pytest.raises(ConfigError, match="no trial came to an end"):
        tune(nav17(), targets=["pIC50"], out=tmp_path / "s", settings=settings_for(seconds=0.001, kind="serial"))


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(ConfigError, match="taken"):
        tune(nav17(), targets=["pIC50"], out=tmp_path, settings=settings_for(kind="serial"))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]
