"""Giving a finished model intervals: from a table, at another level, and what is refused."""

from __future__ import annotations

import dataclasses
import logging
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_assays import SMILES, heavy_atoms

from cinchona.errors import ConfigError
from cinchona.models.baselines import MeanScorer
from cinchona.models.calibration.checking import at_level
from cinchona.models.folder import open_scorer, read_trust, save_model
from cinchona.pipelines.calibrate import calibrate, with_level
from cinchona.pipelines.evaluate import evaluate
from cinchona.pipelines.predict import predict
from cinchona.records import CompoundBatch, Endpoint


@pytest.fixture(scope="module")
def table():
    return pd.DataFrame({"smiles": SMILES, "size": heavy_atoms() + 0.01 * np.arange(40)})


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate") / "bare"
    scorer = MeanScorer([7.0, 0.5], endpoints=[Endpoint("size"), Endpoint("active", kind="classification")])
    save_model(scorer, folder, trust={"metrics": [], "note": "kept"})
    return folder


@pytest.fixture(scope="module")
def calibrated(bare, table):
    return calibrate(table, model=bare, targets=["size"], out=bare.parent / "calibrated")


def test_intervals_are_learnt_and_the_model_stays(bare, calibrated, table):
    before, after = open_scorer(bare), open_scorer(calibrated.folder)
    assert (calibrated.compounds, calibrated.known, calibrated.level) == (40, None, 0.9)
    assert after.fingerprint == calibrated.fingerprint != before.fingerprint
    one, other = (model.score(CompoundBatch.of(SMILES)) for model in (before, after))
    np.testing.assert_array_equal(one.value, other.value)
    assert one.lower is None
    errors = np.sort(np.abs(table["size"] - 7.0))
    np.testing.assert_allclose(other.upper[:, 0] - 7.0, errors[36], rtol=1e-5)  # rank 37 of 41 = ceil(0.9 * 41)
    assert (other.lower[:, 1] == 0).all(), "nothing is known of the other endpoint"
    assert (other.upper[:, 1] == 1).all()
    trust = read_trust(calibrated.folder)
    assert trust["note"] == "kept"
    (check,) = calibrated.checks
    assert check["n"] == 20
    assert trust["calibration"]["endpoints"] == [check]


def test_another_level_needs_no_data(calibrated, tmp_path):
    found = with_level(calibrated.folder, 0.5, out=tmp_path / "half")
    assert found.level == 0.5
    wide, narrow = (open_scorer(f).score(CompoundBatch.of(SMILES)) for f in (calibrated.folder, tmp_path / "half"))
    assert (narrow.upper[:, 0] < wide.upper[:, 0]).all()
    told = predict(_file(tmp_path), model=calibrated.folder, level=0.5).table
    np.testing.assert_array_equal(told["size_upper"].to_numpy(), narrow.upper[:3, 0])
    with pytest.raises(ConfigError, match="no quantiles"):
        predict(_file(tmp_path), model=calibrated.folder, level=0.77)


def test_the_new_model_has_a_card_with_what_its_level_promises(calibrated, tmp_path):
    with_level(calibrated.folder, 0.5, out=tmp_path / "half")
    (wide,), (narrow,) = (read_trust(f)["calibration"]["endpoints"] for f in (calibrated.folder, tmp_path / "half"))
    assert narrow["level"] == 0.5
    assert narrow["coverage"] == wide["found"][wide["levels"].index(0.5)] < wide["coverage"]
    assert narrow["width"] < wide["width"]
    for folder, level in ((calibrated.folder, "90%"), (tmp_path / "half", "50%")):
        page = (folder / "report" / "card.html").read_text()
        assert f"Intervals of level {level} hold" in page
        assert "share promised within the interval" in page


def test_levels_that_were_not_looked_at_leave_the_record_as_it_is():
    record = {"kind": "regression", "level": 0.9, "n": 10, "coverage": 0.8, "levels": [0.5], "found": [0.4]}
    assert at_level(record, 0.5) == record, "a record of before widths were kept"
    assert at_level({**record, "widths": [1.0]}, 0.99)["level"] == 0.9
    one = {"kind": "classification", "n": 10, "levels": [0.5], "found": [0.4], "singles": [0.7]}
    assert at_level(one, 0.5)["single"] == 0.7


def test_what_stands_beside_a_model_comes_along(bare, table, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(bare, model)
    (model / "compounds.parquet").write_bytes(b"compounds")
    (model / "report").mkdir()
    rows = {"smiles": ["CCO"], "target": ["size"], "measured": [3.0], "predicted": [7.0]}
    pq.write_table(pa.table(rows), model / "report" / "heldout.parquet")
    first = calibrate(table, model=model, targets=["size"], out=tmp_path / "first").folder
    assert (first / "compounds.parquet").read_bytes() == b"compounds"
    assert not (first / "report" / "heldout.parquet").exists(), "probabilities of 'active' may be others now"
    shutil.copytree(model / "report", first / "report", dirs_exist_ok=True)
    second = with_level(first, 0.5, out=tmp_path / "second").folder
    assert (second / "report" / "heldout.parquet").exists()


def test_evaluation_tells_how_the_promise_is_kept(calibrated, table, tmp_path):
    near = evaluate(table, model=calibrated.folder, targets=["size"], out=tmp_path / "near")
    shifted = table.assign(size=table["size"] + 30)
    far = evaluate(shifted, model=calibrated.folder, targets=["size"])
    assert near.calibration[0]["coverage"] == pytest.approx(37 / 40)
    assert far.calibration[0]["coverage"] == 0
    assert "Intervals of level 90% hold 92.5% of 40 labels" in (tmp_path / "near" / "report.html").read_text()


def test_what_cannot_be_calibrated_is_refused(bare, table, tmp_path):
    with pytest.raises(ConfigError, match="no intervals"):
        with_level(bare, 0.5, out=tmp_path / "a")
    with pytest.raises(ConfigError, match="nothing could be calibrated"):
        calibrate(table.head(5), model=bare, targets=["size"], out=tmp_path / "b")
    with pytest.raises(ConfigError, match="does not predict"):
        calibrate(table.rename(columns={"size": "other"}), model=bare, targets=["other"], out=tmp_path / "c")
    with pytest.raises(ConfigError, match="taken"):
        calibrate(table, model=bare, targets=["size"], out=bare)


def test_training_compounds_in_the_table_are_noticed(bare, table, tmp_path, caplog):
    from cinchona.models.domain.fitting import fit_domain
    from cinchona.models.domain.folding import Folding

    scorer = open_scorer(bare)
    domain = fit_domain(SMILES[:30], endpoints=scorer.endpoints, folding=Folding.of("salt", 0), seed=0)
    scorer.trust = dataclasses.replace(scorer.trust, domain=domain)
    save_model(scorer, tmp_path / "domain")
    with caplog.at_level(logging.WARNING, logger="cinchona"):
        found = calibrate(table, model=tmp_path / "domain", targets=["size"], out=tmp_path / "out")
    assert found.known >= 30
    assert "too small" in caplog.text
    assert open_scorer(found.folder).score(CompoundBatch.of(SMILES)).in_domain is not None
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="cinchona"):
        again = evaluate(table, model=found.folder, targets=["size"])
    assert again.known == found.known
    assert f"{found.known} of 40 compounds have the fingerprint of a training compound" in caplog.text
    (seen,) = again.calibration
    parts = seen["domain"]
    held = sum(parts[k] * (parts[f"coverage_{k}"] or 0) for k in ("inside", "outside"))
    assert parts["inside"] >= 30
    assert parts["inside"] + parts["outside"] == seen["n"] == 40
    assert held == pytest.approx(40 * seen["coverage"])


def _file(folder):
    path = folder / "library.smi"
    path.write_text("".join(f"{text} m{k}\n" for k, text in enumerate(SMILES[:3])))
    return path
