"""CPU time that plan, receipts and executor add to the bare loop of reading, standardizing and scoring.

Two library sizes are screened, so that the fixed cost (imports in each worker, the cluster) is told from the cost of
each row. The scorer costs next to nothing, so the ratio is the worst that a model can meet; with a graph network it is
a fraction of it. Usage::

    python benchmarks/screen_overhead.py [LIBRARY] [--rows 20000] [--method none|chembl]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rdkit import RDConfig

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.sources import open_library, read_partition
from cinchona.datasets.standardize import standardize_batch
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import screen
from cinchona.protocols import Requirement
from cinchona.records import CompoundBatch, Endpoint, Scores
from cinchona.screening.config import ExecutorConfig, ScreenConfig
from cinchona.screening.scoring import score_in_batches


@dataclass(frozen=True)
class HashScorer:
    """Scores a compound by a hash of its SMILES: a microsecond each."""

    name: str = "hash"
    fingerprint: str = "0" * 64
    requires: frozenset[Requirement] = frozenset({Requirement.SMILES})
    endpoints: tuple[Endpoint, ...] = (Endpoint("x"),)
    objective: str = "x"

    def score(self, batch: CompoundBatch) -> Scores:
        """Score every row."""
        value = np.array(
            [int.from_bytes(hashlib.blake2b(s.encode(), digest_size=4).digest(), "big") for s in batch.smiles],
            np.float32,
        )
        return Scores(row_ids=batch.row_ids, endpoints=self.endpoints, value=value[:, None], score=value)


def bare(library: Path, scratch: Path, settings: Settings) -> None:
    """Read, standardize and score, and throw the result away."""
    opened = open_library([library], staging=scratch / "staged")
    for partition in opened.partitions(settings.screen.rows_of_partitions(opened.n_rows)):
        given, _ = read_partition(partition)
        standardized = standardize_batch(given, settings.standardize)
        distinct = standardized.batch.take(np.flatnonzero(standardized.duplicate_of < 0))
        score_in_batches(HashScorer(), distinct, rows=settings.screen.batch_rows)


def cpu_seconds(call: Callable[[], object]) -> float:
    """CPU time of ``call`` and of the processes that it started and ended."""

    def now() -> float:
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in usage)

    before = now()
    call()
    return now() - before


def write_rows(source: Path, target: Path, rows: int) -> Path:
    """The first ``rows`` SMILES of ``source``, repeated if there are too few."""
    lines = [line.split()[0].split(",")[0] for line in source.read_text().splitlines() if line.strip()]
    target.write_text("".join(f"{lines[i % len(lines)]} id{i}\n" for i in range(rows)))
    return target


def settings_of(kind: str, options: argparse.Namespace) -> Settings:
    """Settings of one measurement."""
    return Settings(
        standardize=StandardizeConfig(method=options.method),
        screen=ScreenConfig(partition_rows=options.partition_rows, top_k=1000),
        executor=ExecutorConfig(kind="dask" if kind == "dask" else "serial", workers=2, dashboard=False),
    )


def run(kind: str, library: Path, scratch: Path, options: argparse.Namespace) -> None:
    """Do the work once."""
    settings = settings_of(kind, options)
    if kind == "bare":
        bare(library, scratch, settings)
    else:
        screen(library, model=HashScorer(), out=scratch / f"{kind}-{library.stem}", settings=settings)


def main() -> None:
    """Measure and print a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", nargs="?", type=Path, default=Path(RDConfig.RDDataDir, "NCI", "first_5K.smi"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--method", choices=["none", "chembl"], default="none")
    parser.add_argument("--partition-rows", type=int, default=4_000)
    options = parser.parse_args()
    record: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        sizes = (options.rows, 2 * options.rows)
        libraries = [write_rows(options.library, scratch / f"{n}.smi", n) for n in sizes]
        bare(libraries[0], scratch, settings_of("serial", options))  # first touch of everything
        for kind in ("bare", "serial", "dask"):
            seconds = [cpu_seconds(partial(run, kind, library, scratch, options)) for library in libraries]
            a_row = (seconds[1] - seconds[0]) / options.rows
            fixed = seconds[0] - a_row * options.rows
            record[kind] = {"small": seconds[0], "large": seconds[1], "microseconds_a_row": 1e6 * a_row, "fixed": fixed}
    for kind in ("serial", "dask"):
        record[kind]["overhead_a_row"] = record[kind]["microseconds_a_row"] / record["bare"]["microseconds_a_row"] - 1
    print(json.dumps({"rows": options.rows, "method": options.method, "cpu_seconds": record}, indent=2))


if __name__ == "__main__":
    main()
