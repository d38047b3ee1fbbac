"""Does a pretrained encoder help? The same networks from random weights and from the encoder, beside a random forest.

    python benchmarks/pretraining.py --data molprop/moleculeace CHEMBL4203_Ki CHEMBL2034_Ki
    python benchmarks/pretraining.py nav17 --set training.ensemble_size=4
    python benchmarks/pretraining.py nav17 --encoder my-encoder --seeds 5

MoleculeACE targets are divided as published (training and test part; a tenth of the training part stops the networks); Nav1.7 by
scaffolds, one division a seed. Every task is kept in the folder ``--cache``, so an interrupted run goes on. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.splits import Split, make_split
from cinchona.digests import digest_json
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models.baselines import fit_baselines
from cinchona.models.intervals import mean_interval
from cinchona.models.metrics import rmse
from cinchona.models.pretraining.encoder_file import open_encoder
from cinchona.models.scorers import batch_of
from cinchona.models.train import fit_ensemble
from cinchona.pipelines.config import Settings
from cinchona.seeds import rng
from cinchona.settings import load_settings

MODELS = ("random weights", "pretrained", "forest")
LABEL = "y [pEC50/pKi]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", help="nav17, or names of MoleculeACE files in --data")
    parser.add_argument("--data", type=Path, default=Path("molprop/moleculeace"))
    parser.add_argument("--encoder", default="default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/pretraining"))
    asked = parser.parse_args()
    settings = load_settings(Settings, overrides=asked.overrides, environ={})
    found = {task: [repetition(task, seed, settings, asked) for seed in range(asked.seeds)] for task in asked.tasks}
    show(found)
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "torch", "rdkit", "scikit-learn"]).items()))  # fmt: skip


def task_data(task: str, seed: int, settings: Settings, folder: Path) -> tuple[AssayTable, Split]:
    if task == "nav17":
        table = read_assay_table("catalogue:nav17", targets=["pIC50"])
        return table, make_split(table, settings.split, seed=seed)
    table = read_assay_table(published(task, folder), targets=[LABEL])
    parts = table.extra["split"].to_pylist()
    train = np.flatnonzero([part == "train" for part in parts])
    test = np.flatnonzero([part != "train" for part in parts])
    train = rng(seed, "stop").permutation(train)
    cut = round(0.1 * len(train))
    return table, Split(np.sort(train[cut:]), np.sort(train[:cut]), test, kind="column", seed=seed)


def published(task: str, folder: Path) -> pa.Table:
    plain, packed = folder / f"{task}.csv", folder / f"{task}.csv.gz"
    with plain.open("rb") if plain.exists() else gzip.open(packed) as file:
        return pc.read_csv(file)


def repetition(task: str, seed: int, settings: Settings, asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Error and CPU seconds of each model on one division."""
    table, split = task_data(task, seed, settings, asked.data)
    encoder = open_encoder(asked.encoder)
    rooms = settings.model_dump(mode="json", include={"network", "training"})
    key = digest_json([table.digest, split.to_json(), rooms, encoder.digest, seed])
    kept = asked.cache / f"{task}-{seed}-{key[:12]}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    truth, batch = table.values[split.test, 0], batch_of(table, split.test)
    result = {}
    for model in MODELS:
        began = time.process_time()
        if model == "forest":
            scorer = fit_baselines(table, split, seed=seed, n_trees=settings.training.forest_trees)["forest"]
        else:
            start = asked.encoder if model == "pretrained" else "none"
            training = settings.training.model_copy(update={"pretrained": start})
            scorer = fit_ensemble(table, split, network=settings.network, training=training, seed=seed)
        error = rmse(truth, scorer.score(batch).value[:, 0])
        result[model] = {"rmse": error, "cpu_seconds": time.process_time() - began, "train": len(split.train)}
    write_json(kept, result)
    return result


def show(found: dict[str, list[dict[str, dict[str, float]]]]) -> None:
    print("| task | compounds to fit | " + " | ".join(MODELS) + " | pretrained less random, mean of seeds [95 %] |")
    print("|---|---|" + "---|" * (len(MODELS) + 1))
    for task, repetitions in found.items():
        errors = {model: np.array([r[model]["rmse"] for r in repetitions]) for model in MODELS}
        gain = errors["pretrained"] - errors["random weights"]
        cells = [f"{errors[m].mean():.3f} ({', '.join(f'{e:.3f}' for e in errors[m])})" for m in MODELS]
        size = round(np.mean([r["forest"]["train"] for r in repetitions]))
        print(f"| {task} | {size} | " + " | ".join(cells) + f" | {mean_interval(gain)} |")
    means = [np.mean([r[m]["rmse"] for rs in found.values() for r in rs]) for m in MODELS]
    print("| mean | | " + " | ".join(f"**{mean:.3f}**" for mean in means) + f" | {means[1] - means[0]:+.3f} |")
    seconds = [np.mean([r[m]["cpu_seconds"] for rs in found.values() for r in rs]) for m in MODELS]
    print("| CPU s a fit | | " + " | ".join(f"{second:.0f}" for second in seconds) + " | |")


if __name__ == "__main__":
    main()
