"""A logged model loads without pickle, answers for every row in order, and is found again by a screen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from finished_screen import DRUGS, write_model
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.errors import CinchonaError, ColumnError, ConfigError
from cinchona.experiments.client import load_mlflow
from cinchona.experiments.flavour import package_model, requirements
from cinchona.experiments.pyfunc import _load_pyfunc, output_columns
from cinchona.experiments.tracker import MlflowTracker
from cinchona.models.domain.fitting import fit_domain
from cinchona.models.domain.folding import Folding
from cinchona.models.folder import model_fingerprint, open_scorer, save_model
from cinchona.models.trusting import Trust

SMILES = [smiles for _, smiles in DRUGS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("model") / "forest"
    write_model(target)
    return target


@pytest.fixture(scope="module")
def model(folder):
    return _load_pyfunc(str(folder))


def test_every_row_is_answered_in_order(model):
    table = model.predict(
        pd.DataFrame({"smiles": [SMILES[0], "xx", None, "[Na+].[Cl-]", SMILES[1]]}, index=[9, 9, 2, 5, 1])
    )
    assert table.index.tolist() == [9, 9, 2, 5, 1]
    assert table["status"].tolist()[:3] == ["scored", "rejected", "rejected"]
    assert [bool(reason) for reason in table["reason"]][:3] == [False, True, True]
    assert np.isnan(table["pIC50"].to_numpy()[1:3]).all()
    assert table["score"].iloc[4] == table["pIC50"].iloc[4] > table["score"].iloc[0]
    assert {"pIC50_uncertainty"} <= set(table.columns)


@pytest.mark.parametrize("given_as", [list, np.array, lambda s: pd.DataFrame({"anything": s}), pd.Series])
def test_all_kinds_of_input_give_the_same(model, given_as):
    expected = model.predict(SMILES)
    pd.testing.assert_frame_equal(model.predict(given_as(SMILES)).reset_index(drop=True), expected)


def test_nothing_in_gives_nothing_out_with_all_columns(model):
    assert list(model.predict([]).columns) == list(model.predict(SMILES).columns)
    assert len(model.predict(pd.DataFrame({"smiles": []}))) == 0


def test_every_endpoint_has_all_its_columns_and_types(model):
    table = model.predict([SMILES[0], "xx"])
    parts = ["pIC50"] + [f"pIC50_{p}" for p in ("uncertainty", "lower", "upper", "in_domain", "status")]
    assert list(table.columns) == ["score", *parts, "flags", "status", "reason"]
    assert table["pIC50_status"].tolist() == ["ok", "rejected"]
    assert table["pIC50_in_domain"].tolist() == [-1, -1], "this forest knows no domain"
    kinds = {"double": "float64", "long": "int64", "string": "object"}
    for name, kind in output_columns(model.scorer):
        assert str(table[name].dtype) == kinds[kind], name


def test_the_nearest_training_compound_is_named_where_the_model_may_tell(tmp_path):
    smiles, ids = SMILES[:6], [f"train-{k}" for k in range(6)]
    write_model(tmp_path / "forest")
    scorer = open_scorer(tmp_path / "forest")
    told = fit_domain(smiles, endpoints=scorer.endpoints, folding=Folding.of(1), ids=ids, seed=1)
    columns = {}
    for name, domain in (("told", told), ("secret", replace(told, ids=None))):
        scorer.trust = Trust(domain=domain)
        save_model(scorer, tmp_path / name)
        package_model(tmp_path / name, tmp_path / f"{name}-package")
        signature = load_mlflow("mlflow.models").Model.load(str(tmp_path / f"{name}-package")).signature
        table = _load_pyfunc(str(tmp_path / name)).predict([smiles[2], "xx", smiles[4]])
        columns[name] = list(table.columns)
        assert [column.name for column in signature.outputs] == columns[name]
        if name == "told":
            assert table["nearest_train_id"].tolist() == ["train-2", "", "train-4"]
            short = _load_pyfunc(str(tmp_path / name)).predict(smiles, {"details": False})
            assert "nearest_train_id" not in short.columns
            assert list(_load_pyfunc(str(tmp_path / name)).predict(["xx"]).columns) == columns[name]
    assert [name for name in columns["told"] if name not in columns["secret"]] == ["nearest_train_id"]


def test_parameters_of_a_request(model):
    whole = model.predict(SMILES)
    for size in (1, 3, 65_536):
        pd.testing.assert_frame_equal(model.predict(SMILES, {"batch_size": size}), whole)
    short = model.predict(SMILES, {"details": False})
    assert list(short.columns) == ["score", "pIC50", "pIC50_status", "flags", "status", "reason"]
    pd.testing.assert_frame_equal(short, whole[list(short.columns)])
    with pytest.raises(ConfigError, match="the request has 10 rows"):
        model.predict(SMILES, {"max_rows": 9})
    for size in (0, -1, 65_537):
        with pytest.raises(ConfigError, match="batch_size"):
            model.predict(SMILES, {"batch_size": size})


def test_a_table_without_smiles_is_refused(model):
    with pytest.raises(ColumnError, match="has the columns a, b"):
        model.predict(pd.DataFrame({"a": ["C"], "b": ["C"]}))


@settings(max_examples=20)
@given(st.lists(st.sampled_from([*SMILES, "", "xx", "[", "C1CC", "[Na+].[Cl-]"]), max_size=12))
def test_no_row_is_lost_whatever_the_input(model, smiles):
    table = model.predict(smiles)
    assert len(table) == len(smiles)
    assert (table["score"].isna() == (table["status"] == "rejected")).all()
    assert ((table["reason"] != "") == (table["status"] == "rejected")).all()


def test_a_logged_model_loads_with_pickle_forbidden(folder, new_store, tmp_path):
    tracker = MlflowTracker(new_store)
    with tracker.run("train", kind="train") as run:
        run.log_params({"training.epochs": 3})
        run.log_metrics({"test/rmse": 0.7})
        run.log_model(folder, name="nav17: graph/net")
    client = tracker.store.connect()
    (stored,) = client.search_logged_models([client.get_experiment_by_name("cinchona").experiment_id])
    assert (stored.name, str(stored.status)) == ("nav17- graph-net", "READY")
    assert stored.tags["model_fingerprint"] == model_fingerprint(folder)
    assert stored.params == {"training.epochs": "3"}
    assert [(m.key, m.value) for m in stored.metrics] == [("test/rmse", 0.7)]
    assert client.get_run(run.run_id).outputs.model_outputs[0].model_id == stored.model_id
    code = """
import json, pickle, sys, os
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
import mlflow, cloudpickle
mlflow.set_tracking_uri(sys.argv[1])
def refuse(*a, **k): raise AssertionError("unpickled")
def elsewhere(file, *a, real=pickle.load, **k):  # numba keeps its own compiled code in pickles
    return refuse() if "/artifacts/" in str(getattr(file, "name", "/artifacts/")) else real(file, *a, **k)
pickle.load, cloudpickle.load, cloudpickle.loads = elsewhere, refuse, refuse
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[2]}")
import pandas
table = model.predict(pandas.DataFrame({"smiles": ["CCO", "xx"]}))
print(json.dumps({"columns": list(table.columns), "status": table["status"].tolist(), "inputs": model.metadata.signature.inputs.to_dict(),
  "outputs": [c["name"] for c in model.metadata.signature.outputs.to_dict()]}))
"""
    command = [sys.executable, "-W", "ignore", "-c", code, new_store, stored.model_id]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["status"] == ["scored", "rejected"]
    assert answer["columns"] == answer["outputs"] == [name for name, _ in output_columns(open_scorer(folder))]
    assert answer["inputs"] == [{"type": "string", "name": "smiles", "required": True}]


def test_the_package_holds_no_code_and_no_pickle(folder, tmp_path):
    package_model(folder, tmp_path / "mlflow")
    names = {p.relative_to(tmp_path / "mlflow").as_posix() for p in (tmp_path / "mlflow").rglob("*") if p.is_file()}
    assert "data/forest/weights.safetensors" in names
    assert not [n for n in names if n.endswith((".pkl", ".py", ".pyc", ".bin"))]
    assert "python_model" not in (tmp_path / "mlflow" / "MLmodel").read_text()


def test_a_screen_is_linked_to_its_model(folder, new_store):
    tracker = MlflowTracker(new_store)
    with tracker.run("train", kind="train") as run:
        run.log_model(folder, name="model")
    with tracker.run("screen", kind="screen", tags={"model_fingerprint": model_fingerprint(folder)}) as screen:
        pass
    with tracker.run("other", kind="screen", tags={"model_fingerprint": "0' OR '1'='1"}) as other:
        pass
    client = tracker.store.connect()
    inputs = client.get_run(screen.run_id).inputs.model_inputs
    assert [m.model_id for m in inputs] == [m.model_id for m in client.get_run(run.run_id).outputs.model_outputs]
    assert not client.get_run(other.run_id).inputs.model_inputs


def test_a_damaged_model_is_not_stored(folder, new_store, tmp_path, caplog):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "golden.json").write_text("{}")
    tracker = MlflowTracker(new_store)
    with tracker.run("train", kind="train") as run:
        run.log_model(broken, name="model")
    client = tracker.store.connect()
    assert not client.search_logged_models([client.get_run(run.run_id).info.experiment_id])
    assert "refused model model" in caplog.text
    with pytest.raises(CinchonaError):
        package_model(tmp_path / "nowhere", tmp_path / "target")


def test_requirements_are_pinned():
    pins = dict(line.split("==") for line in requirements())
    assert {"cinchona", "rdkit", "torch", "mlflow"} <= set(pins)
    assert all(version and "+" not in version for version in pins.values())
