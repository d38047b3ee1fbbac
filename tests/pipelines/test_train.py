"""The training workflow from a table to a model folder."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from contextlib import contextmanager

import pyarrow.parquet as pq
import pytest
from small_assays import SMILES, heavy_atoms

from cinchona.errors import ColumnError, ConfigError, NoUsableRowsError
from cinchona.models.folder import open_scorer, read_trust
from cinchona.pipelines.config import Settings
from cinchona.pipelines.train import train
from cinchona.protocols import TrackedRun
from cinchona.settings import load_settings
from cinchona.tracking import NullRun

QUICK = (
    "network.hidden=16", "network.head_hidden=16", "training.ensemble_size=2", "training.epochs=3",
    "training.forest_trees=5", "split.kind=random",
)  # fmt: skip


def quick(*more: str) -> Settings:
    return load_settings(Settings, overrides=[*QUICK, *more], environ={})


def write_table(path, *, bad: bool = True, copies: int = 1):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "smiles", "size", "aromatic"])
        for copy in range(copies):
            for k, smiles in enumerate(SMILES):
                size = "" if k == 5 else heavy_atoms()[k] + copy
                writer.writerow([f"cpd{k}", smiles, size, "" if k == 7 else int("c1" in smiles)])
        if bad:
            writer.writerows([["bad", "C1CC", 3, 0], ["text", "CCCl", "a lot", ""], ["empty", "", 1, 1]])
    return path


class RecordingRun(NullRun):
    """Keeps what it is told."""

    run_id = "run-1"

    def __init__(self):
        self.told = defaultdict(list)

    def __getattribute__(self, name):
        if name.startswith(("log_", "set_")):
            return lambda *args, **kwargs: self.told[name].append((args, kwargs))
        return super().__getattribute__(name)


class RecordingTracker:
    def __init__(self):
        self.runs = []

    @contextmanager
    def run(self, name, *, kind, tags=None, parent=None):
        run: TrackedRun = RecordingRun()
        self.runs.append((name, kind, tags, run))
        yield run

    def describe(self):
        return "memory"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    base = tmp_path_factory.mktemp("train")
    tracker = RecordingTracker()
    table = write_table(base / "assay.csv")
    result = train(table, targets=["size", "aromatic"], out=base / "model", settings=quick(), seed=3, tracker=tracker)
    return base, result, tracker


def test_every_row_is_accounted_for(trained):
    _, result, _ = trained
    assert result.rows == 43
    rejects = pq.read_table(result.folder / "rejects.parquet").to_pylist()
    assert len(rejects) == result.rejected == 3
    assert [r["row_id"] for r in rejects] == [40, 41, 42]
    assert all(r["reason"] for r in rejects)
    assert result.compounds == 40
    assert sum(result.parts.values()) == 40


def test_the_model_stands_beside_its_baselines(trained):
    _, result, _ = trained
    rows = {(row["target"], row["model"], row["metric"]) for row in result.figures}
    for model in ("network", "mean", "nearest-neighbour", "forest"):
        assert ("size", model, "rmse") in rows
        assert ("aromatic", model, "roc_auc") in rows
    for row in result.figures:
        if row["estimate"] is None:
            assert row["note"], row
        elif row["lower"] is not None:
            assert row["lower"] <= row["estimate"] + 1e-9, row
            assert row["estimate"] <= row["upper"] + 1e-9, row
    assert result.figure("rmse", model="forest", target="size") > 0
    with pytest.raises(ConfigError, match="'beauty'"):
        result.figure("beauty")


def test_the_folder_is_a_model_folder_with_a_trust_record(trained):
    _, result, _ = trained
    scorer = open_scorer(result.folder)
    assert scorer.fingerprint == result.fingerprint
    assert [e.name for e in scorer.endpoints] == ["size", "aromatic"]
    trust = read_trust(result.folder)
    assert trust["metrics"] == list(result.figures)
    assert trust["data"]["compounds"] == 40
    assert trust["data"]["targets"][0]["labels"] == 39
    assert trust["leakage"]["n_test"] == result.parts["test"]
    assert (trust["calibration"], trust["conformal"]) == (None, None)
    assert [threshold["basis"] for threshold in trust["domain"]["thresholds"]] == ["quantile"] * 2
    assert trust["training"]["run_id"] == "run-1"


def test_baselines_are_saved_as_models_of_their_own(trained):
    _, result, _ = trained
    for name in ("mean", "nearest-neighbour", "forest"):
        assert open_scorer(result.folder / "baselines" / name).endpoints == open_scorer(result.folder).endpoints


def test_report_manifest_and_heldout_predictions_are_there(trained):
    _, result, _ = trained
    assert result.report.read_text().startswith("<!doctype html>")
    assert result.folder.name in result.report.read_text()
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["kind"] == "train"
    assert manifest["seed"] == 3
    assert manifest["counts"] == {"rows": 43, "rejected": 3, "compounds": 40}
    heldout = pq.read_table(result.folder / "report" / "heldout.parquet")
    assert heldout.num_rows == 2 * result.parts["test"]


def test_nothing_else_is_left(trained):
    base, result, _ = trained
    assert sorted(path.name for path in base.iterdir()) == ["assay.csv", "model"]
    assert {path.name for path in result.folder.iterdir()} == {
        "config.json", "golden.json", "trust.json", "trust.safetensors", "weights.safetensors", "rejects.parquet",
        "manifest.json", "report", "baselines",
    }  # fmt: skip


def test_the_run_is_tracked(trained):
    _, result, tracker = trained
    [(name, kind, tags, run)] = tracker.runs
    assert (name, kind) == ("train assay.csv", "train")
    assert tags["seed"] == "3"
    params = run.told["log_params"][0][0][0]
    assert params["training.epochs"] == 3
    curves = {args[0]: args[1] for args, _ in run.told["log_curve"]}
    assert len(curves) == 4
    assert all(len(values) == 3 for values in curves.values())
    told = [entry for _, entry in run.told["log_dataset"]]
    assert [entry["context"] for entry in told] == ["train", "valid", "test"]
    assert len({entry["digest"] for entry in told}) == 3
    assert run.told["log_model"][0][0][0] == result.folder
    assert result.run_id == "run-1"
    metrics = run.told["log_metrics"][0][0][0]
    assert metrics["test rmse size network"] == result.figure("rmse", target="size")


def test_the_same_call_again_trains_nothing(trained):
    base, result, _ = trained
    before = {path: path.stat().st_mtime_ns for path in result.folder.rglob("*")}
    tracker = RecordingTracker()
    again = train(
        base / "assay.csv", targets=["size", "aromatic"], out=base / "model", settings=quick(), seed=3, tracker=tracker
    )
    assert again == result
    assert tracker.runs == []
    assert {path: path.stat().st_mtime_ns for path in result.folder.rglob("*")} == before


@pytest.mark.parametrize("change", [{"seed": 4}, {"settings": quick("training.epochs=4")}, {"targets": ["size"]}])
def test_another_training_does_not_overwrite_a_model(trained, change):
    base, result, _ = trained
    call = {"targets": ["size", "aromatic"], "settings": quick(), "seed": 3, **change}
    with pytest.raises(ConfigError, match="taken") as caught:
        train(base / "assay.csv", out=base / "model", **call)
    assert "--out" in caught.value.remedy
    assert open_scorer(result.folder).fingerprint == result.fingerprint


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("ten years")
    with pytest.raises(ConfigError, match="taken"):
        train(write_table(tmp_path / "a.csv"), targets=["size"], out=tmp_path / "out", settings=quick())
    assert (tmp_path / "out" / "thesis.docx").read_text() == "ten years"


def test_an_interrupted_training_goes_on_and_leaves_no_half_model(trained, tmp_path, monkeypatch):
    _, result, _ = trained
    table = write_table(tmp_path / "assay.csv")

    def interrupt(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cinchona.pipelines.train.fit_baselines", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(table, targets=["size", "aromatic"], out=tmp_path / "model", settings=quick(), seed=3)
    assert not (tmp_path / "model").exists()
    states = {p: p.stat().st_mtime_ns for p in (tmp_path / ".model.training").iterdir()}
    assert len(states) == 2
    with monkeypatch.context() as patch:
        patch.setattr("cinchona.pipelines.train.write_training_report", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(table, targets=["size", "aromatic"], out=tmp_path / "model", settings=quick(), seed=3)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / ".model.training").iterdir()} == states, "trained once only"
    assert not (tmp_path / "model").exists(), "a model appears whole or not at all"
    again = train(table, targets=["size", "aromatic"], out=tmp_path / "model", settings=quick(), seed=3)
    assert again.fingerprint == result.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["assay.csv", "model"]


def test_the_result_depends_on_the_content_not_on_the_name(trained, tmp_path):
    _, result, _ = trained
    other = train(
        write_table(tmp_path / "renamed.csv"),
        targets=["size", "aromatic"],
        out=tmp_path / "m",
        settings=quick(),
        seed=3,
    )
    assert other.fingerprint == result.fingerprint
    assert other.figures == result.figures


def test_replicates_are_joined(tmp_path):
    table = write_table(tmp_path / "twice.csv", bad=False, copies=2)
    result = train(table, targets=["size"], out=tmp_path / "m", settings=quick(), seed=0)
    assert (result.rows, result.compounds, result.rejected) == (80, 39, 2)


def test_without_a_test_part_the_figures_say_so(tmp_path):
    settings = quick("split.fractions=[0.9,0.1,0.0]")
    result = train(write_table(tmp_path / "a.csv"), targets=["size"], out=tmp_path / "m", settings=settings)
    assert result.parts["test"] == 0
    assert all(row["estimate"] is None and row["note"] for row in result.figures)


def test_tables_that_cannot_be_used_are_refused_and_leave_nothing(tmp_path):
    (tmp_path / "bad.csv").write_text("smiles,y\nC1CC,1\nnothing,2\n")
    with pytest.raises(NoUsableRowsError):
        train(tmp_path / "bad.csv", targets=["y"], out=tmp_path / "m", settings=quick())
    with pytest.raises(ColumnError):
        train(write_table(tmp_path / "a.csv"), targets=["pKi"], out=tmp_path / "m", settings=quick())
    assert not (tmp_path / "m").exists()


def test_a_target_that_never_changes_is_refused_in_words(tmp_path):
    table = tmp_path / "constant.csv"
    table.write_text("smiles,size,v\n" + "".join(f"{s},{k % 7},1.0\n" for k, s in enumerate(SMILES)))
    with pytest.raises(ColumnError, match="all compounds have the same v, 1: there is nothing to learn"):
        train(table, targets=["size", "v"], out=tmp_path / "model", settings=quick())
    assert not (tmp_path / "model").exists()
