"""Setting up a cascade when a run is planned: a sample of the library is scored, and a first stage learns from it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.prepared_parts import read_prepared
from cinchona.datasets.sources import Library, read_partition
from cinchona.datasets.standardize import standardize_batch
from cinchona.digests import digest_json
from cinchona.models.coded_input import molecules_of
from cinchona.models.surrogate import Surrogate
from cinchona.pipelines.config import Settings
from cinchona.progress import progress
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch
from cinchona.screening.batches import USUAL_ROWS
from cinchona.screening.cascade import (
    AUDIT_SHARE,
    RECALL,
    CascadeScorer,
    Cutoff,
    FirstStage,
    find_cutoff,
)
from cinchona.screening.cascade_record import CascadeRecord
from cinchona.screening.executors.choose import n_workers
from cinchona.screening.folder import RunFolder
from cinchona.screening.scorers import FolderScorer, ObjectScorer, ScorerSource
from cinchona.screening.scoring import score_in_batches
from cinchona.screening.threads import one_thread

logger = logging.getLogger(__name__)

SAMPLE: Final = 40_000
"""Rows that are sampled: half of them train the first stage, half calibrate its cutoff."""
LARGEST_SHARE: Final = 0.2
"""Share of the library that the sample may be at most."""
_WORTH: Final = 0.9
"""Share of the scorer's time that a cascade may take at most to be used."""
_FEWEST: Final = 2_000
"""Scored rows of the sample that are needed to learn and to calibrate."""
_READ_ROWS: Final = 20_000


def with_cascade(
    folder: RunFolder, source: ScorerSource, library: Library, settings: Settings, *, seed: int
) -> ScorerSource:
    """Put a first stage before the scorer if that pays; what was decided is stored in the run folder and kept.

    Args:
        folder: The run.
        source: The scorer.
        library: What is to be scored.
        settings: Settings, with the rules by which the library is standardized.
        seed: Decides which rows are sampled and audited.

    Raises:
        InputError: if what an earlier attempt stored is damaged.
        RetryableError: if the disk is full, read-only or failing.
    """
    key = _key(source, library, settings, seed=seed)
    if not folder.cascade.is_file() or CascadeRecord.read(folder.cascade).key != key:
        with one_thread():
            record, first = _set_up(source.open(), library, settings, seed=seed)
        folder.root.mkdir(parents=True, exist_ok=True)
        if first is not None:
            first.save(folder.root)
        replace(record, key=key).write(folder.cascade)
        logger.warning("cascade %s: %s", "on" if record.used else "off", record.why)
    return stored_cascade(folder, source)


def stored_cascade(folder: RunFolder, source: ScorerSource) -> ScorerSource:
    """The source with the first stage that the run was planned with, if it has one.

    Raises:
        InputError: if it is damaged.
    """
    if not folder.cascade.is_file() or not CascadeRecord.read(folder.cascade).used:
        return source
    if isinstance(source, FolderScorer):
        return replace(source, cascade=str(folder.root.absolute()))
    return ObjectScorer(CascadeScorer(source.open(), FirstStage.load(folder.root)))


def _set_up(
    scorer: Scorer, library: Library, settings: Settings, *, seed: int
) -> tuple[CascadeRecord, FirstStage | None]:
    begun = time.monotonic()
    wanted = min(SAMPLE, int(LARGEST_SHARE * library.n_rows))
    batch = _sampled(library, settings.standardize, np.random.default_rng(seed), wanted)
    score, seconds = _scored(scorer, batch, rows=settings.screen.batch_rows or USUAL_ROWS)
    usable = np.flatnonzero(np.isfinite(score))
    usable = usable[molecules_of(batch.take(usable))[1]] if len(usable) else usable
    if len(usable) < _FEWEST:
        why = f"a sample of {len(usable):,} scored rows is too small to learn from"
        return CascadeRecord(used=False, why=why, details={}), None
    train, rest = np.split(usable, [len(usable) // 2])
    surrogate = Surrogate.fit(_molecules(batch, train), score[train], seed=seed)
    estimate, cheap = _estimated(surrogate, _molecules(batch, rest))
    cutoff = find_cutoff(estimate, score[rest], share=settings.screen.top_k / library.n_rows)
    assert cutoff is not None, len(rest)
    pays = _Balance(
        library.n_rows, n_workers(settings.executor), seconds, cheap, time.monotonic() - begun, cutoff.passes
    )
    record = _record(cutoff, pays, correlation=_correlation(estimate, score[rest]))
    return record, FirstStage(surrogate, cutoff.value, AUDIT_SHARE, seed) if record.used else None


@dataclass(frozen=True, slots=True)
class _Balance:
    """What a cascade costs."""

    rows: int
    """Rows of the library."""
    workers: int
    """Processes that share them."""
    seconds: float
    """Processor time of the scorer for a row."""
    cheap: float
    """Processor time of the first stage for a row."""
    set_up: float
    """Time spent in one process to learn and calibrate, in seconds."""
    passes: float
    """Share of the library above the cutoff."""

    @property
    def cost(self) -> float:
        """Time to score the library with cascade, set-up and audit included, over the time without."""
        onward = self.passes + (1 - self.passes) * AUDIT_SHARE
        with_it = self.set_up + self.rows * (onward * self.seconds + self.cheap) / self.workers
        return with_it / max(self.rows * self.seconds / self.workers, 1e-9)


def _record(cutoff: Cutoff, pays: _Balance, *, correlation: float) -> CascadeRecord:
    what = (
        f"the first stage (r = {correlation:.2f} with the scorer) passes {cutoff.passes:.1%} of the library at an "
        f"expected recall of {cutoff.promised:.1%}; with set-up ({pays.set_up:.0f} s) and audit, scoring takes "
        f"{pays.cost:.0%} of its time without"
    )
    used = pays.cost <= _WORTH
    details = {**asdict(cutoff), **asdict(pays), "cost": pays.cost, "correlation": correlation, "recall": RECALL}
    return CascadeRecord(used=used, why=what if used else f"it would not pay: {what}", details=details)


def _estimated(surrogate: Surrogate, molecules: CodedMolecules) -> tuple[np.ndarray, float]:
    """Estimates, and processor time for a row in seconds; the loops are compiled already, since it was trained."""
    begun = time.process_time()
    estimate = surrogate.predict(molecules)
    return estimate, (time.process_time() - begun) / len(estimate)


def _correlation(estimate: np.ndarray, score: np.ndarray) -> float:
    return float(np.corrcoef(estimate, score)[0, 1]) if np.std(estimate) * np.std(score) > 0 else 0.0


def _key(source: ScorerSource, library: Library, settings: Settings, *, seed: int) -> str:
    """Digest of everything that decides; a plan that is made again keeps a first stage that was made from the same."""
    chosen = [settings.screen.model_dump(mode="json"), settings.standardize.model_dump(mode="json")]
    return digest_json([source.fingerprint, [f.digest for f in library.files], chosen, seed])


def _molecules(batch: CompoundBatch, rows: np.ndarray) -> CodedMolecules:
    return molecules_of(batch.take(rows))[0]


def _scored(scorer: Scorer, batch: CompoundBatch, *, rows: int) -> tuple[np.ndarray, float]:
    """Score of each row, NaN where there is none, and processor time of the scorer for a row in seconds."""
    score = np.full(len(batch), np.nan, np.float32)
    if not len(batch):
        return score, 0.0
    score_in_batches(scorer, batch.slice(0, min(64, len(batch))), rows=rows)  # loops compile
    begun, at = time.process_time(), {row: i for i, row in enumerate(batch.row_ids.tolist())}
    with progress(len(batch), "scoring a sample for the cascade") as shown:
        for start in range(0, len(batch), rows):
            part = batch.slice(start, min(rows, len(batch) - start))
            found = score_in_batches(scorer, part, rows=rows).scores
            if found is not None:
                score[[at[row] for row in found.row_ids.tolist()]] = found.score
            shown.advance(len(part))
    return score, (time.process_time() - begun) / len(batch)


def _sampled(library: Library, rules: StandardizeConfig, rng: np.random.Generator, wanted: int) -> CompoundBatch:
    """Distinct standardized compounds of ``wanted`` rows drawn at random from the whole library, in random order."""
    rows = np.sort(rng.choice(library.n_rows, wanted, replace=False)) if wanted else np.empty(0, np.int64)
    parts = list(_standardized(library, rules, rows))
    if not parts:
        return CompoundBatch.of([])
    table = pa.Table.from_batches([p.data for p in parts]).combine_chunks()
    joined = CompoundBatch(table.to_batches()[0])
    first = {smiles: i for i, smiles in reversed(list(enumerate(joined.smiles)))}
    return joined.take(rng.permutation(np.sort(np.fromiter(first.values(), np.int64, len(first)))))


def _standardized(library: Library, rules: StandardizeConfig, rows: np.ndarray) -> Iterator[CompoundBatch]:
    with progress(library.n_rows, "sampling the library for the cascade") as shown:
        for partition in library.partitions(_READ_ROWS):
            low, high = np.searchsorted(rows, [partition.first_row, partition.first_row + partition.n_rows])
            chosen = rows[low:high]
            if len(chosen) and partition.format == "prepared":
                batch = read_prepared(partition)[1].batch
                yield batch.take(np.flatnonzero(np.isin(batch.row_ids, chosen)))
            elif len(chosen):
                given, _ = read_partition(partition)
                given = given.take(np.flatnonzero(np.isin(given.row_ids, chosen)))
                yield standardize_batch(given, rules, codes=True).batch
            shown.advance(partition.n_rows)


__all__ = ["LARGEST_SHARE", "SAMPLE", "stored_cascade", "with_cascade"]
