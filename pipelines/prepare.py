"""The preparing workflow: a library in; standardized structures, graph codes and duplicates out, once for all later screens."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow.parquet as pq

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.graphcodes import CODES_SCHEMA
from cinchona.datasets.partitions import Partition
from cinchona.datasets.prepared import (
    DUPLICATES,
    FORM,
    HEADER,
    PARTS,
    PreparedHeader,
    PreparedPart,
    PreparedSource,
    is_prepared,
    read_header,
)
from cinchona.datasets.prepared_parts import CANONICAL
from cinchona.datasets.preparing import check_descriptors, part_of
from cinchona.datasets.sources import Library, open_library
from cinchona.digests import digest_file, digest_json
from cinchona.errors import InputError, PlanMismatchError, RunInterrupted
from cinchona.files import atomic_path, write_json, write_text
from cinchona.pipelines.config import Settings
from cinchona.progress import progress
from cinchona.protocols import Failed
from cinchona.screening.executors.choose import make_executor
from cinchona.screening.identity import decisive_versions, differences
from cinchona.screening.interrupt import stops_in_order
from cinchona.screening.lease import Lease

logger = logging.getLogger(__name__)

PLAN: Final = "plan.json"
"""What is being prepared; there from the beginning."""
_STAGED: Final = "staged"
_LEASE: Final = "lease"
_MEMORY: Final = "1GB"


@dataclass(frozen=True, slots=True)
class PreparedLibrary:
    """A finished prepared library."""

    folder: Path
    """Where it is; name it wherever a library is wanted."""
    header: PreparedHeader
    """What it holds."""


@dataclass(frozen=True, slots=True)
class PreparePart:
    """Prepares one partition; small enough to send to any worker."""

    folder: str
    """Folder of the prepared library."""
    standardize: StandardizeConfig
    """How structures are standardized."""
    descriptors: tuple[str, ...]
    """Descriptors to add."""

    def __call__(self, partition: Partition) -> PreparedPart:
        """Write the part and say what it holds.

        Raises:
            RetryableError: if the disk is full, read-only or failing.
        """
        table = part_of(partition, self.standardize, self.descriptors)
        target = Path(self.folder, part_name(partition))
        with atomic_path(target) as draft:
            pq.write_table(table, draft, compression="zstd")
        return _described(target, partition)


def prepare(
    library: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    descriptors: Sequence[str] = (),
    settings: Settings | None = None,
) -> PreparedLibrary:
    """Standardize and code a library once. The same call on the same folder goes on where an earlier one stopped.

    Args:
        library: Files, globs, ``catalogue:NAME`` or ``-``.
        out: Folder of the prepared library: new, empty, or that of the same library.
        descriptors: Names of RDKit descriptors of the parents to keep as columns.
        settings: Settings; None for the defaults. ``screen.partition_rows`` sizes the parts.

    Raises:
        InputError: if library or folder cannot be used.
        ConfigError: if RDKit has no such descriptor.
        PlanMismatchError: if the folder was begun for something else.
        LockedError: if another process is preparing it.
        RunInterrupted: after SIGINT or SIGTERM; the same call goes on.
        RetryableError: if disk or workers failed; the same call goes on.
    """
    chosen, folder = settings or Settings(), Path(out).absolute()
    check_descriptors(descriptors)
    _require_fresh_or_ours(folder)
    names = [library] if isinstance(library, str | Path) else list(library)
    with Lease.acquire(folder / _LEASE, seconds=chosen.executor.lease_seconds):
        opened = open_library(names, staging=folder / _STAGED, reader=chosen.reader)
        if any(file.format == "prepared" for file in opened.files):
            raise InputError("the library is prepared already", where=", ".join(f.name for f in opened.files))
        rows = chosen.screen.rows_of_partitions(opened.n_rows)
        plan = _plan(opened, chosen, tuple(descriptors), rows)
        _same_plan(folder, plan)
        if not is_prepared(folder):
            work = PreparePart(str(folder), chosen.standardize, tuple(descriptors))
            parts = _carry_out(opened, rows, work, chosen)
            _finish(folder, opened, parts, chosen, tuple(descriptors))
        shutil.rmtree(folder / _STAGED, ignore_errors=True)
    return PreparedLibrary(folder, read_header(folder))


def part_name(partition: Partition) -> str:
    """Path of a part inside the folder."""
    return f"{PARTS}/part-{partition.partition_id:06d}.parquet"


def _require_fresh_or_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError("the output is a file", where=str(folder), expected="a folder, new or empty")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PLAN).exists():
        strangers = {path.name for path in folder.iterdir()} - {_LEASE, _STAGED}
        if strangers:
            raise InputError(
                "the folder holds other things", where=str(folder), expected="a new or empty folder",
                remedy="name another --out",
            )  # fmt: skip


def _plan(library: Library, settings: Settings, descriptors: tuple[str, ...], rows: int) -> dict[str, Any]:
    return {
        "form": FORM,
        "library": [{"digest": f.digest, "rows": f.n_rows} for f in library.files],
        "layout": library.digest,
        "standardize": settings.standardize.model_dump(mode="json"),
        "reader": settings.reader.model_dump(mode="json"),
        "descriptors": list(descriptors),
        "partition_rows": rows,
        "codes_schema": CODES_SCHEMA,
        "versions": _versions(),
    }


def _same_plan(folder: Path, plan: dict[str, Any]) -> None:
    path = folder / PLAN
    if not path.exists():
        write_json(path, plan)
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    if digest_json(before) != digest_json(plan):
        raise PlanMismatchError(
            "this folder was begun for something else:\n    " + "\n    ".join(differences(before, plan)),
            where=str(folder), expected="the same library and settings", remedy="name another --out",
        )  # fmt: skip


def _versions() -> dict[str, str]:
    return {name: version for name, version in decisive_versions().items() if name not in {"torch", "torch-geometric"}}


def _carry_out(library: Library, rows: int, work: PreparePart, settings: Settings) -> list[PreparedPart]:
    """Do the parts that are not there yet; a part appears in one step, so one that is there is whole."""
    folder, done = Path(work.folder), dict[int, PreparedPart]()
    todo = []
    for partition in library.partitions(rows):
        target = folder / part_name(partition)
        if target.exists():
            done[partition.partition_id] = _described(target, partition)
        else:
            todo.append(partition)
    with (
        stops_in_order() as interruption,
        progress(library.n_rows, "preparing") as shown,
        closing(make_executor(settings.executor)) as executor,
    ):
        shown.advance(sum(part.rows for part in done.values()))
        for outcome in executor.map(work, interruption.until(todo)):
            if isinstance(outcome, Failed):
                raise outcome.error
            done[outcome.item.partition_id] = outcome.result
            shown.advance(outcome.result.rows, rejects=sum(p.rejected for p in done.values()))
    left = len(todo) - sum(p.partition_id in done for p in todo)
    if left:
        raise RunInterrupted(
            f"preparing was stopped with {left:,} parts left", where=str(folder), remedy="run the same command again"
        )
    return [done[key] for key in sorted(done)]


def _described(path: Path, partition: Partition) -> PreparedPart:
    stages = pq.read_table(path, columns=["stage"]).column("stage")
    if len(stages) != partition.n_rows:
        raise InputError(
            f"the part holds {len(stages):,} rows", where=str(path), expected=f"{partition.n_rows:,}",
            remedy="remove the file and run the same command again",
        )  # fmt: skip
    return PreparedPart(
        file=part_name(partition), first_row=partition.first_row, rows=partition.n_rows,
        rejected=len(stages) - stages.null_count, digest=digest_file(path),
    )  # fmt: skip


def _finish(
    folder: Path, library: Library, parts: list[PreparedPart], settings: Settings, descriptors: tuple[str, ...]
) -> None:
    duplicates = _find_duplicates(folder)
    header = PreparedHeader(
        codes_schema=CODES_SCHEMA,
        rows=library.n_rows,
        rejected=sum(part.rejected for part in parts),
        duplicates=duplicates,
        sources=tuple(PreparedSource(name=f.name, digest=f.digest, rows=f.n_rows) for f in library.files),
        standardize=settings.standardize,
        reader=settings.reader,
        descriptors=descriptors,
        versions=_versions(),
        parts=tuple(parts),
    )
    write_text(folder / HEADER, header.model_dump_json(indent=2) + "\n")


def _find_duplicates(folder: Path) -> int:
    """Write which rows repeat a compound of an earlier row, over all parts and out of core; returns their number."""
    parts = [str(path) for path in sorted((folder / PARTS).glob("part-*.parquet"))]
    spill = folder / _STAGED / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / DUPLICATES) as draft, duckdb.connect() as database:
        database.execute("SET memory_limit = ?", [_MEMORY])
        database.execute("SET temp_directory = ?", [str(spill)])
        database.execute("SET preserve_insertion_order = false")
        table = database.read_parquet(parts)
        compound = CANONICAL if CANONICAL in table.columns else "smiles"
        found = table.filter("stage IS NULL").project(
            f"row_id, min(row_id) OVER (PARTITION BY {compound}) AS first_row_id"
        ).filter("row_id <> first_row_id").order("row_id")  # fmt: skip
        found.write_parquet(str(draft), compression="zstd")
    return int(pq.read_metadata(folder / DUPLICATES).num_rows)


__all__ = ["PreparePart", "PreparedLibrary", "part_name", "prepare"]
