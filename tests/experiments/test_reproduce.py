"""A recorded run is done again bit by bit on the same machine, and whatever differs is named."""

from __future__ import annotations

import json
import shutil

import pyarrow.csv as pc
import pytest
from small_screens import nci_library
from small_training import nav17, quick_settings

from cinchona.errors import ConfigError, InputError, PlanMismatchError
from cinchona.experiments import differences
from cinchona.experiments.compare import compare_runs
from cinchona.experiments.compare_page import write_comparison
from cinchona.experiments.registry import Registry
from cinchona.experiments.reproduce import CLOSE, DIFFERENT, EQUAL, Redo, recipe_of, reproduce
from cinchona.experiments.tracker import MlflowTracker
from cinchona.models.pretraining.encoder_file import open_encoder
from cinchona.pipelines.evaluate import evaluate
from cinchona.pipelines.pretrain import pretrain
from cinchona.pipelines.recipe import Recipe
from cinchona.pipelines.screen import screen
from cinchona.pipelines.train import train


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A store with two trainings of different seeds on one split, an evaluation and a screen."""
    from mlflow_store import copy_empty_database

    root = tmp_path_factory.mktemp("recorded")
    tracker = MlflowTracker(f"sqlite:///{copy_empty_database(root / 'store')}")
    table = root / "assay.csv"
    pc.write_csv(nav17(300), table)
    settings = quick_settings("training.ensemble_size=1")
    first, second = (
        train(table, targets=["pIC50"], out=root / f"model{n}", settings=s, seed=1, tracker=tracker)
        for n, s in enumerate((settings, quick_settings("training.ensemble_size=1", "training.epochs=1")))
    )
    judged = evaluate(table, model=first.folder, targets=["pIC50"], settings=settings, tracker=tracker)
    library = nci_library(root / "library.csv", 60)
    screened = screen(library, model=first.folder, out=root / "screen", settings=settings, tracker=tracker)
    registry = Registry(tracker.store)
    experiment = registry.client.get_experiment_by_name("cinchona").experiment_id
    (evaluated,) = registry.client.search_runs([experiment], "tags.kind = 'evaluate'")
    assert judged.predicted
    return {
        "registry": registry, "table": table, "library": library, "first": first, "second": second, "screen": screened,
        "evaluate": evaluated.info.run_id,
    }  # fmt: skip


def test_a_pretraining_is_repeated_bit_by_bit(recorded, tmp_path):
    registry = recorded["registry"]
    library = nci_library(tmp_path / "library.csv", 300)
    settings = quick_settings("pretraining.epochs=1", "pretraining.fingerprint_bits=64", "network.depth=1")
    tracker = MlflowTracker(registry.store.uri)
    first = pretrain(library, out=tmp_path / "encoder", settings=settings, seed=2, tracker=tracker)
    done = reproduce(registry, first.run_id, Redo(tmp_path / "again", (str(library),), tolerance=0.0))
    assert (done.verdict, done.compared) == (EQUAL, 4)
    assert open_encoder(tmp_path / "again").digest == first.digest
    other = Redo(tmp_path / "other", (str(nci_library(tmp_path / "other.csv", 200)),))
    with pytest.raises(PlanMismatchError, match="the data are not those"):
        reproduce(registry, first.run_id, other)


def test_a_training_is_repeated_bit_by_bit(recorded, tmp_path):
    first = recorded["first"]
    redo = Redo(tmp_path / "again", (str(recorded["table"]),), tolerance=0.0)
    done = reproduce(recorded["registry"], first.run_id, redo)
    assert done.verdict == EQUAL
    assert done.compared > 10
    assert [d for d in done.differences if d.part in {"metric", "predictions", "digest"}] == []
    weights = [(folder / "weights.safetensors").read_bytes() for folder in (first.folder, tmp_path / "again")]
    assert weights[0] == weights[1]


def test_an_evaluation_and_a_screen_are_repeated(recorded, tmp_path):
    registry = recorded["registry"]
    done = reproduce(
        registry, recorded["evaluate"], Redo(tmp_path / "e", (str(recorded["table"]),), cache=tmp_path / "c")
    )
    assert (done.verdict, done.out) == (EQUAL, None)
    run_id = recorded["screen"].run_id
    assert (
        reproduce(registry, run_id, Redo(tmp_path / "s", (str(recorded["library"]),), cache=tmp_path / "c")).verdict
        == EQUAL
    )


def test_other_data_are_refused_before_anything_is_computed(recorded, tmp_path):
    other = tmp_path / "other.csv"
    pc.write_csv(nav17(299), other)
    with pytest.raises(
        PlanMismatchError, match=r"the data are not those of run .* assay.csv: recorded [0-9a-f]{12}, now"
    ):
        reproduce(recorded["registry"], recorded["first"].run_id, Redo(tmp_path / "x", (str(other),)))
    assert not (tmp_path / "x").exists()
    changed = tmp_path / "library.csv"
    shutil.copy(recorded["library"], changed)
    with changed.open("a") as file:
        file.write("one-more,CCO\n")
    with pytest.raises(PlanMismatchError, match="the data are not those"):
        redo = Redo(tmp_path / "y", (str(changed),), cache=tmp_path / "c")
        reproduce(recorded["registry"], recorded["screen"].run_id, redo)


def test_what_is_needed_is_asked_for(recorded, tmp_path):
    registry, run_id = recorded["registry"], recorded["first"].run_id
    with pytest.raises(InputError, match=r"read assay\.csv, and the record keeps no paths"):
        reproduce(registry, run_id, Redo(tmp_path / "x"))
    with pytest.raises(InputError, match=r"2 inputs are given, run .* had 1"):
        reproduce(registry, run_id, Redo(tmp_path / "x", ("a", "b")))
    with pytest.raises(InputError, match="no run 000"):
        reproduce(registry, "0" * 32, Redo(tmp_path / "x"))


def test_what_differs_is_named(recorded, tmp_path, monkeypatch):
    registry, run_id = recorded["registry"], recorded["first"].run_id
    registry.client.set_tag(run_id, "git_commit", "0123")
    monkeypatch.setattr(differences, "git_commit", lambda: "4567")
    monkeypatch.setattr("cinchona.experiments.reproduce.package_versions", lambda: {"python": "2.7"})
    monkeypatch.setattr("cinchona.experiments.reproduce.train", lambda *_, **__: recorded["second"])
    done = reproduce(registry, run_id, Redo(tmp_path / "x", (str(recorded["table"]),)))
    assert done.verdict == DIFFERENT
    named = {(d.part, d.name): d for d in done.differences}
    assert named["code", "git_commit"].recorded == "0123"
    assert named["package", "python"].now == "2.7"
    assert named["metric", "test rmse pIC50 network"].matters
    assert named["predictions", "held-out compounds"].matters
    assert ("digest", "model fingerprint") in named
    assert ("metric", "test rmse pIC50 mean") not in named, "the baseline did not change"
    loose = reproduce(registry, run_id, Redo(tmp_path / "x", (str(recorded["table"]),), tolerance=100.0))
    assert loose.verdict == CLOSE
    assert done.table().num_rows == len(done.differences)


def test_a_recipe_names_no_path_and_no_secret(recorded):
    recipe = recipe_of(recorded["registry"], recorded["screen"].run_id)
    assert recipe.inputs == ("library.csv",)
    assert "tracking" not in recipe.settings
    assert str(recorded["table"].parent) not in recipe.model_dump_json()


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"kind": "train"}', b"\xff"])
def test_a_strange_recipe(text):
    with pytest.raises(InputError, match="recipe of the run cannot be read"):
        Recipe.read(text, "run x")


def test_settings_of_another_version(recorded, monkeypatch, tmp_path):
    real = recipe_of(recorded["registry"], recorded["first"].run_id)
    changed = real.model_copy(update={"settings": {**real.settings, "network": {"depht": 3}}})
    monkeypatch.setattr("cinchona.experiments.reproduce.recipe_of", lambda *_: changed)
    with pytest.raises(ConfigError, match=r"network\.depht"):
        reproduce(recorded["registry"], recorded["first"].run_id, Redo(tmp_path / "x"))


def test_trainings_are_compared_on_the_compounds_that_both_held_out(recorded, tmp_path):
    runs = [recorded["first"].run_id, recorded["second"].run_id]
    found = compare_runs(recorded["registry"], runs)
    (rmse,) = [p for p in found.paired if p.metric == "rmse"]
    assert rmse.n <= recorded["first"].parts["test"]
    assert rmse.difference == pytest.approx(rmse.value - rmse.reference_value)
    assert rmse.value == pytest.approx(recorded["second"].figure("rmse"), rel=1e-6)
    assert rmse.lower <= rmse.difference <= rmse.upper
    assert [row["setting"] for row in found.settings()] == ["training.epochs"]
    turned = compare_runs(recorded["registry"], runs[::-1])
    (other,) = [p for p in turned.paired if p.metric == "rmse"]
    assert other.difference == pytest.approx(-rmse.difference)
    assert {"better": "worse", "worse": "better"}.get(rmse.verdict, "not shown") == other.verdict
    page = write_comparison(found, tmp_path)
    text = page.read_text()
    for word in ("Paired differences", "Settings that differ", "training.epochs", "<svg", runs[0][:12]):
        assert word in text
    assert {p.name for p in tmp_path.iterdir()} == {"comparison.html", "metrics.csv", "paired.csv"}


def test_names_on_the_page_are_escaped(recorded, tmp_path):
    registry = recorded["registry"]
    for run_id in (recorded["first"].run_id, recorded["second"].run_id):
        registry.client.set_tag(run_id, "mlflow.runName", "<script>alert(1)</script>")
    text = write_comparison(
        compare_runs(registry, [recorded["first"].run_id, recorded["second"].run_id]), tmp_path
    ).read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_screens_are_compared_by_their_hits(recorded):
    registry, run_id = recorded["registry"], recorded["screen"].run_id
    found = compare_runs(registry, [run_id, recorded["first"].run_id])
    assert (found.paired, found.overlaps) == ((), ())
    from cinchona.experiments.compare import _overlap, _read

    same = _read(registry, run_id)
    assert _overlap(same, same)["jaccard"] == 1.0


@pytest.mark.parametrize("runs", [[], ["a"], ["a", "a"], [str(k) for k in range(21)]])
def test_how_many_runs(recorded, runs):
    with pytest.raises(ConfigError, match="different runs"):
        compare_runs(recorded["registry"], runs)


def test_from_the_command_line(recorded, tmp_path, monkeypatch, capsys):
    from cinchona.cli.main import run

    monkeypatch.chdir(tmp_path)
    store = ["--json", "--set", f"tracking.uri={recorded['registry'].store.uri}"]
    first, second = recorded["first"].run_id, recorded["second"].run_id
    assert run(["compare", first, second, *store]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (tmp_path / told["page"]).exists()
    assert run(["compare", first, second, *store[1:]]) == 0
    assert "Paired differences" in capsys.readouterr().out
    assert run(["reproduce", first, "--data", str(recorded["table"]), *store]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == EQUAL
    assert (
        run(["reproduce", second, "--data", str(recorded["table"]), "--out", "cinchona-runs/reproduced/x", *store[1:]])
        == 0
    )
    assert "bit-equal" in capsys.readouterr().out
    registry = recorded["registry"]
    registry.client.log_metric(second, "test rmse pIC50 network", 9.0)
    assert run(["reproduce", second, "--data", str(recorded["table"]), "--out", "again", *store[1:]]) == 3
    assert "was not reproduced: test rmse pIC50 network" in capsys.readouterr().err
