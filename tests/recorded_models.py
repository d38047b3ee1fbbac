"""Small forests in a store, as trainings leave them: good or poor, with their held-out compounds."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from finished_screen import TRUST
from rdkit import Chem
from rdkit.Chem import Crippen
from small_training import nav17

from cinchona.datasets.assay import read_assay_table
from cinchona.experiments.tracker import MlflowTracker
from cinchona.models.folder import save_model
from cinchona.models.forest import ForestScorer
from cinchona.records import Endpoint

ENDPOINT = Endpoint("pIC50", unit="log M")


@cache
def compounds():
    """Standardized SMILES of 300 compounds and labels that can be learned (their logP); the last 100 are held out."""
    smiles = list(read_assay_table(nav17(300), targets=["pIC50"]).smiles)
    return smiles, np.array([Crippen.MolLogP(Chem.MolFromSmiles(s)) for s in smiles])


def heldout_table(predicted=None) -> pa.Table:
    """The held-out part as training writes it."""
    smiles, values = compounds()
    part = slice(len(smiles) - 100, len(smiles))
    n = len(smiles[part])
    return pa.table({
        "compound_id": [f"c{i}" for i in range(n)], "smiles": list(smiles[part]), "target": ["pIC50"] * n,
        "kind": ["regression"] * n, "measured": values[part], "censor": pa.array([0] * n, pa.int8()),
        "predicted": values[part] if predicted is None else predicted,
    })  # fmt: skip


def forest(folder: Path, *, poor: bool = False, seed: int = 1, endpoint: Endpoint = ENDPOINT) -> Path:
    """A model folder; a poor one has learned from shuffled labels."""
    smiles, values = compounds()
    known, labels = list(smiles[:-100]), values[:-100].copy()
    if poor:
        labels = np.random.default_rng(0).permutation(labels)
    model = ForestScorer.fit(known, labels[:, None], endpoints=(endpoint,), seed=seed, n_trees=15)
    (target,) = TRUST["data"]["targets"]
    trust = {
        **TRUST,
        "seed": seed,
        "data": {**TRUST["data"], "targets": [{**target, "mean": float(labels.mean())}]},
        "split": {**TRUST["split"], "digest": "cd" * 32},
    }
    save_model(model, folder, trust=trust, golden_smiles=known[:3])
    return folder


def training(tracker: MlflowTracker, folder: Path, scratch: Path, heldout: pa.Table | None = None) -> str:
    """A recorded training of the model in ``folder``; returns the run's id."""
    scratch.mkdir(exist_ok=True)
    pq.write_table(heldout_table() if heldout is None else heldout, scratch / "heldout.parquet")
    with tracker.run(f"train {folder.name}", kind="train") as run:
        run.log_artifact(scratch / "heldout.parquet", folder="heldout")
        run.log_model(folder, name="model")
    return run.run_id
