"""An assay table becomes a model folder with figures, rejects, report and a tracked run."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_training import nav17, quick_model, quick_settings

from cinchona.errors import ConfigError, NoUsableRowsError
from cinchona.models.baselines import BASELINES
from cinchona.models.folder import open_scorer, read_trust
from cinchona.pipelines.evaluate import evaluate
from cinchona.pipelines.train import MODEL, train
from cinchona.tracking import NullRun, NullTracker


class Notebook(NullTracker):
    """A tracker that remembers what it was told."""

    def __init__(self):
        self.runs, self.calls = [], []

    def run(self, name, *, kind, tags=None, parent=None):
        self.runs.append((name, kind, dict(tags or {})))
        calls = self.calls

        class Run(NullRun):
            run_id = "run-1"

            def log_curve(self, name, values):
                calls.append(("curve", name, list(values)))

            def log_metrics(self, metrics, *, step=None):
                calls.append(("metrics", dict(metrics), step))

            def log_model(self, folder, *, name):
                calls.append(("model", folder, name))

            def log_params(self, params):
                calls.append(("params", dict(params), None))

        class Context:
            def __enter__(self):
                return Run()

            def __exit__(self, *_):
                return None

        return Context()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    notebook = Notebook()
    return quick_model(tmp_path_factory.mktemp("train") / "model", tracker=notebook), notebook


def test_every_row_is_a_compound_or_a_reject_and_parts_add_up(trained):
    result, _ = trained
    assert result.rows == 120
    assert sum(result.parts.values()) == result.compounds
    assert pq.read_table(result.folder / "rejects.parquet").num_rows == result.rejected


def test_the_network_stands_beside_every_baseline_on_the_same_compounds(trained):
    result, _ = trained
    rmse = {row["model"]: row for row in result.figures if row["metric"] == "rmse"}
    assert set(rmse) == {MODEL, *BASELINES}
    assert len({row["n"] for row in rmse.values()}) == 1
    assert result.figure("rmse") == rmse[MODEL]["estimate"]
    with pytest.raises(ConfigError, match="no figure"):
        result.figure("beauty")


def test_the_figures_are_those_of_the_predictions_on_the_heldout_part(trained):
    result, _ = trained
    heldout = pq.read_table(result.folder / "report" / "heldout.parquet")
    error = np.array(heldout["measured"]) - np.array(heldout["predicted"])
    assert result.figure("rmse") == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)


def test_the_run_is_recorded_with_curves_figures_and_model(trained):
    result, notebook = trained
    (run,) = notebook.runs
    assert run[1] == "train"
    assert set(run[2]) >= {"data_digest", "split_kind", "seed"}
    kinds = [call[0] for call in notebook.calls]
    assert kinds.count("curve") == 4  # two networks, two losses
    assert ("model", result.folder, "model") in notebook.calls
    assert result.run_id == "run-1" == read_trust(result.folder)["training"]["run_id"]


def test_the_same_call_again_finds_the_model_and_another_is_refused(trained):
    result, _ = trained
    again = quick_model(result.folder)
    assert again.fingerprint == result.fingerprint
    with pytest.raises(ConfigError, match="taken"):
        train(nav17(), targets=["pIC50"], out=result.folder, settings=quick_settings("training.epochs=4"), seed=1)


def test_a_folder_of_something_else_is_never_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="taken"):
        quick_model(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_report_and_manifest_lie_beside_the_model(trained):
    result, _ = trained
    assert "forest" in result.report.read_text()
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["counts"]["rows"] == 120
    assert manifest["seed"] == 1
    open_scorer(result.folder)  # companions do not make the folder foreign


def test_classification_and_several_targets_with_gaps(tmp_path):
    table = nav17(90)
    values = np.array(table["pIC50"])
    table = table.append_column("active", pa.array((values > np.median(values)).astype(int)))
    table = table.append_column("half", pa.array(values, mask=np.arange(90) % 2 == 0))
    result = train(
        table, targets=["active", "half"], out=tmp_path / "m", settings=quick_settings("split.kind=random"), seed=2
    )
    kinds = {endpoint.name: endpoint.kind for endpoint in open_scorer(result.folder).endpoints}
    assert kinds == {"active": "classification", "half": "regression"}
    assert 0 <= result.figure("roc_auc", target="active") <= 1


def test_a_table_without_a_valid_molecule_is_an_error_with_the_reason(tmp_path):
    table = pa.table({"smiles": ["C1CC", "xyz"], "pIC50": [1.0, 2.0]})
    with pytest.raises(NoUsableRowsError):
        train(table, targets=["pIC50"], out=tmp_path / "m", settings=quick_settings())
    assert not (tmp_path / "m").exists()


def test_evaluate_measures_the_model_on_a_new_table(trained, tmp_path):
    result, _ = trained
    found = evaluate(
        nav17(150).slice(120), model=result.folder, targets=["pIC50"], settings=quick_settings(), out=tmp_path / "e"
    )
    assert found.rows == 30
    assert found.predicted == found.compounds
    beside = pq.read_table(tmp_path / "e" / "predictions.parquet").to_pandas()
    rmse = float(np.sqrt(((beside["pIC50"] - beside["pIC50_predicted"]) ** 2).mean()))
    assert next(row["estimate"] for row in found.figures if row["metric"] == "rmse") == pytest.approx(rmse, rel=1e-5)
    with pytest.raises(ConfigError, match="does not predict"):
        evaluate(
            pa.table({"smiles": ["CCO", "CCN"], "x": [1.0, 2.0], "y": [1.0, 3.0]}), model=result.folder,
            targets=["x", "y"], settings=quick_settings(),
        )  # fmt: skip
