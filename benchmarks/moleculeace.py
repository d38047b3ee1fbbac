"""MoleculeACE, official split: ``auto``, our forest and our support vector machine beside the published best.

    python benchmarks/moleculeace.py DATA                     all targets in the folder, smallest first
    python benchmarks/moleculeace.py DATA --targets CHEMBL2047_EC50 CHEMBL262_Ki
    python benchmarks/moleculeace.py DATA --models auto --seconds 600

DATA holds one CSV file a target (plain or gzip) with the columns ``smiles``, ``y [pEC50/pKi]``, ``cliff_mol`` and ``split``, as in
the repository of MoleculeACE. A model sees the rows of ``train`` alone; weights and choices come from cross-validation among
them. Each result is kept in the folder ``--cache``, so an interrupted run goes on. Prints Markdown.

Source: van Tilborg et al., J. Chem. Inf. Model. 2022, 62, 5938, https://doi.org/10.1021/acs.jcim.2c01073
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models.auto import fit_auto
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.classical.fitting import fit_single
from cinchona.models.forest import ForestScorer
from cinchona.models.metrics import rmse
from cinchona.models.scorers import ArrayScorer
from cinchona.records import CompoundBatch, Endpoint

LABEL = "y [pEC50/pKi]"
MODELS = ("auto", "svm", "forest")
PUBLISHED = {"SVM on ECFP (published)": (0.678, 0.763), "random forest on ECFP (published)": (0.700, 0.791)}
"""Mean RMSE and cliff RMSE over the 22 targets that are free to share, from the authors' table of results."""
ENDPOINTS = (Endpoint(LABEL),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--targets", nargs="*", default=[])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seconds", type=float, default=540.0, help="budget of auto, elapsed")
    parser.add_argument("--workers", type=int, default=None, help="threads; all cores by default")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/moleculeace"))
    asked = parser.parse_args()
    tables = {path.name.split(".")[0]: pd.read_csv(path) for path in sorted(asked.data.glob("*.csv*"))}
    chosen = sorted(asked.targets or tables, key=lambda name: len(tables[name]))
    found = []
    for target in chosen:
        for model in asked.models:
            found.append(one(target, tables[target], model, asked))
            print(" ".join(f"{k}={v}" for k, v in found[-1].items() if k != "choice"), flush=True)
    show(pd.DataFrame(found))
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "rdkit", "scikit-learn", "lightgbm"]).items()))  # fmt: skip


def one(target: str, table: pd.DataFrame, model: str, asked: argparse.Namespace) -> dict:
    kept = asked.cache / f"{target}-{model}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    train, test = (table[table["split"] == part] for part in ("train", "test"))
    began, cpu = time.monotonic(), cpu_seconds()
    scorer, choice = fit(model, train, asked)
    elapsed, used = time.monotonic() - began, cpu_seconds() - cpu
    guess = scorer.score(CompoundBatch.of(list(test["smiles"])))
    assert len(guess) == len(test), "every molecule of the benchmark has a prediction"
    truth, value = test[LABEL].to_numpy(), guess.value[:, 0].astype(np.float64)
    cliff = test["cliff_mol"].to_numpy() == 1
    result = {
        "target": target, "model": model, "train": len(train), "test": len(test),
        "rmse": rmse(truth, value), "cliff_rmse": rmse(truth[cliff], value[cliff]),
        "cpu_s": round(used, 1), "elapsed_s": round(elapsed, 1), "choice": choice,
    }  # fmt: skip
    asked.cache.mkdir(parents=True, exist_ok=True)
    write_json(kept, result)
    return result


def fit(model: str, train: pd.DataFrame, asked: argparse.Namespace) -> tuple[ArrayScorer, list[dict]]:
    smiles, values = list(train["smiles"]), train[[LABEL]].to_numpy()
    if model == "forest":
        return ForestScorer.fit(smiles, values, endpoints=ENDPOINTS, seed=0), []
    if model == "svm":
        return fit_single("svm", smiles, values, endpoints=ENDPOINTS, seed=0, workers=asked.workers), []
    config = ChoiceConfig(seconds=asked.seconds, folds="random")  # the official split is no split by scaffold
    found = fit_auto(smiles, values, endpoints=ENDPOINTS, config=config, seed=0, workers=asked.workers)
    return found.scorer, [row.to_json() for row in found.choices]


def cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def show(results: pd.DataFrame) -> None:
    wide = results.pivot_table(index="target", columns="model", values=["rmse", "cliff_rmse", "cpu_s"])
    models = [model for model in MODELS if model in set(results["model"])]
    print("\n| target | train | " + " | ".join(f"{m} RMSE | {m} cliff" for m in models) + " | auto CPU s |")
    print("|---|---|" + "---|---|" * len(models) + "---|")
    size = results.groupby("target")["train"].first()
    for target in wide.index:
        figures = " | ".join(
            f"{wide.loc[target, ('rmse', m)]:.3f} | {wide.loc[target, ('cliff_rmse', m)]:.3f}" for m in models
        )
        print(
            f"| {target} | {size[target]} | {figures} | {wide.loc[target].get(('cpu_s', 'auto'), float('nan')):.0f} |"
        )
    means = " | ".join(f"{wide[('rmse', m)].mean():.3f} | {wide[('cliff_rmse', m)].mean():.3f}" for m in models)
    print(f"| mean of {len(wide)} | | {means} | |")
    for name, (overall, cliff) in PUBLISHED.items():
        print(f"\n{name}, all 22: {overall:.3f}, cliffs {cliff:.3f}")


if __name__ == "__main__":
    main()
