"""Making a plan: the library is cut into partitions, and everything that decides a score is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.config import ReaderConfig, StandardizeConfig
from cinchona.datasets.partitions import LibraryFile, Partition
from cinchona.datasets.sources import Library
from cinchona.digests import canonical_json, digest_file, digest_json
from cinchona.errors import ConfigError, InputError
from cinchona.files import atomic_path, write_text
from cinchona.models.engine.gemm import GemmName, chosen_gemm, has_gpu
from cinchona.protocols import Scorer
from cinchona.screening.batches import USUAL_ROWS, batch_rows_for
from cinchona.screening.config import ScreenConfig
from cinchona.screening.failpoints import failpoint
from cinchona.screening.folder import RunFolder
from cinchona.screening.identity import decisive_versions, differences, mismatch
from cinchona.screening.layout import TableLayout
from cinchona.screening.plan import BATCH, Plan, PlanInput, PlanModel
from cinchona.screening.scorers import ScorerSource

_TABLE: Final = pa.schema(
    [("partition_id", pa.int64()), ("first_row", pa.int64()), ("n_rows", pa.int64()), ("record", pa.string())]
)


@dataclasses.dataclass(frozen=True, slots=True)
class ScreenRequest:
    """What a user asks for, opened and ready to be planned."""

    library: Library
    """The compounds."""
    source: ScorerSource
    """Where the scorer comes from."""
    scorer: Scorer
    """The opened scorer."""
    screen: ScreenConfig
    """How the library is scored."""
    standardize: StandardizeConfig
    """How structures are standardized."""
    reader: ReaderConfig
    """How the library is read."""
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What to find again at resume."""


def write_plan(folder: RunFolder, request: ScreenRequest) -> Plan:
    """Plan a run: cut the library into partitions and write table and header.

    Raises:
        InputError: if the library has no row.
        ConfigError: if a GPU is asked for and there is none.
        RetryableError: if the disk is full, read-only or failing.
    """
    failpoint("plan.before_write")
    library = request.library
    cut = library.partitions(request.screen.rows_of_partitions(library.n_rows))
    rows, partitions = _write_partitions(folder, cut)
    if rows == 0:
        raise InputError(
            "the library has no row",
            where=", ".join(str(f.path) for f in library.files),
            expected="at least one compound",
        )
    failpoint("plan.between_files")
    plan = _header(folder, request, rows=rows, partitions=partitions).model_copy(update=_measured(request, rows))
    write_text(folder.plan, plan.model_dump_json(indent=2) + "\n")
    failpoint("plan.after_write")
    return plan


def _measured(request: ScreenRequest, rows: int) -> dict[str, Any]:
    """What is measured once and then the same for all workers: the matrix product, and compounds at once.

    Raises:
        ConfigError: if a GPU is asked for and there is none.
    """
    product, asked = _product(request), request.screen.batch_rows
    if product == "cuda":  # once the planner has used a GPU, the watched children that it forks cannot
        return {"product": product, "batch_rows": asked or USUAL_ROWS}
    inner = getattr(request.scorer, "inner", request.scorer)
    if hasattr(inner, "product"):
        inner.product = product
    return {"product": product, "batch_rows": asked or batch_rows_for(request.scorer, rows)}


def _product(request: ScreenRequest) -> GemmName:
    """The matrix product that all workers are to use.

    Raises:
        ConfigError: if a GPU is asked for and there is none.
    """
    asked = request.screen.product
    if asked == "cuda" and not has_gpu():
        raise ConfigError(
            "torch finds no GPU on this machine", where="screen.product=cuda", expected="a GPU where a screen is planned",
            remedy="leave screen.product out, or install a build of torch for your GPU",
        )  # fmt: skip
    if asked != "auto":
        return asked
    return chosen_gemm() if hasattr(getattr(request.scorer, "inner", request.scorer), "product") else "torch"


def same_plan(folder: RunFolder, plan: Plan, request: ScreenRequest) -> None:
    """Check that ``request`` asks for what the folder was planned for.

    Raises:
        PlanMismatchError: naming each difference.
    """
    asked = _header(folder, request, rows=plan.rows, partitions=plan.partitions)
    if asked.fingerprint != plan.fingerprint:
        raise mismatch(folder, differences(plan.identity, asked.identity))


def _write_partitions(folder: RunFolder, parts: Iterable[Partition]) -> tuple[int, int]:
    """Write the table; returns rows of the library and number of partitions."""
    rows = count = 0
    with atomic_path(folder.partitions) as temporary, pq.ParquetWriter(temporary, _TABLE, compression="zstd") as file:
        batch: list[dict[str, object]] = []
        for partition in parts:
            assert (partition.partition_id, partition.first_row) == (count, rows), partition
            rows, count = rows + partition.n_rows, count + 1
            batch.append(_row(folder, partition))
            if len(batch) == BATCH:
                file.write_batch(pa.RecordBatch.from_pylist(batch, _TABLE))
                batch.clear()
        file.write_batch(pa.RecordBatch.from_pylist(batch, _TABLE))
    return rows, count


def _row(folder: RunFolder, partition: Partition) -> dict[str, object]:
    stored = dataclasses.replace(partition, path=_stored(folder, partition.path))
    return {
        "partition_id": partition.partition_id,
        "first_row": partition.first_row,
        "n_rows": partition.n_rows,
        "record": canonical_json(stored.to_json()),
    }


def _stored(folder: RunFolder, path: str | Path) -> str:
    """Path as it is written down: staged files relative to the run folder, which may move, others absolute."""
    absolute, root = Path(path).absolute(), folder.root.absolute()
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else str(absolute)


def _header(folder: RunFolder, request: ScreenRequest, *, rows: int, partitions: int) -> Plan:
    scorer = request.scorer
    draft = Plan(
        fingerprint="",
        created=datetime.now(UTC).replace(microsecond=0),
        rows=rows,
        partitions=partitions,
        partitions_digest=digest_file(folder.partitions),
        inputs=tuple(_input(folder, file) for file in request.library.files),
        model=PlanModel(
            name=scorer.name, fingerprint=scorer.fingerprint, objective=scorer.objective, path=request.source.path
        ),
        layout=TableLayout.probe(scorer),
        screen=request.screen,
        standardize=request.standardize,
        reader=request.reader,
        versions=decisive_versions(),
        notes=dict(request.notes),
    )
    return draft.model_copy(update={"fingerprint": digest_json(draft.identity)})


def _input(folder: RunFolder, file: LibraryFile) -> PlanInput:
    path = Path(file.path)
    facts = path.stat()
    return PlanInput(
        name=file.name,
        path=_stored(folder, path),
        format=file.format,
        rows=file.n_rows,
        digest=file.digest,
        stored_digest=digest_file(path) if file.format == "staged" else file.digest,
        bytes=facts.st_size,
        modified=facts.st_mtime_ns,
    )
