"""How far a run is, from its receipts alone: works while it runs, after it died, and from another host."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cinchona.screening.folder import RunFolder
from cinchona.screening.lease import holder, latest_epoch
from cinchona.screening.packs import PackHeader
from cinchona.screening.plan import Plan, load_plan
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.receipts import Receipt

State = Literal["running", "stopped", "finished"]


class RunStatus(BaseModel):
    """How far a run is; ready for JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    """The run folder."""
    state: State
    """``running``: a driver holds the lease; ``finished``: ``_SUCCESS`` is there; ``stopped``: neither."""
    plan: str
    """Fingerprint of the plan."""
    model: str
    """Name of the scorer."""
    rows: int
    """Rows of the library."""
    rows_done: int
    """Rows in committed partitions; always ``scored + rejected``."""
    scored: int
    """Rows with a score so far."""
    rejected: int
    """Rows without, so far."""
    rejects_by_stage: dict[str, int]
    """Rejects so far by stage."""
    partitions: int
    """Partitions planned."""
    partitions_done: int
    """Partitions committed."""
    best: float | None
    """Best score so far."""
    rows_per_second: float | None
    """Rate of the driver at work since it began; None if nothing is at work or done by it."""
    seconds_left: float | None
    """Expected time to the end at that rate; None if unknown."""
    epoch: int
    """Epoch of the last driver, 0 if none ever began."""
    quarantined: int
    """Files in quarantine."""


def run_status(root: Path) -> RunStatus:
    """Read how far the run in ``root`` is. Writes nothing and takes no lease.

    Raises:
        InputError: if the folder holds no plan.
    """
    folder = RunFolder(root)
    plan = load_plan(folder)
    driver = holder(folder.lease)
    sums = _sums(folder, plan, epoch=driver.epoch if driver else -1)
    rate = _rate(sums.rows_of_driver, driver.since) if driver else None
    return RunStatus(
        folder=str(root),
        state="finished" if folder.success.exists() else "running" if driver else "stopped",
        plan=plan.fingerprint,
        model=plan.model.name,
        rows=plan.rows,
        rows_done=sums.scored + sums.rejected,
        scored=sums.scored,
        rejected=sums.rejected,
        rejects_by_stage=dict(sums.stages),
        partitions=plan.partitions,
        partitions_done=sums.partitions,
        best=sums.best,
        rows_per_second=rate,
        seconds_left=(plan.rows - sums.scored - sums.rejected) / rate if rate else None,
        epoch=latest_epoch(folder.lease),
        quarantined=sum(1 for _ in folder.quarantine.glob("*")) if folder.quarantine.exists() else 0,
    )


@dataclass(slots=True)
class _Sums:
    """Sums over receipts and packs of them, so that no more than one is held."""

    partitions: int = 0
    scored: int = 0
    rejected: int = 0
    rows_of_driver: int = 0
    best: float | None = None
    stages: Counter[str] = field(default_factory=Counter)

    def add(self, receipt: Receipt, *, epoch: int) -> None:
        self.partitions += 1
        self.scored += receipt.scored
        self.rejected += receipt.rejected
        self.stages.update(receipt.rejects_by_stage)
        if receipt.epoch == epoch:
            self.rows_of_driver += receipt.rows
        if receipt.best is not None:
            self.best = receipt.best if self.best is None else max(self.best, receipt.best)

    def add_pack(self, partitions: int, header: PackHeader, *, epoch: int) -> None:
        self.partitions += partitions
        self.scored += header.scored
        self.rejected += header.rejected
        self.stages.update(header.rejects_by_stage)
        self.rows_of_driver += header.rows_by_epoch.get(epoch, 0)
        if header.best is not None:
            self.best = header.best if self.best is None else max(self.best, header.best)


def _sums(folder: RunFolder, plan: Plan, *, epoch: int) -> _Sums:
    """Of packed receipts only the headers are read."""
    sums, book = _Sums(), ReceiptBook(folder)
    packs = book.packs()
    for pack in packs:
        sums.add_pack(len(pack.partitions), pack.header, epoch=epoch)
    for receipt, _ in book.own_entries(after=len(packs)):
        if receipt is not None and receipt.plan == plan.fingerprint:
            sums.add(receipt, epoch=epoch)
    return sums


def _rate(rows: int, since: datetime) -> float | None:
    elapsed = (datetime.now(UTC) - since).total_seconds()
    return rows / elapsed if rows and elapsed > 0 else None
