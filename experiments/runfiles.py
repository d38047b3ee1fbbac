"""Reading artifacts of runs as data of strangers: by name, with a limit, never executed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.errors import InputError, ModelFileError
from cinchona.experiments.client import load_mlflow
from cinchona.experiments.hostile import download

if TYPE_CHECKING:
    from cinchona.experiments.registry import Registry

HELDOUT: Final = "heldout.parquet"
"""Artifact of a training: its held-out compounds with labels and predictions."""
_MAX_TABLE: Final = 256 << 20
_COLUMNS: Final = frozenset({"compound_id", "smiles", "target", "measured", "predicted"})


def run_file(registry: Registry, run_id: str, path: str, *, limit: int) -> bytes | None:
    """Content of one artifact of a run; None if there is none, or it is larger than ``limit`` bytes.

    Raises:
        InputError: if there is no such run.
        RetryableError: if the store is out of reach.
    """
    run = registry.ask("a run", lambda: registry.client.get_run(run_id), missing=f"no run {run_id}")
    routes = load_mlflow("mlflow.store.artifact.artifact_repository_registry")
    with tempfile.TemporaryDirectory(prefix="cinchona-fetch-") as scratch:
        try:
            repository = routes.get_artifact_repository(run.info.artifact_uri)
            local = registry.ask("an artifact", lambda: download(repository, path, Path(scratch), limit))
        except ModelFileError:
            return None
        with local.open("rb") as file:
            return file.read(limit + 1)[:limit]


def run_table(registry: Registry, run_id: str, path: str) -> pa.Table | None:
    """One Parquet artifact of a run; None if there is none.

    Raises:
        InputError: if it cannot be read.
    """
    content = run_file(registry, run_id, path, limit=_MAX_TABLE)
    if content is None:
        return None
    try:
        return pq.read_table(pa.BufferReader(content)).combine_chunks()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} of run {run_id} cannot be read as Parquet", where=registry.store.shown()) from error


def heldout_of(registry: Registry, run_id: str) -> pa.Table | None:
    """Held-out compounds of the training run ``run_id`` with labels and predictions; None if it left none."""
    table = run_table(registry, run_id, f"heldout/{HELDOUT}") if run_id else None
    return table if table is not None and set(table.column_names) >= _COLUMNS else None
