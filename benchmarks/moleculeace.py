"""MoleculeACE, official split: automatic choices, single models and networks of ours beside Chemprop and the published best.

    python benchmarks/moleculeace.py DATA                     all targets in the folder, smallest first
    python benchmarks/moleculeace.py DATA --targets CHEMBL2047_EC50 CHEMBL262_Ki
    python benchmarks/moleculeace.py DATA --models auto --seconds 600
    python benchmarks/moleculeace.py DATA --smallest 6 --models network pretrained chemprop --peer PEER/bin/chemprop

``auto`` chooses among all models, ``classical`` among those on fingerprints and descriptors; ``network`` and ``pretrained`` are
the graph networks that ``cinchona train`` fits, from random weights and from the encoder of the package. Chemprop runs in an
environment of its own with its defaults, on the CPU; a tenth of the training part stops its training and that of our networks.

DATA holds one CSV file a target (plain or gzip) with the columns ``smiles``, ``y [pEC50/pKi]``, ``cliff_mol`` and ``split``, as in
the repository of MoleculeACE. A model sees the rows of ``train`` alone; weights and choices come from cross-validation among
them. Each result is kept in the folder ``--cache``, so an interrupted run goes on. Prints Markdown.

A budget is elapsed time; on a machine that is busy with other work, ``--cpu-clock --workers 1`` counts the CPU seconds of one core.

Source: van Tilborg et al., J. Chem. Inf. Model. 2022, 62, 5938, https://doi.org/10.1021/acs.jcim.2c01073
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa

from cinchona.datasets.assay import read_assay_table
from cinchona.datasets.splits import Split
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models import auto, candidates
from cinchona.models.auto import fit_auto
from cinchona.models.choice_config import ChoiceConfig
from cinchona.models.classical import members, networks
from cinchona.models.classical.fitting import fit_single
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.forest import ForestScorer
from cinchona.models.metrics import rmse
from cinchona.models.train import fit_ensemble
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Endpoint
from cinchona.seeds import rng

LABEL = "y [pEC50/pKi]"
MODELS = ("auto", "classical", "svm", "forest", "network", "pretrained", "chemprop")
USUAL = ("auto", "svm", "forest")
NETWORKS = {"network": "none", "pretrained": "default"}
"""Where the networks start."""
PUBLISHED = {"SVM on ECFP (published)": (0.678, 0.763), "random forest on ECFP (published)": (0.700, 0.791)}
"""Mean RMSE and cliff RMSE over the 22 targets that are free to share, from the authors' table of results."""
PUBLISHED_SVM = {
    "CHEMBL1862_Ki": (0.668, 0.634),
    "CHEMBL1871_Ki": (0.668, 0.735),
    "CHEMBL2034_Ki": (0.696, 0.842),
    "CHEMBL2047_EC50": (0.614, 0.687),
    "CHEMBL218_EC50": (0.698, 0.773),
    "CHEMBL219_Ki": (0.743, 0.779),
    "CHEMBL228_Ki": (0.704, 0.802),
    "CHEMBL231_Ki": (0.709, 0.925),
    "CHEMBL233_Ki": (0.740, 0.787),
    "CHEMBL236_Ki": (0.692, 0.836),
    "CHEMBL237_EC50": (0.760, 0.888),
    "CHEMBL238_Ki": (0.632, 0.744),
    "CHEMBL239_EC50": (0.681, 0.731),
    "CHEMBL262_Ki": (0.719, 0.655),
    "CHEMBL264_Ki": (0.583, 0.668),
    "CHEMBL2835_Ki": (0.420, 0.809),
    "CHEMBL287_Ki": (0.778, 0.772),
    "CHEMBL2971_Ki": (0.611, 0.779),
    "CHEMBL3979_EC50": (0.687, 0.727),
    "CHEMBL4005_Ki": (0.550, 0.647),
    "CHEMBL4203_Ki": (0.880, 1.001),
    "CHEMBL4616_EC50": (0.589, 0.618),
}
"""RMSE and cliff RMSE of the best published method, a support vector machine on ECFP, target by target, from the table in the
authors' repository (commit 27f26eb, mean 0.674 and 0.766)."""
ENDPOINTS = (Endpoint(LABEL),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--targets", nargs="*", default=[])
    parser.add_argument("--models", nargs="*", default=list(USUAL), choices=MODELS)
    parser.add_argument("--smallest", type=int, default=None, help="how many targets, smallest first; all by default")
    parser.add_argument("--size", type=int, default=4, help="networks that are averaged; Chemprop trains one")
    parser.add_argument("--peer", type=Path, help="the command chemprop in its environment")
    parser.add_argument("--seconds", type=float, default=540.0, help="budget of auto, elapsed")
    parser.add_argument(
        "--cpu-clock", action="store_true", help="count CPU seconds, on a machine that is busy with other work"
    )
    parser.add_argument("--workers", type=int, default=None, help="threads; all cores by default")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/moleculeace"))
    asked = parser.parse_args()
    if asked.cpu_clock:  # with --workers 1: what an idle core would do in the same time
        for module in (auto, candidates, members, networks):
            module.time = SimpleNamespace(monotonic=time.process_time)
    tables = {path.name.split(".")[0]: pd.read_csv(path) for path in sorted(asked.data.glob("*.csv*"))}
    chosen = sorted(asked.targets or tables, key=lambda name: len(tables[name]))[: asked.smallest]
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
    single = model not in NETWORKS
    kept = asked.cache / (f"{target}-{model}.json" if single else f"{target}-{model}-{asked.size}.json")
    if kept.exists():
        return json.loads(kept.read_text())
    train, test = (table[table["split"] == part] for part in ("train", "test"))
    began, cpu = time.monotonic(), cpu_seconds()
    if model == "chemprop":
        value, choice = chemprop(train, test, asked.peer), []
        elapsed, used = time.monotonic() - began, cpu_seconds() - cpu
    else:
        scorer, choice = fit(model, train, asked)
        elapsed, used = time.monotonic() - began, cpu_seconds() - cpu
        guess = scorer.score(CompoundBatch.of(list(test["smiles"])))
        assert len(guess) == len(test), "every molecule of the benchmark has a prediction"
        value = guess.value[:, 0].astype(np.float64)
    truth = test[LABEL].to_numpy()
    cliff = test["cliff_mol"].to_numpy() == 1
    result = {
        "target": target, "model": model, "train": len(train), "test": len(test),
        "rmse": rmse(truth, value), "cliff_rmse": rmse(truth[cliff], value[cliff]),
        "cpu_s": round(used, 1), "elapsed_s": round(elapsed, 1), "choice": choice,
    }  # fmt: skip
    asked.cache.mkdir(parents=True, exist_ok=True)
    write_json(kept, result)
    return result


def fit(model: str, train: pd.DataFrame, asked: argparse.Namespace) -> tuple[Scorer, list[dict]]:
    smiles, values = list(train["smiles"]), train[[LABEL]].to_numpy()
    if model == "forest":
        return ForestScorer.fit(smiles, values, endpoints=ENDPOINTS, seed=0), []
    if model == "svm":
        return fit_single("svm", smiles, values, endpoints=ENDPOINTS, seed=0, workers=asked.workers), []
    if model in NETWORKS:
        return network(train, NETWORKS[model], asked), []
    config = ChoiceConfig(seconds=asked.seconds, folds="random", networks=model == "auto")
    found = fit_auto(smiles, values, endpoints=ENDPOINTS, config=config, seed=0, workers=asked.workers)
    return found.scorer, [row.to_json() for row in found.choices]


def network(train: pd.DataFrame, start: str, asked: argparse.Namespace) -> Scorer:
    """Networks with the other defaults of ``cinchona train``."""
    table = read_assay_table(pa.table({"smiles": train["smiles"], "y": train[LABEL]}), targets=["y"])
    stop, rest = stopping(len(table))
    split = Split(rest, stop, np.zeros(0, np.int64), kind="random", seed=0)
    training = TrainingConfig(ensemble_size=asked.size, pretrained=start, workers=asked.workers)
    return fit_ensemble(table, split, network=GraphNetConfig(), training=training, seed=0)


def stopping(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A tenth of n compounds, drawn, and the others."""
    rows, cut = rng(0, "stop").permutation(n), round(0.1 * n)
    return np.sort(rows[:cut]), np.sort(rows[cut:])


def chemprop(train: pd.DataFrame, test: pd.DataFrame, peer: Path | None) -> np.ndarray:
    """Predictions of Chemprop for the test part."""
    assert peer is not None, "--peer names the command chemprop"
    stop, _ = stopping(len(train))
    part = np.array(["train"] * len(train) + ["test"] * len(test))
    part[stop] = "val"
    rows = pd.concat([train, test])
    with tempfile.TemporaryDirectory() as scratch:
        table, out = Path(scratch, "data.csv"), Path(scratch, "out")
        pd.DataFrame({"smiles": rows["smiles"], "y": rows[LABEL], "part": part}).to_csv(table, index=False)
        subprocess.run(
            [str(peer), "train", "-i", str(table), "-o", str(out), "-s", "smiles", "--target-columns", "y",
             "--splits-column", "part", "--accelerator", "cpu", "-n", "0", "--pytorch-seed", "0", "-q"],
            check=True, capture_output=True, cwd=scratch,
        )  # fmt: skip
        found = pd.read_csv(next(out.rglob("test_predictions.csv")))
    assert list(found["smiles"]) == list(test["smiles"]), "one prediction a molecule, in order"
    return found["y"].to_numpy(np.float64)


def cpu_seconds() -> float:
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def show(results: pd.DataFrame) -> None:
    wide = results.pivot_table(index="target", columns="model", values=["rmse", "cliff_rmse", "cpu_s"])
    models = [model for model in MODELS if model in set(results["model"])]
    print(
        "\n| target | train | "
        + " | ".join(f"{m} RMSE | {m} cliff | {m} CPU s" for m in models)
        + " | SVM, published | cliff |"
    )
    print("|---|---|" + "---|---|---|" * len(models) + "---|---|")
    size = results.groupby("target")["train"].first()
    for target in wide.index:
        figures = " | ".join(
            f"{wide.loc[target, ('rmse', m)]:.3f} | {wide.loc[target, ('cliff_rmse', m)]:.3f} | {wide.loc[target, ('cpu_s', m)]:.0f}"
            for m in models
        )
        print(f"| {target} | {size[target]} | {figures} | {' | '.join(f'{x:.3f}' for x in PUBLISHED_SVM[target])} |")
    means = " | ".join(
        f"{wide[('rmse', m)].mean():.3f} | {wide[('cliff_rmse', m)].mean():.3f} | {wide[('cpu_s', m)].mean():.0f}"
        for m in models
    )
    peer = " | ".join(f"{x:.3f}" for x in np.mean([PUBLISHED_SVM[target] for target in wide.index], axis=0))
    print(f"| mean of {len(wide)} | | {means} | {peer} |")
    for name, (overall, cliff) in PUBLISHED.items():
        print(f"\n{name}, all 22: {overall:.3f}, cliffs {cliff:.3f}")


if __name__ == "__main__":
    main()
