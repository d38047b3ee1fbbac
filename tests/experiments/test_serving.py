"""``mlflow models serve`` answers over HTTP: good requests, bad ones, and ten thousand rows."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from local_server import free_port, serving
from recorded_models import compounds, forest

from cinchona.experiments.client import quiet_environment
from cinchona.experiments.flavour import package_model
from cinchona.experiments.pyfunc import _load_pyfunc, output_columns

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
JSON = "application/json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return forest(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def address(folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("served") / "model"
    package_model(folder, target)
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "models", "serve", "-m", str(target), "-p", str(port),
               "-h", "127.0.0.1", "--env-manager", "local", "--workers", "1"]  # fmt: skip
    environment = {**quiet_environment(), "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PYTHONSAFEPATH": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    with serving(command, port, health="ping", environment=environment, folder=target.parent):
        yield f"http://127.0.0.1:{port}/invocations"


def post(address, body, kind=JSON):
    """Status and body of an answer; JSON is read strictly, without NaN."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data=data, headers={"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.loads(answer.read(), parse_constant=_no_constant)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def _no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def test_good_requests(address, folder):
    smiles = [*compounds()[0][:5], "not a molecule"]
    expected = _load_pyfunc(str(folder)).predict(smiles)
    for body in (
        {"dataframe_split": {"columns": ["smiles"], "data": [[s] for s in smiles]}},
        {"dataframe_records": [{"smiles": s} for s in smiles]},
        {"inputs": {"smiles": smiles}},
    ):
        status, answer = post(address, body)
        assert status == 200, answer
        rows = answer["predictions"]
        assert list(rows[0]) == list(expected.columns)
        assert [r["status"] for r in rows] == ["scored"] * 5 + ["rejected"]
        assert np.array([r["pIC50"] for r in rows[:5]]) == pytest.approx(expected["pIC50"][:5].to_numpy(), rel=1e-6)
        assert rows[5]["pIC50"] is None
        assert rows[5]["reason"]
    status, answer = post(address, b"smiles\nCCO\n", "text/csv")
    assert (status, answer["predictions"][0]["status"]) == (200, "scored")
    body = {"dataframe_records": [{"smiles": "CCO"}], "params": {"details": False, "batch_size": 1}}
    status, answer = post(address, body)
    assert (status, "pIC50_lower" in answer["predictions"][0]) == (200, False)


def test_an_empty_cell_is_a_rejected_row(address):
    rows = [{"smiles": None}, {"smiles": "CCO"}, {"smiles": ""}, {"smiles": 5}]
    status, answer = post(address, {"dataframe_records": rows})
    assert status == 200, answer
    assert [r["status"] for r in answer["predictions"]] == ["rejected", "scored", "rejected", "rejected"]


@pytest.mark.parametrize("body,kind", [
    (b"{", JSON), (b"\xff\xfe", JSON), (b"[1, 2]", JSON), ({"rows": []}, JSON),
    ({"dataframe_records": [{"structure": "CCO"}]}, JSON),
    ({"dataframe_records": [{"smiles": "CCO"}], "params": {"batch_size": "many"}}, JSON),
    ({"dataframe_records": [{"smiles": "CCO"}], "params": {"batch_size": 0}}, JSON),
    ({"dataframe_records": [{"smiles": "CCO"}] * 3, "params": {"max_rows": 2}}, JSON),
    (b"CCO", "text/plain"),
])  # fmt: skip
def test_bad_requests_are_the_callers_fault(address, body, kind):
    status, answer = post(address, body, kind)
    assert 400 <= status < 500, answer
    assert post(address, {"dataframe_records": [{"smiles": "CCO"}]})[0] == 200, "it serves on"


def test_ten_thousand_rows(address, folder):
    smiles = [(*compounds()[0], "xx")[k % 301] for k in range(10_000)]
    status, answer = post(address, {"inputs": {"smiles": smiles}})
    assert status == 200, str(answer)[:500]
    rows = answer["predictions"]
    assert len(rows) == 10_000
    assert [r["status"] for r in rows] == ["rejected" if s == "xx" else "scored" for s in smiles]
    model = _load_pyfunc(str(folder))
    names = [name for name, _ in output_columns(model.scorer)]
    assert list(rows[0]) == names
    expected = model.predict(smiles[:301])["pIC50"].to_numpy()
    for start in range(0, 9_900, 301):
        found = np.array([r["pIC50"] for r in rows[start : start + 301]], float)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
