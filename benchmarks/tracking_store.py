"""How long ``cinchona compare`` and ``cinchona models list --registered`` take in a store with many runs.

Fills a new SQLite store with runs of 40 parameters and 60 metrics, and 50 registered models of ten versions, and runs both
commands in processes of their own. Usage::

    python benchmarks/tracking_store.py [--runs 500]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.experiments.client import load_mlflow
from cinchona.experiments.tracker import MlflowTracker

_NAMES = 50
_VERSIONS = 10
_COMMAND = "from cinchona.cli.main import main; main()"


def fill(tracker: MlflowTracker, runs: int, scratch: Path) -> list[str]:
    """Record ``runs`` trainings of 100 held-out compounds, and return their ids."""
    rng = np.random.default_rng(0)
    measured = rng.normal(6, 1, 100)
    ids = []
    for k in range(runs):
        table = pa.table({
            "compound_id": [f"c{i}" for i in range(100)], "smiles": ["C" * (i + 1) for i in range(100)],
            "target": ["pIC50"] * 100, "kind": ["regression"] * 100, "measured": measured,
            "predicted": measured + rng.normal(0, 0.5, 100),
        })  # fmt: skip
        pq.write_table(table, scratch / "heldout.parquet")
        with tracker.run(f"train {k}", kind="train", tags={"seed": str(k)}) as run:
            run.log_params({f"p{i}": k * i for i in range(40)})
            run.log_metrics({f"m{i}": float(k + i) for i in range(60)})
            run.log_artifact(scratch / "heldout.parquet", folder="heldout")
        ids.append(run.run_id)
    return ids


def register(tracker: MlflowTracker, run_id: str) -> None:
    """Make 50 names of ten versions each."""
    client = tracker.store.connect()
    for name in range(_NAMES):
        client.create_registered_model(f"model {name}")
        for _ in range(_VERSIONS):
            client.create_model_version(f"model {name}", "file:///nowhere", run_id=run_id, await_creation_for=0)
        client.set_registered_model_alias(f"model {name}", "champion", "3")


def command(uri: str, folder: Path, *arguments: str) -> None:
    """Run a command and print its time."""
    line = [sys.executable, "-c", _COMMAND, *arguments, "--set", f"tracking.uri={uri}", "--json"]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, cwd=folder, env={**os.environ, "PYTHONSAFEPATH": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{' '.join(arguments[:2]):>14}: {cpu:.2f} CPU s, {time.monotonic() - begun:.2f} s by the clock")


def main(runs: int) -> None:
    """Fill the store and time the commands."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        tracker = MlflowTracker(f"sqlite:///{root}/mlflow.db")
        begun = time.process_time()
        load_mlflow()
        print(f"import of MLflow, which is within the times below: {time.process_time() - begun:.2f} CPU s")
        ids = fill(tracker, runs, root)
        register(tracker, ids[0])
        command(tracker.store.uri, root, "models", "list", "--registered")
        command(tracker.store.uri, root, "compare", *ids[:2])
        command(tracker.store.uri, root, "compare", *ids[:5])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    main(parser.parse_args().runs)
