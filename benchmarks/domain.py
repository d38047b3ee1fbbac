"""Error against distance from training on three sets, and what a domain costs when a library is scored.

    CINCHONA_DATA=... python benchmarks/domain.py errors      five-fold scaffold cross-validation of the sets in SETS
    CINCHONA_DATA=... python benchmarks/domain.py speed       an ensemble of five with and without its trust, in one process

``errors``: networks (``--networks`` of them) and a random forest; Spearman's rank correlation of the absolute error with the distance
to the nearest fitted compound, with its 95 % bootstrap interval (0 is a guess), the threshold that the errors give, and a picture.
Distances: hashed fingerprints (1 minus Tanimoto), and the vectors of the first network (Euclidean, 16 principal components).

``speed``: MOSES molecules, parsed and coded beforehand; CPU seconds of scoring in slices as a screen does it, without trust, with a domain, and with
intervals too, in turns, median of ``--repeats``. Beside it what the domain alone costs for training sets of several sizes (MOSES molecules as well), what it
costs for compounds that are not like them (NCI, of RDKit's data), and its share of scoring coded molecules, and of standardizing SMILES by default and scoring
them. Each fold is kept in ``--cache``. Prints Markdown.
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
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, RDConfig, rdBase

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.codecolumns import code_columns
from cinchona.datasets.codedmolecules import CodedMolecules, take
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.molgraph import MAX_ATOMS
from cinchona.datasets.splits import Split, kfold_splits
from cinchona.datasets.standardize import standardize_batch
from cinchona.digests import digest_json
from cinchona.files import write_json, write_text
from cinchona.manifest import host_facts, package_versions
from cinchona.models.baselines import fit_baselines
from cinchona.models.calibration.held_out import HeldOut
from cinchona.models.calibration.intervals import ConformalIntervals
from cinchona.models.domain.embedding import EmbeddingSpace
from cinchona.models.domain.fitting import coded, distances_between, error_by_distance, fit_domain
from cinchona.models.domain.folding import Folding
from cinchona.models.domain.measure import DomainMeasure
from cinchona.models.domain.threshold import error_threshold
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.scorers import batch_of
from cinchona.models.train import fit_ensemble
from cinchona.models.trusting import Trust
from cinchona.pipelines.config import Settings
from cinchona.pipelines.figures import lines_svg, standalone
from cinchona.records import CompoundBatch
from cinchona.screening.batches import USUAL_ROWS
from cinchona.screening.scoring import score_in_batches
from cinchona.settings import load_settings

SETS = {
    "ESOL": ("moleculenet/esol_delaney.csv", "measured log solubility in mols per litre"),
    "FreeSolv": ("moleculenet/freesolv.csv", "expt"),
    "sigma-1 pKi": ("moleculeace/CHEMBL287_Ki.csv", "y"),
    "lipophilicity": ("moleculenet/lipophilicity.csv.gz", "exp"),
}
BINS = 10
SLICE = USUAL_ROWS
"""Rows that a screen hands to a scorer at once."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("errors", "speed"))
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", default=list(SETS)[:3])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
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
    smiles = list(islice(moses(), asked.rows + max(asked.sizes)))
    library, known = smiles[: asked.rows], smiles[asked.rows :]
    model, intervals = trained()
    (batch, molecules), unlike = coded_batch(library), nci()
    given = CompoundBatch.of(library)
    before = statistics.median(
        [measured(lambda: standardize_batch(given, StandardizeConfig(), codes=True)) for _ in range(asked.repeats)]
    )
    print(f"Standardizing SMILES by default: {before / asked.rows * 1e6:.0f} us a molecule\n")
    print("| training compounds | embedding too | without, molecules per CPU s | with domain | with intervals too | ratio | domain alone, us a molecule | of NCI | share of scoring coded molecules | of standardizing and scoring |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for size in asked.sizes:
        domain = fit_domain(known[:size], endpoints=model.endpoints, folding=Folding.of("speed"), seed=0)
        vectors = EmbeddingSpace.fit(model.molecule_vectors(known[: min(size, 4_000)]), seed=0)
        alone, other = (located(domain, those, repeats=asked.repeats) for those in (molecules, unlike))
        for also in (False, True):
            chosen = replace(domain, embedding=vectors if also else None)
            ways = {"without": Trust(), "domain": Trust(domain=chosen), "both": Trust(intervals, chosen)}
            told = taken(model, batch, ways, repeats=asked.repeats)
            rates = {name: asked.rows / seconds for name, seconds in told.items()}
            cost = alone * asked.rows / 1e6
            print(f"| {size:,} | {'yes' if also else 'no'} | {rates['without']:,.0f} | {rates['domain']:,.0f} | {rates['both']:,.0f} | "
                  f"{rates['both'] / rates['without']:.2f} | {alone:.1f} | {other:.1f} | {cost / told['without']:.1%} | "
                  f"{cost / (before + told['without']):.1%} |", flush=True)  # fmt: skip


def located(domain: DomainMeasure, molecules: CodedMolecules, *, repeats: int) -> float:
    """Median CPU microseconds that a molecule's bits and the search take, in slices as a screen makes them."""
    slices = [take(molecules, rows) for rows in np.array_split(np.arange(len(molecules)), -(-len(molecules) // SLICE))]
    domain.distances(slices[0])
    found = [measured(lambda: [domain.distances(part) for part in slices]) for _ in range(repeats)]
    return statistics.median(found) / len(molecules) * 1e6


def nci() -> CodedMolecules:
    """The first 5,000 compounds of NCI that come with RDKit, as far as they parse."""
    texts = [line.split()[0] for line in Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()]
    with rdBase.BlockLogs():
        return coded(
            [text for text in texts if (mol := Chem.MolFromSmiles(text)) and 0 < mol.GetNumAtoms() <= MAX_ATOMS]
        )


def taken(model: GraphEnsemble, batch: CompoundBatch, ways: dict[str, Trust], *, repeats: int) -> dict[str, float]:
    """Median CPU seconds of scoring in each way, the ways in turns; the first turn warms up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, trust in ways.items():
            model.trust = trust
            times[name].append(measured(lambda: score_in_batches(model, batch, rows=SLICE)))
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def trained() -> tuple[GraphEnsemble, ConformalIntervals | None]:
    """An ensemble of five networks of default shape after one epoch on ESOL, since only time is measured, and its intervals."""
    path, target = SETS["ESOL"]
    table = read_assay_table(Path(os.environ["CINCHONA_DATA"], "molprop", path), targets=[target])
    settings = load_settings(Settings, overrides=["training.ensemble_size=5", "training.epochs=1", "training.pretrained=none"], environ={})  # fmt: skip
    split = next(iter(kfold_splits(table, 5, seed=0, valid_fraction=0.1)))
    model = fit_ensemble(table, split, network=settings.network, training=settings.training, seed=0)
    found = model.score(batch_of(table, split.test))
    assert found.uncertainty is not None
    held = HeldOut(
        split.test, np.zeros(len(split.test), np.int64), found.value.astype(np.float64), found.uncertainty.astype(np.float64),
        distance=distances_between(coded(table.smiles), split.test, split.train, folding=Folding.of("speed")).astype(np.float64),
    )  # fmt: skip
    return model, ConformalIntervals.fit(
        held, table.values[split.test], endpoints=model.endpoints, config=settings.calibration
    )


def coded_batch(library: list[str]) -> tuple[CompoundBatch, CodedMolecules]:
    """The library as a batch that carries graph codes, as a screen hands it over, and the codes."""
    molecules = coded(library)
    data = CompoundBatch.of(library).data
    for name, column in code_columns(molecules, np.arange(len(library)), len(library)).items():
        data = data.append_column(name, column)
    return CompoundBatch(data), molecules


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
