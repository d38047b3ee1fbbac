"""The plan of a run: what is scored, with which model and settings, cut into which partitions. Never changed.

``plan.json`` is a small header; ``partitions.parquet`` lists the partitions in order. The header is written last, so a
folder with a header is completely planned. The fingerprint is a digest of everything that can change a score: content
of the inputs, model, settings, versions of the code, columns.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinchona.datasets.config import ReaderConfig, StandardizeConfig
from cinchona.datasets.partitions import Partition
from cinchona.digests import digest_file, digest_json
from cinchona.errors import InputError
from cinchona.models.engine.gemm import GemmName
from cinchona.screening.config import ScreenConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.layout import TableLayout

SCHEMA: Final = "cinchona-screen-1"
"""Version of the run folder's form."""
BATCH: Final = 10_000
"""Partitions held in memory at once."""


class PlanInput(BaseModel):
    """One file of the library."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Its name without folder, for people."""
    path: str
    """Where it is: absolute, or relative to the run folder if it was staged there."""
    format: str
    """How it is laid out."""
    rows: int
    """Its rows."""
    digest: str
    """SHA-256 of the file that the user gave, hex; of a gzip file the packed bytes."""
    stored_digest: str
    """SHA-256 of the file at ``path``; another one than ``digest`` if it was staged."""
    bytes: int
    """Size of the file at ``path``, in bytes."""
    modified: int
    """Time of its last change, nanoseconds since 1970; while size and time stay, the content is taken to stay."""


class PlanModel(BaseModel):
    """The scorer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Its name, for people."""
    fingerprint: str
    """Digest of everything that can change a score."""
    objective: str
    """What ranks, in words."""
    path: str = ""
    """Folder of the model, absolute; empty for a scorer that was given as an object."""


class Plan(BaseModel):
    """Header of the plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["cinchona-screen-1"] = SCHEMA
    """Version of this form."""
    fingerprint: str
    """Digest of :attr:`identity`."""
    created: datetime
    """When it was made, UTC."""
    rows: int
    """Rows of the library."""
    partitions: int
    """Number of partitions."""
    partitions_digest: str
    """SHA-256 of ``partitions.parquet``."""
    inputs: tuple[PlanInput, ...]
    """Files of the library, in order."""
    model: PlanModel
    """The scorer."""
    layout: TableLayout
    """Columns of the score table."""
    screen: ScreenConfig
    """How the library is scored."""
    standardize: StandardizeConfig
    """How structures are standardized."""
    reader: ReaderConfig
    """How the library was read."""
    versions: dict[str, str]
    """Versions of the code that decides scores."""
    product: GemmName = "torch"
    """Matrix product of graph networks that was faster where the run was planned; every worker uses it, since the other
    differs in the last bit. Not part of the identity: it decides no more than bits."""
    batch_rows: int = 4_096
    """Distinct compounds that the scorer gets at once, asked for or measured; like the product it decides no more than bits."""
    notes: dict[str, Any] = Field(default_factory=dict)
    """What the caller wants to find again at resume: settings that decide no score."""

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that can change a score, as plain data."""
        return {
            "form": self.form,
            "library": [{"digest": f.digest, "format": f.format, "rows": f.rows} for f in self.inputs],
            "model": self.model.fingerprint,
            "columns": self.layout.digest(),
            "screen": self.screen.model_dump(mode="json", exclude=None if self.screen.cascade else {"cascade"}),
            "standardize": self.standardize.model_dump(mode="json"),
            "reader": self.reader.model_dump(mode="json"),
            "versions": self.versions,
        }


def load_plan(folder: RunFolder) -> Plan:
    """Read the header and check the table of partitions.

    Raises:
        InputError: if there is no plan, or it is damaged.
    """
    if not folder.is_planned():
        raise InputError(
            "the folder holds no screening run",
            where=str(folder.root),
            expected="plan.json, written by 'cinchona screen'",
            remedy="check the path; if the run died while it was planned, run the same 'cinchona screen' again",
        )
    try:
        plan = Plan.model_validate_json(folder.plan.read_bytes())
        damage = "" if digest_json(plan.identity) == plan.fingerprint else "plan.json was altered"
    except ValidationError as error:
        raise _damaged(folder, f"plan.json does not read: {error.errors()[0]['msg']}") from error
    if not damage and (not folder.partitions.is_file() or digest_file(folder.partitions) != plan.partitions_digest):
        damage = "partitions.parquet was altered"
    if damage:
        raise _damaged(folder, damage)
    return plan


def partitions(folder: RunFolder, *, skip: bytearray | None = None) -> Iterator[Partition]:
    """The partitions in order, read a few thousand at a time.

    Args:
        folder: The run.
        skip: One byte a partition, which may change while iterating; those that are not 0 are left out.
    """
    with pq.ParquetFile(folder.partitions) as table:
        for batch in table.iter_batches(BATCH, columns=["partition_id", "record"]):
            ids = batch.column(0).to_pylist()
            for partition_id, record in zip(ids, batch.column(1), strict=True):
                if skip is not None and skip[partition_id]:
                    continue
                partition = Partition.from_json(json.loads(record.as_py()))
                yield dataclasses.replace(partition, path=str(folder.root / partition.path))


def partition_rows(folder: RunFolder) -> np.ndarray:
    """Rows of each partition, int64, shape (n_partitions,)."""
    rows: np.ndarray = pq.read_table(folder.partitions, columns=["n_rows"]).column(0).to_numpy()
    return rows


def _damaged(folder: RunFolder, what: str) -> InputError:
    return InputError(
        f"the plan is damaged: {what}",
        where=str(folder.root),
        expected="the plan as it was written",
        remedy="restore the file from a copy; or set it aside with 'cinchona fsck --repair' and run the same "
        "'cinchona screen' again, which keeps what is done",
    )
