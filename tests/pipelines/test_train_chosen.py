"""Training something else than networks, from the workflow to a screen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_assays import SMILES, heavy_atoms

from cinchona.models.folder import open_scorer, read_trust
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import screen
from cinchona.pipelines.train import train
from cinchona.records import CompoundBatch
from cinchona.settings import load_settings

TARGETS = ["size", "aromatic"]


def quick(*changes: str) -> Settings:
    always = ("training.forest_trees=5", "split.kind=random")
    return load_settings(Settings, overrides=[*always, *changes], environ={})


def write_table(path):
    rows = [f"cpd{k},{text},{heavy_atoms()[k]},{int('c1' in text)}" for k, text in enumerate(SMILES)]
    path.write_text("\n".join(["name,smiles,size,aromatic", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    base = tmp_path_factory.mktemp("chosen")
    table = write_table(base / "assay.csv")
    settings = quick("choice.model=auto", "choice.seconds=5", "choice.networks=false")
    return base, settings, train(table, targets=TARGETS, out=base / "model", settings=settings, seed=3)


def test_the_chosen_model_stands_beside_the_baselines(trained):
    _, _, result = trained
    models = {row["model"] for row in result.figures}
    assert models == {"auto", "mean", "nearest-neighbour", "forest"}
    assert result.figure("rmse") == result.figure("rmse", model="auto", target="size")
    assert {row["target"] for row in result.choices} == set(TARGETS)
    assert read_trust(result.folder)["choice"] == list(result.choices)
    page = result.report.read_text()
    assert "Why this model" in page
    assert all(row["model"] in page for row in result.choices)


def test_intervals_come_with_the_model_and_are_checked_on_the_test_part(trained):
    _, _, result = trained
    scores = open_scorer(result.folder).score(CompoundBatch.of(SMILES))
    assert (scores.lower <= scores.value).all()
    assert (scores.value <= scores.upper).all()
    assert (scores.uncertainty[:, 0] > 0).all()
    trust = read_trust(result.folder)
    assert trust["conformal"]["level"] == 0.9
    size, aromatic = trust["calibration"]["endpoints"]
    assert (size["target"], aromatic["target"]) == ("size", "aromatic")
    assert size["found"] == sorted(size["found"]), "wider intervals hold more"
    assert size["n"] == aromatic["n"] == sum(one["n"] for one in aromatic["bins"]) == result.parts["test"]
    page = result.report.read_text()
    assert "What a single prediction is worth" in page
    assert "share promised within the interval" in page
    assert "bins of equal count" in page


def test_calibration_can_be_left_out(tmp_path):
    settings = quick("choice.model=neighbours", "calibration.intervals=none")
    result = train(write_table(tmp_path / "a.csv"), targets=["size"], out=tmp_path / "m", settings=settings)
    assert open_scorer(result.folder).score(CompoundBatch.of(SMILES)).lower is None
    assert read_trust(result.folder)["calibration"] is None


def test_the_same_call_again_trains_nothing(trained):
    base, settings, result = trained
    again = train(base / "assay.csv", targets=TARGETS, out=base / "model", settings=settings, seed=3)
    assert again == result


def test_the_test_part_is_not_looked_at(trained, tmp_path):
    base, _, _ = trained
    lines = (base / "assay.csv").read_text().splitlines()
    fingerprints = []
    for spoil in (False, True):
        table = tmp_path / f"{spoil}.csv"
        header, *rows = lines
        parts = ["test" if k % 5 == 0 else "train" for k in range(len(rows))]
        told = [row.split(",") for row in rows]
        for cells, part in zip(told, parts, strict=True):
            if spoil and part == "test" and cells[2]:
                cells[2] = "77"
        body = [",".join([*cells, part]) for cells, part in zip(told, parts, strict=True)]
        table.write_text("\n".join([header + ",part", *body]) + "\n")
        settings = quick("choice.model=svm", "split.kind=column", "split.split_column=part", "domain.keep=false")
        result = train(table, targets=["size"], out=tmp_path / f"m{spoil}", settings=settings, seed=0)
        fingerprints.append(result.fingerprint)
    assert fingerprints[0] == fingerprints[1]


@pytest.mark.parametrize("model", ["svm", "neighbours", "lightgbm", "extra-trees", "random-forest"])
def test_every_single_model_can_be_trained(tmp_path, model):
    settings = quick(f"choice.model={model}")
    result = train(write_table(tmp_path / "a.csv"), targets=["size"], out=tmp_path / "m", settings=settings)
    assert result.choices == ()
    assert result.figure("rmse", model=model) > 0
    assert open_scorer(result.folder).kind == "blend"


@pytest.mark.parametrize("kind", ["serial", "processes"])
def test_a_screen_gives_one_digest_on_every_executor(trained, tmp_path, kind):
    _, _, result = trained
    library = tmp_path / "library.smi"
    library.write_text("".join(f"{text} m{k}\n" for k, text in enumerate((*SMILES, "C1CC", "CCCCCCO"))))
    settings = quick("screen.partition_rows=10", f"executor.kind={kind}", "executor.workers=2")
    done = screen(library, model=result.folder, out=tmp_path / "run", settings=settings)
    assert (done.rows, done.rejected) == (42, 1)
    digests = result.folder.parent / "digest.json"
    if digests.exists():
        assert json.loads(digests.read_text()) == done.scores_digest
    digests.write_text(json.dumps(done.scores_digest))
    assert np.isfinite(done.hits["score"].to_numpy()).all()
