"""Registered models: versions, aliases, the frozen test set, and promotion through the gate only."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from recorded_models import compounds, forest, heldout_table, training

from cinchona.errors import ConfigError, InputError, ModelFileError, RetryableError
from cinchona.experiments.frozen import of_heldout, thaw
from cinchona.experiments.modeluri import ModelUri
from cinchona.experiments.promote import NOBODY, promote
from cinchona.experiments.registering import compare_models, describe, register
from cinchona.experiments.registry import Registry
from cinchona.experiments.store import Store
from cinchona.experiments.tracker import MlflowTracker
from cinchona.models.folder import model_fingerprint
from cinchona.pipelines.config import TrackingConfig


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    return {"poor": forest(root / "poor", poor=True), "good": forest(root / "good")}


@pytest.fixture
def tracker(new_store):
    return MlflowTracker(new_store)


@pytest.fixture
def registry(tracker):
    return Registry(tracker.store)


@pytest.fixture
def config(new_store, tmp_path):
    return TrackingConfig(uri=new_store, folder=tmp_path / "runs")


@pytest.mark.parametrize("text,expected", [
    ("models:/nav17@champion", ModelUri("nav17", alias="champion")), ("nav 17.b/3", ModelUri("nav 17.b", "3")),
    ("nav17", ModelUri("nav17")), ("models:/m-" + "0a" * 16, ModelUri(model_id="m-" + "0a" * 16)),
])  # fmt: skip
def test_names_are_read(text, expected):
    assert ModelUri.parse(text) == expected
    assert ModelUri.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "models:/", "a/b/c", "a@b@c", "../x", "a/0", "a/-1", "a@", "x' OR '1'='1", "a/latest", "a..b", "/etc"]
)
def test_other_names_are_refused(text):
    with pytest.raises(ConfigError, match="does not name a stored model"):
        ModelUri.parse(text)


def test_a_better_model_becomes_champion_and_a_worse_one_does_not(tracker, registry, folders, config, tmp_path):
    poor, good = (training(tracker, folders[k], tmp_path / k) for k in ("poor", "good"))
    cache = tmp_path / "cache"
    first = register(registry, poor, "nav17", config=config)
    assert (first.version, first.aliases) == ("1", ("challenger",))
    refused = promote(registry, ModelUri("nav17"), cache=cache)
    assert not refused.decision.passed
    assert refused.decision.champion == NOBODY
    assert registry.champion("nav17") is None

    second = register(registry, good, "nav17", config=config)
    assert register(registry, good, "nav17", config=config) == second, "the same again is no new version"
    done = promote(registry, ModelUri("nav17"), cache=cache)
    assert done.decision.passed
    assert registry.champion("nav17").version == "2"
    assert "challenger" not in registry.version(ModelUri("nav17", "2")).aliases
    with pytest.raises(ConfigError, match="champion already"):
        promote(registry, ModelUri("nav17", "2"), cache=cache)

    again = promote(registry, ModelUri("nav17", "1"), cache=cache)
    assert not again.decision.passed
    assert again.decision.champion == "models:/nav17/2"
    assert again.test == done.test == refused.test
    assert registry.champion("nav17").version == "2"
    _the_numbers_are_kept(tracker, registry, again)


def _the_numbers_are_kept(tracker, registry, done):
    tags = registry.version(ModelUri("nav17", "1")).tags
    assert tags["gate.decision"] == "refused"
    assert tags["gate.rmse.pIC50"].startswith("failed, challenger")
    assert (tags["gate.run_id"], tags["gate.champion"]) == (done.run_id, "models:/nav17/2")
    client = tracker.store.connect()
    run = client.get_run(done.run_id)
    assert run.data.metrics["passed"] == 0
    assert run.data.metrics["rmse pIC50 upper"] < 0
    assert run.inputs.dataset_inputs[0].dataset.digest == done.test[:16]
    assert {f.path for f in client.list_artifacts(done.run_id)} >= {"gate.json", "gate"}


def test_the_test_set_stays_the_same(tracker, registry, folders, config, tmp_path):
    register(registry, training(tracker, folders["good"], tmp_path / "g"), "n", config=config)
    other = of_heldout(heldout_table().slice(0, 60), "other.csv")
    done = promote(registry, ModelUri("n"), cache=tmp_path / "cache", test=other)
    assert thaw(registry, "n").digest == other.digest == done.test
    register(registry, training(tracker, folders["poor"], tmp_path / "p"), "n", config=config)
    with pytest.raises(ConfigError, match="is not the one"):
        promote(registry, ModelUri("n"), cache=tmp_path / "cache", test=of_heldout(heldout_table(), "all.csv"))
    registry.tag_name("n", {"frozen_test_digest": "00" * 32})
    with pytest.raises(ModelFileError, match="missing or was changed"):
        promote(registry, ModelUri("n"), cache=tmp_path / "cache")


def test_a_model_that_may_have_seen_the_test_set_is_refused(tracker, registry, folders, config, tmp_path):
    smiles, _ = compounds()
    seen = heldout_table().set_column(1, "smiles", pa.array(list(smiles[:100])))
    register(registry, training(tracker, folders["good"], tmp_path / "g", heldout=seen), "n", config=config)
    cache, test = tmp_path / "cache", of_heldout(heldout_table(), "t")
    refused = promote(registry, ModelUri("n"), cache=cache, test=test)
    assert [c.check for c in refused.decision.checks if not c.passed] == ["unseen"]
    done = promote(registry, ModelUri("n"), cache=cache, unseen=True)
    assert done.decision.passed
    assert "stated by the user" in registry.version(ModelUri("n", "1")).tags["gate.unseen"]


def test_without_a_test_set_nothing_is_promoted(registry, folders, config, tmp_path):
    version = register(registry, str(folders["good"]), "n", config=config)
    assert version.fingerprint == model_fingerprint(folders["good"])
    with pytest.raises(ConfigError, match="there is no test set"):
        promote(registry, ModelUri("n"), cache=tmp_path / "cache")


def test_an_alias_that_went_past_the_gate_is_not_believed(tracker, registry, folders, config, tmp_path):
    register(registry, training(tracker, folders["good"], tmp_path / "g"), "n", config=config)
    registry.set_alias("n", "champion", "1")
    with pytest.raises(InputError, match="has not passed the gate"):
        registry.fetch(ModelUri("n", alias="champion"), tmp_path / "cache")
    assert registry.fetch(ModelUri("n", "1"), tmp_path / "cache").is_dir()
    assert promote(registry, ModelUri("n"), cache=tmp_path / "cache").decision.passed
    place = registry.fetch(ModelUri("n", alias="champion"), tmp_path / "cache")
    assert model_fingerprint(place) == model_fingerprint(folders["good"])


def test_models_are_compared_without_changing_anything(registry, folders, config):
    test = of_heldout(heldout_table(), "t")
    models = (str(folders["good"]), str(folders["poor"]))
    found = compare_models(None, models, config=config, test=test)
    assert found.passed
    assert not compare_models(None, models[::-1], config=config, test=test).passed
    with pytest.raises(ConfigError, match="no test set"):
        compare_models(None, models, config=config, test=None)
    assert registry.names() == []


def test_a_name_is_described(tracker, registry, folders, config, tmp_path):
    register(registry, training(tracker, folders["good"], tmp_path / "g"), "n", config=config)
    told = describe(registry, ModelUri("n"))
    assert [v["model"] for v in told["versions"]] == ["models:/n/1"]
    assert describe(registry, ModelUri("n", alias="challenger"))["split_kind"] == "scaffold"
    assert registry.names() == [{"model": "n", "newest": 1, "champion": None, "challenger": 1, "test_digest": ""}]


@pytest.mark.parametrize("source,words", [
    ("nowhere", "no model folder and no run"), ("0" * 32, "no run 0000"), ("models:/m-" + "0" * 32, "no logged model"),
    ("models:/none/1", "there is no"), ("models:/none", "no registered model"), ("models:/none@champion", "none"),
])  # fmt: skip
def test_what_is_not_there_is_said(registry, config, source, words):
    with pytest.raises(InputError, match=words):
        register(registry, source, "n", config=config)


def test_a_store_that_is_away(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry(Store.at("http://127.0.0.1:9"))
    with pytest.raises(RetryableError, match="out of reach"):
        registry.names()


def test_from_the_command_line(tracker, folders, tmp_path, monkeypatch, capsys):
    from cinchona.cli.main import run

    monkeypatch.chdir(tmp_path)
    store = ("--set", f"tracking.uri={tracker.store.uri}", "--quiet")
    poor, good = (training(tracker, folders[k], tmp_path / k) for k in ("poor", "good"))
    (tmp_path / "lib.smi").write_text("CCO a\nc1ccccc1C(=O)N b\nxx c\n")

    def call(*arguments, code=0):
        assert run([*arguments, *store]) == code
        return capsys.readouterr().out

    assert "models:/nav17/1" in call("models", "register", good, "--name", "nav17")
    assert "yes" in call("models", "promote", "nav17")
    call("models", "register", poor, "--name", "nav17")
    told = json.loads(call("models", "promote", "models:/nav17/2", "--json", code=2))
    assert told["passed"] is False
    call("models", "compare", "models:/nav17/2", "models:/nav17@champion")
    assert "nav17" in call("models", "list", "--registered")
    assert "models:/nav17/2" in call("models", "show", "models:/nav17")
    assert "promoted" in call("models", "show", "models:/nav17@champion")
    card = call("models", "card", "models:/nav17@champion")
    assert "worse for" in card or "No series or property range" in card, (
        "from the record: the folder keeps no held-out compounds"
    )
    screened = call("screen", "lib.smi", "--model", "models:/nav17@champion", "--out", "out", "--json",
                    "--set", "executor.kind=serial", "--set", "screen.max_reject_share=1")  # fmt: skip
    assert json.loads(screened)["scored"] == 2
    assert json.loads(call("predict", "lib.smi", "--model", "models:/nav17@champion", "--json"))["predicted"] == 2
    fetched = {model_fingerprint(place) for place in (tmp_path / "cinchona-runs" / "models").iterdir()}
    assert fetched == {model_fingerprint(folder) for folder in folders.values()}
