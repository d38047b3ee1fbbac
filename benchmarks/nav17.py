"""Nav1.7 series (CHEMBL2321810, in RDKit's package): graph ensemble, random forest and mean on the same scaffold splits.

    python benchmarks/nav17.py                  five seeds of the default split, as ``cinchona train`` divides
    python benchmarks/nav17.py --folds 5        five-fold scaffold cross-validation
    python benchmarks/nav17.py --set training.ensemble_size=1

Each repetition is kept in the folder ``--cache``, so an interrupted run goes on. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.splits import Split, kfold_splits, make_split
from cinchona.digests import digest_json
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models.baselines import fit_baselines
from cinchona.models.intervals import bootstrap, mean_interval, paired_bootstrap
from cinchona.models.metrics import rmse, spearman
from cinchona.models.scorers import ArrayScorer, batch_of
from cinchona.models.train import fit_ensemble
from cinchona.pipelines.config import Settings
from cinchona.settings import load_settings

MODELS = ("network", "forest", "nearest-neighbour", "mean")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="repetitions of the default split")
    parser.add_argument("--folds", type=int, default=0, help="cross-validate in this many folds instead")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/nav17"))
    asked = parser.parse_args()
    settings = load_settings(Settings, overrides=asked.overrides, environ={})
    table = read_assay_table("catalogue:nav17", targets=["pIC50"])
    found = []
    for name, split in splits(table, settings, seeds=asked.seeds, folds=asked.folds):
        found.append(repetition(table, split, settings, name=name, cache=asked.cache))
        print(f"{name}: {len(split.train)} / {len(split.valid)} / {len(split.test)}, {found[-1]['seconds']:.0f} CPU s")
    (show_folds if asked.folds else show_seeds)(found)
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "torch", "rdkit", "scikit-learn"]).items()))  # fmt: skip


def splits(table: AssayTable, settings: Settings, *, seeds: int, folds: int) -> Iterator[tuple[str, Split]]:
    if folds:
        for fold, split in enumerate(kfold_splits(table, folds, seed=0, valid_fraction=0.1)):
            yield f"fold-{fold}", split
    else:
        for seed in range(seeds):
            yield f"seed-{seed}", make_split(table, settings.split, seed=seed)


def repetition(table: AssayTable, split: Split, settings: Settings, *, name: str, cache: Path) -> dict:
    key = digest_json([table.digest, split.to_json(), settings.network.model_dump(), settings.training.model_dump()])
    kept = cache / f"{name}-{key[:12]}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    started = time.process_time()
    seed = split.seed
    models: dict[str, ArrayScorer] = fit_baselines(table, split, seed=seed, n_trees=settings.training.forest_trees)
    models["network"] = fit_ensemble(
        table,
        split,
        network=settings.network,
        training=settings.training,
        seed=seed,
        checkpoint=cache / f"{name}-state",
    )
    batch = batch_of(table, split.test)
    result = {
        "name": name,
        "seconds": time.process_time() - started,
        "measured": table.values[split.test, 0].tolist(),
        **{model: models[model].score(batch).value[:, 0].tolist() for model in MODELS},
    }
    write_json(kept, result)
    return result


def show_seeds(found: list[dict]) -> None:
    print(
        "\n| model | RMSE, mean of seeds [95 %] | Spearman, mean of seeds [95 %] | RMSE of each seed |\n|---|---|---|---|"
    )
    for model in MODELS:
        errors = np.array([rmse(np.array(r["measured"]), np.array(r[model])) for r in found])
        ranks = [or_nan(np.array(r["measured"]), np.array(r[model])) for r in found]
        rank = "not defined" if np.isnan(ranks).any() else str(mean_interval(np.array(ranks)))
        print(f"| {model} | {mean_interval(errors)} | {rank} | {', '.join(f'{e:.3f}' for e in errors)} |")
    pairs = [
        rmse(np.array(r["measured"]), np.array(r["network"])) - rmse(np.array(r["measured"]), np.array(r["forest"]))
        for r in found
    ]
    print(f"\nRMSE of the network less that of the forest, same splits: {mean_interval(np.array(pairs))} (Student's t)")


def show_folds(found: list[dict]) -> None:
    measured = np.concatenate([r["measured"] for r in found])
    print("\n| model | RMSE [95 %] | Spearman [95 %] |\n|---|---|---|")
    for model in MODELS:
        guess = np.concatenate([r[model] for r in found])
        rank = "not defined" if model == "mean" else str(bootstrap(spearman, measured, guess, seed=0))
        print(f"| {model} | {bootstrap(rmse, measured, guess, seed=0)} | {rank} |")
    network, forest = (np.concatenate([r[model] for r in found]) for model in ("network", "forest"))
    print(f"\nRMSE of the network less that of the forest: {paired_bootstrap(rmse, measured, network, forest, seed=0)}"
          " (paired bootstrap over compounds)")  # fmt: skip


def or_nan(measured: np.ndarray, guess: np.ndarray) -> float:
    try:
        return spearman(measured, guess)
    except ValueError:
        return float("nan")


if __name__ == "__main__":
    main()
