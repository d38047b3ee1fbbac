"""Error against distance from training on three sets, and what a domain costs when a library is scored.

    CINCHONA_DATA=... python benchmarks/domain.py errors      five-fold scaffold cross-validation of ESOL, lipophilicity and mu-opioid Ki
    CINCHONA_DATA=... python benchmarks/domain.py speed       an ensemble of five with and without its trust, in one process

``errors``: networks (``--networks`` of them) and a random forest; Spearman's rank correlation of the absolute error with the distance
to the nearest fitted compound, with its 95 % bootstrap interval (0 is a guess), the threshold that the errors give, and a picture.
Distances: hashed fingerprints (1 minus Tanimoto), and the vectors of the first network (Euclidean, 16 principal components).

``speed``: MOSES molecules, parsed and coded beforehand; CPU seconds of :meth:`score` with and without trust, in turns, best of
``--repeats``; the domain alone for training sets of several sizes. Each fold is kept in ``--cache``. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.splits import Split, kfold_splits
from cinchona.digests import digest_json
from cinchona.files import write_json, write_text
from cinchona.manifest import host_facts, package_versions
from cinchona.models.baselines import fit_baselines
from cinchona.models.domain.fitting import coded, distances_between, error_by_distance
from cinchona.models.domain.folding import Folding
from cinchona.models.domain.threshold import error_threshold
from cinchona.models.scorers import batch_of
from cinchona.models.train import fit_ensemble
from cinchona.pipelines.config import Settings
from cinchona.pipelines.figures import lines_svg, standalone
from cinchona.settings import load_settings

SETS = {
    "ESOL": ("moleculenet/esol_delaney.csv", "measured log solubility in mols per litre"),
    "lipophilicity": ("moleculenet/lipophilicity.csv.gz", "exp"),
    "mu-opioid Ki": ("moleculeace/CHEMBL233_Ki.csv.gz", "y"),
}
BINS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("errors", "speed"))
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/domain"))
    parser.add_argument("--picture", type=Path, default=Path("docs/images/domain-errors.svg"))
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    {"errors": errors, "speed": speed}[asked.what](asked)
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "torch", "rdkit", "numba"]).items()))  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- errors


def errors(asked: argparse.Namespace) -> None:
    print("| set | compounds | model | distance | Spearman | 95 % | threshold | error within | error beyond | p |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    lines = []
    for name in asked.sets:
        table = read_assay_table(
            Path(os.environ["CINCHONA_DATA"], "molprop", SETS[name][0]), targets=[SETS[name][1]]
        )  # fmt: skip
        found = [fold(table, split, asked, name=f"{name} {k}") for k, split in enumerate(kfold_splits(table, asked.folds, seed=0, valid_fraction=0.1))]  # fmt: skip
        columns = {key: np.concatenate([np.array(part[key]) for part in found]) for key in found[0]}
        for model in ("network", "forest"):
            for distance in ("fingerprint", "embedding"):
                told(name, len(table), model, distance, columns)
        lines.append((name, curve(columns["fingerprint"], columns["network"])))
    draw(lines, asked.picture)


def told(name: str, n: int, model: str, distance: str, columns: dict[str, np.ndarray]) -> None:
    far, error = columns[distance], columns[model]
    found = error_by_distance(far / max(float(far.max()), 1.0), error, seed=0)
    limit = error_threshold(far, error, seed=0)
    last = "none | | |" if limit is None else f"{limit.distance:.3g} | {limit.error_inside:.3f} | {limit.error_outside:.3f} | {limit.p_value:.3g}"  # fmt: skip
    print(f"| {name} | {n:,} | {model} | {distance} | {found['spearman']:.3f} | {found['lower']:.3f} to {found['upper']:.3f} | {last} |", flush=True)  # fmt: skip


def fold(table: AssayTable, split: Split, asked: argparse.Namespace, *, name: str) -> dict[str, Any]:
    settings = load_settings(Settings, overrides=[f"training.ensemble_size={asked.networks}", "training.pretrained=none", "training.workers=1"], environ={})  # fmt: skip
    key = digest_json([table.digest, split.test.tolist(), asked.networks, settings.training.model_dump(mode="json")])
    kept = asked.cache / f"{key[:16]}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    begin = time.process_time()
    ensemble = fit_ensemble(table, split, network=settings.network, training=settings.training, seed=0)
    forest = fit_baselines(table, split, seed=0)["forest"]
    truth, molecules = table.values[split.test, 0], coded(table.smiles)
    batch = batch_of(table, split.test)
    record = {
        "network": np.abs(ensemble.score(batch).value[:, 0] - truth).tolist(),
        "forest": np.abs(forest.score(batch).value[:, 0] - truth).tolist(),
        "fingerprint": distances_between(molecules, split.test, split.train, folding=Folding.of("benchmark")).tolist(),
        "embedding": embedded(ensemble, table, split).tolist(),
    }
    write_json(kept, record)
    print(f"{name}: {time.process_time() - begin:.0f} CPU s", file=sys.stderr, flush=True)
    return record


def embedded(ensemble: Any, table: AssayTable, split: Split) -> np.ndarray:
    """Distance of the test compounds to the nearest fitted one in 16 principal components of the first network's vectors."""
    import torch

    from cinchona.models.batching import GraphSet
    from cinchona.models.train import graphs_of

    graphs = GraphSet.of(graphs_of(table.smiles), depth=ensemble.network.program_depth)
    with torch.inference_mode():
        parts = [
            ensemble.members[0].embed(graphs.batch(rows)).numpy() for rows in np.array_split(np.arange(len(table)), 40)
        ]
    vectors = np.concatenate(parts).astype(np.float64)
    mean = vectors[split.train].mean(axis=0)
    basis = np.linalg.svd(vectors[split.train] - mean, full_matrices=False)[2][:16]
    points = (vectors - mean) @ basis.T
    away = ((points[split.test][:, None] - points[split.train][None]) ** 2).sum(axis=2)
    found: np.ndarray = np.sqrt(away.min(axis=1))
    return found


def curve(distance: np.ndarray, error: np.ndarray) -> list[tuple[float, float]]:
    """Mean error of ten equally full bins of the distance, over the mean error of all."""
    order = np.argsort(distance, kind="stable")
    return [
        (float(distance[rows].mean()), float(error[rows].mean() / error.mean())) for rows in np.array_split(order, BINS)
    ]


def draw(lines: list[tuple[str, list[tuple[float, float]]]], path: Path) -> None:
    highest = 1.3 * max(y for _, points in lines for _, y in points)
    svg = lines_svg(
        lines, y_range=(0.0, highest), x_label="distance to the nearest fitted compound, mean of a tenth of the compounds",
        y_label="error over mean error", guide=((0.0, 1.0), (1.0, 1.0)), legend="bottom",
    )  # fmt: skip
    write_text(path, standalone(svg) + "\n")


# ----------------------------------------------------------------------------------------------------------- speed


def speed(asked: argparse.Namespace) -> None:
    from cinchona.datasets.codecolumns import code_columns
    from cinchona.models.domain.fitting import fit_domain
    from cinchona.models.trusting import Trust
    from cinchona.records import CompoundBatch

    table = read_assay_table(Path(os.environ["CINCHONA_DATA"], "molprop", SETS["ESOL"][0]), targets=[SETS["ESOL"][1]])
    settings = load_settings(Settings, overrides=["training.ensemble_size=5", "training.epochs=1", "training.pretrained=none"], environ={})  # fmt: skip
    split = next(iter(kfold_splits(table, 5, seed=0, valid_fraction=0.1)))
    model = fit_ensemble(table, split, network=settings.network, training=settings.training, seed=0)
    smiles = list(islice(moses(), asked.rows + 100_000))
    library, known = smiles[: asked.rows], smiles[asked.rows :]
    molecules = coded(library)
    batch = CompoundBatch.of(library)
    data = batch.data
    for name, column in code_columns(molecules, np.arange(len(library)), len(library)).items():
        data = data.append_column(name, column)
    batch = CompoundBatch(data)
    print(
        "| training compounds | without, molecules per CPU s | with | ratio | domain, us a molecule | share of scoring |\n|---|---|---|---|---|---|"
    )
    for size in (1_000, 10_000, 100_000):
        domain = fit_domain(known[:size], endpoints=model.endpoints, folding=Folding.of("speed"), seed=0)
        times: dict[str, list[float]] = {"without": [], "with": [], "alone": []}
        for _ in range(asked.repeats + 1):
            for name, trust in (("without", Trust()), ("with", Trust(domain=domain))):
                model.trust = trust
                times[name].append(measured(lambda: model.score(batch)))
            times["alone"].append(measured(lambda domain=domain: domain.distances(molecules)))
        without, together, alone = (statistics.median(times[name][1:]) / asked.rows for name in times)
        print(f"| {size:,} | {1 / without:,.0f} | {1 / together:,.0f} | {without / together:.2f} | {alone * 1e6:.1f} | {alone / without:.1%} |", flush=True)  # fmt: skip


def measured(work: Any) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def moses() -> Iterator[str]:
    with gzip.open(Path(os.environ["CINCHONA_DATA"], "libraries", "moses", "train.csv.gz"), "rt") as lines:
        next(lines)
        yield from (line.strip().split(",")[0] for line in lines)


if __name__ == "__main__":
    main()
