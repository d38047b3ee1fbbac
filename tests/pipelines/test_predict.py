"""Predictions: every row comes back in its place."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from small_assays import SMILES, heavy_atoms
from strategies import any_smiles

from cinchona.datasets.config import StandardizeConfig
from cinchona.models.baselines import MeanScorer
from cinchona.models.folder import save_model
from cinchona.models.neighbours import NearestNeighbourScorer
from cinchona.pipelines.api import load
from cinchona.pipelines.predict import batch_of, opened, predict, predict_batch
from cinchona.records import Endpoint

ENDPOINT = (Endpoint("size", "atoms"),)
LINES = ("CCO good1", "C1CC bad1", "c1ccccc1 good2", "CC(=O)[O-].[Na+] salt", "CCO good3")


@pytest.fixture(scope="module")
def scorer():
    return NearestNeighbourScorer.fit(SMILES, heavy_atoms()[:, None], endpoints=ENDPOINT)


@pytest.fixture(scope="module")
def folder(scorer, tmp_path_factory):
    target = tmp_path_factory.mktemp("predict") / "model"
    save_model(scorer, target, trust={"training": {"standardize": {"method": "chembl"}}})
    return target


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.smi"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_all_rows_come_back_in_order(folder, library, tmp_path):
    found = predict(library, model=folder, out=tmp_path / "out")
    rows = found.table.to_pylist()
    assert [row["row_id"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["compound_id"] for row in rows] == ["good1", "bad1", "good2", "salt", "good3"]
    assert [row["smiles"] for row in rows] == [line.split()[0] for line in LINES]
    assert [row["size"] is None for row in rows] == [False, True, False, False, False]
    assert [bool(row["reason"]) for row in rows] == [False, True, False, False, False]
    assert rows[0]["size"] == rows[4]["size"] == 3.0
    assert rows[3]["parent_smiles"] == "CC(=O)O", "standardized as in training"
    assert (found.rows, found.predicted) == (5, 4)
    assert pq.read_table(tmp_path / "out" / "predictions.parquet").equals(found.table)
    assert (tmp_path / "out" / "predictions.csv").read_text().count("\n") == 6


def test_packed_input_and_any_scorer(scorer, tmp_path):
    path = tmp_path / "library.smi.gz"
    path.write_bytes(gzip.compress("\n".join(LINES).encode()))
    found = predict(path, model=scorer)
    assert found.rows == 5
    assert found.out is None


@settings(max_examples=15)
@given(st.lists(any_smiles(), max_size=6))
def test_nothing_is_dropped_or_moved(scorer, texts):
    table = predict_batch(batch_of(texts), scorer, standardize=StandardizeConfig(method="none"))
    assert table["row_id"].to_pylist() == list(range(len(texts)))
    assert table["smiles"].to_pylist() == texts
    for row in table.to_pylist():
        assert (row["size"] is None) == bool(row["reason"])


def test_python_takes_what_chemists_have(folder):
    model = load(folder)
    one = model.predict("CCO")
    assert one["size"].tolist() == [3.0]
    series = pd.Series(["CCO", None, "c1ccccc1"], index=["a", "b", "c"])
    frame = model.predict(series)
    assert frame.index.tolist() == ["a", "b", "c"]
    assert frame["size"].isna().tolist() == [False, True, False]
    assert frame["reason"].str.len().gt(0).tolist() == [False, True, False]
    mols = model.predict([Chem.MolFromSmiles("CCO"), np.str_("c1ccccc1"), float("nan")])
    assert mols["size"].isna().tolist() == [False, False, True]
    assert model.predict([]).empty


def test_a_model_without_a_record_takes_the_default_rules(tmp_path):
    save_model(MeanScorer(np.array([1.0]), endpoints=ENDPOINT), tmp_path / "model")
    rules = StandardizeConfig(method="none")
    scorer, used = opened(tmp_path / "model", default=rules)
    assert used == rules
    assert opened(scorer, default=rules) == (scorer, rules)
