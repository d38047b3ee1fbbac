"""CPU time that plan, receipts, watchdog and executor add to the bare loop of reading, standardizing and scoring.

Two library sizes are screened, so that the fixed cost (imports in each worker, the cluster, hits and report) is told from
the cost of each row. The bare loop runs in one process, beside the serial screen, and in two at once, beside two
workers: two processes on one machine slow each other down with or without us. Rounds are repeated, all kinds in each,
and the least time counts. The default scorer costs next to nothing, so the ratio is the worst that a model can meet. Usage::

    python benchmarks/screen_overhead.py [LIBRARY] [--rows 20000] [--method none|chembl] [--model FOLDER] [--rounds 3]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import resource
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from rdkit import RDConfig

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.partitions import Partition
from cinchona.datasets.sources import open_library, read_partition
from cinchona.datasets.standardize import standardize_batch
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import screen
from cinchona.protocols import Requirement, Scorer
from cinchona.records import CompoundBatch, Endpoint, Scores
from cinchona.screening.batches import USUAL_ROWS
from cinchona.screening.config import ExecutorConfig, ScreenConfig
from cinchona.screening.scorers import FolderScorer
from cinchona.screening.scoring import score_in_batches
from cinchona.screening.threads import one_thread
from cinchona.screening.work import distinct_of, uses_codes


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


def bare(library: Path, scratch: Path, settings: Settings, model: Path | None, *, processes: int = 1) -> None:
    """Read, standardize and score, and throw the result away; in forked processes that share the partitions."""
    scorer = FolderScorer.at(model).open() if model else HashScorer()
    opened = open_library([library], staging=scratch / "staged")
    partitions = list(opened.partitions(settings.screen.rows_of_partitions(opened.n_rows)))
    context = multiprocessing.get_context("fork")
    shares = [partitions[k::processes] for k in range(processes)]
    workers = [context.Process(target=loop, args=(share, scorer, settings)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def loop(partitions: list[Partition], scorer: Scorer, settings: Settings) -> None:
    """The bare loop."""
    for partition in partitions:
        given, _ = read_partition(partition)
        standardized = standardize_batch(given, settings.standardize, codes=uses_codes(scorer), keep_texts=True)
        with one_thread():
            score_in_batches(scorer, distinct_of(standardized), rows=settings.screen.batch_rows or USUAL_ROWS)


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


KINDS: Final = {"bare": "serial", "serial": "serial", "bare-2": "serial", "processes": "processes", "dask": "dask"}
BESIDE: Final = {"serial": "bare", "processes": "bare-2", "dask": "bare-2"}


def settings_of(kind: str, options: argparse.Namespace) -> Settings:
    """Settings of one measurement."""
    return Settings(
        standardize=StandardizeConfig(method=options.method),
        screen=ScreenConfig(partition_rows=options.partition_rows, top_k=1000),
        executor=ExecutorConfig(kind=KINDS[kind], workers=2, dashboard=False),
    )


def run(kind: str, library: Path, options: argparse.Namespace) -> None:
    """Do the work once."""
    settings = settings_of(kind, options)
    with tempfile.TemporaryDirectory() as scratch:
        if kind.startswith("bare"):
            bare(library, Path(scratch), settings, options.model, processes=2 if kind == "bare-2" else 1)
        else:
            screen(library, model=options.model or HashScorer(), out=Path(scratch) / "run", settings=settings)


def record_of(seconds: dict[str, list[list[float]]], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Microseconds a row, fixed seconds and overhead of each kind, from the least times."""
    record: dict[str, dict[str, float]] = {}
    for kind, (small, large) in seconds.items():
        a_row = (min(large) - min(small)) / options.rows
        record[kind] = {
            "small": min(small),
            "large": min(large),
            "microseconds_a_row": 1e6 * a_row,
            "fixed": min(small) - a_row * options.rows,
        }
    for kind, other in BESIDE.items():
        if kind in record and other in record:
            record[kind]["overhead_a_row"] = (
                record[kind]["microseconds_a_row"] / record[other]["microseconds_a_row"] - 1
            )
    return record


def main() -> None:
    """Measure and print a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", nargs="?", type=Path, default=Path(RDConfig.RDDataDir, "NCI", "first_5K.smi"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--method", choices=["none", "chembl"], default="none")
    parser.add_argument("--partition-rows", type=int, default=4_000)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    seconds: dict[str, list[list[float]]] = {kind: [[], []] for kind in options.kinds}
    with tempfile.TemporaryDirectory() as folder:
        libraries = [
            write_rows(options.library, Path(folder) / f"{n}.smi", n) for n in (options.rows, 2 * options.rows)
        ]
        run("bare", libraries[0], options)  # first touch of everything
        for _ in range(options.rounds):
            for kind in options.kinds:
                for size, library in enumerate(libraries):
                    seconds[kind][size].append(cpu_seconds(partial(run, kind, library, options)))
    print(
        json.dumps(
            {"rows": options.rows, "method": options.method, "cpu_seconds": record_of(seconds, options)}, indent=2
        )
    )


if __name__ == "__main__":
    main()
