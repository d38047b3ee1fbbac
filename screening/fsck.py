"""What is wrong with a run folder, and its repair: each file that a run relies on is read and compared.

The repair only ever sets aside what cannot be trusted, or deletes what nothing names; a resumed run then does exactly
that again. Nothing that is whole is touched.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from cinchona.errors import InputError, PlanMismatchError, RetryableError
from cinchona.files import disk_errors
from cinchona.progress import Progress, progress
from cinchona.screening.finish import read_outputs
from cinchona.screening.folder import RunFolder, is_part_name, partition_of
from cinchona.screening.identity import differences, library_now
from cinchona.screening.lease import Lease, holder
from cinchona.screening.packs import Pack, write_without
from cinchona.screening.plan import Plan, load_plan, partitions
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.receipts import BadReceipt, keep_copy, place_of, set_aside
from cinchona.screening.totals import check_partition

logger = logging.getLogger(__name__)

FaultKind = Literal["plan", "library", "partition", "stray", "leftover", "outputs"]
"""``plan``: the plan itself is damaged. ``library``: an input is gone or was changed. ``partition``: a receipt or its
part file cannot be trusted. ``stray``: a file where none belongs. ``leftover``: an attempt that was killed left it.
``outputs``: hits, rejects, manifest or report do not fit the scores."""
LISTED: Final = 1_000
"""Faults listed one by one; further ones are only counted, so that memory stays small."""


class Fault(BaseModel):
    """One thing that is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    """What kind of thing."""
    path: str
    """The file, relative to the run folder."""
    what: str
    """What is wrong, for people."""
    repaired: bool
    """Whether it was set aside or deleted."""


class RunCheck(BaseModel):
    """What was found; ready for JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    """The run folder."""
    partitions: int
    """Partitions planned; 0 if the plan cannot be read."""
    whole: int
    """Partitions with a receipt and a part file that were read completely and are what they should be."""
    missing: int
    """Partitions that are not done, or not any more."""
    finished: bool
    """Whether the run is complete with all outputs."""
    faults: int
    """Number of faults found."""
    repaired: int
    """Number of them that were repaired."""
    faults_by_kind: dict[str, int]
    """Number of faults of each kind."""
    found: tuple[Fault, ...]
    """The first :data:`LISTED` faults."""
    advice: str
    """What to do now."""

    def require_sound(self) -> None:
        """Raise if something is still wrong.

        Raises:
            PlanMismatchError: if the library is gone or was changed, which no repair can mend.
            RetryableError: if something else is left.
        """
        left = self.faults - self.repaired
        if left:
            is_library = "library" in self.faults_by_kind
            raise (PlanMismatchError if is_library else RetryableError)(
                f"{left:,} of {self.faults:,} faults are left", where=self.folder, remedy=self.advice
            )


def fsck(root: Path, *, repair: bool = False, lease_seconds: float = 60.0) -> RunCheck:
    """Read every file of a run and say what is wrong.

    While a driver is at work, unfinished files are its own and no faults.

    Args:
        root: The run folder.
        repair: Set aside what cannot be trusted and delete what killed attempts left; takes the lease.
        lease_seconds: Silence after which a driver counts as dead, in seconds.

    Raises:
        InputError: if there is no run.
        LockedError: if it is to be repaired while a driver is at work.
        RetryableError: if the disk is full, read-only or failing.
    """
    folder = RunFolder(root.absolute())
    if not folder.is_planned():
        load_plan(folder)  # says what is wrong
    busy = not repair and holder(folder.lease, seconds=lease_seconds) is not None
    with Lease.acquire(folder.lease, seconds=lease_seconds) if repair else nullcontext():
        finding = _Finding(folder, repair)
        try:
            plan = load_plan(folder)
        except InputError as error:
            return _without_plan(finding, str(error))
        return _with_plan(finding, plan, busy=busy)


@dataclass(slots=True)
class _Finding:
    """Faults found so far; each is repaired as it is found."""

    folder: RunFolder
    repair: bool
    found: list[Fault] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    repaired: int = 0

    def note(self, kind: FaultKind, path: Path, what: str, mend: Callable[[], object] | None = None) -> None:
        mended = self.repair and mend is not None
        if mended and mend is not None:
            mend()
        self.kinds[kind] += 1
        self.repaired += mended
        name = self.folder.relative(path) if path.is_relative_to(self.folder.root) else str(path)
        logger.debug("%s: %s%s", name, what, "; repaired" if mended else "")  # the result carries it already
        if len(self.found) < LISTED:
            self.found.append(Fault(kind=kind, path=name, what=what, repaired=mended))

    def result(self, *, planned: int, whole: int, finished: bool, advice: str) -> RunCheck:
        return RunCheck(
            folder=str(self.folder.root),
            partitions=planned,
            whole=whole,
            missing=planned - whole,
            finished=finished,
            faults=self.kinds.total(),
            repaired=self.repaired,
            faults_by_kind=dict(self.kinds),
            found=tuple(self.found),
            advice=advice,
        )


def _without_plan(finding: _Finding, what: str) -> RunCheck:
    folder = finding.folder
    finding.note("plan", folder.plan, what.splitlines()[0], lambda: _set_plan_aside(folder))
    again = "run the same 'cinchona screen' command again: it makes the same plan and keeps what is done"
    advice = (
        again if finding.repair else f"set the plan aside with 'cinchona fsck {folder.root} --repair', then {again}"
    )
    return finding.result(planned=0, whole=0, finished=False, advice=advice)


def _with_plan(finding: _Finding, plan: Plan, *, busy: bool) -> RunCheck:
    folder = finding.folder
    _check_library(finding, plan)
    with progress(plan.partitions, "checking partitions", unit="partitions") as shown:
        whole = _check_partitions(finding, plan, shown)
    _check_strays(finding, plan)
    if not busy:
        _check_leftovers(finding)
    finished = folder.success.exists() and _check_outputs(finding, plan, complete=whole == plan.partitions)
    return finding.result(planned=plan.partitions, whole=whole, finished=finished, advice=_advice(finding, finished))


def _check_library(finding: _Finding, plan: Plan) -> None:
    folder = finding.folder
    planned: list[dict[str, object]] = plan.identity["library"]
    for file, before, now in zip(plan.inputs, planned, library_now(folder, plan), strict=True):
        if before != now:
            finding.note("library", folder.root / file.path, "; ".join(differences(before, now)))


def _check_partitions(finding: _Finding, plan: Plan, shown: Progress) -> int:
    """Check each partition that has a receipt, reading its part file completely; count those that are whole."""
    folder, book, whole = finding.folder, ReceiptBook(finding.folder), 0
    for partition in partitions(folder):
        if book.has(partition.partition_id):
            checked = check_partition(book, plan, partition, deep=True)
            if isinstance(checked, BadReceipt):
                path = checked.place.path
                finding.note("partition", path, checked.reason, partial(book.quarantine, [checked]))
            else:
                whole += 1
        shown.advance(faults=finding.kinds.total())
    return whole


def _check_strays(finding: _Finding, plan: Plan) -> None:
    folder = finding.folder
    for pack in ReceiptBook(folder).packs():
        if pack.damage:
            finding.note(
                "partition", pack.path, f"the pack of receipts: {pack.damage}", partial(_mend_pack, folder, pack)
            )
    for path in folder.receipt_files():
        if not 0 <= place_of(folder, path).partition_id < plan.partitions:
            finding.note("stray", path, "no partition has a receipt here", partial(set_aside, folder, path))
    for path in folder.part_files():
        if not is_part_name(path.name):
            finding.note("stray", path, "this is no part file", partial(set_aside, folder, path))


def _check_leftovers(finding: _Finding) -> None:
    for path in _unnamed_parts(finding.folder):
        finding.note("leftover", path, "no receipt names this part file", partial(_delete, path))
    for path in _packed_already(finding.folder):
        finding.note("leftover", path, "this receipt is in a pack", partial(_delete, path))
    for path in finding.folder.temporary_files():
        finding.note("leftover", path, "it was begun and never finished", partial(_delete, path))


def _mend_pack(folder: RunFolder, pack: Pack) -> None:
    """Write a pack again with what is whole in it."""
    keep_copy(folder, pack.path)
    write_without(pack)


def _unnamed_parts(folder: RunFolder) -> Iterator[Path]:
    book = ReceiptBook(folder)
    for path in folder.part_files():
        if is_part_name(path.name):
            receipt = book.find(partition_of(path))
            if receipt is None or receipt.file != folder.relative(path):
                yield path


def _packed_already(folder: RunFolder) -> Iterator[Path]:
    book = ReceiptBook(folder)
    for path in folder.receipt_files() if book.packs() else ():
        if book.packed(place_of(folder, path).partition_id) is not None:
            yield path


def _check_outputs(finding: _Finding, plan: Plan, *, complete: bool) -> bool:
    """Whether a run that is marked as finished is; if not, the marker goes, so that a resumed run writes them again."""
    folder = finding.folder
    if complete and read_outputs(folder, plan) is not None:
        return True
    what = "hits, rejects, manifest or report do not fit the scores" if complete else "partitions are missing"
    finding.note(
        "outputs", folder.success, f"marked as finished, but {what}", lambda: folder.success.unlink(missing_ok=True)
    )
    return False


def _set_plan_aside(folder: RunFolder) -> None:
    """Set both files of the plan aside, the header last, since a folder with a header counts as planned."""
    set_aside(folder, folder.partitions)
    set_aside(folder, folder.plan)


def _delete(path: Path) -> None:
    with disk_errors(path):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _advice(finding: _Finding, finished: bool) -> str:  # noqa: FBT001 - private, one caller
    root = finding.folder.root
    if "library" in finding.kinds:
        return "restore the library as it was planned, or begin a new screen in another --out"
    if finding.kinds and not finding.repair:
        return f"repair it with 'cinchona fsck {root} --repair'"
    return "nothing: the run is finished and whole" if finished else f"go on with 'cinchona resume {root}'"
