"""What a screen will take: a probe of about 1,000 rows predicts time, memory and disk before anything is written."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import psutil
import pyarrow as pa

from cinchona.datasets.partitions import Partition
from cinchona.datasets.prepared import rules_of
from cinchona.datasets.sources import Library, open_library
from cinchona.models.engine.gemm import chosen_gemm
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import Inputs, scorer_source
from cinchona.protocols import Scorer
from cinchona.screening.batches import USUAL_ROWS
from cinchona.screening.executors.choose import n_workers
from cinchona.screening.layout import TableLayout
from cinchona.screening.parts import write_part
from cinchona.screening.scorers import FolderScorer
from cinchona.screening.work import score_partition

PROBE_ROWS: Final = 1_000
"""Rows that are scored to measure."""
_TIMES: Final = 3
_WARM_ROWS: Final = 64
_COPIES: Final = 3
"""Copies of a partition's rows that a worker holds at its peak."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a screen is expected to take."""

    rows: int
    """Rows of the library."""
    partitions: int
    """Tasks that it is cut into."""
    workers: int
    """Worker processes."""
    cpu_seconds: float
    """Processor time of all workers, start-up included."""
    seconds: float
    """Elapsed time on idle processors."""
    memory_per_worker: int
    """Peak memory of one worker, bytes."""
    disk: int
    """Bytes of the run folder without staged inputs and report."""
    rows_per_second: float
    """Rows that one worker scores in a second once it is ready."""
    probed: int
    """Rows that were measured."""
    steps: Mapping[str, float]
    """Share of the scoring time by step, summing to 1."""

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def estimate_screen(library: Inputs, *, model: str | Path | Scorer, settings: Settings | None = None) -> Estimate:
    """Score about 1,000 rows from the middle of a library and predict what the whole screen takes.

    Args:
        library: As for :func:`~cinchona.pipelines.screen.screen`. Inputs that have to be staged are staged into a temporary
            folder.
        model: Model folder or scorer.
        settings: Settings of the screen; None for the defaults.

    Raises:
        CinchonaError: what opening library and model raises.
    """
    chosen = settings or Settings()
    names = [library] if isinstance(library, str | Path) else list(library)
    with tempfile.TemporaryDirectory(prefix="cinchona-estimate-") as scratch:
        opened = open_library(names, staging=Path(scratch, "staged"), reader=chosen.reader)
        chosen = chosen.model_copy(update={"standardize": rules_of(opened.files, chosen.standardize)})
        begun = time.process_time()
        source = scorer_source(model, chosen.screen.objective)
        if isinstance(source, FolderScorer):
            source = replace(source, product=chosen_gemm())
        scorer = source.open()
        layout = TableLayout.probe(scorer)
        partition = _middle(opened)
        _score(_cut(partition, _WARM_ROWS), scorer, layout, chosen)  # loops compile, tables fill
        start_up = time.process_time() - begun + _imports()
        probe = _measured(partition, scorer, layout, chosen, Path(scratch))
    return _predicted(opened, chosen, probe, start_up)


@dataclass(frozen=True, slots=True)
class _Probe:
    rows: int
    seconds: float
    steps: Mapping[str, float]
    memory: int
    row_bytes: float
    disk: int


def _middle(library: Library) -> Partition:
    """About 1,000 rows from the middle, or the whole of a small library."""
    pieces = -(-library.n_rows // PROBE_ROWS)
    found = next(islice(library.partitions(PROBE_ROWS), pieces // 2, None), None)
    return found if found is not None else next(library.partitions(PROBE_ROWS))


def _cut(partition: Partition, rows: int) -> Partition:
    """The first rows of a partition, where its format can be cut without looking at it."""
    if partition.format in {"parquet", "staged", "prepared"} and partition.n_rows > rows:
        return replace(partition, stop=partition.start + rows, n_rows=rows)
    return partition


def _score(
    partition: Partition, scorer: Scorer, layout: TableLayout, settings: Settings
) -> tuple[pa.Table, dict[str, float]]:
    rows = settings.screen.batch_rows or USUAL_ROWS
    return score_partition(partition, scorer, layout, rules=settings.standardize, batch_rows=rows)


def _measured(partition: Partition, scorer: Scorer, layout: TableLayout, settings: Settings, scratch: Path) -> _Probe:
    def scored() -> tuple[float, pa.Table, dict[str, float]]:
        begin = time.process_time()
        table, steps = _score(partition, scorer, layout, settings)
        return time.process_time() - begin, table, steps

    # The first time pays for memory that later batches find.
    scoring, table, steps = min((scored() for _ in range(_TIMES)), key=lambda each: each[0])
    part, begin = scratch / "part.parquet", time.process_time()
    write_part(table, part, partition_id=0)
    seconds = scoring + time.process_time() - begin
    total = sum(steps.values()) or 1.0
    return _Probe(
        rows=partition.n_rows,
        seconds=seconds,
        steps={name: value / total for name, value in steps.items()},
        memory=psutil.Process(os.getpid()).memory_info().rss,
        row_bytes=_bytes_of(table) / max(1, table.num_rows),
        disk=part.stat().st_size,
    )


def _predicted(library: Library, settings: Settings, probe: _Probe, start_up: float) -> Estimate:
    rows = library.n_rows
    size = settings.screen.rows_of_partitions(rows)
    partitions = sum(-(-file.n_rows // size) for file in library.files)
    workers = n_workers(settings.executor)
    busy = min(workers, partitions)
    scoring = probe.seconds / max(1, probe.rows) * rows
    apart = settings.executor.kind != "serial"  # workers start once the driver has, as this process did, and planned
    return Estimate(
        rows=rows,
        partitions=partitions,
        workers=workers,
        cpu_seconds=scoring + start_up * (busy + apart),
        seconds=scoring / max(1, busy) + start_up * (1 + apart),
        memory_per_worker=int(probe.memory + _COPIES * probe.row_bytes * size),
        disk=int(probe.disk / max(1, probe.rows) * rows),
        rows_per_second=probe.rows / probe.seconds if probe.seconds else 0.0,
        probed=probe.rows,
        steps=probe.steps,
    )


def _bytes_of(table: pa.Table) -> int:
    return int(table.nbytes)


def _imports() -> float:
    """Processor time that this process had taken before it opened the model: what a worker imports too."""
    return min(time.process_time(), 3.0)


__all__ = ["PROBE_ROWS", "Estimate", "estimate_screen"]
