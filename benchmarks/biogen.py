"""Biogen's ADME sets, training halves by cross-validation: one network for six endpoints, six networks, and ``auto``.

    python benchmarks/biogen.py DATA                                   five folds, all models
    python benchmarks/biogen.py DATA --folds 3 --models multi single   the networks alone

DATA holds ``ADME_<endpoint>_train.csv`` with the columns ``smiles`` and ``activity`` (logarithms). Folds divide whole scaffolds of the distinct
compounds of all endpoints, so that no endpoint teaches another one what it is asked. Networks are small (``--hidden``) and alone,
not ensembles, and start from random weights. Each fold of each model is kept in ``--cache``, so an interrupted run goes on.
Prints Markdown.

Source: Fang et al., J. Chem. Inf. Model. 2023, 63, 3263, https://doi.org/10.1021/acs.jcim.3c00160
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import pearsonr

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.splits import Split, kfold_splits
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models.auto import fit_auto
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.comparison import compare_repeated
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.metrics import mae, rmse
from cinchona.models.train import fit_ensemble
from cinchona.pipelines.heldout import predict_all
from cinchona.records import Endpoint

ENDPOINTS = ("HLM", "RLM", "MDR1_ER", "Sol", "hPPB", "rPPB")
MODELS = ("multi", "single", "auto")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=120.0, help="budget of auto for one endpoint, elapsed")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/biogen"))
    asked = parser.parse_args()
    table = joined(asked.data)
    found = [
        row
        for number, split in enumerate(kfold_splits(table, asked.folds, seed=0, valid_fraction=0.1))
        for model in asked.models
        for row in one(model, number, table, split, asked)
    ]
    show(pd.DataFrame(found), asked)
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "torch", "rdkit", "scikit-learn"]).items()))  # fmt: skip


def joined(data: Path) -> AssayTable:
    """One row a compound, one column an endpoint."""
    frames = [
        pd.read_csv(data / f"ADME_{name}_train.csv").groupby("smiles")["activity"].mean().rename(name)
        for name in ENDPOINTS
    ]
    whole = pd.concat(frames, axis=1).rename_axis("smiles").reset_index()
    return read_assay_table(whole, targets=list(ENDPOINTS))


def one(model: str, number: int, table: AssayTable, split: Split, asked: argparse.Namespace) -> list[dict]:
    shape = f"-{asked.hidden}-{asked.epochs}" if model in {"multi", "single"} else ""
    kept = asked.cache / f"{model}{shape}-{number}-of-{asked.folds}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    began = time.process_time()
    guess = predicted(model, table, split, asked)
    seconds = time.process_time() - began
    truth, rows = table.values[split.test], []
    for column, name in enumerate(ENDPOINTS):
        known = ~np.isnan(truth[:, column])
        y, p = truth[known, column], guess[known, column].astype(float)
        rows.append({
            "model": model, "fold": number, "endpoint": name, "n": int(known.sum()), "mae": mae(y, p), "rmse": rmse(y, p),
            "r": float(pearsonr(y, p)[0]), "cpu_s": seconds,
        })  # fmt: skip
    asked.cache.mkdir(parents=True, exist_ok=True)
    write_json(kept, rows)
    print(f"fold {number}, {model}: " + ", ".join(f"{row['endpoint']} {row['mae']:.3f}" for row in rows) + f"; {seconds:.0f} CPU s", flush=True)  # fmt: skip
    return rows


def predicted(model: str, table: AssayTable, split: Split, asked: argparse.Namespace) -> np.ndarray:
    tested = [table.smiles[row] for row in split.test]
    if model == "multi":
        return predict_all(network(table, split, asked), tested)
    return np.column_stack([by_itself(model, column, table, split, tested, asked) for column in range(len(ENDPOINTS))])


def by_itself(
    model: str, column: int, table: AssayTable, split: Split, tested: list[str], asked: argparse.Namespace
) -> np.ndarray:
    if model == "single":
        alone = read_assay_table(
            pd.DataFrame({"smiles": table.smiles, ENDPOINTS[column]: table.values[:, column]}).dropna(),
            targets=[ENDPOINTS[column]],
        )
        place = {smiles: row for row, smiles in enumerate(alone.smiles)}
        parts = [
            np.array(sorted(place[table.smiles[row]] for row in part if table.smiles[row] in place), np.int64)
            for part in (split.train, split.valid, split.test)
        ]
        return predict_all(network(alone, Split(*parts, kind="random", seed=0), asked), tested)[:, 0]
    rows = np.sort(np.concatenate([split.train, split.valid]))
    rows = rows[~np.isnan(table.values[rows, column])]
    smiles, values = [table.smiles[row] for row in rows], table.values[rows][:, [column]]
    endpoints = [Endpoint(ENDPOINTS[column])]
    config = ChoiceConfig(seconds=asked.seconds, folds="scaffold", networks=False)
    return predict_all(fit_auto(smiles, values, endpoints=endpoints, config=config, seed=0, workers=1).scorer, tested)[
        :, 0
    ]


def network(table: AssayTable, split: Split, asked: argparse.Namespace) -> GraphEnsemble:
    shape = GraphNetConfig(hidden=asked.hidden, head_hidden=asked.hidden)
    training = TrainingConfig(ensemble_size=1, epochs=asked.epochs, pretrained="none", workers=1)
    return fit_ensemble(table, split, network=shape, training=training, seed=0)


def show(found: pd.DataFrame, asked: argparse.Namespace) -> None:
    models = [model for model in MODELS if model in asked.models]
    print(
        "\n| endpoint | compounds | "
        + " | ".join(f"{m} MAE, r" for m in models)
        + " |\n|---|---|"
        + "---|" * len(models)
    )
    for name in ENDPOINTS:
        own = found[found["endpoint"] == name]
        told = [own[own["model"] == m][["mae", "r"]].mean() for m in models]
        print(
            f"| {name} | {own[own['model'] == models[0]]['n'].sum():,} | "
            + " | ".join(f"{t['mae']:.3f}, {t['r']:.3f}" for t in told)
            + " |"
        )
    seconds = found.groupby(["model", "fold"])["cpu_s"].first().groupby("model").mean()
    print("| CPU s a fold | | " + " | ".join(f"{seconds[m]:.0f}" for m in models) + " |\n")
    for name in ENDPOINTS:
        wide = found[found["endpoint"] == name].pivot_table(index="fold", columns="model", values="mae")
        for pair in compare_repeated({m: wide[m].to_numpy() for m in models}, test_to_train=1 / (asked.folds - 1)):
            if {pair.first, pair.second} == {"multi", "single"}:
                print(f"- {name}: MAE of multi less single {pair.difference}, p {pair.p:.2g}")


if __name__ == "__main__":
    main()
