"""Do explanations find the atoms that a target comes from? Planted targets, networks and forests, and what 200 hits cost.

    CINCHONA_DATA=... python benchmarks/explanation.py [--molecules 5000] [--seeds 3] [--tasks "Crippen logP"]

Molecules are drawn from ZINC 250k. For each task of :mod:`cinchona.models.explanation.planted` and each seed, two D-MPNNs of 128 units
(30 epochs, random split, about 40 CPU seconds) and a forest of 100 trees on Morgan bits learn the target; then 100 test molecules with
planted and other atoms are explained by each method. Printed are the mean ROC-AUC of the atoms over molecules, the rank correlation
with the explanation after the weights were shuffled, and the quality of the model on the test part, as Markdown. ``--hits`` measures
200 hits with the default network instead (4 x 300 units): CPU seconds of the shares, and of shares and pictures. Each task and seed is
kept in ``--cache``, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from rdkit import Chem, rdBase

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.config import SplitConfig
from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM
from cinchona.datasets.splits import Split, make_split
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.explanation.attribution import attribute
from cinchona.models.explanation.checks import agreement, with_random_weights
from cinchona.models.explanation.planted import TASKS, PlantedTask, planted_auc
from cinchona.models.forest import ForestScorer
from cinchona.models.network import build_network, initialize
from cinchona.models.scaling import TargetScaling
from cinchona.models.train import fit_ensemble
from cinchona.pipelines.depict_shares import full_colour, shares_svg
from cinchona.pipelines.hit_explanations import words
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Endpoint

EXPLAINED = 100
HITS = 200
METHODS = ("gradients", "masking", "removal")


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--molecules", type=int, default=5_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--hits", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/explanation"))
    asked = parser.parse_args()
    if asked.hits:
        time_hits()
    else:
        report([kept(asked, name, seed) for seed in range(asked.seeds) for name in asked.tasks])
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "rdkit", "scikit-learn", "torch"]).items()))  # fmt: skip


def kept(asked: argparse.Namespace, name: str, seed: int) -> dict[str, float | str]:
    """The figures of one task and seed, from the cache if they are there."""
    path = asked.cache / f"{name.replace(' ', '_')}-{asked.molecules}-{seed}.json"
    if not path.exists():
        asked.cache.mkdir(parents=True, exist_ok=True)
        write_json(path, planted(TASKS[name], seed, asked.molecules))
    found: dict[str, float | str] = json.loads(path.read_text())
    print(seed, found, file=sys.stderr, flush=True)
    return found


def library(seed: int, count: int) -> list[str]:
    """Distinct canonical SMILES of 8 to 45 heavy atoms from ZINC 250k, in random order."""
    path = Path(os.environ["CINCHONA_DATA"], "libraries", "sets", "zinc250k.smiles.gz")
    with gzip.open(path, "rt") as file:
        texts = [line.split()[0] for line in file if line.strip()]
    random.Random(seed).shuffle(texts)
    found: dict[str, None] = {}
    with rdBase.BlockLogs():
        for text in texts:
            mol = Chem.MolFromSmiles(text)
            if mol is not None and 8 <= mol.GetNumAtoms() <= 45:
                found[Chem.MolToSmiles(mol)] = None
            if len(found) == count:
                break
    return list(found)


def molecules_for(task: PlantedTask, seed: int, count: int) -> list[str]:
    """As they come for a number; half of them with the cause for a class, as far as there are enough."""
    if task.kind == "regression":
        return library(seed, count)
    pool = [(task.label(Chem.MolFromSmiles(text)), text) for text in library(seed, 6 * count)]
    having = [text for label, text in pool if label][: count // 2]
    return having + [text for label, text in pool if not label][: count - len(having)]


def planted(task: PlantedTask, seed: int, count: int) -> dict[str, float | str]:
    """Fit both models to one task and judge the explanations."""
    smiles = molecules_for(task, seed, count)
    labels = np.array([task.label(Chem.MolFromSmiles(text)) for text in smiles])
    table = read_assay_table(pa.table({"smiles": smiles, "planted": labels}), targets=["planted"])
    split = make_split(table, SplitConfig(kind="random"), seed=seed)
    begun = time.process_time()
    network = fit_ensemble(
        table, split, network=GraphNetConfig(hidden=128, head_hidden=128),
        training=TrainingConfig(ensemble_size=2, workers=1, epochs=30, pretrained="none"), seed=seed,
    )  # fmt: skip
    found: dict[str, float | str] = {"task": task.name, "training": time.process_time() - begun}
    train = [table.smiles[row] for row in split.train]
    forest = ForestScorer.fit(train, table.values[split.train], endpoints=network.endpoints, seed=seed, n_trees=100)
    test = judged(table, split, task)
    for name, scorer in (("network", network), ("forest", forest)):
        found[f"{name} r"] = correlation(scorer, table, split)
    for method in METHODS:
        found[f"network {method}"] = mean_auc(network, test, method)
    found["forest removal"] = mean_auc(forest, test, "removal")
    texts = [text for text, _ in test]
    shuffled = with_random_weights(network, seed=seed)
    found["shuffled AUC"] = mean_auc(shuffled, test, "gradients")
    found["shuffled agreement"] = agreement(attribute(network, texts), attribute(shuffled, texts))
    return found


def judged(table: AssayTable, split: Split, task: PlantedTask) -> list[tuple[str, np.ndarray]]:
    """Test molecules with planted and other atoms, and which they are."""
    marked = [(table.smiles[row], task.truth(Chem.MolFromSmiles(table.smiles[row]))) for row in split.test]
    return [(text, truth) for text, truth in marked if truth.any() and not truth.all()][:EXPLAINED]


def mean_auc(scorer: Scorer, test: list[tuple[str, np.ndarray]], method: str) -> float:
    """Mean over molecules of the ROC-AUC of their atoms."""
    found = attribute(scorer, [text for text, _ in test], method=method)
    return float(np.mean([planted_auc(one.by_atom, truth) for one, (_, truth) in zip(found, test, strict=True)]))


def correlation(scorer: Scorer, table: AssayTable, split: Split) -> float:
    """Pearson correlation of predictions and labels on the test part."""
    scores = scorer.score(CompoundBatch.of([table.smiles[row] for row in split.test]))
    return float(np.corrcoef(scores.value[:, 0], table.values[split.test, 0])[0, 1])


def report(rows: list[dict[str, float | str]]) -> None:
    """Print means, lowest and highest over seeds."""
    names = [name for name in rows[0] if name != "task"]
    by_task = defaultdict(list)
    for row in rows:
        by_task[row["task"]].append(row)
    print("| | " + " | ".join(str(task) for task in by_task) + " | mean |")
    print("|---|" + "---|" * (len(by_task) + 1))
    for name in names:
        cells, means = [], []
        for found in by_task.values():
            values = np.array([row[name] for row in found], float)
            means.append(values.mean())
            cells.append(f"{values.mean():.3f} ({values.min():.3f} to {values.max():.3f})")
        print(f"| {name} | " + " | ".join(cells) + f" | {np.mean(means):.3f} |")


def time_hits() -> None:
    """CPU seconds for 200 hits with the default network, whose cost does not depend on its weights."""
    config = GraphNetConfig()
    members = []
    for member in range(4):
        network = build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=1)
        initialize(network, torch.Generator().manual_seed(member))
        members.append(network.eval())
    scaling = TargetScaling(np.zeros(1), np.ones(1), np.array([False]))
    network = GraphEnsemble(members, network=config, endpoints=[Endpoint("pIC50")], scaling=scaling)
    smiles = library(0, HITS)
    forest = ForestScorer.fit(
        smiles, np.linspace(4, 8, HITS)[:, None], endpoints=network.endpoints, seed=0, n_trees=300
    )
    print(f"{HITS} hits, {np.mean([Chem.MolFromSmiles(s).GetNumAtoms() for s in smiles]):.1f} heavy atoms on average\n")
    print(
        "| model | method | shares, CPU s | with pictures and words, CPU s | kB of a picture |\n|---|---|---|---|---|"
    )
    attribute(network, smiles[:2])  # what is loaded once
    for scorer, method in ((network, "gradients"), (network, "masking"), (network, "removal"), (forest, "removal")):
        begun = time.process_time()
        found = attribute(scorer, smiles, method=method)
        shares = time.process_time() - begun
        full = full_colour(found)
        pictures = [shares_svg(one, full=full, size=(180, 118)) + words(one) for one in found]
        whole = time.process_time() - begun
        size = np.mean([len(text) for text in pictures]) / 1000
        print(f"| {scorer.name} | {method} | {shares:.1f} | {whole:.1f} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    main()
