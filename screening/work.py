"""The work on one partition: read, standardize, score, write, commit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.partitions import Partition
from cinchona.datasets.prepared_parts import read_prepared
from cinchona.datasets.sources import read_partition
from cinchona.datasets.standardize import StandardizedBatch, standardize_batch
from cinchona.digests import digest_file, digest_table
from cinchona.errors import LockedError
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.layout import TableLayout
from cinchona.screening.lease import is_current
from cinchona.screening.memory import Trimmer
from cinchona.screening.parts import REJECTED, PartitionRows, build_part, write_part
from cinchona.screening.receipt_book import book_of, commit_receipt
from cinchona.screening.receipts import Receipt
from cinchona.screening.scorers import ScorerSource
from cinchona.screening.scoring import score_in_batches
from cinchona.screening.threads import one_thread
from cinchona.screening.watch.notes import Note, Phase, unnoted

_trim: Final = Trimmer()


@dataclass(frozen=True, slots=True)
class PartitionWork:
    """Does a partition and commits it; small enough to send to any worker."""

    root: str
    """The run folder."""
    plan: str
    """Fingerprint of the plan."""
    scorer: ScorerSource
    """Where the scorer comes from."""
    layout: TableLayout
    """Columns of the score table."""
    standardize: StandardizeConfig
    """How structures are standardized."""
    batch_rows: int
    """Distinct compounds that the scorer gets at once."""
    epoch: int
    """Epoch of the driver that orders the work."""

    def __call__(self, partition: Partition, note: Note = unnoted) -> Receipt:
        """Score ``partition`` and commit the result.

        Args:
            partition: The rows.
            note: Told what is at work, so that a watchdog knows.

        Returns:
            The receipt that counts, which may be that of an earlier or faster attempt.

        Raises:
            LockedError: if another driver has taken the run over since.
            RetryableError: if the disk is full, read-only or failing.
        """
        finished = self.finished(partition)
        if finished is not None:
            return finished
        watch = Stopwatch()
        table = self._score(partition, watch, note)
        note(Phase.WRITE, 0, 0)
        receipt = self.commit(partition, table, watch)
        del table
        _trim()
        return receipt

    def finished(self, partition: Partition) -> Receipt | None:
        """The receipt of ``partition``, if some attempt has committed it."""
        receipt = book_of(Path(self.root)).find(partition.partition_id)
        return receipt if receipt is not None and receipt.plan == self.plan else None

    def commit(self, partition: Partition, table: pa.Table, watch: Stopwatch) -> Receipt:
        """Write the table of ``partition`` and publish its receipt, unless another attempt was first.

        Raises:
            LockedError: if another driver has taken the run over since.
            RetryableError: if the disk is full, read-only or failing.
        """
        folder = RunFolder(Path(self.root))
        part = folder.new_part(partition.partition_id)
        with watch.step("write"):
            write_part(table, part, partition_id=partition.partition_id)
            receipt = self._receipt(folder, partition, table, part)
        self._require_current(folder)
        return commit_receipt(folder, receipt.model_copy(update={"seconds": watch.seconds}))

    def _score(self, partition: Partition, watch: Stopwatch, note: Note) -> pa.Table:
        note(Phase.OPEN, 0, 0)
        with watch.step("open"):
            scorer = self.scorer.open()
        rows = _scored_rows(partition, scorer, watch, rules=self.standardize, batch_rows=self.batch_rows, note=note)
        return build_part(rows, self.layout)

    def _receipt(self, folder: RunFolder, partition: Partition, table: pa.Table, part: Path) -> Receipt:
        rejected = table.filter(pc.equal(table.column("status"), REJECTED))
        scores = table.column("score").drop_null().to_numpy()
        finite = scores[np.isfinite(scores)]
        stages = rejected.column("stage").value_counts().to_pylist()
        return Receipt(
            plan=self.plan,
            partition_id=partition.partition_id,
            first_row=partition.first_row,
            rows=table.num_rows,
            scored=table.num_rows - rejected.num_rows,
            rejected=rejected.num_rows,
            duplicates=pc.sum(pc.and_(pc.greater_equal(table["duplicate_of"], 0), table["score"].is_valid())).as_py()
            or 0,
            rejects_by_stage={entry["values"]: entry["counts"] for entry in stages},
            best=float(finite.max()) if len(finite) else None,
            histogram=ScoreHistogram.of(scores),
            file=folder.relative(part),
            bytes=part.stat().st_size,
            digest=digest_file(part),
            content=digest_table(table.combine_chunks().to_batches()),
            epoch=self.epoch,
            worker=f"process {os.getpid()}",
        )

    def _require_current(self, folder: RunFolder) -> None:
        if not is_current(folder.lease, self.epoch):
            raise LockedError(
                "another driver took this run folder over while a partition was at work",
                where=self.root,
                expected=f"epoch {self.epoch} to be the highest",
                remedy="let the other driver finish",
            )


def score_partition(
    partition: Partition, scorer: Scorer, layout: TableLayout, *, rules: StandardizeConfig, batch_rows: int
) -> tuple[pa.Table, dict[str, float]]:
    """Score a partition without committing anything.

    Returns:
        The table of its rows, and the wall time of reading, standardizing and scoring in seconds.
    """
    watch = Stopwatch()
    scored = _scored_rows(partition, scorer, watch, rules=rules, batch_rows=batch_rows, note=unnoted)
    return build_part(scored, layout), watch.seconds


def _scored_rows(
    partition: Partition,
    scorer: Scorer,
    watch: Stopwatch,
    *,
    rules: StandardizeConfig,
    batch_rows: int,
    note: Note,
) -> PartitionRows:
    note(Phase.READ, 0, partition.n_rows)
    if partition.format == "prepared":
        with watch.step("read"):
            given, standardized, unreadable = read_prepared(partition)
    else:
        with watch.step("read"):
            given, unreadable = read_partition(partition)
        note(Phase.STANDARDIZE, 0, len(given))
        with watch.step("standardize"):
            standardized = standardize_batch(given, rules, codes=uses_codes(scorer), keep_texts=True)
    with watch.step("score"), one_thread():
        scored = score_in_batches(scorer, distinct_of(standardized), rows=batch_rows, note=note)
    return PartitionRows(partition.first_row, partition.n_rows, given, standardized, tuple(unreadable), scored)


def distinct_of(standardized: StandardizedBatch) -> CompoundBatch:
    """The compounds of a partition, each once: what is scored."""
    return standardized.batch.take(np.flatnonzero(standardized.duplicate_of < 0))


def uses_codes(scorer: Scorer) -> bool:
    """Whether ``scorer`` reads graph codes where a batch has them."""
    return bool(getattr(getattr(scorer, "inner", scorer), "uses_codes", False))


@dataclass(slots=True)
class Stopwatch:
    """Wall time by step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what happens inside the block as ``name``."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begun, 6)
