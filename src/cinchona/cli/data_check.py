"""What ``cinchona data check`` finds out of a library or an assay table."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cinchona.datasets.assay import read_assay_table
from cinchona.datasets.sources import Library, open_library
from cinchona.datasets.standardize import FLAGS, standardize_batch
from cinchona.progress import progress
from cinchona.records import CompoundBatch, Reject

if TYPE_CHECKING:
    from cinchona.pipelines.config import Settings

_PARTITION: Final = 5_000
_REASONS: Final = 20
"""Reasons that are listed; the rarer ones are counted together."""
_EXAMPLES: Final = 3


def check_library(source: str, rows: int | None, settings: Settings) -> dict[str, Any]:
    """Read and standardize a library, all of it or about its first ``rows`` rows."""
    with tempfile.TemporaryDirectory(prefix="cinchona-check-") as staging:
        library = open_library([source], staging=Path(staging), reader=settings.reader)
        parents: set[str] = set()
        identifiers: set[str] = set()
        readable = 0
        flags: Counter[str] = Counter()
        rejects: list[Reject] = []
        checked = 0
        for batch, unreadable in _first(library, rows):
            standard = standardize_batch(batch, settings.standardize)
            parents.update(standard.batch.smiles)
            identifiers.update(batch.compound_ids)
            readable += len(batch)
            flags.update(_flags(standard.batch))
            rejects += [*unreadable, *standard.rejects]
            checked += len(batch) + len(unreadable)
        files = [
            {"file": f.name, "format": f.format, "rows": f.n_rows, "bytes": f.n_bytes, "found": list(f.decisions)}
            for f in library.files
        ]
        counts = {
            "rows": library.n_rows,
            "checked": checked,
            "usable": checked - len(rejects),
            "rejected": len(rejects),
        }
        return {
            "kind": "library", **counts, "distinct_compounds": len(parents),
            "repeated_identifiers": readable - len(identifiers), "flags": dict(flags.most_common()),
            "files": files, "rejects": by_reason(rejects),
        }  # fmt: skip


def check_assay(source: str, targets: list[str], settings: Settings) -> dict[str, Any]:
    """Read and curate an assay table as training would."""
    table = read_assay_table(
        source, targets=targets, curation=settings.curation, standardize=settings.standardize, reader=settings.reader
    )
    columns = [
        {
            "target": target.name, "unit": target.unit, "kind": target.kind,
            "values": int((table.values[:, k] == table.values[:, k]).sum()),
            "bounds": int((table.censor[:, k] != 0).sum()),
        }
        for k, target in enumerate(table.targets)
    ]  # fmt: skip
    flags = Counter(flag for names in table.flags for flag in names)
    counts = {"rows": table.n_in, "compounds": len(table), "rejected": len(table.rejects)}
    return {
        "kind": "assay table", **counts, "found": list(table.decisions), "flags": dict(flags.most_common()),
        "targets": columns, "rejects": by_reason(table.rejects), "unusable_cells": by_reason(table.problems),
    }  # fmt: skip


def by_reason(rejects: Iterable[Reject]) -> list[dict[str, Any]]:
    """Rejects counted by stage and reason, most frequent first, each with a few row numbers."""
    rows: dict[tuple[str, str], list[int]] = {}
    for reject in rejects:
        # Atom numbers and lengths differ from row to row; the reason is the same.
        rows.setdefault((str(reject.stage), re.sub(r"\d+", "N", reject.reason)), []).append(reject.row_id)
    ranked = sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))
    listed = [
        {"stage": stage, "reason": reason, "count": len(found), "rows": found[:_EXAMPLES]}
        for (stage, reason), found in ranked[:_REASONS]
    ]
    rest = sum(len(found) for _, found in ranked[_REASONS:])
    return listed + ([{"stage": "", "reason": "other reasons", "count": rest, "rows": []}] if rest else [])


def _first(library: Library, rows: int | None) -> Iterator[tuple[CompoundBatch, tuple[Reject, ...]]]:
    left = library.n_rows if rows is None else min(rows, library.n_rows)
    with progress(left, "checking") as counter:
        for batch, rejects in library.batches(min(_PARTITION, max(left, 1))):
            if left <= 0:
                return
            yield batch, rejects
            left -= len(batch) + len(rejects)
            counter.advance(len(batch) + len(rejects))


def _flags(batch: CompoundBatch) -> Iterator[str]:
    for text in batch.data.column(FLAGS).to_pylist():
        yield from (text or "").split(";") if text else ()
