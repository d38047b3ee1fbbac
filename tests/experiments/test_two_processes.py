"""Two processes that record into one SQLite store at the same time lose nothing."""

from __future__ import annotations

import subprocess
import sys

from mlflow_store import copy_empty_database

from cinchona.experiments.store import Store

CHILD = """
import sys, pathlib, time
from cinchona.experiments.tracker import MlflowTracker
name, store, gate = sys.argv[1:]
tracker = MlflowTracker(store)
tracker.store.connect()
pathlib.Path(gate, name).touch()
while len(list(pathlib.Path(gate).iterdir())) < 2:
    time.sleep(0.01)
for k in range(2):
    with tracker.run(f"{name}-{k}", kind="train") as run:
        run.log_params({f"p{i}": i for i in range(40)})
        for step in range(8):
            run.log_curve(f"curve-{step}", [float(v) for v in range(50)])
        run.log_metrics({"done": 1.0})
print("lost nothing")
"""


def test_nothing_is_lost(tmp_path):
    uri = f"sqlite:///{copy_empty_database(tmp_path / 'store')}"
    gate = tmp_path / "gate"
    gate.mkdir()
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CHILD, name, uri, str(gate)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )
        for name in ("a", "b")
    ]  # fmt: skip
    for process in started:
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out.strip()) == (0, "lost nothing"), err
        assert "did not reach" not in err
    client = Store.at(uri).connect()
    runs = client.search_runs([client.get_experiment_by_name("cinchona").experiment_id])
    assert sorted(r.info.run_name for r in runs) == ["a-0", "a-1", "b-0", "b-1"]
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.data.params == {f"p{i}": str(i) for i in range(40)}
        assert run.data.metrics["done"] == 1.0
        assert {len(client.get_metric_history(run.info.run_id, f"curve-{s}")) for s in range(8)} == {50}
