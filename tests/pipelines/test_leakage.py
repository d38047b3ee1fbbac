"""The audit of a test against what a model was trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_assays import SMILES, heavy_atoms

from cinchona.datasets.assay import read_assay_table
from cinchona.datasets.splits import Split
from cinchona.models.explanation.neighbours import kept_compounds
from cinchona.models.folder import save_model
from cinchona.models.metrics import rmse
from cinchona.models.neighbours import NearestNeighbourScorer
from cinchona.pipelines.evaluate import evaluate
from cinchona.pipelines.report_leakage import MOST
from cinchona.records import CompoundBatch, Endpoint

TRAINED = 25
TWIN = "C[C@@H](N)C(=O)O"


@pytest.fixture(scope="module")
def scorer():
    return NearestNeighbourScorer.fit(SMILES[:TRAINED], heavy_atoms()[:TRAINED, None], endpoints=[Endpoint("size")])


def frame(smiles, sizes):
    return pd.DataFrame({"id": [f"<b>{k}" for k in range(len(smiles))], "smiles": smiles, "size": sizes})


@pytest.fixture(scope="module")
def training():
    return frame([*SMILES[:TRAINED], "C[C@H](N)C(=O)O"], [*heavy_atoms()[:TRAINED], 6.0])


@pytest.fixture(scope="module")
def tested():
    new = [text for text in SMILES[TRAINED:] if "@" not in text]
    smiles = [*SMILES[:12], TWIN, *new]
    return frame(smiles, [float(len(text)) for text in smiles])


@pytest.fixture(scope="module")
def found(scorer, tested, training, tmp_path_factory):
    return evaluate(tested, model=scorer, targets=["size"], training=training, out=tmp_path_factory.mktemp("leak"))


def test_what_is_in_common_is_counted(found, tested):
    assert (found.leakage["duplicates"], found.leakage["twins"]) == (12, 1)
    assert (found.leakage["n_train"], found.leakage["n_test"]) == (TRAINED + 1, len(tested))
    assert sum(found.leakage["histogram"]) == len(tested)
    assert "12 duplicates, 1 stereo or tautomer twins" in found.leakage["summary"]


def test_figures_without_it_are_those_of_the_rest(found, scorer, tested):
    rest = tested.iloc[13:]
    guess = scorer.score(CompoundBatch.of(list(rest["smiles"]))).value[:, 0]
    figure = next(row for row in found.leakage["without"] if row["metric"] == "rmse")
    assert figure["n"] == len(rest)
    assert figure["estimate"] == pytest.approx(rmse(rest["size"].to_numpy(), guess.astype(np.float64)))
    assert figure["estimate"] != next(row for row in found.figures if row["metric"] == "rmse")["estimate"]


def test_the_report_shows_it_and_escapes_names(found):
    text = (found.out / "report.html").read_text()
    section = text.split('id="leak-title"')[1].split("</section>")[0]
    assert "Without duplicates and other forms" in section
    assert section.count('class="pic"') == MOST
    assert section.index("other form") < section.index(">duplicate<")
    assert "<b>" not in section
    assert "Histogram of Tanimoto similarity" in section


def test_too_few_new_compounds_have_no_figures(scorer, tested, training):
    few = evaluate(tested.iloc[:20], model=scorer, targets=["size"], training=training)
    assert few.leakage["without"] == []


def test_a_clean_test_says_so(scorer, tested, training, tmp_path):
    clean = evaluate(tested.iloc[13:], model=scorer, targets=["size"], training=training, out=tmp_path / "out")
    assert (clean.leakage["duplicates"], clean.leakage["twins"], clean.leakage["without"]) == (0, 0, [])
    assert "compounds that training has too" not in (tmp_path / "out" / "report.html").read_text()


def test_unknown_training_says_nothing(scorer, tested, tmp_path):
    unknown = evaluate(tested, model=scorer, targets=["size"], out=tmp_path / "out")
    assert unknown.leakage is None
    assert "leak-title" not in (tmp_path / "out" / "report.html").read_text()


def test_a_folder_that_keeps_its_compounds_needs_no_table(scorer, tested, tmp_path):
    data = read_assay_table(frame(list(SMILES[:TRAINED]), heavy_atoms()[:TRAINED]), targets=["size"])
    parts = (np.arange(20), np.arange(20, 23), np.arange(23, TRAINED))
    kept = kept_compounds(data, Split(*parts, kind="random", seed=0))
    save_model(scorer, tmp_path / "m", trust={"compounds": kept.entry}, beside=kept.write)
    found = evaluate(tested, model=tmp_path / "m", targets=["size"])
    assert (found.leakage["source"], found.leakage["n_train"]) == ("the model folder", 23)
    assert found.leakage["duplicates"] == 12
