"""The exact final check of a run, and its sums; readers trust receipts only."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from cinchona.datasets.partitions import Partition
from cinchona.errors import RetryableError
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.parts import row_range
from cinchona.screening.plan import Plan, load_plan, partitions
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.receipts import BadReceipt, Receipt


@dataclass(slots=True)
class Totals:
    """Sums over all receipts of a finished run. Always ``rows == scored + rejected``."""

    rows: int = 0
    """Rows of the library."""
    scored: int = 0
    """Rows with a score."""
    rejected: int = 0
    """Rows without."""
    duplicates: int = 0
    """Rows that took the score of an equal compound of their partition."""
    rejects_by_stage: Counter[str] = field(default_factory=Counter)
    """Rejects by the stage where they ended."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Working time of all workers together, by step."""
    histogram: ScoreHistogram = field(default_factory=ScoreHistogram)
    """Scores of the whole run."""
    best: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Best score of each partition, NaN where there is none; float64, shape (n_partitions,)."""
    rejects: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """Rejected rows of each partition, int64, shape (n_partitions,)."""
    scores_digest: str = ""
    """Content digest of the score table: of the partitions' content digests in row order."""

    def add(self, receipt: Receipt) -> None:
        """Count a partition."""
        self.rows += receipt.rows
        self.scored += receipt.scored
        self.rejected += receipt.rejected
        self.duplicates += receipt.duplicates
        self.rejects_by_stage.update(receipt.rejects_by_stage)
        for step, seconds in receipt.seconds.items():
            self.seconds[step] = self.seconds.get(step, 0.0) + seconds
        self.histogram = ScoreHistogram.merge((self.histogram, receipt.histogram))


def check_complete(folder: RunFolder, plan: Plan) -> Totals:
    """Check that each row of the library is in exactly one committed part file, and sum up.

    Partitions follow each other without gap or overlap; each has a whole receipt of this plan; each part file has the
    size that its receipt says and, by its footer, exactly the partition's row ids.

    Raises:
        RetryableError: naming the first partition that is missing or wrong; a resumed run does it again.
    """
    totals = Totals(best=np.full(plan.partitions, np.nan), rejects=np.zeros(plan.partitions, np.int64))
    contents = hashlib.sha256()
    for partition, receipt in committed(folder, plan):
        if partition.first_row != totals.rows:
            raise _incomplete(folder, partition.partition_id, "the partitions of the plan do not follow each other")
        totals.add(receipt)
        contents.update(bytes.fromhex(receipt.content))
        totals.best[partition.partition_id] = np.nan if receipt.best is None else receipt.best
        totals.rejects[partition.partition_id] = receipt.rejected
    if totals.rows != plan.rows:
        raise _incomplete(folder, plan.partitions, f"{totals.rows:,} rows are committed, {plan.rows:,} are planned")
    totals.scores_digest = contents.hexdigest()
    return totals


def committed(folder: RunFolder, plan: Plan) -> Iterator[tuple[Partition, Receipt]]:
    """Partitions in order with their receipts, each checked against the plan and the footer of its part file.

    Raises:
        RetryableError: naming the first partition that is missing or wrong.
    """
    book = ReceiptBook(folder)
    for partition in partitions(folder):
        checked = check_partition(book, plan, partition)
        if isinstance(checked, BadReceipt):
            raise _incomplete(folder, partition.partition_id, checked.reason)
        yield partition, checked


def check_partition(book: ReceiptBook, plan: Plan, partition: Partition, *, deep: bool = False) -> Receipt | BadReceipt:
    """Check the receipt of a partition, its part file, and that both are for exactly the partition's rows.

    Args:
        book: The receipts of the run.
        plan: Its header.
        partition: The partition, as planned.
        deep: Read the whole part file and compare its digest, instead of its size alone.
    """
    checked = book.check(partition.partition_id, plan, deep=deep)
    if isinstance(checked, BadReceipt):
        return checked
    part, place = book.folder.root / checked.file, book.place(partition.partition_id)
    if (checked.first_row, checked.rows) != (partition.first_row, partition.n_rows):
        return BadReceipt(place, part, "the receipt is for other rows")
    expected = (partition.first_row, partition.first_row + partition.n_rows - 1, partition.n_rows)
    return checked if _range(part) == expected else BadReceipt(place, part, "the part file has other rows")


def digest_scores(folder: RunFolder) -> str:
    """Content digest of the score table of a finished run, SHA-256, hex.

    It depends on the rows alone: not on the executor, the number of workers, attempts, restarts, times or compression.

    Raises:
        InputError: if the folder holds no plan.
        RetryableError: if the run is not complete.
    """
    return check_complete(folder, load_plan(folder)).scores_digest


def _range(part: Path) -> tuple[int, int, int] | None:
    try:
        return row_range(part)
    except (pa.ArrowException, OSError):
        return None


def _incomplete(folder: RunFolder, partition_id: int, reason: str) -> RetryableError:
    return RetryableError(
        f"the run is not complete: partition {partition_id}: {reason}",
        where=str(folder.root),
        remedy=f"do again what is missing with: cinchona resume {folder.root}; if the same comes back, first: "
        f"cinchona fsck {folder.root} --repair",
    )
