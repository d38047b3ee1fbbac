"""A partition whose process had an accident, done again piece by piece: rows at fault become rejects, all others are scored.

Here nothing risky runs: each step is done in a child and its result comes home. Slices of the scorer stay what the plan
makes of them, less the rows at fault, so the scores of all others keep their bits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np

from cinchona.datasets.partitions import Partition
from cinchona.datasets.prepared_parts import read_prepared
from cinchona.datasets.sources import read_partition
from cinchona.datasets.standardize import StandardizedBatch, standardize_batch
from cinchona.errors import WorkerDiedError
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Reject
from cinchona.screening.parts import PartitionRows, build_part
from cinchona.screening.receipts import Receipt
from cinchona.screening.scoring import Scored, joined, score_slice, sliced
from cinchona.screening.threads import one_thread
from cinchona.screening.watch.isolation import Isolation
from cinchona.screening.watch.narrowing import Narrowing
from cinchona.screening.watch.notes import NOWHERE, Note, Phase, Unit
from cinchona.screening.watch.rules import STAGES, Accident
from cinchona.screening.work import PartitionWork, Stopwatch, distinct_of, uses_codes

logger = logging.getLogger(__name__)

_TRIES: Final = 3
"""Times that a step without a row at fault is tried: something from outside may have ended it."""


def rescue(work: PartitionWork, partition: Partition, isolation: Isolation, accident: Accident) -> Receipt:
    """Do ``partition``, in which a process had ``accident``, and commit it.

    Raises:
        WorkerDiedError: if it has accidents that no row is to blame for.
        CinchonaError: all that the work itself raises.
    """
    finished = work.finished(partition)
    if finished is not None:
        return finished
    watch = Stopwatch()
    scorer = work.scorer.open()
    rows = _Rescue(work, partition, scorer, isolation, accident.unit).rows(watch)
    return work.commit(partition, build_part(rows, work.layout), watch)


@dataclass(slots=True)
class _Rescue:
    """One such partition."""

    work: PartitionWork
    partition: Partition
    scorer: Scorer
    isolation: Isolation
    suspect: Unit
    """What the process was at: tried in small pieces from the beginning."""
    narrowing: Narrowing = field(init=False)

    def __post_init__(self) -> None:
        self.narrowing = Narrowing(self.isolation)

    def rows(self, watch: Stopwatch) -> PartitionRows:
        """Every row of the partition, scored or rejected."""
        with watch.step("read"):
            given, prepared, unreadable = self._read()
        with watch.step("standardize"):
            standardized = prepared if prepared is not None else self._standardized(given)
        with watch.step("score"):
            distinct = distinct_of(standardized)
            scored = joined(
                part
                for number, piece in enumerate(sliced(distinct, self.work.batch_rows))
                for part in self._scored(piece, suspect=self.suspect[:2] == (Phase.SCORE, number))
            )
        return PartitionRows(
            self.partition.first_row, self.partition.n_rows, given, standardized, tuple(unreadable), scored
        )

    # ------------------------------------------------------------------------------------------------- reading

    def _read(self) -> tuple[CompoundBatch, StandardizedBatch | None, Iterable[Reject]]:
        if self.partition.format == "prepared":
            return self._patiently(partial(_read_prepared, self.partition))  # type: ignore[no-any-return]
        skip: dict[int, Reject] = {}
        while True:
            came = self.isolation.run(partial(_read, self.partition, skip))
            if not isinstance(came, Accident):
                return came[0], None, came[1]
            row = came.unit.piece
            if came.unit == NOWHERE or row in skip:
                raise _nobodys_fault(came)
            if self.narrowing.blames(Phase.READ, row, came):
                skip[row] = self._reject(row, came)

    # ------------------------------------------------------------------------------------------------- standardizing

    def _standardized(self, given: CompoundBatch) -> StandardizedBatch:
        whole = partial(_standardize, self.work, uses_codes(self.scorer))
        if self.suspect.phase != Phase.STANDARDIZE:
            came = self.isolation.run(partial(whole, given))
            if not isinstance(came, Accident):
                return came  # type: ignore[no-any-return]
        first = _first_of_each_text(given.smiles)
        blamed = self.narrowing.find(
            Phase.STANDARDIZE,
            np.unique(first),
            lambda at: standardize_batch(given.take(at), self.work.standardize, keep_texts=True),
        )
        row_ids = given.row_ids
        rejects = [
            self._reject(int(row_ids[k]), blamed[origin], same_as=int(row_ids[origin]))
            for k, origin in enumerate(first.tolist())
            if origin in blamed
        ]
        kept = given.take(np.flatnonzero(~np.isin(first, list(blamed))))
        standardized: StandardizedBatch = self._patiently(partial(whole, kept))
        return replace(standardized, rejects=(*standardized.rejects, *rejects))

    # ------------------------------------------------------------------------------------------------- scoring

    def _scored(self, batch: CompoundBatch, *, suspect: bool) -> Iterator[Scored]:
        """Score one slice of the plan: whole if it can be, or without the rows at fault."""
        if not suspect:
            came = self.isolation.run(partial(_score, self.scorer, batch))
            if not isinstance(came, Accident):
                yield came
                return
        blamed = self.narrowing.find(
            Phase.SCORE, np.arange(len(batch)), lambda at: _score_here(self.scorer, batch.take(at))
        )
        row_ids = batch.row_ids
        yield Scored(None, tuple(self._reject(int(row_ids[k]), accident) for k, accident in blamed.items()))
        yield from self._remaining(batch.take(np.setdiff1d(np.arange(len(batch)), list(blamed))))

    def _remaining(self, batch: CompoundBatch) -> Iterator[Scored]:
        """Score rows that are not at fault alone; if they are together, in halves."""
        if len(batch) == 0:
            return
        came: Any = None
        for _ in range(_TRIES - 1):
            came = self.isolation.run(partial(_score, self.scorer, batch))
            if not isinstance(came, Accident):
                yield came
                return
        if len(batch) == 1:
            yield Scored(None, (self._reject(int(batch.row_ids[0]), came),))
            return
        logger.warning("%d rows %s together, but none of them alone; they are scored in halves", len(batch), came.text)
        half = len(batch) // 2
        yield from self._remaining(batch.slice(0, half))
        yield from self._remaining(batch.slice(half, len(batch) - half))

    # ------------------------------------------------------------------------------------------------- all of them

    def _patiently(self, task: Any) -> Any:  # noqa: ANN401 - the result of any step
        for left in reversed(range(_TRIES)):
            came = self.isolation.run(task)
            if not isinstance(came, Accident):
                return came
            if left == 0:
                raise _nobodys_fault(came)
        raise AssertionError

    def _reject(self, row: int, accident: Accident, *, same_as: int | None = None) -> Reject:
        stage = STAGES[accident.unit.phase]
        same = "" if same_as in {None, row} else f" (same structure as row {same_as})"
        logger.warning("row %d: %s at stage %s%s", row, accident.text, stage, same)
        return Reject(row, stage, f"this row {accident.text}{same}")


def _nobodys_fault(accident: Accident) -> WorkerDiedError:
    return WorkerDiedError(
        f"a process that worked on this partition {accident.text}, and no single row is to blame",
        remedy="look for limits of memory and for other programs; the same command tries again",
    )


def _first_of_each_text(smiles: list[str]) -> np.ndarray:
    """Position of the first equal text of each text; int64, shape (n,)."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(text, k) for k, text in enumerate(smiles)], np.int64)


# What runs in children.


def _read(partition: Partition, skip: Mapping[int, Reject], note: Note) -> tuple[CompoundBatch, tuple[Reject, ...]]:
    return read_partition(partition, begin=lambda row: note(Phase.READ, row, 1), skip=skip)


def _read_prepared(partition: Partition, note: Note) -> tuple[CompoundBatch, StandardizedBatch, tuple[Reject, ...]]:
    note(Phase.READ, -1, partition.n_rows)
    given, standardized, unreadable = read_prepared(partition)
    return given, standardized, tuple(unreadable)


def _standardize(work: PartitionWork, codes: bool, given: CompoundBatch, note: Note) -> StandardizedBatch:  # noqa: FBT001
    note(Phase.STANDARDIZE, -1, len(given))
    return standardize_batch(given, work.standardize, codes=codes, keep_texts=True)


def _score(scorer: Scorer, batch: CompoundBatch, note: Note) -> Scored:
    note(Phase.SCORE, -1, len(batch))
    return _score_here(scorer, batch)


def _score_here(scorer: Scorer, batch: CompoundBatch) -> Scored:
    with one_thread():
        return score_slice(scorer, batch)
