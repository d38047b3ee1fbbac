"""Carrying out a plan: every partition without a valid receipt is done, then nothing is left to do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from cinchona.datasets.partitions import Partition
from cinchona.errors import CinchonaError, LockedError, RetryableError, RunInterrupted, WorkerDiedError
from cinchona.progress import Progress, progress
from cinchona.protocols import Executor, Failed
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.executors.choose import make_executor
from cinchona.screening.folder import RunFolder
from cinchona.screening.interrupt import Interruption, stops_in_order
from cinchona.screening.lease import Lease
from cinchona.screening.packing import Packer
from cinchona.screening.plan import Plan, partition_rows, partitions
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.receipts import BadReceipt, Receipt, verify_receipt
from cinchona.screening.scorers import ScorerSource
from cinchona.screening.watch.watched import WatchedWork, watched
from cinchona.screening.work import PartitionWork

logger = logging.getLogger(__name__)

MAX_FAILURES = 10
"""Failed partitions after which a run gives up instead of trying the rest."""
_TRIES = 2
"""Times that a partition is tried; the second time after all others."""
_DONE = 1
_OF_OTHERS = 2


@dataclass(slots=True)
class Doing:
    """What a driver has done so far; one small number a partition, whatever the size of the library."""

    done: bytearray
    """One byte a partition: 0 to do, 1 has a valid receipt, 2 belongs to another task of the array."""
    reused: int = 0
    """Partitions that were done before."""
    quarantined: int = 0
    """Receipts that could not be trusted."""
    rows: int = 0
    """Rows of partitions done now."""
    rejected: int = 0
    """Rows rejected in them."""
    best: float | None = None
    """Best score seen now."""
    failed: dict[int, Exception] = field(default_factory=dict)
    """Partitions that failed at their last try, with the error."""

    @property
    def left(self) -> int:
        """Partitions that are not done."""
        return self.done.count(0)

    @property
    def finished(self) -> int:
        """Partitions that are done."""
        return self.done.count(_DONE)

    def count(self, receipt: Receipt) -> None:
        """Take note of a finished partition."""
        self.done[receipt.partition_id] = _DONE
        self.rows += receipt.rows
        self.rejected += receipt.rejected
        if receipt.best is not None:
            self.best = receipt.best if self.best is None else max(self.best, receipt.best)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A planned run that this driver holds."""

    folder: RunFolder
    """The run folder."""
    plan: Plan
    """Its header."""
    source: ScorerSource
    """Where workers get the scorer."""
    executor: ExecutorConfig
    """Where the work runs."""
    lease: Lease
    """Proof that this driver is the only one."""


def execute(assignment: Assignment, doing: Doing, *, observe: Callable[[Doing], None] = lambda _: None) -> None:
    """Do what is left of a plan.

    Args:
        assignment: The run.
        doing: What is done already, see :func:`verified`; kept up to date.
        observe: Called after each partition that was done.

    Raises:
        RunInterrupted: after SIGINT or SIGTERM.
        LockedError: if another driver took over.
        RetryableError: if disk, workers or scheduler failed.
        CinchonaError: if a partition failed for another reason, twice.
    """
    folder, plan, lease = assignment.folder, assignment.plan, assignment.lease
    packer = None if lease.record.crew else Packer(folder, plan, lease, size=assignment.executor.pack_receipts)
    if packer is not None:
        packer.begin()
    if doing.left == 0:
        return
    folder.success.unlink(missing_ok=True)
    rows = _rows(folder, doing)
    work = PartitionWork(
        root=str(folder.root.absolute()),
        plan=plan.fingerprint,
        scorer=assignment.source,
        layout=plan.layout,
        standardize=plan.standardize,
        batch_rows=plan.batch_rows,
        epoch=lease.epoch,
    )
    with (
        stops_in_order() as interruption,
        progress(rows.total, "scoring") as shown,
        closing(watched(work, assignment.executor)) as watched_work,
        closing(make_executor(assignment.executor)) as executor,
    ):
        shown.advance(rows.done)
        driver = _Driver(executor, watched_work, doing, shown, lease, packer, observe)
        for _ in range(_TRIES):
            driver.try_each(interruption.until(partitions(folder, skip=doing.done)))
    _judge(folder, doing, interruption)


def verified(folder: RunFolder, plan: Plan) -> Doing:
    """Find out what is done: every receipt and part file that is what it should be.

    What is not is moved to quarantine. Part files are read completely; a run that was never begun costs nothing.
    """
    doing, book, bad = Doing(bytearray(plan.partitions)), ReceiptBook(folder), list[BadReceipt]()
    with progress(None, "checking what is done", unit="partitions") as shown:
        for receipt, place in book.entries():
            checked = verify_receipt(folder, plan, receipt, place, deep=True)
            if isinstance(checked, BadReceipt):
                logger.warning("%s: %s; the partition is done again", folder.relative(place.path), checked.reason)
                bad.append(checked)
            else:
                doing.done[checked.partition_id] = _DONE
            shown.advance()
    book.quarantine(bad)
    doing.quarantined = len(bad)
    doing.reused = doing.finished
    return doing


def share_of(folder: RunFolder, plan: Plan, *, task: int, of: int) -> Doing:
    """What one of several array tasks has to do: each ``of``-th partition, from ``task`` on, that has no receipt.

    Nothing is read, so that a thousand tasks do not read the whole run a thousand times; the run is verified when it is
    finished.
    """
    doing, book = Doing(bytearray([_OF_OTHERS]) * plan.partitions), ReceiptBook(folder)
    for partition_id in range(task, plan.partitions, of):
        doing.done[partition_id] = _DONE if book.has(partition_id) else 0
    doing.reused = doing.finished
    return doing


class _Rows(NamedTuple):
    """Rows of the library, or of a task's share."""

    total: int
    done: int


def _rows(folder: RunFolder, doing: Doing) -> _Rows:
    state = np.frombuffer(doing.done, np.uint8)
    sizes = partition_rows(folder)
    return _Rows(int(sizes[state != _OF_OTHERS].sum()), int(sizes[state == _DONE].sum()))


@dataclass(frozen=True, slots=True)
class _Driver:
    """Everything that a round of work needs."""

    executor: Executor
    work: WatchedWork
    doing: Doing
    shown: Progress
    lease: Lease
    packer: Packer | None
    observe: Callable[[Doing], None]

    def try_each(self, todo: Iterable[Partition]) -> None:
        """Try each partition once; errors that no second try can mend are raised at once."""
        self.doing.failed.clear()
        outcomes = self.executor.map(self.work, todo)
        try:
            for outcome in outcomes:
                self.lease.check()
                if isinstance(outcome, Failed):
                    _note_failure(outcome, self.doing)
                else:
                    self._note(outcome.result)
        finally:
            if isinstance(outcomes, Generator):
                outcomes.close()

    def _note(self, receipt: Receipt) -> None:
        self.doing.count(receipt)
        if self.packer is not None:
            self.packer.note()
        best = {} if self.doing.best is None else {"best": self.doing.best}
        self.shown.advance(receipt.rows, rejects=self.doing.rejected, **best)
        self.observe(self.doing)


def _note_failure(outcome: Failed[Partition], doing: Doing) -> None:
    error, partition = outcome.error, outcome.item.partition_id
    stops_all = isinstance(error, LockedError | RetryableError) and not isinstance(error, WorkerDiedError)
    if stops_all:
        raise error
    logger.warning("partition %d failed: %s: %s", partition, type(error).__name__, error, exc_info=error)
    doing.failed[partition] = error
    if len(doing.failed) >= MAX_FAILURES:
        raise _too_many(doing.failed)


def _judge(folder: RunFolder, doing: Doing, interruption: Interruption) -> None:
    """Raise what keeps the run from being complete."""
    if doing.left == 0:
        return
    if interruption.asked:
        raise RunInterrupted(
            f"the run was stopped with {doing.left:,} of {doing.left + doing.finished:,} partitions left",
            where=str(folder.root),
            remedy=f"go on with: cinchona resume {folder.root}",
        )
    raise _too_many(doing.failed)


def _too_many(failed: dict[int, Exception]) -> CinchonaError:
    """The error of a run with failed partitions: of the kind of the first, which is shown."""
    partition, first = next(iter(failed.items()))
    what = f"{len(failed)} partitions failed; the first, partition {partition}: {first}"
    if isinstance(first, CinchonaError):
        error = type(first)(what, where=first.where, expected=first.expected, remedy=first.remedy)
    elif isinstance(first, OSError | MemoryError):
        error = RetryableError(
            f"{what} ({type(first).__name__})", remedy="mend the cause and run the same command again"
        )
    else:
        error = CinchonaError(f"{what} ({type(first).__name__})", remedy="this is a defect; please report it")
    error.__cause__ = first
    return error
