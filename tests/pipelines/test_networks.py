"""Settings of networks from the settings file to the screen: every part is reached, and a prepared library scores like its source."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_screens import nci_library, score_table, small_settings
from small_training import nav17, quick_settings

from cinchona.models.folder import open_scorer, read_trust
from cinchona.pipelines.prepare import prepare
from cinchona.pipelines.screen import screen
from cinchona.pipelines.train import train

EVERYTHING = (
    "network.readout=attention", "network.features=[morgan, rdkit]", "training.loss=tobit", "training.ranking=0.2",
    "training.auxiliary=descriptors", "training.task_weights={pIC50: 2}", "training.ensemble_size=1", "training.epochs=2",
)  # fmt: skip


@pytest.fixture(scope="module", params=["dmpnn", "gps"])
def model(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / request.param
    settings = quick_settings(f"network.architecture={request.param}", *EVERYTHING)
    return train(nav17(80), targets=["pIC50"], out=out, settings=settings, seed=1).folder


def test_settings_reach_the_model_and_its_card(model):
    scorer = open_scorer(model)
    assert scorer.network.architecture == model.name
    assert scorer.network.features == ("morgan", "rdkit")
    assert read_trust(model)["start"] == {
        "pretrained": "none", "reason": "the pretrained encoder has another shape", "losses": {},
    }  # fmt: skip
    assert "morgan + rdkit" in scorer.name


def test_a_prepared_library_scores_like_its_source(model, tmp_path):
    library = nci_library(tmp_path / "library.csv", 150)
    prepared = prepare(library, out=tmp_path / "prepared", settings=small_settings(method="chembl")).folder
    tables = []
    for name, source in (("plain", library), ("ready", prepared)):
        result = screen(source, model=model, out=tmp_path / name, settings=small_settings(method="chembl"))
        assert result.rows == result.scored + result.rejected == 150
        tables.append(score_table(tmp_path / name))
    one, other = tables
    assert one["row_id"].equals(other["row_id"])
    assert one["status"].equals(other["status"])
    scores = [np.array(table["score"].to_pylist(), float) for table in tables]
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-5)
    assert np.nanstd(scores[0]) > 0


def test_a_settings_file_may_say_it_all(tmp_path, monkeypatch):
    from cinchona.cli.main import run

    table = tmp_path / "assay.csv"
    nav17(60).to_pandas().to_csv(table, index=False)
    config = tmp_path / "settings.yaml"
    config.write_text(json.dumps({
        "network": {"architecture": "gine", "hidden": 8, "head_hidden": 8, "readout": "max"},
        "training": {"epochs": 1, "ensemble_size": 1, "forest_trees": 5, "loss": "mae", "task_groups": {"one": ["pIC50"]}},
        "tracking": {"enabled": False},
    }))  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["train", str(table), "--target", "pIC50", "--out", "model", "--config", str(config), "--quiet"]) == 0
    assert open_scorer(tmp_path / "model").name == "GINE x 1"
