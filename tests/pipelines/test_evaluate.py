"""Evaluation on a table: figures equal to those computed by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from small_assays import SMILES, heavy_atoms

from cinchona.errors import ConfigError
from cinchona.models.baselines import MeanScorer
from cinchona.models.folder import save_model
from cinchona.models.metrics import rmse
from cinchona.models.neighbours import NearestNeighbourScorer
from cinchona.pipelines.evaluate import evaluate
from cinchona.pipelines.report_evaluation import training_fingerprints
from cinchona.records import Endpoint

TARGETS = (Endpoint("size"), Endpoint("aromatic", kind="classification"))


@pytest.fixture(scope="module")
def scorer():
    labels = np.column_stack([heavy_atoms(), [float("c1" in s) for s in SMILES]])
    return NearestNeighbourScorer.fit(SMILES[:25], labels[:25], endpoints=TARGETS)


@pytest.fixture
def table():
    rows = {"smiles": list(SMILES[25:]), "size": heavy_atoms()[25:], "aromatic": [int("c1" in s) for s in SMILES[25:]]}
    frame = pd.DataFrame(rows).astype({"size": object})
    frame.loc[3, "size"] = ">12"
    return pd.concat([frame, pd.DataFrame([{"smiles": "C1CC", "size": 3, "aromatic": 0}])], ignore_index=True)


def test_figures_are_those_of_the_exact_labels(scorer, table, tmp_path):
    found = evaluate(table, model=scorer, targets=["size", "aromatic"], out=tmp_path / "out")
    assert (found.rows, found.rejected, found.compounds, found.predicted) == (16, 1, 15, 15)
    figure = next(row for row in found.figures if (row["target"], row["metric"]) == ("size", "rmse"))
    predictions = pq.read_table(tmp_path / "out" / "predictions.parquet").to_pandas()
    exact = predictions["size_relation"] == ""
    assert int(exact.sum()) == 14 == figure["n"]
    want = rmse(predictions.loc[exact, "size"].to_numpy(), predictions.loc[exact, "size_predicted"].to_numpy())
    assert figure["estimate"] == pytest.approx(want)
    assert {row["metric"] for row in found.figures if row["target"] == "aromatic"} >= {"roc_auc", "bedroc20", "ef1"}
    assert pq.read_table(tmp_path / "out" / "figures.parquet").num_rows == len(found.figures)
    assert (tmp_path / "out" / "figures.csv").exists()


def test_one_column_may_have_another_name(table):
    mean = MeanScorer(np.array([6.0]), endpoints=[Endpoint("pIC50")])
    found = evaluate(table.drop(columns="aromatic"), model=mean, targets=["size"])
    note = next(row["note"] for row in found.figures if row["metric"] == "spearman")
    assert "not defined" in note


def test_columns_of_another_model_are_refused(scorer, table):
    with pytest.raises(ConfigError, match="does not predict"):
        evaluate(table.rename(columns={"size": "weight"}), model=scorer, targets=["weight", "aromatic"])


def test_the_report_is_one_page_that_shows_where_it_is_wrong(scorer, table, tmp_path):
    table.loc[0, "smiles"] = SMILES[3]
    found = evaluate(table, model=scorer, targets=["size", "aromatic"], out=tmp_path / "out")
    text = (found.out / "report.html").read_text()
    assert text.count("<script>") == 1
    assert "Largest errors" in text
    assert "Activity cliffs" in text
    assert "does not say what it was trained on" in text
    assert text.count('class="chart"') == 2, "parity and ROC"


def test_compounds_that_training_knows_are_told_apart(scorer, table, tmp_path):
    save_model(
        scorer, tmp_path / "m", beside=lambda draft: save_model(scorer, draft / "baselines" / "nearest-neighbour")
    )
    table.loc[0, "smiles"] = SMILES[3]
    evaluate(table, model=tmp_path / "m", targets=["size", "aromatic"], out=tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text()
    rows = re.findall(r'<th scope="row">(the same fingerprint|[\d.]+ to [\d.]+)</th><td class="num">(\d+)</td>', text)
    sizes = {name: int(count) for name, count in rows[:5]}
    assert sizes["the same fingerprint"] >= 1
    assert sum(sizes.values()) == 14, "one label is a bound"
    assert training_fingerprints(scorer) is None
    assert training_fingerprints(tmp_path) is None
