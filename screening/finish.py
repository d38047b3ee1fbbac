"""The end of a run: final check, hits, rejects, manifest, marker."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from cinchona.digests import digest_file
from cinchona.errors import NoUsableRowsError, TooManyRejectsError
from cinchona.files import disk_errors, write_text
from cinchona.manifest import InputFile, Manifest, mask_secrets
from cinchona.screening.failpoints import failpoint
from cinchona.screening.folder import RunFolder, is_part_name, partition_of
from cinchona.screening.hits import write_hits
from cinchona.screening.plan import Plan
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.rejects import write_rejects
from cinchona.screening.totals import Totals, check_complete

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """A complete run."""

    totals: Totals
    """Its sums."""
    hits: pa.Table
    """Its hits, best first."""


def write_outputs(folder: RunFolder, plan: Plan, *, settings: Mapping[str, Any], seed: int) -> Finished:
    """Check a run exactly and write hits, rejects and manifest; leftovers of abandoned attempts are removed.

    Args:
        folder: The run.
        plan: Its header.
        settings: Settings to write into the manifest; secrets are masked.
        seed: Seed to write into the manifest.

    Raises:
        RetryableError: if the run is not complete, or the disk is full, read-only or failing.
    """
    totals = check_complete(folder, plan)
    failpoint("finish.before_outputs")
    remove_leftovers(folder)
    hits = write_hits(folder, plan, totals.best)
    failpoint("finish.after_hits")
    write_rejects(folder, totals.rejects)
    failpoint("finish.before_manifest")
    counts = _counts(plan, totals) | {"hits": hits.num_rows}
    Manifest(
        kind="screen",
        seed=seed,
        config=mask_secrets(dict(settings)),
        inputs=tuple(InputFile(name=f.name, bytes=f.bytes, digest=f.digest) for f in plan.inputs),
        counts=counts,
        outputs=_outputs(folder, plan, totals),
    ).write(folder.manifest)
    failpoint("finish.after_manifest")
    return Finished(totals, hits)


def read_outputs(folder: RunFolder, plan: Plan) -> Finished | None:
    """The results of a run that was finished before, checked again; None if something is missing or was altered.

    Raises:
        RetryableError: if the run itself is not complete.
    """
    if not (folder.success.is_file() and folder.manifest.is_file() and folder.report.is_file()):
        return None
    totals = check_complete(folder, plan)
    try:
        written = Manifest.model_validate_json(folder.manifest.read_bytes()).outputs
    except ValidationError:
        return None
    marked = folder.success.read_text("utf-8").strip() == totals.scores_digest
    if not marked or written != _outputs(folder, plan, totals):
        return None
    return Finished(totals, pq.read_table(folder.hits))


def mark_success(folder: RunFolder, totals: Totals) -> None:
    """Write ``_SUCCESS``, the last file of a run; it holds the digest of the score table.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    write_text(folder.success, totals.scores_digest + "\n")
    failpoint("finish.after_success")


def judge(plan: Plan, folder: RunFolder, totals: Totals) -> None:
    """Raise if too little came of a complete run. Results are written all the same.

    Raises:
        NoUsableRowsError: if no row was scored.
        TooManyRejectsError: if a larger share of rows was rejected than the settings allow.
    """
    table = folder.rejects.with_suffix(".csv")
    stages = ", ".join(f"{n:,} at {stage}" for stage, n in totals.rejects_by_stage.most_common())
    if totals.scored == 0:
        raise NoUsableRowsError(
            f"none of {totals.rows:,} rows could be scored: {stages}",
            where=str(table),
            expected="at least one usable compound",
            remedy="see the reasons in the table of rejects; is the right column read as SMILES?",
        )
    share = totals.rejected / totals.rows
    if share > plan.screen.max_reject_share:
        raise TooManyRejectsError(
            f"{totals.rejected:,} of {totals.rows:,} rows ({share:.1%}) were rejected: {stages}",
            where=str(table),
            expected=f"at most {plan.screen.max_reject_share:.1%} (screen.max_reject_share)",
            remedy="all results are written and complete; see the reasons, or allow a larger share",
        )


def remove_leftovers(folder: RunFolder) -> int:
    """Delete what killed attempts left: part files that no receipt names, and files that were never finished.

    Returns:
        Number of files deleted.
    """
    with disk_errors(folder.root):
        leftovers = [*_abandoned_parts(folder), *folder.temporary_files()]
        for path in leftovers:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    if leftovers:
        logger.info("removed %d files of abandoned attempts", len(leftovers))
    return len(leftovers)


def _abandoned_parts(folder: RunFolder) -> Iterator[Path]:
    book = ReceiptBook(folder)
    for path in filter(lambda part: is_part_name(part.name), folder.part_files()):
        receipt = book.find(partition_of(path))
        if receipt is not None and receipt.file != folder.relative(path):
            yield path


def _counts(plan: Plan, totals: Totals) -> dict[str, int]:
    return {
        "rows": totals.rows,
        "scored": totals.scored,
        "rejected": totals.rejected,
        "duplicates": totals.duplicates,
        "partitions": plan.partitions,
        **{f"rejected_at_{stage}": n for stage, n in sorted(totals.rejects_by_stage.items())},
    }


def _outputs(folder: RunFolder, plan: Plan, totals: Totals) -> dict[str, str]:
    """Digests of what came out; a file that is missing has none."""
    names = (folder.hits, folder.rejects)
    files = [*names, *(path.with_suffix(".csv") for path in names), folder.hits.with_suffix(".sdf")]
    digests = {"scores": totals.scores_digest, "plan": plan.fingerprint, "model": plan.model.fingerprint}
    return digests | {path.name: digest_file(path) for path in files if path.is_file()}
