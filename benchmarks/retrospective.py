"""Retrospective screens: known actives of ACHE and HMGR among decoys, trained and tested on the published parts.

    CINCHONA_DATA=... python benchmarks/retrospective.py                 both targets
    CINCHONA_DATA=... python benchmarks/retrospective.py --targets HMGR

Data: https://github.com/vktrannguyen/AVE-vs-DEKOIS (MIT), ``training-actives``, ``training-inactives``, ``test-actives`` and
``test-inactives`` of each target. One tenth of the training part, drawn at random, is held out to stop by. Each target is
kept in the folder ``--cache``, so an interrupted run goes on. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.config import SplitConfig
from cinchona.datasets.fingerprints import morgan_packed, nearest
from cinchona.datasets.leakage import leakage_report
from cinchona.datasets.splits import Split, make_split
from cinchona.digests import digest_json
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models.baselines import fit_baselines
from cinchona.models.intervals import bootstrap, paired_bootstrap
from cinchona.models.metrics import metric
from cinchona.models.scorers import ArrayScorer, batch_of
from cinchona.models.train import fit_ensemble
from cinchona.pipelines.config import Settings
from cinchona.seeds import rng
from cinchona.settings import load_settings

MODELS = ("network", "forest", "nearest-neighbour", "similarity")
METRICS = ("ef1", "bedroc20", "log_auc", "roc_auc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", default=["ACHE", "HMGR"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/retrospective"))
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    base = Path(os.environ["CINCHONA_DATA"], "vs", "dekois_ave")
    settings = load_settings(Settings, overrides=asked.overrides, environ={})
    for target in asked.targets:
        found = screen(base / target, settings, seed=asked.seed, cache=asked.cache)
        show(target, found)
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "torch", "rdkit", "scikit-learn"]).items()))  # fmt: skip


def read(folder: Path) -> AssayTable:
    rows = []
    for part in ("training", "test"):
        for label, active in (("actives", 1), ("inactives", 0)):
            path = folder / f"{folder.name}-{part}-{label}.smi"
            packed = path.with_name(f"{path.name}.gz")
            text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else path.read_text()
            rows += [(*line.split()[:2], active, part) for line in text.splitlines() if line.strip()]
    frame = pd.DataFrame(rows, columns=["smiles", "id", "active", "part"])
    return read_assay_table(frame, targets=["active"])


def divide(table: AssayTable, seed: int) -> Split:
    parts = np.array(table.extra["part"].to_pylist())
    parts[
        rng(seed, "stop by").permutation(np.flatnonzero(parts == "training"))[: (parts == "training").sum() // 10]
    ] = "valid"
    extra = table.extra.set_column(table.extra.schema.get_field_index("part"), "part", [parts])
    return make_split(replace(table, extra=extra), SplitConfig(kind="column", split_column="part"), seed=seed)


def screen(folder: Path, settings: Settings, *, seed: int, cache: Path) -> dict:
    table = read(folder)
    key = digest_json([table.digest, seed, settings.network.model_dump(), settings.training.model_dump()])
    kept = cache / f"{folder.name}-{key[:12]}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    split = divide(table, seed)
    started = time.process_time()
    models: dict[str, ArrayScorer] = fit_baselines(table, split, seed=seed, n_trees=settings.training.forest_trees)
    models["network"] = fit_ensemble(
        table,
        split,
        network=settings.network,
        training=settings.training,
        seed=seed,
        checkpoint=cache / f"{folder.name}-state",
    )
    batch = batch_of(table, split.test)
    known = [table.smiles[row] for row in (*split.train, *split.valid) if table.values[row, 0] == 1]
    result = {
        "sizes": {name: [int((table.values[rows, 0] == label).sum()) for label in (1, 0)]
                  for name, rows in (("train", split.train), ("valid", split.valid), ("test", split.test))},
        "rejected": len(table.rejects),
        "leakage": leakage_report(table, split).summary(),
        "seconds": time.process_time() - started,
        "active": table.values[split.test, 0].tolist(),
        "similarity": nearest(morgan_packed(batch.smiles), morgan_packed(known))[0].tolist(),
        **{model: models[model].score(batch).score.tolist() for model in models if model != "mean"},
    }  # fmt: skip
    write_json(kept, result)
    return result


def show(target: str, found: dict) -> None:
    active = np.array(found["active"])
    sizes = ", ".join(f"{part} {a} actives and {i} inactives" for part, (a, i) in found["sizes"].items())
    print(
        f"\n### {target}\n\n{sizes}; {found['rejected']} rows rejected; {found['seconds']:.0f} CPU s. {found['leakage']}."
    )
    names = [metric(name).title for name in METRICS]
    print("\n| model | " + " | ".join(f"{name} [95 %]" for name in names) + " |\n|---" * 1 + "|---" * len(names) + "|")
    for model in MODELS:
        cells = [str(bootstrap(metric(name).function, active, np.array(found[model]), seed=0)) for name in METRICS]
        print(f"| {model} | " + " | ".join(cells) + " |")
    pair = (np.array(found["network"]), np.array(found["forest"]))
    difference = paired_bootstrap(metric("bedroc20").function, active, *pair, seed=0)
    print(f"\nBEDROC of the network less that of the forest: {difference} (paired bootstrap)")


if __name__ == "__main__":
    main()
