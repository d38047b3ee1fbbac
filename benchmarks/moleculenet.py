"""MoleculeNet, scaffold split: automatic choices and a forest beside the published D-MPNN and random forest.

    python benchmarks/moleculenet.py DATA                                   all sets, smallest first, three seeds
    python benchmarks/moleculenet.py DATA --sets freesolv esol --models classical forest
    python benchmarks/moleculenet.py DATA --seconds 600 --cache results

DATA holds the files of MoleculeNet. The split is DeepChem's: scaffolds from the most to the least frequent, the first 80 % of the compounds
for training, the next 10 % for validation, the rest for the test. It is the same for all seeds; a seed decides folds and models. Rows
stay as they are in the file, those that do not parse are dropped and counted. Models learn from the training and validation part and choose among each
other by cross-validation there. Each result is kept in the folder ``--cache``, so an interrupted run goes on. Prints Markdown.

Published figures, three seeds on the same kind of split: D-MPNN as in Zhou et al., Uni-Mol, ICLR 2023; forest on 1,024 ECFP4 bits from the
board of deepchem/moleculenet. Splits of others may differ in detail, which changes BBBP by several points.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from rdkit.Chem import MolFromSmiles
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models import auto, candidates
from cinchona.models.auto import fit_auto
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.classical import members, networks
from cinchona.models.forest import ForestScorer
from cinchona.models.metrics import rmse, roc_auc
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Endpoint

MODELS = ("auto", "classical", "forest")


@dataclass(frozen=True)
class Task:
    """A set of MoleculeNet and what others reached on it, in the same unit: ROC AUC or RMSE."""

    file: str
    targets: tuple[str, ...]
    """Columns; empty for all but SMILES and ids."""
    kind: str
    dmpnn: str
    forest: str


TASKS = {
    "freesolv": Task("freesolv.csv", ("expt",), "regression", "2.082 (0.082)", ""),
    "esol": Task("esol_delaney.csv", ("measured log solubility in mols per litre",), "regression", "1.050 (0.008)", "1.741 (0.026)"),
    "sider": Task("sider.csv", (), "classification", "0.570 (0.007)", "0.650 (0.001)"),
    "clintox": Task("clintox.csv", ("FDA_APPROVED", "CT_TOX"), "classification", "0.906 (0.006)", "0.783 (0.024)"),
    "bbbp": Task("bbbp.csv", ("p_np",), "classification", "0.710 (0.003)", "0.719 (0.007)"),
    "lipophilicity": Task("lipophilicity.csv.gz", ("exp",), "regression", "0.683 (0.016)", "0.962 (0.003)"),
    "tox21": Task("tox21.csv.gz", (), "classification", "0.759 (0.007)", ""),
    "hiv": Task("hiv.csv.gz", ("HIV_active",), "classification", "0.771 (0.005)", ""),
}  # fmt: skip
"""Smallest first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=540.0, help="budget of the automatic choices, elapsed")
    parser.add_argument(
        "--cpu-clock", action="store_true", help="count CPU seconds, on a machine that is busy with other work"
    )
    parser.add_argument("--workers", type=int, default=None, help="threads; all cores by default")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/moleculenet"))
    asked = parser.parse_args()
    if asked.cpu_clock:  # with --workers 1: what an idle core would do in the same time
        for module in (auto, candidates, members, networks):
            module.time = SimpleNamespace(monotonic=time.process_time)
    found = []
    for name in asked.sets:
        for model in asked.models:
            found += [one(name, model, seed, asked) for seed in range(asked.seeds)]
    show(pd.DataFrame(found))
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "rdkit", "scikit-learn", "lightgbm", "torch"]).items()))  # fmt: skip


def one(name: str, model: str, seed: int, asked: argparse.Namespace) -> dict:
    kept = asked.cache / f"{name}-{model}-{seed}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    smiles, values, dropped = read(TASKS[name], asked.data)
    fitted, test = scaffold_parts(smiles)
    kind = TASKS[name].kind
    endpoints = [Endpoint(f"target{k}", kind=kind) for k in range(values.shape[1])]
    began, cpu = time.monotonic(), cpu_seconds()
    scorer, choice = fit(model, [smiles[k] for k in fitted], values[fitted], endpoints, seed, asked)
    elapsed, used = time.monotonic() - began, cpu_seconds() - cpu
    scores = scorer.score(CompoundBatch.of([smiles[k] for k in test]))
    assert len(scores) == len(test), "every molecule has a prediction"
    result = {
        "set": name, "model": model, "seed": seed, "fitted": len(fitted), "test": len(test), "dropped": dropped,
        "targets": values.shape[1], "figure": figure(values[test], scores.value.astype(np.float64), kind),
        "cpu_s": round(used, 1), "elapsed_s": round(elapsed, 1), "choice": choice,
    }  # fmt: skip
    asked.cache.mkdir(parents=True, exist_ok=True)
    write_json(kept, result)
    print(" ".join(f"{k}={v}" for k, v in result.items() if k != "choice"), flush=True)
    return result


def read(task: Task, folder: Path) -> tuple[list[str], np.ndarray, int]:
    """SMILES that parse, their labels, float64, shape (n, t), NaN where missing, and how many rows do not parse."""
    table = pd.read_csv(folder / task.file)
    columns = list(task.targets) or [c for c in table.columns if c not in {"smiles", "mol_id"}]
    smiles = [str(text).strip() for text in table["smiles"]]
    good = np.array([not isinstance(parse_smiles(text), Rejected) for text in smiles])
    return [text for text, ok in zip(smiles, good, strict=True) if ok], table[columns].to_numpy(float)[good], int((~good).sum())  # fmt: skip


def scaffold_parts(smiles: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit (training and validation part) and rows of the test part, by DeepChem's rule."""
    groups = defaultdict(list)
    for row, text in enumerate(smiles):
        groups[MurckoScaffoldSmiles(mol=MolFromSmiles(text), includeChirality=False)].append(row)
    parts: tuple[list[int], ...] = ([], [], [])
    for rows in sorted(groups.values(), key=lambda rows: (len(rows), rows[0]), reverse=True):
        train, valid, test = parts
        if len(train) + len(rows) <= 0.8 * len(smiles):
            train.extend(rows)
        elif len(train) + len(valid) + len(rows) <= 0.9 * len(smiles):
            valid.extend(rows)
        else:
            test.extend(rows)
    return np.sort([*parts[0], *parts[1]]), np.sort(parts[2])


def fit(
    model: str, smiles: list[str], values: np.ndarray, endpoints: list[Endpoint], seed: int, asked: argparse.Namespace
) -> tuple[Scorer, list[dict]]:
    if model == "forest":
        return ForestScorer.fit(smiles, values, endpoints=endpoints, seed=seed), []
    config = ChoiceConfig(seconds=asked.seconds, folds="scaffold", networks=model == "auto")
    found = fit_auto(smiles, values, endpoints=endpoints, config=config, seed=seed, workers=asked.workers)
    return found.scorer, [row.to_json() for row in found.choices]


def figure(truth: np.ndarray, guess: np.ndarray, kind: str) -> float:
    """RMSE, or mean ROC AUC over the targets that have both classes in the test part."""
    known = ~np.isnan(truth)
    if kind == "regression":
        return rmse(truth[known[:, 0], 0], guess[known[:, 0], 0])
    both = [k for k in range(truth.shape[1]) if len(np.unique(truth[known[:, k], k])) == 2]
    return float(np.mean([roc_auc(truth[known[:, k], k], guess[known[:, k], k]) for k in both]))


def cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def show(results: pd.DataFrame) -> None:
    models = [model for model in MODELS if model in set(results["model"])]
    print("\n| set | figure | fitted, test | " + " | ".join(f"{m} | {m} CPU s" for m in models) + " | D-MPNN, published | forest, published |")  # fmt: skip
    print("|---|---|---|" + "---|---|" * len(models) + "---|---|")
    for name, rows in results.groupby("set", sort=False):
        task, first, cells = TASKS[str(name)], rows.iloc[0], []
        for model in models:
            mine = rows[rows["model"] == model]
            cells += [f"{mine['figure'].mean():.3f} ({mine['figure'].std(ddof=1):.3f})", f"{mine['cpu_s'].mean():.0f}"]
        title = "RMSE" if task.kind == "regression" else "ROC AUC"
        print(f"| {name} | {title} | {first['fitted']:,}, {first['test']:,} | " + " | ".join(cells)
              + f" | {task.dmpnn or '-'} | {task.forest or '-'} |")  # fmt: skip
    print("\nMean over the seeds, in brackets their standard deviation.")


if __name__ == "__main__":
    main()
