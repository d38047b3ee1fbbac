"""Ingest: each file set is read into staging, moved into place and made part of the store by its receipt."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cinchona.digests import digest_json
from cinchona.errors import CinchonaError
from cinchona.manifest import InputFile
from cinchona.pharmacovigilance import failpoints
from cinchona.pharmacovigilance.intake.caers import find_caers
from cinchona.pharmacovigilance.intake.faers import VERSION as FAERS_VERSION
from cinchona.pharmacovigilance.intake.faers_sets import find_quarters
from cinchona.pharmacovigilance.intake.filesets import FileSet, find_sets
from cinchona.pharmacovigilance.intake.mapping import find_mapped
from cinchona.pharmacovigilance.intake.openfda import find_openfda
from cinchona.pharmacovigilance.intake.samples import find_samples
from cinchona.pharmacovigilance.intake.vaers import find_vaers
from cinchona.pharmacovigilance.intake.writer import SetWriter
from cinchona.pharmacovigilance.privacy import PrivacyConfig
from cinchona.pharmacovigilance.receipts import DATA, Receipt, commit, read_receipts, sweep, writing
from cinchona.pharmacovigilance.store import ReportStore, create_store, open_store
from cinchona.progress import progress
from cinchona.settings import Config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cinchona.progress import Progress

log = logging.getLogger(__name__)

FINDERS: Final = (find_quarters, find_vaers, find_caers, find_openfda, find_samples)


class IngestConfig(Config):
    """How reports are taken in."""

    privacy: PrivacyConfig = PrivacyConfig()
    """What happens to names, mails, phone numbers and initials in free text."""


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What an ingest did."""

    store: ReportStore
    """The store, opened anew."""
    added: tuple[Receipt, ...]
    """Receipts of the sets that were taken in."""
    skipped: tuple[str, ...]
    """Sets that the store had already."""
    warnings: tuple[str, ...] = field(default=())
    """What the user should look at."""


def ingest(
    store: str | Path, inputs: Sequence[str | Path], *, config: IngestConfig | None = None,
    mapping: str | Path | None = None,
) -> IngestResult:  # fmt: skip
    """Take report files into the store at ``store``, which is made if it is missing.

    A set that the store has already (same files, reader and privacy settings) is skipped, so the same call can be
    repeated after any interruption. A set is in the store whole or not at all.

    Args:
        store: Folder of the store.
        inputs: Files, folders, zip archives or glob patterns.
        config: Settings.
        mapping: YAML file for other CSV or Parquet layouts, see :mod:`.mapping`; read besides ``inputs``.

    Raises:
        InputError: if a file is damaged, unsafe or of no known kind; sets before it are kept.
        LockedError: if another process is writing to the store.
        RetryableError: if the disk is full or failing.
    """
    config = config or IngestConfig()
    root = create_store(store).root
    failpoints.reach("ingest.begin")
    sets = find_sets(inputs, FINDERS) + ([find_mapped(mapping)] if mapping else [])
    added: list[Receipt] = []
    skipped: list[str] = []
    warnings: list[str] = []
    with writing(root), progress(None, "ingesting") as bar:
        sweep(root, read_receipts(root))
        for file_set in sets:
            receipt = _take_in(root, file_set, config, bar=bar, warnings=warnings)
            added.append(receipt) if receipt else skipped.append(file_set.label)
    for message in warnings:
        log.warning(message)
    return IngestResult(open_store(root), tuple(added), tuple(skipped), tuple(warnings))


def _take_in(
    root: Path, file_set: FileSet, config: IngestConfig, *, bar: Progress, warnings: list[str]
) -> Receipt | None:
    receipts = read_receipts(root)
    inputs = tuple(InputFile.of(path) for path in file_set.paths)
    settings = {"privacy": config.privacy.identity()}
    set_id = digest_json(
        {
            "inputs": sorted(i.digest for i in inputs),
            "members": sorted(m.base for ms in file_set.files.values() for m in ms),
            "quarter": file_set.quarter,
            "source": file_set.source,
            "reader": file_set.reader.version,
            **settings,
        }
    )[:16]
    if any(r.set_id == set_id for r in receipts):
        return None
    number = max((r.number for r in receipts), default=0) + 1
    writer = SetWriter(root, number=number, set_id=set_id, privacy=config.privacy, keys=file_set.reader.new_keys())
    failpoints.reach("ingest.staged")
    try:
        file_set.reader.read(file_set, writer, bar)
        done = writer.close()
        folder = root / DATA / f"source={file_set.source}" / f"quarter={file_set.quarter}" / set_id
        writer.move_to(folder)
    except BaseException as error:
        writer.discard()
        if isinstance(error, CinchonaError) and not error.where:
            error.where = file_set.label
        raise
    failpoints.reach("ingest.moved")
    receipt = Receipt(
        number=number, set_id=set_id, source=file_set.source, quarter=file_set.quarter,
        reader=file_set.reader.version, inputs=inputs, files=tuple(a.close() for a in writer.accounts),
        tables=writer.stored_tables(done, folder), settings=settings,
    )  # fmt: skip
    commit(root, receipt)
    failpoints.reach("ingest.committed")
    warnings += _remarks(receipt, receipts, file_set)
    return receipt


_LOUD_SHARE: Final = 0.05
"""Share of a file's rows set aside above which the user is told."""


def _remarks(receipt: Receipt, before: tuple[Receipt, ...], file_set: FileSet) -> list[str]:
    out = []
    for file in receipt.files:
        if file.set_aside > _LOUD_SHARE * max(file.rows_in, 1):
            out.append(f"{file.name}: {file.set_aside} of {file.rows_in} rows were set aside; see table set_aside")
        if file.values_set_aside > _LOUD_SHARE * max(file.rows_in, 1):
            out.append(f"{file.name}: {file.values_set_aside} values were set aside; see table set_aside")
    same = [r for r in before if (r.source, r.quarter) == (receipt.source, receipt.quarter) and "cases" in r.tables]
    if same and "cases" in receipt.tables and receipt.quarter != "unknown":
        names = ", ".join(i.name for i in same[0].inputs)
        out.append(
            f"{file_set.label}: the store has this quarter already from {names}; both stay, and of equal cases the "
            "latest version counts"
        )
    quarterly = receipt.reader == FAERS_VERSION and set(file_set.files) != {"DELETE"}
    missing = [p for p in ("DEMO", "DRUG", "REAC") if quarterly and p not in file_set.files]
    if missing:
        out.append(f"{file_set.label}: the quarter has no {', '.join(missing)} file")
    return out
