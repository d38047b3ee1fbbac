"""TDC ADMET group, official test parts: ``auto``, our forest and MapLight's recipe rebuilt, beside published figures.

    python benchmarks/tdc_admet.py DATA --peer /path/to/catboost-environment/bin/python
    python benchmarks/tdc_admet.py DATA --tasks hia_hou bbb_martins --models auto forest --seeds 2

DATA holds ``TASK_train.csv`` and ``TASK_test.csv`` (plain or gzip) with the columns ``Drug`` and ``Y``. A model sees the training
rows alone; a seed is that of the model, as the official parts stay the same. The peer's environment holds ``catboost`` and
``rdkit`` (see ``_maplight.py``). The predictions of each fit are kept in ``--cache``, so an interrupted run goes on; all
tasks get their first seed before any gets its second. Prints Markdown.

Source: Huang et al., NeurIPS Datasets 2021, https://tdcommons.ai/benchmark/admet_group/overview/
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models import auto
from cinchona.models.auto import fit_auto
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.classical.fitting import molecules_of
from cinchona.models.classical.inputs import Molecules
from cinchona.models.forest import ForestScorer
from cinchona.models.intervals import Interval, mean_interval
from cinchona.models.ranking import pr_auc, roc_auc
from cinchona.records import CompoundBatch, Endpoint

HERE = Path(__file__).resolve().parent
ENDPOINT = Endpoint("Y", kind="classification")
MODELS = ("auto", "forest", "maplight")
SAMPLES = 1000


@dataclass(frozen=True)
class Task:
    """One data set of the group."""

    name: str
    metric: str
    """As on the leaderboard: ``AUROC`` or ``AUPRC``; higher is better in both."""
    maplight: float
    chemprop: float
    """Published means over five seeds: MapLight (CatBoost) and Chemprop-RDKit."""

    def figure(self, labels: np.ndarray, guess: np.ndarray) -> float:
        """The leaderboard's figure."""
        return (roc_auc if self.metric == "AUROC" else pr_auc)(labels, guess)


TASKS = (
    Task("hia_hou", "AUROC", 0.986, 0.981),
    Task("cyp2c9_substrate_carbonmangels", "AUPRC", 0.415, 0.400),
    Task("cyp2d6_substrate_carbonmangels", "AUPRC", 0.713, 0.686),
    Task("cyp3a4_substrate_carbonmangels", "AUROC", 0.650, 0.619),
    Task("pgp_broccatelli", "AUROC", 0.930, 0.886),
    Task("bbb_martins", "AUROC", 0.916, 0.869),
    Task("cyp2c9_veith", "AUPRC", 0.783, 0.777),
    Task("cyp2d6_veith", "AUPRC", 0.723, 0.673),
)
"""Tasks with a free test part and figures of both; the smallest first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--peer", type=Path, help="Python of the environment that holds CatBoost; none leaves MapLight out"
    )
    parser.add_argument("--tasks", nargs="*", default=[task.name for task in TASKS])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=480.0, help="budget of auto, elapsed")
    parser.add_argument("--networks", action="store_true", help="let auto try graph networks too; use another cache")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/tdc_admet"))
    asked = parser.parse_args()
    auto.molecules_of = molecules_once
    asked.models = [model for model in asked.models if model != "maplight" or asked.peer]
    tasks = [task for task in TASKS if task.name in asked.tasks]
    runs = [one(task, model, seed, asked) for seed in range(asked.seeds) for task in tasks for model in asked.models]
    show(tasks, pd.DataFrame(runs), asked)
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "rdkit", "scikit-learn", "lightgbm"]).items()))  # fmt: skip


def molecules_once(smiles: Sequence[str]) -> Molecules:
    """The training molecules, whose features are the same for all seeds."""
    return _molecules(tuple(smiles))


@cache
def _molecules(smiles: tuple[str, ...]) -> Molecules:
    return molecules_of(smiles)


def one(task: Task, model: str, seed: int, asked: argparse.Namespace) -> dict:
    kept = asked.cache / f"{task.name}-{model}-{seed}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    train, test = (part(asked.data, task, name) for name in ("train", "test"))
    before = cpu_seconds()
    guess, told = predicted(model, train, test, seed, asked)
    result = {
        "task": task.name, "model": model, "seed": seed, "train": len(train), "test": len(test),
        "figure": task.figure(test["Y"].to_numpy(), guess), "cpu_s": round(cpu_seconds() - before, 1),
        "predictions": guess.tolist(), "choice": told,
    }  # fmt: skip
    asked.cache.mkdir(parents=True, exist_ok=True)
    write_json(kept, result)
    print(f"{task.name} {model} seed {seed}: {result['figure']:.3f}, {result['cpu_s']} CPU s", flush=True)
    return result


def part(data: Path, task: Task, name: str) -> pd.DataFrame:
    table = pd.read_csv(next(iter(sorted(data.glob(f"{task.name}_{name}.csv*")))))
    return table.assign(Y=table["Y"].astype(float))


def predicted(
    model: str, train: pd.DataFrame, test: pd.DataFrame, seed: int, asked: argparse.Namespace
) -> tuple[np.ndarray, list[dict]]:
    if model == "maplight":
        return by_peer(train, test, seed, asked.peer), []
    smiles, values, told = list(train["Drug"]), train[["Y"]].to_numpy(), []
    if model == "forest":
        scorer = ForestScorer.fit(smiles, values, endpoints=[ENDPOINT], seed=seed)
    else:
        config = ChoiceConfig(seconds=asked.seconds, folds="scaffold", networks=asked.networks)  # folds as the parts
        found = fit_auto(smiles, values, endpoints=[ENDPOINT], config=config, seed=seed, workers=1)
        scorer, told = found.scorer, [row.to_json() for row in found.choices]
    scores = scorer.score(CompoundBatch.of(list(test["Drug"])))
    assert len(scores) == len(test), "every molecule of the benchmark has a prediction"
    return scores.value[:, 0].astype(np.float64), told


def by_peer(train: pd.DataFrame, test: pd.DataFrame, seed: int, peer: Path) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("train.csv", "test.csv", "found.npy")]
        for table, path in zip((train, test), paths, strict=False):
            table.to_csv(path, index=False)
        subprocess.run([str(peer), str(HERE / "_maplight.py"), *map(str, paths), str(seed)], check=True)
        return np.load(paths[2])


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def show(tasks: list[Task], runs: pd.DataFrame, asked: argparse.Namespace) -> None:
    models = [model for model in MODELS if model in asked.models]
    wide = runs.pivot_table(index="task", columns="model", values="figure")
    print("\n| task (train, test) | metric | " + " | ".join(models)
          + " | MapLight (published) | Chemprop-RDKit (published) | auto less forest [95 %] | CPU s of auto |")  # fmt: skip
    print("|---|---|" + "---|" * (len(models) + 4))
    ranks = []
    for task in tasks:
        own = runs[runs["task"] == task.name]
        figures = {model: mean_interval(own.loc[own["model"] == model, "figure"].to_numpy()) for model in models}
        told = " | ".join(f"{f.estimate:.3f}" + spread(f) for f in figures.values())
        gap = less_forest(task, own, asked.data) if {"auto", "forest"} <= set(models) else "–"
        seconds = own.loc[
            (own["model"] == "auto") & (own["seed"] == 0), "cpu_s"
        ].mean()  # later seeds find the features
        first = own.iloc[0]
        print(f"| {task.name} ({first['train']:,}, {first['test']:,}) | {task.metric} | {told} | {task.maplight:.3f} | "
              f"{task.chemprop:.3f} | {gap} | {seconds:.0f} |")  # fmt: skip
        ranks.append({**{m: wide.loc[task.name, m] for m in models}, "MapLight (published)": task.maplight,
                      "Chemprop-RDKit (published)": task.chemprop})  # fmt: skip
    print(f"\nMean rank over {len(tasks)} tasks: " + ", ".join(
        f"{name} {rank:.2f}" for name, rank in pd.DataFrame(ranks).rank(axis=1, ascending=False).mean().items()))  # fmt: skip


def spread(figure: Interval) -> str:
    """Half of the 95 % interval over the seeds; nothing for a single one."""
    return f" ± {figure.upper - figure.estimate:.3f}" if np.isfinite(figure.upper) else ""


def less_forest(task: Task, own: pd.DataFrame, data: Path) -> str:
    """Difference of the means over the seeds, with its interval by a paired bootstrap over the test molecules."""
    labels = part(data, task, "test")["Y"].to_numpy()
    pairs = [[np.array(row) for row in own.loc[own["model"] == model, "predictions"]] for model in ("auto", "forest")]
    draw, drawn = np.random.default_rng(0), []
    strata = [np.flatnonzero(labels == value) for value in (0, 1)]
    for sample in range(SAMPLES + 1):
        rows = np.concatenate([rows[draw.integers(len(rows), size=len(rows))] for rows in strata])
        rows = np.arange(len(labels)) if sample == 0 else rows
        ours, theirs = (np.mean([task.figure(labels[rows], guess[rows]) for guess in guesses]) for guesses in pairs)
        drawn.append(ours - theirs)
    lower, upper = np.quantile(drawn[1:], [0.025, 0.975])
    return f"{drawn[0]:+.3f} [{lower:+.3f}, {upper:+.3f}]"


if __name__ == "__main__":
    main()
